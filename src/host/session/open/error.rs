//! Why an upstream session could not be opened.

use std::time::Duration;

use crate::failure::{Code, Failure};
use crate::host::failures;
use crate::host::session::authorized::Refused;
use crate::host::session::context::Context;
use crate::host::session::detect;
use crate::mcp::Message;
use crate::secret::AccessToken;
use crate::upstream;

/// Why none could be opened.
#[derive(Debug)]
pub(in crate::host::session) enum OpenError {
    SignedOut,
    /// With this token the server allows it only to who allows it more.
    StepUpNeeded(Option<AccessToken>),
    /// The server's own error response to `initialize`.
    Rejected(Message),
    Failed(Failure),
    /// The server asks to be left alone for a while.
    Busy {
        failure: Failure,
        retry_after: Duration,
    },
}

impl OpenError {
    /// Whether the server answered, and not as one that opens sessions.
    pub(super) fn is_the_servers_own(&self) -> bool {
        match self {
            Self::Rejected(_) => true,
            Self::Failed(failure) => matches!(failure.code, Code::ServerError | Code::NotMcp),
            Self::SignedOut | Self::StepUpNeeded(_) | Self::Busy { .. } => false,
        }
    }
}

/// Why a handshake failed.
#[derive(Debug)]
pub(in crate::host::session) enum HandshakeError {
    Open(OpenError),
    Upstream(upstream::Error),
}

impl HandshakeError {
    pub(super) fn into_open(self, context: &Context) -> OpenError {
        match self {
            Self::Open(error) => error,
            Self::Upstream(error) => {
                let failure = failures::of_upstream(context.server(), &error);
                match error.retry_after() {
                    Some(retry_after) => OpenError::Busy { failure, retry_after },
                    None => OpenError::Failed(failure),
                }
            }
        }
    }
}

impl HandshakeError {
    /// Whether a server of the other era may have answered so to `initialize`.
    pub(super) fn may_be_about_the_era(&self) -> bool {
        match self {
            Self::Open(OpenError::Rejected(_)) => true,
            Self::Open(
                OpenError::SignedOut
                | OpenError::StepUpNeeded(_)
                | OpenError::Failed(_)
                | OpenError::Busy { .. },
            ) => false,
            Self::Upstream(error) => detect::evidence_of(error).is_some(),
        }
    }

    pub(in crate::host::session) fn of(refused: Refused) -> Self {
        match refused {
            Refused::StepUpNeeded(token) => Self::Open(OpenError::StepUpNeeded(token)),
            Refused::SignInNeeded => Self::Open(OpenError::SignedOut),
            Refused::Failed(failure) => Self::Open(OpenError::Failed(failure)),
            Refused::Upstream(error) => Self::Upstream(error),
        }
    }
}
