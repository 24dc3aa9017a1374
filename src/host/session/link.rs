//! The session's connection upstream: one task (`keeper`) opens it, keeps it and opens it again.
//!
//! Exactly one `initialize` reaches the server per upstream session. Others watch the state and
//! never touch the transport's life.

mod keeper;

use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::failure::Failure;
use crate::mcp::translate::meta::Level;
use crate::mcp::{Message, json};
use crate::secret::AccessToken;
use crate::upstream::{self, Backoff};

use super::context::Context;
use super::crossing::Crossing;
use super::open::Opening;
use super::resume::Resume;
use super::subscribed::Subscribed;
use super::transport::Transport;
use keeper::Keeper;

/// How the upstream connection stands.
#[derive(Debug, Clone)]
pub(super) enum LinkState {
    /// On its way.
    Opening,
    /// Requests may go.
    Ready(Arc<Ready>),
    /// The server refused the handshake with this answer of its own.
    Rejected(Message),
    /// The server wants somebody to sign in.
    SignedOut,
    /// With this token the server opens no session; with one for more it might.
    StepUpNeeded(Option<AccessToken>),
    /// Cannot be had; tried again by itself.
    Down {
        failure: Failure,
        /// Until then the server asks to be left alone.
        not_before: Option<Instant>,
    },
}

/// An open upstream session.
#[derive(Clone)]
pub(super) struct Ready {
    /// Counts the sessions of this link, so that a late report of an end is recognised.
    pub(super) generation: u64,
    pub(super) transport: Arc<Transport>,
    /// The server's answer to `initialize`; none for a modern server and a resumed session.
    pub(super) response: Option<Message>,
    /// Whether `notifications/initialized` has been taken by the server.
    pub(super) settled: bool,
    /// What a later Host needs to go on with this session.
    pub(super) resume: Option<Resume>,
    /// How messages are written for this server.
    pub(super) crossing: Crossing,
    /// How often listening was interrupted, so that changes may have been missed.
    pub(super) interruptions: u64,
    /// The log messages that a legacy server was told to send in this session.
    pub(super) level: Arc<watch::Sender<Option<Level>>>,
    /// Whether it was opened in somebody's name.
    pub(super) is_signed_in: bool,
    /// Says for as long as there is a copy that something may be under way in it.
    pub(super) _in_use: watch::Receiver<()>,
}

impl Ready {
    /// What the server said in its answer to `initialize` that it can do.
    pub(super) fn capabilities(&self) -> &str {
        let response = self.response.as_ref();
        response.and_then(|response| response.raw_at(&["result", "capabilities"])).unwrap_or("{}")
    }

    /// Whether the server can do that at all.
    pub(super) fn has(&self, capability: &str) -> bool {
        json::member(self.capabilities(), capability).is_some()
    }

    /// Whether its capabilities say `true` at this path.
    pub(super) fn offers(&self, path: &[&str]) -> bool {
        json::member_at(self.capabilities(), path) == Some("true")
    }
}

/// How a link is told to end.
#[derive(Debug, Clone, Default)]
pub(super) struct End {
    /// The client has left: the upstream session is ended too.
    pub(super) leave: CancellationToken,
    /// The Host stops: the upstream session stays for the next Host.
    pub(super) pause: CancellationToken,
}

#[derive(Debug)]
enum Command {
    /// The server no longer knows this session.
    Gone(u64),
    /// This session is of no use any more.
    Left(u64),
    Retry,
}

impl std::fmt::Debug for Ready {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Ready({}, settled: {})", self.generation, self.settled)
    }
}

/// The session's handle on its link.
#[derive(Debug, Clone)]
pub(super) struct Link {
    state: watch::Receiver<LinkState>,
    commands: mpsc::Sender<Command>,
    initialized: Arc<watch::Sender<Option<Message>>>,
    level: Arc<watch::Sender<Option<Level>>>,
    subscribed: Subscribed,
}

impl Link {
    /// Starts opening. The task runs until `end` says so.
    pub(super) fn spawn(
        context: Arc<Context>,
        mut opening: Opening,
        end: End,
        tasks: &mut JoinSet<()>,
    ) -> Self {
        let (state, watched) = watch::channel(LinkState::Opening);
        let (commands, received) = mpsc::channel(64);
        let (initialized, client_is_initialized) = watch::channel(opening.initialized());
        let subscribed = Subscribed::default();
        let keeper = Keeper {
            context,
            resume: opening.take_resume(),
            opening: Arc::new(opening),
            end: end.clone(),
            aside: JoinSet::new(),
            state,
            commands: received,
            initialized: client_is_initialized,
            subscribed: subscribed.clone(),
            generation: 0,
            interruptions: 0,
            backoff: Backoff::new(&upstream::Limits::default()),
            was_brief: false,
        };
        tasks.spawn(keeper.run());
        let level = Arc::new(watch::Sender::new(None));
        Self { state: watched, commands, initialized: Arc::new(initialized), level, subscribed }
    }

    /// Watches the state.
    pub(super) fn state(&self) -> watch::Receiver<LinkState> {
        self.state.clone()
    }

    /// Resolves when the state has changed since this handle last saw it.
    pub(super) async fn changed(&mut self) {
        if self.state.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Passes on the client's `notifications/initialized`.
    pub(super) fn client_is_initialized(&self, message: Message) {
        self.initialized.send_replace(Some(message));
    }

    /// Whether the client has sent `notifications/initialized`.
    pub(super) fn is_client_initialized(&self) -> bool {
        self.initialized.borrow().is_some()
    }

    /// The log messages that the client wants, where it said so.
    pub(super) fn level(&self) -> Option<Level> {
        *self.level.borrow()
    }

    /// Remembers which log messages the client wants.
    pub(super) fn set_level(&self, level: Level) {
        self.level.send_replace(Some(level));
    }

    /// What the client of a modern server is told of.
    pub(super) fn subscribed(&self) -> &Subscribed {
        &self.subscribed
    }

    /// Reports that the server no longer knows the session.
    pub(super) async fn gone(&self, generation: u64) {
        let _ = self.commands.send(Command::Gone(generation)).await;
    }

    /// Has another session opened in this one's place; the server is told that it is over once nothing is under way in it.
    pub(super) async fn left(&self, generation: u64) {
        let _ = self.commands.send(Command::Left(generation)).await;
    }

    /// Asks for another attempt now, where one is being waited for.
    pub(super) fn retry(&self) {
        let _ = self.commands.try_send(Command::Retry);
    }
}
