//! The life of one request: wait until the server can be asked, ask, and if somebody has to
//! sign in first, wait for that.

mod list;
mod sign_in;
mod stand_in;

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::HeaderMap;
use tokio::time::{Instant, sleep_until};

use crate::failure::{Code, Failure};
use crate::host::failures;
use crate::mcp::translate::subscription::Filter;
use crate::mcp::{Message, RequestId, method};
use crate::upstream::{self, Posted};

use super::authorized::{Refused, operation};
use super::context::Shared;
use super::crossing::Crossing;
use super::downstream::Gone;
use super::held::Held;
use super::link::{Link, LinkState, Ready};
use super::modern_tools;
use super::transport::Transport;

/// A session that ends under a request is opened again this often for it.
const MOST_SESSIONS: usize = 2;

/// How a request ended, as far as its own task knows.
pub(super) enum Ending {
    /// Its answer came, or comes, from upstream.
    Answered,
    /// It is this line of ours.
    Answer(Bytes),
    /// The server has to know more; the request is held until the client comes back.
    Held {
        /// What the client is asked.
        answer: Bytes,
        held: Box<Held>,
    },
    /// From now on the client is told of changes.
    Listening {
        /// Of which.
        told: Filter,
        /// The upstream session that was asked to tell of them.
        generation: u64,
    },
    /// A modern client is told who the server is in its stead.
    Introduced {
        /// Why the server does not say so itself, as far as that is known.
        why: Option<Failure>,
    },
    /// The last known answer has to do.
    StandIn {
        /// Whether our own tool belongs into it.
        sign_in: bool,
    },
    /// There will be none.
    Failed(Failure),
}

/// What one attempt came to.
pub(super) enum Attempt {
    Done(Ending),
    Again,
    Missing(Missing),
}

/// What a sign-in would bring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Missing {
    /// Tokens.
    SignIn,
    /// More permission than the tokens have.
    Permission,
}

/// One request on its way.
pub(super) struct Request {
    pub(super) context: Shared,
    pub(super) link: Link,
    pub(super) message: Message,
    /// Until when a list may wait for the server.
    pub(super) list_deadline: Instant,
    /// Whether the client has sent `initialized`, so that the server must have it first.
    pub(super) after_initialized: bool,
    /// Whether it is ours, so that the shim knows nothing of it.
    pub(super) is_own: bool,
    /// Whether the server found the call's headers wrong, so that its tools have to be read again.
    pub(super) refresh_tools: bool,
    /// Whether its client has shown our page, so that it only waits from now on.
    pub(super) was_shown_page: bool,
    /// What a modern client comes back to with answers.
    pub(super) held: Mutex<Option<Held>>,
}

impl Request {
    /// Sees the request through.
    pub(super) async fn run(self) -> Ending {
        let comes_back = self.held.lock().is_ok_and(|held| held.is_some());
        match self.context.pause.refusal().filter(|_| !comes_back) {
            Some(refusal) => self.run_while_paused(refusal).await,
            None => self.run_now().await,
        }
    }

    async fn run_now(self) -> Ending {
        match self.message.method() {
            Some(list) if method::list_member(list).is_some() => self.run_list().await,
            Some(_) if self.is_discover() => self.run_discover().await,
            Some(_) if self.is_listen() => self.run_listen().await,
            Some(_) | None => self.run_call().await,
        }
    }

    /// A call waits for a sign-in, and for a server that is just coming back.
    async fn run_call(mut self) -> Ending {
        if let Err(failure) = self.come_back().await {
            return Ending::Failed(failure);
        }
        let mut generation = 0;
        let mut sessions = 0;
        let mut asked_for = Vec::new();
        let parked_until = Instant::now() + self.context.limits.park;
        loop {
            self.link.retry();
            let missing = match self.ready(parked_until, generation, true).await {
                Ok(ready) => match self.attempt(&ready).await {
                    Attempt::Done(ending) => return ending,
                    Attempt::Again if sessions < MOST_SESSIONS => {
                        sessions += 1;
                        generation = ready.generation;
                        continue;
                    }
                    Attempt::Again => return Ending::Failed(self.late()),
                    Attempt::Missing(missing) => missing,
                },
                Err(NotReady::Missing(missing)) => missing,
                Err(NotReady::Down(failure)) => return Ending::Failed(failure),
                Err(NotReady::Late) => return Ending::Failed(self.late()),
            };
            // Who signs in may have changed while somebody did.
            let wanted = (missing, self.context.has_moved().await);
            if asked_for.contains(&wanted) {
                return Ending::Failed(self.still_missing(missing));
            }
            asked_for.push(wanted);
            if let Some(ending) = self.bring(missing, parked_until).await {
                return ending;
            }
        }
    }

    /// Somebody has just signed in for it, and the server is not content.
    fn still_missing(&self, missing: Missing) -> Failure {
        match missing {
            Missing::SignIn => self.context.not_accepted(),
            Missing::Permission => self.context.forbidden(),
        }
    }

    async fn attempt(&self, ready: &Arc<Ready>) -> Attempt {
        // What is known of the tool may be more than when the call came.
        if let Err(failure) = self.context.check_visible(&self.message) {
            return Attempt::Done(Ending::Failed(failure));
        }
        if ready.settled && self.message.method() == Some("tools/call") {
            ready.transport.is_heard().await;
        }
        match &ready.crossing {
            Crossing::None | Crossing::ToVersion(_) => self.attempt_as_it_is(ready).await,
            Crossing::ToModern(client) => self.attempt_to_modern(ready, client).await,
            Crossing::ToLegacy => self.attempt_to_legacy(ready).await,
        }
    }

    async fn attempt_as_it_is(&self, ready: &Ready) -> Attempt {
        let Some(id) = self.message.request_id() else { return Attempt::Done(Ending::Answered) };
        if self.is_dispatched(id).await.is_err() {
            return Attempt::Done(Ending::Answered);
        }
        match self.send(ready).await {
            Ok(posted) if posted.answered || !ready.transport.answers_posts() => {
                self.until_closed(&ready.transport).await
            }
            Ok(_) => Attempt::Done(Ending::Failed(self.never_answered())),
            Err(refused) => self.refused(ready, refused).await,
        }
    }

    /// Tells the shim that the request is about to go upstream, where it is the client's.
    pub(super) async fn is_dispatched(&self, id: &RequestId) -> Result<(), Gone> {
        if self.is_own { Ok(()) } else { self.context.downstream.dispatched(id).await }
    }

    /// What follows from a request that was not taken.
    pub(super) async fn refused(&self, ready: &Ready, refused: Refused) -> Attempt {
        match refused {
            Refused::SignInNeeded => Attempt::Missing(Missing::SignIn),
            Refused::StepUpNeeded(_) => Attempt::Missing(Missing::Permission),
            Refused::Failed(failure) => Attempt::Done(Ending::Failed(failure)),
            Refused::Upstream(upstream::Error::SessionGone) => {
                self.link.gone(ready.generation).await;
                Attempt::Again
            }
            Refused::Upstream(error) => Attempt::Done(Ending::Failed(failures::of_request(
                self.context.server(),
                &error,
                self.message.method(),
            ))),
        }
    }

    async fn send(&self, ready: &Ready) -> Result<Posted, Refused> {
        let is_modern_call =
            self.message.method() == Some("tools/call") && self.message.meta_protocol_version().is_some();
        let headers = if is_modern_call {
            modern_tools::headers(&self.context, &ready.transport, &self.message, self.refresh_tools).await?
        } else {
            HeaderMap::new()
        };
        let post = || {
            ready.transport.post_with(self.message.clone(), headers.clone(), self.context.incoming.clone())
        };
        self.context.authorized_for(&operation(&self.message), post).await
    }

    /// On HTTP+SSE the answer comes on the one stream; if that ends first, there is none.
    async fn until_closed(&self, transport: &Transport) -> Attempt {
        if transport.answers_posts() {
            return Attempt::Done(Ending::Answered);
        }
        transport.closed().await;
        Attempt::Done(Ending::Failed(self.never_answered()))
    }

    /// Waits for an open session newer than `generation`. Who is patient lets a server that is
    /// down be tried once more.
    async fn ready(&self, deadline: Instant, generation: u64, patient: bool) -> Result<Arc<Ready>, NotReady> {
        let mut state = self.link.state();
        let mut last_failure = None;
        loop {
            let seen = state.borrow_and_update().clone();
            match seen {
                LinkState::Ready(ready)
                    if ready.generation > generation && (ready.settled || !self.after_initialized) =>
                {
                    return Ok(ready);
                }
                // Once somebody has signed in, the link opens by itself.
                LinkState::SignedOut if self.is_signed_in() => {}
                LinkState::SignedOut => return Err(NotReady::Missing(Missing::SignIn)),
                LinkState::StepUpNeeded(token) if self.context.has_other_token_than(token.as_ref()) => {}
                LinkState::StepUpNeeded(_) => return Err(NotReady::Missing(Missing::Permission)),
                LinkState::Down { failure, not_before } => {
                    let is_too_long = not_before.is_some_and(|at| at > deadline);
                    if last_failure.is_some() || !patient || is_too_long {
                        return Err(NotReady::Down(failure));
                    }
                    last_failure = Some(failure);
                }
                LinkState::Rejected(_) => return Err(NotReady::Down(self.rejected())),
                LinkState::Ready(_) | LinkState::Opening => {}
            }
            tokio::select! {
                changed = state.changed() => if changed.is_err() { return Err(NotReady::Late) },
                () = sleep_until(deadline) => {
                    return Err(last_failure.map_or(NotReady::Late, NotReady::Down));
                }
            }
        }
    }

    fn is_signed_in(&self) -> bool {
        self.context.account().is_some_and(|account| account.state().borrow().is_signed_in())
    }

    fn late(&self) -> Failure {
        Failure::about(
            self.context.server(),
            Code::TimedOut,
            format!("{} did not answer in time", self.context.server()),
            "Try again in a moment",
        )
    }

    fn rejected(&self) -> Failure {
        Failure::about(
            self.context.server(),
            Code::ServerError,
            format!("{} refused to open a session", self.context.server()),
            "Restart this MCP client",
        )
    }

    pub(super) fn never_answered(&self) -> Failure {
        Failure::about(
            self.context.server(),
            Code::MayHaveRun,
            format!(
                "{} closed the connection before it answered, so the request may or may not have run",
                self.context.server()
            ),
            "Check before you try it again",
        )
    }
}

enum NotReady {
    Missing(Missing),
    Down(Failure),
    Late,
}
