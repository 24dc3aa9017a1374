//! The Host's HTTP interface: an axum router served on the local socket.

pub mod control;
pub mod types;
