//! Signing out: what is open in the account's name is ended, the tokens are forgotten, and given back as soon as their
//! server takes them.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::renewal::Pause;
use super::saving::{Change, SaveWaiter};
use super::under_way::Stage;
use super::{Done, Held, Task, answer};
use crate::host::account::{AccountDeps, AccountSpec, Error, Reply, SignedOut};
use crate::oauth;
use crate::oauth::token::TokenSet;

impl Task {
    pub(super) fn sign_out(&mut self, reply: Reply<()>) {
        // Tokens that were never read must be, to be given back.
        match &self.held {
            Held::Unread => {
                self.signing_out.push(reply);
                self.start_reading();
            }
            Held::Reading => self.signing_out.push(reply),
            Held::Nothing(_) | Held::Tokens(_) => self.sign_out_known(reply),
        }
    }

    /// Signs out knowing whether there are tokens. A server wants the DELETE of a session authorized (Streamable HTTP,
    /// session management), so the sessions end first.
    pub(super) fn sign_out_known(&mut self, reply: Reply<()>) {
        if *self.sessions.borrow() == 0 || !matches!(self.held, Held::Tokens(_)) {
            return self.sign_out_now(reply);
        }
        self.signing_out.push(reply);
        if !std::mem::replace(&mut self.ending, true) {
            self.drop_sign_in();
            let (mut sessions, limit) = (self.sessions.subscribe(), self.deps.limits.goodbye);
            self.jobs.spawn(async move {
                let ended = sessions.wait_for(|open| *open == 0);
                // A server that is slow to say goodbye holds nobody up.
                tokio::time::timeout(limit, ended).await.ok();
                Done::Ended
            });
        }
    }

    pub(super) fn sessions_ended(&mut self) {
        self.ending = false;
        // Who wants to sign in again meanwhile has waited for this.
        let signing_in = std::mem::take(&mut self.signing_in);
        for reply in std::mem::take(&mut self.signing_out) {
            self.sign_out_now(reply);
        }
        for (request, reply) in signing_in {
            self.sign_in(request, reply);
        }
    }

    fn sign_out_now(&mut self, reply: Reply<()>) {
        self.epoch += 1;
        self.drop_sign_in();
        let held = std::mem::replace(&mut self.held, Held::Nothing(SignedOut::ByPerson));
        self.current.send_replace(None);
        self.former = None;
        self.last_failure = None;
        self.pause = Pause::default();
        self.fail_waiters(&Error::SignedOut { why: SignedOut::ByPerson });
        self.fail_obtaining(&Error::SignedOut { why: SignedOut::ByPerson });
        let (deleted, wait) = oneshot::channel();
        let number = self.save(Change::Delete);
        self.saving.waiters.push((number, SaveWaiter::Deleted(deleted)));
        let (spec, deps) = (self.spec.clone(), self.deps.clone());
        self.jobs.spawn(async move {
            let revoked = async {
                if let Held::Tokens(tokens) = held {
                    revoke(&tokens, &spec, &deps).await;
                }
            };
            let ((), outcome) = futures_util::future::join(revoked, wait).await;
            answer(reply, outcome.unwrap_or(Err(Error::Stopped)));
            Done::Nothing
        });
    }

    /// Ends a sign-in under way, and one whose tokens are still on their way into the vault.
    pub(super) fn drop_sign_in(&mut self) {
        let cancelled = || Arc::new(oauth::Error::Cancelled);
        self.fail_signing_in(&Error::OAuth(cancelled()));
        if let Some(login) = self.login.take() {
            login.cancel.cancel();
            login.outcome.send_replace(Some(Err(cancelled())));
            if let Stage::Preparing { waiting } = login.stage {
                for (_, reply) in waiting {
                    answer(reply, Err(Error::OAuth(cancelled())));
                }
            }
        }
        for (number, waiter) in std::mem::take(&mut self.saving.waiters) {
            match waiter {
                SaveWaiter::Deleted(_) => self.saving.waiters.push((number, waiter)),
                SaveWaiter::SignedIn { farewell, outcome } => {
                    outcome.send_replace(Some(Err(cancelled())));
                    self.say_farewell(farewell, Err("You have signed out meanwhile.".to_owned()));
                }
            }
        }
    }

    pub(super) fn start_revoking(&mut self, tokens: Box<TokenSet>) {
        let (spec, deps) = (self.spec.clone(), self.deps.clone());
        self.jobs.spawn(async move {
            revoke(&tokens, &spec, &deps).await;
            Done::Nothing
        });
    }
}

/// The tokens are gone here in any case. What their server cannot take now it is offered again later.
async fn revoke(tokens: &TokenSet, spec: &AccountSpec, deps: &AccountDeps) {
    let registration = tokens.registration.with_current(&spec.oauth);
    let given_back = deps.giving_back.give_back(tokens, registration, &spec.settings);
    if tokio::time::timeout(deps.limits.revoke, given_back).await.is_err() {
        tracing::info!("the authorization server did not take the tokens back in time");
    }
}
