//! Accounts whose tokens are got without anybody: the first one and every later one come from the same grant, one at
//! a time, and none of them is stored.

use std::time::Duration;

use super::renewal::question;
use super::{Done, Held, Task, answer};
use crate::host::account::{Error, Reply, SignedOut};
use crate::oauth;
use crate::oauth::grant::{Obtaining, obtain};
use crate::oauth::token::TokenSet;

/// Who was refused is refused again until somebody changes something, here or there.
pub(super) const AFTER_REFUSAL: Duration = Duration::from_secs(5 * 60);

impl Task {
    /// Whether tokens are got without anybody.
    pub(super) fn is_unattended(&self) -> bool {
        self.spec.oauth.grant.is_unattended()
    }

    /// Gets a token because a person wants to see whether it works.
    pub(super) fn obtain(&mut self, reply: Reply<()>) {
        if !self.is_unattended() {
            return answer(reply, Err(Error::NoSignIn));
        }
        self.pause = Default::default();
        self.last_failure = None;
        if let Held::Nothing(why) = &mut self.held {
            *why = SignedOut::NeverSignedIn;
        }
        self.obtaining.push(reply);
        if !self.refreshing {
            self.start_obtaining();
        }
    }

    pub(super) fn start_obtaining(&mut self) {
        let (spec, deps, registrations) = (self.spec.clone(), self.deps.clone(), self.registrations.clone());
        let (challenge, epoch, since) = (self.challenge.clone(), self.epoch, self.doubted);
        self.refreshing = true;
        self.renewed_for_refusal = None;
        self.jobs.spawn(async move {
            let question = question(&spec, &deps, challenge.as_ref(), since);
            let now = deps.clock.now().wall;
            let outcome = obtain(Obtaining { question, registrations: &registrations, now }).await;
            let outcome = outcome.map(Box::new);
            Done::Refreshed { epoch, outcome }
        });
    }

    pub(super) fn hold_unstored(&mut self, tokens: Box<TokenSet>) {
        if let (None, Some(error)) = (&tokens.access, self.last_failure.clone()) {
            // It is for somebody else, and there is nobody to ask.
            self.fail_obtaining(&error);
            return self.answer_after_failure(&error);
        }
        self.held = Held::Tokens(tokens);
        self.came = Some(self.deps.clock.now().steady);
        self.publish_token();
        for reply in std::mem::take(&mut self.obtaining) {
            answer(reply, Ok(()));
        }
        self.hand_out();
        self.serve_waiters();
    }

    pub(super) fn fail_obtaining(&mut self, error: &Error) {
        for reply in std::mem::take(&mut self.obtaining) {
            answer(reply, Err(error.clone()));
        }
    }

    /// Whether a first token is worth trying for: the server wants one.
    pub(super) fn wants_first_token(&self) -> bool {
        self.is_unattended()
            && self.met_refusal
            && matches!(self.held, Held::Nothing(SignedOut::NeverSignedIn))
    }

    /// The server does not take the token that was just got.
    pub(super) fn not_accepted(&mut self) -> Error {
        let issuer = match &self.held {
            Held::Tokens(tokens) => tokens.issuer.to_string(),
            Held::Unread | Held::Reading | Held::Nothing(_) => String::new(),
        };
        let error = Error::from(oauth::Error::TokenNotAccepted { issuer });
        self.last_failure = Some(error.clone());
        error
    }
}
