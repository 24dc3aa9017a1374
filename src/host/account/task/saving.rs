//! Writing tokens to the vault: one write at a time, the last word wins, a failed one is tried again.

use std::time::Duration;

use secrecy::SecretString;
use tokio::sync::{oneshot, watch};

use super::tokens::{Waiter, credential};
use super::{Done, Held, Task, answer};
use crate::host::account::{Error, Outcome, Retry};
use crate::oauth::login::Farewell;
use crate::secret;

/// Writes to the vault, one at a time; of those that wait, only the last counts.
#[derive(Default)]
pub(super) struct Saving {
    pub(super) running: bool,
    pub(super) next: Option<Change>,
    pub(super) asked: u64,
    pub(super) started: u64,
    pub(super) retry: Option<Duration>,
    pub(super) failed: bool,
    pub(super) waiters: Vec<(u64, SaveWaiter)>,
}

#[derive(Clone)]
pub(super) enum Change {
    Write(SecretString),
    Delete,
}

pub(super) enum SaveWaiter {
    Deleted(oneshot::Sender<Result<(), Error>>),
    SignedIn { farewell: Box<Farewell>, outcome: watch::Sender<Option<Outcome>> },
}

impl Task {
    pub(super) fn save(&mut self, change: Change) -> u64 {
        self.saving.asked += 1;
        self.saving.retry = None;
        self.saving.next = Some(change);
        self.start_saving();
        self.saving.asked
    }

    pub(super) fn start_saving(&mut self) {
        if self.saving.running {
            return;
        }
        let Some(change) = self.saving.next.clone() else { return };
        self.saving.running = true;
        self.saving.started = self.saving.asked;
        let (vault, item, number) = (self.deps.vault.clone(), self.item.clone(), self.saving.started);
        self.jobs.spawn(async move {
            let outcome = match change {
                Change::Write(text) => vault.write(&item, text).await,
                Change::Delete => vault.delete(&item).await,
            };
            Done::Saved { number, outcome }
        });
    }

    pub(super) fn saved(&mut self, number: u64, outcome: Result<(), secret::Error>) {
        self.saving.running = false;
        if number != self.saving.asked {
            return self.start_saving();
        }
        self.saving.failed = outcome.is_err();
        let outcome = outcome.map_err(Error::from);
        match &outcome {
            Ok(()) => {
                self.saving.next = None;
                self.saving.retry = None;
            }
            Err(error) => {
                tracing::warn!(account = %self.item, %error, "tokens could not be saved; trying again");
                self.save_later(number);
            }
        }
        self.publish_token();
        for (asked, waiter) in std::mem::take(&mut self.saving.waiters) {
            debug_assert!(asked <= number);
            self.after_saving(waiter, &outcome);
        }
        self.hand_out();
        self.serve_waiters();
    }

    /// Those who waited for the new token get it, however short it lives.
    pub(super) fn hand_out(&mut self) {
        if self.refreshing {
            return;
        }
        let Held::Tokens(tokens) = &self.held else { return };
        let Some(ready) = credential(tokens) else { return };
        for waiter in std::mem::take(&mut self.waiters) {
            match waiter {
                Waiter::Token(reply) => answer(reply, Ok(Some(ready.clone()))),
                Waiter::Look(reply) => answer(reply, Ok(self.standing())),
                Waiter::Refused { used, reply } => {
                    if used.as_ref().is_some_and(|used| used.same_as(&ready.token)) {
                        self.waiters.push(Waiter::Refused { used, reply });
                    } else {
                        answer(reply, Ok(Retry::WithNewToken));
                    }
                }
            }
        }
    }

    pub(super) fn save_later(&mut self, number: u64) {
        let pause =
            self.saving.retry.map_or(Duration::from_secs(1), |last| (last * 2).min(Duration::from_secs(60)));
        self.saving.retry = Some(pause);
        self.jobs.spawn(async move {
            tokio::time::sleep(pause).await;
            Done::SaveAgain { number }
        });
    }

    pub(super) fn save_again(&mut self, number: u64) {
        if number == self.saving.asked {
            self.start_saving();
        }
    }

    pub(super) fn after_saving(&mut self, waiter: SaveWaiter, outcome: &Result<(), Error>) {
        match waiter {
            SaveWaiter::Deleted(reply) => {
                reply.send(outcome.clone()).ok();
            }
            // Not saved is still signed in, until the Host ends; the state says so.
            SaveWaiter::SignedIn { farewell, outcome } => {
                outcome.send_replace(Some(Ok(())));
                self.say_farewell(farewell, Ok(()));
            }
        }
    }
}
