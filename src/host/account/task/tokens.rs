//! Reading tokens, handing them out, and what a refusal of one means.

use std::time::Duration;

use http::StatusCode;
use secrecy::SecretString;
use tokio::time::Instant;

use super::{Done, Held, Task, answer};
use crate::host::account::clock::{Age, Life};
use crate::host::account::record::Record;
use crate::host::account::{AccountState, Credential, Current, Error, Refusal, Reply, Retry, SignedOut};
use crate::oauth::challenge::{self, Challenge};
use crate::oauth::dpop;
use crate::oauth::token::TokenSet;
use crate::secret::{self, AccessToken};

/// A token refused this soon after it was renewed for a refusal is not worth another renewal. By the wall clock: after
/// a night's sleep it is another matter.
pub(super) const JUST_RENEWED: Duration = Duration::from_secs(120);

/// Somebody who waits for the vault or a refresh.
pub(super) enum Waiter {
    Token(Reply<Option<Credential>>),
    /// Only until the vault has been read.
    Look(Reply<AccountState>),
    Refused {
        used: Option<AccessToken>,
        reply: Reply<Retry>,
    },
}

impl Task {
    pub(super) fn start_reading(&mut self) {
        self.held = Held::Reading;
        let (vault, item) = (self.deps.vault.clone(), self.item.clone());
        self.jobs.spawn(async move { Done::Read(vault.read(&item).await) });
    }

    pub(super) fn read(&mut self, outcome: Result<Option<SecretString>, secret::Error>) {
        self.take_over(outcome);
        for reply in std::mem::take(&mut self.signing_out) {
            self.sign_out_known(reply);
        }
        for (request, reply) in std::mem::take(&mut self.signing_in) {
            self.sign_in(request, reply);
        }
        self.serve_waiters();
    }

    pub(super) fn take_over(&mut self, outcome: Result<Option<SecretString>, secret::Error>) {
        match outcome {
            Ok(text) => {
                self.last_failure = None;
                let record = text.as_ref().map(|text| Record::parse(text, &self.spec.server_url));
                self.held = match record {
                    Some(Some(Record::Tokens(tokens))) => Held::Tokens(tokens),
                    Some(Some(Record::SignedOut { why, former })) => {
                        self.former = former;
                        Held::Nothing(why)
                    }
                    Some(None) => {
                        tracing::warn!(account = %self.item, "the stored tokens are of another version or server");
                        Held::Nothing(SignedOut::NeverSignedIn)
                    }
                    None => Held::Nothing(SignedOut::NeverSignedIn),
                };
                if let Held::Tokens(tokens) = &self.held
                    && tokens.access.is_some()
                {
                    self.publish_token();
                }
            }
            // Not "nothing": the tokens may well be there. The next request asks again.
            Err(error) => {
                self.held = Held::Unread;
                let error = Error::from(error);
                self.last_failure = Some(error.clone());
                self.fail_waiters(&error);
                self.fail_signing_in(&error);
            }
        }
    }

    /// Answers everybody whose answer is known by now, and starts what the others wait for.
    pub(super) fn serve_waiters(&mut self) {
        for waiter in std::mem::take(&mut self.waiters) {
            if let Some(waiter) = self.serve(waiter) {
                self.waiters.push(waiter);
            }
        }
    }

    /// Gives the waiter back if it must wait on.
    pub(super) fn serve(&mut self, waiter: Waiter) -> Option<Waiter> {
        match waiter {
            Waiter::Token(reply) => match self.token() {
                Some(token) => answer(reply, token),
                None => return Some(Waiter::Token(reply)),
            },
            Waiter::Look(reply) => match &self.held {
                Held::Unread => {
                    self.start_reading();
                    return Some(Waiter::Look(reply));
                }
                Held::Reading => return Some(Waiter::Look(reply)),
                Held::Nothing(_) | Held::Tokens(_) => answer(reply, Ok(self.standing())),
            },
            Waiter::Refused { used, reply } => match self.retry(used.as_ref()) {
                Some(retry) => answer(reply, retry),
                None => return Some(Waiter::Refused { used, reply }),
            },
        }
        None
    }

    pub(super) fn token(&mut self) -> Option<Result<Option<Credential>, Error>> {
        let (access, age, renewable) = match &self.held {
            Held::Unread => {
                self.start_reading();
                return None;
            }
            Held::Reading => return None,
            Held::Nothing(SignedOut::NeverSignedIn) if self.wants_first_token() => (None, Age::Dead, true),
            // Whether that is enough is for the server to say.
            Held::Nothing(SignedOut::NeverSignedIn | SignedOut::ByPerson) => return Some(Ok(None)),
            Held::Nothing(why) => return Some(Err(Error::SignedOut { why: *why })),
            Held::Tokens(tokens) => {
                (credential(tokens), self.age(tokens), tokens.refresh.is_some() || self.is_unattended())
            }
        };
        if self.is_busy() {
            return None;
        }
        match access {
            Some(access) if age == Age::Fresh => Some(Ok(Some(access))),
            Some(access) if age == Age::Old && (!renewable || self.pause.holds()) => Some(Ok(Some(access))),
            _ if !renewable => {
                self.lose(SignedOut::Expired);
                Some(Err(Error::SignedOut { why: SignedOut::Expired }))
            }
            _ => match self.pause.current() {
                Some(error) => Some(Err(error)),
                None => {
                    self.start_refresh();
                    None
                }
            },
        }
    }

    /// What to do about a refusal, knowing which token was refused.
    pub(super) fn retry(&mut self, used: Option<&AccessToken>) -> Option<Result<Retry, Error>> {
        let same = match &self.held {
            Held::Unread => {
                self.start_reading();
                return None;
            }
            Held::Reading => return None,
            Held::Nothing(_) if self.wants_first_token() => true,
            Held::Nothing(_) => return Some(Ok(Retry::SignInNeeded)),
            Held::Tokens(tokens) => match (used, &tokens.access) {
                (Some(used), Some(access)) => used.same_as(access),
                (None, Some(_)) => false,
                (_, None) => true,
            },
        };
        if self.is_busy() {
            return None;
        }
        if !same {
            return Some(Ok(Retry::WithNewToken));
        }
        let now = self.deps.clock.now().wall;
        let since_renewal = self.renewed_for_refusal.map(|at| now.duration_since(at));
        if let Some(Ok(since)) = since_renewal
            && since < JUST_RENEWED
        {
            if self.is_unattended() {
                return Some(Err(self.not_accepted()));
            }
            self.last_failure = Some(Error::SignedOut { why: SignedOut::Refused });
            self.self_opened.was_in_vain();
            return Some(Ok(Retry::SignInNeeded));
        }
        if let Some(error) = self.pause.current() {
            return Some(Err(error));
        }
        self.start_refresh_after_refusal();
        self.renewed_for_refusal = Some(now);
        None
    }

    pub(super) fn refused(&mut self, refusal: Refusal, reply: Reply<Retry>) {
        let challenges = challenge::parse(&refusal.challenge);
        if self.wants_nonce(&refusal, &challenges) {
            return answer(reply, Ok(Retry::WithNonce));
        }
        let ours = challenge::for_tokens(&challenges).cloned();
        if refusal.status == StatusCode::FORBIDDEN {
            let retry = self.forbidden(refusal, ours);
            return answer(reply, Ok(retry));
        }
        self.met_refusal = true;
        self.doubted = Some(Instant::now());
        if ours.is_some() {
            self.challenge = ours;
        }
        self.waiters.push(Waiter::Refused { used: refusal.used, reply });
        self.serve_waiters();
    }

    /// Whether only the proof of a bound token was refused, and nothing is wrong with the token.
    fn wants_nonce(&self, refusal: &Refusal, challenges: &[Challenge]) -> bool {
        let is_bound = matches!(&self.held, Held::Tokens(tokens) if tokens.dpop.is_some());
        let asks = |found: &Challenge| found.is("DPoP") && found.error() == Some(dpop::USE_NONCE);
        is_bound && refusal.used.is_some() && challenges.iter().any(asks)
    }

    /// Tokens are on their way, from the authorization server or into the vault.
    pub(super) fn is_busy(&self) -> bool {
        self.refreshing || (self.saving.running && self.current.borrow().is_none())
    }

    pub(super) fn fail_waiters(&mut self, error: &Error) {
        for waiter in std::mem::take(&mut self.waiters) {
            match waiter {
                Waiter::Token(reply) => answer(reply, Err(error.clone())),
                Waiter::Look(reply) => answer(reply, Err(error.clone())),
                Waiter::Refused { reply, .. } => answer(reply, Err(error.clone())),
            }
        }
    }

    /// How old the access token is; one without an end stays fresh.
    pub(super) fn age(&self, tokens: &TokenSet) -> Age {
        self.life(tokens).map_or(Age::Fresh, |life| life.age(self.deps.clock.now()))
    }

    fn life(&self, tokens: &TokenSet) -> Option<Life> {
        let length = tokens.expires_at?.duration_since(tokens.issued_at).unwrap_or_default();
        let ahead = self.deps.limits.refresh_ahead;
        Some(Life { issued: tokens.issued_at, length, came: self.came, ahead })
    }

    pub(super) fn publish_token(&self) {
        let current = match &self.held {
            Held::Tokens(tokens) => {
                credential(tokens).map(|credential| Current { credential, life: self.life(tokens) })
            }
            Held::Unread | Held::Reading | Held::Nothing(_) => None,
        };
        self.current.send_replace(current);
    }
}

/// The access token of a set, with the key it is bound to.
pub(super) fn credential(tokens: &TokenSet) -> Option<Credential> {
    Some(Credential { token: tokens.access.clone()?, key: tokens.dpop.clone() })
}
