//! An account as it is used by somebody who must leave it as it is: no token is renewed because the server refuses
//! one, no permission is asked for, and nothing is remembered of it.

use std::sync::{Mutex, PoisonError};

use http::StatusCode;

use super::{Refusal, Retry};
use crate::oauth::challenge::{self, Challenge};
use crate::oauth::dpop;

/// What the server gets to see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shows {
    /// No token.
    Nothing,
    /// The account's token. One that is due is renewed first, as for any request.
    Token,
}

/// What a server refused to somebody who only looks.
#[derive(Debug)]
pub struct Onlooker {
    shows: Shows,
    asked: Mutex<Option<Asked>>,
}

/// A server's wish for a sign-in.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// The challenge that speaks of tokens, where there was one.
    pub challenge: Option<Challenge>,
}

impl Onlooker {
    pub(super) fn new(shows: Shows) -> Self {
        Self { shows, asked: Mutex::default() }
    }

    pub(super) fn shows(&self) -> Shows {
        self.shows
    }

    /// The last wish for a sign-in, where there was one.
    pub fn asked(&self) -> Option<Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes a refusal; `is_bound` says that the token goes with a proof.
    pub(super) fn note(&self, refusal: &Refusal, is_bound: bool) -> Retry {
        let challenges = challenge::parse(&refusal.challenge);
        let wants_nonce = |found: &Challenge| found.is("DPoP") && found.error() == Some(dpop::USE_NONCE);
        if is_bound && refusal.used.is_some() && challenges.iter().any(wants_nonce) {
            return Retry::WithNonce;
        }
        let challenge = challenge::for_tokens(&challenges).cloned();
        let is_about_scope = challenge.as_ref().and_then(Challenge::error) == Some("insufficient_scope");
        if refusal.status == StatusCode::FORBIDDEN && !is_about_scope {
            return Retry::Forbidden;
        }
        *self.asked.lock().unwrap_or_else(PoisonError::into_inner) = Some(Asked { challenge });
        match refusal.used {
            Some(_) if is_about_scope => Retry::MorePermissionNeeded,
            Some(_) | None => Retry::SignInNeeded,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::account::Operation;
    use crate::secret::AccessToken;

    fn refusal(status: u16, challenge: &'static str, with_token: bool) -> Refusal {
        Refusal {
            used: with_token.then(|| AccessToken::new("t")),
            status: StatusCode::from_u16(status).unwrap(),
            challenge: vec![http::HeaderValue::from_static(challenge)],
            operation: Operation::default(),
        }
    }

    #[test]
    fn refusals_are_told_apart_and_only_wishes_for_a_sign_in_are_noted() {
        let nonce = r#"DPoP error="use_dpop_nonce""#;
        let scope = r#"Bearer error="insufficient_scope", scope="a""#;
        for (status, challenge, with_token, is_bound, wanted, is_noted) in [
            (401, "Bearer", false, false, Retry::SignInNeeded, true),
            (401, "Bearer", true, false, Retry::SignInNeeded, true),
            (401, nonce, true, true, Retry::WithNonce, false),
            (401, nonce, true, false, Retry::SignInNeeded, true),
            (403, "Bearer", true, false, Retry::Forbidden, false),
            (403, scope, true, false, Retry::MorePermissionNeeded, true),
            (403, scope, false, false, Retry::SignInNeeded, true),
        ] {
            let onlooker = Onlooker::new(Shows::Token);
            let retry = onlooker.note(&refusal(status, challenge, with_token), is_bound);
            assert_eq!(retry, wanted, "{status} {challenge}");
            assert_eq!(onlooker.asked().is_some(), is_noted, "{status} {challenge}");
        }
    }
}
