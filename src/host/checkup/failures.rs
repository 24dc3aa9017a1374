//! What a walk may find wrong that no module fails with by itself.

use crate::failure::{Code, Failure};

/// The server names another authorization server than the one that issued the tokens.
pub(super) fn moved(server: &str) -> Failure {
    Failure::about(
        server,
        Code::SignedOut,
        format!("{server} has changed where you sign in"),
        format!("Run `drawbridge login {server}` and look at where it sends you"),
    )
}

/// The server asks for a sign-in and nothing says where.
pub(super) fn no_way_to_sign_in(server: &str) -> Failure {
    Failure::about(
        server,
        Code::SignInFailed,
        format!("{server} asks for a sign-in and does not say where"),
        format!(
            "If you have a key for it, store that with `drawbridge edit {server} --bearer`; else tell its operator"
        ),
    )
}

/// Somebody is at it.
pub(super) fn signing_in(server: &str) -> Failure {
    Failure::about(
        server,
        Code::SignedOut,
        format!("A sign-in to {server} is under way"),
        "Finish it in the window or browser where it was opened",
    )
}

/// The server refuses a token that should be good.
pub(super) fn token_not_taken(server: &str) -> Failure {
    Failure::about(
        server,
        Code::SignedOut,
        format!("{server} does not accept your sign-in any more"),
        format!("Run `drawbridge login {server}` and sign in again"),
    )
}
