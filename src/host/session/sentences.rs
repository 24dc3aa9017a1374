//! What a session says of its server when something fails.

use crate::failure::{Code, Failure};
use crate::oauth::scope::Scopes;
use crate::redact::plain;

use super::context::Context;

impl Context {
    pub(super) fn forbidden(&self) -> Failure {
        Failure::about(
            self.server(),
            Code::ServerError,
            format!("{} does not allow this to your account", self.server()),
            "Ask for access, or sign in with another account",
        )
    }

    /// Nobody allowed what the request takes besides what was allowed before.
    pub(super) fn more_permission(&self) -> Failure {
        Failure::about(
            self.server(),
            Code::SignedOut,
            format!("{} wants more permission for this than it has", self.server()),
            format!("Run `drawbridge login {}` and allow it", self.server()),
        )
    }

    /// The server still wants a sign-in after one.
    pub(super) fn not_accepted(&self) -> Failure {
        Failure::about(
            self.server(),
            Code::SignedOut,
            format!("{} does not accept the sign-in that was just made", self.server()),
            format!(
                "Run `drawbridge login {}` to try it again, or tell the server's operator",
                self.server()
            ),
        )
    }

    pub(super) fn left_out(&self, scopes: &Scopes) -> Failure {
        let scopes = plain(&scopes.param().unwrap_or_default(), 200);
        Failure::about(
            self.server(),
            Code::Forbidden,
            format!("{} wants `{scopes}` for this, which its `--scope` option leaves out", self.server()),
            format!("Add it with `drawbridge edit {} --scope`, then sign in again", self.server()),
        )
    }

    pub(super) fn no_handshake(&self) -> Failure {
        Failure::about(
            self.server(),
            Code::TimedOut,
            format!("{} took the connection and does not answer", self.server()),
            "Try again later, or check the address",
        )
    }

    /// What opens sessions has failed itself.
    pub(super) fn defect(&self) -> Failure {
        Failure::about(
            self.server(),
            Code::Internal,
            format!("Drawbridge failed to open a session with {}", self.server()),
            "Please report this",
        )
    }

    pub(super) fn credentials_refused(&self) -> Failure {
        Failure::about(
            self.server(),
            Code::SignedOut,
            format!("{} did not accept the credentials it was given", self.server()),
            format!("Check the header or token with `drawbridge edit {}`", self.server()),
        )
    }
}
