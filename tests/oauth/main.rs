//! Accounts against the demo server: sign-in, renewal, sign-out, and what must not happen on the way.

#![allow(clippy::unwrap_used, reason = "a test stops at its first surprise")]

mod attacks;
mod authority;
mod by_itself;
mod clients;
mod counterfeit;
mod discovery;
mod doubts;
mod dpop;
mod fake;
mod grants;
mod hostile;
mod kept_metadata;
mod moved;
mod refresh;
mod renewal;
mod rotating;
mod sign_in;
mod sign_out;
mod slow;
mod step_up;
mod support;
mod under_way;
mod window;
