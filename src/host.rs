//! The Host: owns servers, accounts and sessions.

pub mod account;
