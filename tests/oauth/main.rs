//! Accounts against the demo server: sign-in, renewal, sign-out, and what must not happen on the way.

mod attacks;
mod renewal;
mod sign_in;
mod support;
