//! Sending with somebody's token: what a server refuses for want of permission is sent again with a better one.

use std::future::Future;

use crate::failure::Failure;
use crate::host::account::{Operation, Refusal, Retry};
use crate::host::failures;
use crate::mcp::Message;
use crate::secret::AccessToken;
use crate::upstream::{self, AuthorizeError};

use super::context::Context;

/// A 401 is answered with a new token this often for one request.
const MOST_AUTHORIZATIONS: usize = 3;

/// Why a request was not taken.
#[derive(Debug)]
pub(super) enum Refused {
    /// Signing in would help.
    SignInNeeded,
    /// Signing in for more might help; who is signed in may not do this.
    StepUpNeeded(Option<AccessToken>),
    /// The account cannot say more than this.
    Failed(Failure),
    /// The transport failed.
    Upstream(upstream::Error),
}

impl Context {
    /// Runs an attempt that is for no request in particular: see [`authorized_for`](Self::authorized_for).
    pub(super) async fn authorized<T, A, F>(&self, attempt: A) -> Result<T, Refused>
    where
        A: Fn() -> F,
        F: Future<Output = Result<T, upstream::Error>>,
    {
        self.authorized_for(&Operation::default(), attempt).await
    }

    /// Runs an attempt; on 401 the account gets a new token and the attempt is made again. A
    /// request that was answered 401 has not run.
    pub(super) async fn authorized_for<T, A, F>(
        &self,
        operation: &Operation,
        attempt: A,
    ) -> Result<T, Refused>
    where
        A: Fn() -> F,
        F: Future<Output = Result<T, upstream::Error>>,
    {
        let (mut authorizations, mut has_nonce) = (0, false);
        while authorizations < MOST_AUTHORIZATIONS {
            let used = match self.account() {
                Some(account) => account.current_token(),
                None => None,
            };
            let (status, challenge) = match attempt().await {
                Ok(done) => return Ok(done),
                Err(upstream::Error::Unauthorized { status, challenge }) => (status, challenge),
                Err(upstream::Error::Authorize(AuthorizeError::SignedOut)) => {
                    return Err(Refused::SignInNeeded);
                }
                Err(error) => return Err(Refused::Upstream(error)),
            };
            let Some(account) = self.account() else {
                return Err(Refused::Failed(self.credentials_refused()));
            };
            let refusal = Refusal { used: used.clone(), status, challenge, operation: operation.clone() };
            match account.refused(refusal).await {
                Ok(Retry::WithNonce) if !has_nonce => has_nonce = true,
                // A server that is not content with its own nonce.
                Ok(Retry::WithNonce) => return Err(Refused::Failed(self.credentials_refused())),
                Ok(Retry::WithNewToken) => authorizations += 1,
                Ok(Retry::SignInNeeded) => return Err(Refused::SignInNeeded),
                Ok(Retry::MorePermissionNeeded) => return Err(Refused::StepUpNeeded(used)),
                Ok(Retry::LeftOut(scopes)) => return Err(Refused::Failed(self.left_out(&scopes))),
                Ok(Retry::Forbidden) => return Err(Refused::Failed(self.forbidden())),
                Err(error) => return Err(Refused::Failed(failures::of_account(self.server(), &error))),
            }
        }
        Err(Refused::SignInNeeded)
    }
}

/// What a request is for, as far as permission goes.
pub(super) fn operation(message: &Message) -> Operation {
    let named = |member| message.string_at(&["params", member]);
    Operation {
        method: message.method().unwrap_or_default().to_owned(),
        name: named("name").or_else(|| named("uri")),
    }
}
