//! Requests of a modern client that open its session, as `initialize` does a legacy one: they are answered within
//! the start budget, if need be in the server's stead.

use std::future::pending;
use std::sync::Arc;

use tokio::time::sleep;

use super::list::is_absence;
use super::{Attempt, Ending, MOST_SESSIONS, Missing, NotReady, Request};
use crate::failure::Failure;
use crate::host::session::link::{LinkState, Ready};
use crate::mcp::method;
use crate::upstream::{self, Backoff};

impl Request {
    /// Whether it asks a modern server who it is.
    pub(super) fn is_discover(&self) -> bool {
        self.message.method() == Some("server/discover") && self.message.meta_protocol_version().is_some()
    }

    /// Whether it asks a modern server to tell of changes.
    pub(super) fn is_listen(&self) -> bool {
        self.message.method() == Some("subscriptions/listen")
            && self.message.meta_protocol_version().is_some()
    }

    /// While servers are left alone, the client gets what is known, or is told so; it hears of changes afterwards.
    pub(super) async fn run_while_paused(self, refusal: Failure) -> Ending {
        match self.message.method() {
            Some(list) if method::list_member(list).is_some() => Ending::StandIn { sign_in: false },
            Some(_) if self.is_discover() => Ending::Introduced { why: Some(refusal) },
            Some(_) if self.is_listen() => {
                self.context.pause.ended().await;
                self.run_listen().await
            }
            Some(_) | None => Ending::Failed(refusal),
        }
    }

    /// `server/discover` waits for the start budget and no longer.
    pub(super) async fn run_discover(self) -> Ending {
        let mut generation = 0;
        for _ in 0..MOST_SESSIONS {
            let ready = match self.ready(self.list_deadline, generation, false).await {
                Ok(ready) => ready,
                Err(NotReady::Missing(missing)) => return self.introduced_without(missing),
                Err(NotReady::Down(failure)) => return Ending::Introduced { why: Some(failure) },
                Err(NotReady::Late) => break,
            };
            generation = ready.generation;
            match self.attempt(&ready).await {
                Attempt::Done(Ending::Failed(failure)) => return Ending::Introduced { why: Some(failure) },
                Attempt::Done(ending) => return ending,
                Attempt::Missing(missing) => return self.introduced_without(missing),
                Attempt::Again => {}
            }
        }
        Ending::Introduced { why: None }
    }

    fn introduced_without(&self, missing: Missing) -> Ending {
        Ending::Introduced { why: Some(self.nobody_signed_in_for(missing)) }
    }

    /// `subscriptions/listen` waits for its server however long that takes, and is asked again when the server
    /// goes: its client was told that it hears of changes.
    pub(super) async fn run_listen(self) -> Ending {
        let mut backoff = Backoff::new(&upstream::Limits::default());
        let mut generation = 0;
        loop {
            let ready = self.ready_at_last(generation).await;
            match self.attempt(&ready).await {
                Attempt::Done(Ending::Failed(failure)) if is_absence(failure.code) => {}
                Attempt::Done(ending) => return ending,
                Attempt::Missing(Missing::SignIn) => self.context.until_signed_in().await,
                Attempt::Missing(Missing::Permission) => {
                    let used = self.context.account().and_then(|account| account.current_token());
                    self.context.until_other_token_than(used.as_ref()).await;
                }
                Attempt::Again => {
                    generation = ready.generation;
                    continue;
                }
            }
            sleep(backoff.after_failure(None)).await;
        }
    }

    async fn ready_at_last(&self, generation: u64) -> Arc<Ready> {
        let mut state = self.link.state();
        loop {
            if let LinkState::Ready(ready) = &*state.borrow_and_update()
                && ready.generation > generation
                && ready.settled
            {
                return ready.clone();
            }
            if state.changed().await.is_err() {
                return pending().await;
            }
        }
    }
}
