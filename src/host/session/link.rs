//! The session's connection upstream: one task opens it, keeps it and opens it again.
//!
//! Exactly one `initialize` reaches the server per upstream session. Others watch the state and
//! never touch the transport's life.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use crate::failure::Failure;
use crate::mcp::translate::meta::Level;
use crate::mcp::{Message, json};
use crate::secret::AccessToken;
use crate::upstream::{self, Backoff};

use super::context::{Context, Refused};
use super::crossing::Crossing;
use super::listening::{Heard, Listening};
use super::open::{self, OpenError, Opened, Opening, Transport};
use super::resume::Resume;
use super::subscribed::Subscribed;

/// A server that takes longer than this for the handshake counts as down.
const OPEN_LIMIT: Duration = Duration::from_secs(60);
const FAREWELL_LIMIT: Duration = Duration::from_secs(3);
/// A server that takes longer to take `notifications/initialized` is taken to have it.
const INITIALIZED_LIMIT: Duration = Duration::from_secs(5);
/// Sessions that end sooner, one after the other, are opened more and more slowly.
const BRIEF: Duration = Duration::from_secs(10);

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

/// How an open session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    /// The server knows nothing of it any more.
    There,
    /// Nothing new is sent in it, and the server still has it.
    Here,
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

struct Keeper {
    context: Arc<Context>,
    opening: Arc<Opening>,
    /// The session of an earlier Host, until it was taken up.
    resume: Option<Resume>,
    end: End,
    /// What opens sessions, and ends those that are of no use any more.
    aside: JoinSet<()>,
    state: watch::Sender<LinkState>,
    commands: mpsc::Receiver<Command>,
    initialized: watch::Receiver<Option<Message>>,
    subscribed: Subscribed,
    generation: u64,
    interruptions: u64,
    backoff: Backoff,
    /// Whether the last session ended soon after it was opened.
    was_brief: bool,
}

impl Keeper {
    async fn run(mut self) {
        let mut transport: Option<Arc<Transport>> = None;
        let end = self.end.clone();
        tokio::select! {
            // First, because who leaves also lets go of the link's handle.
            biased;
            () = end.leave.cancelled() => {}
            () = end.pause.cancelled() => return,
            () = self.keep_open(&mut transport) => {}
        }
        let farewell = async {
            if let Some(transport) = transport {
                transport.delete().await;
            }
            while self.aside.join_next().await.is_some() {}
        };
        let _ = timeout(FAREWELL_LIMIT, farewell).await;
    }

    async fn keep_open(&mut self, current: &mut Option<Arc<Transport>>) {
        loop {
            self.state.send_replace(LinkState::Opening);
            match self.open().await {
                Ok(opened) => {
                    if opened.response.is_some() {
                        self.context.note_attempt(Ok(()));
                    }
                    if !self.was_brief {
                        self.backoff.reset();
                    }
                    self.generation += 1;
                    // What the one before would have told of is made up for.
                    self.interruptions += u64::from(self.generation > 1);
                    *current = Some(opened.transport.clone());
                    let (opened_at, transport) = (Instant::now(), opened.transport.clone());
                    let (uses, in_use) = watch::channel(());
                    if self.serve(opened, in_use).await == Ended::Here {
                        self.end_once_unused(transport, uses);
                    }
                    *current = None;
                    self.rest_after(opened_at.elapsed()).await;
                }
                Err(OpenError::Rejected(answer)) => {
                    self.state.send_replace(LinkState::Rejected(answer));
                    self.wait_for_retry(None, None).await;
                }
                Err(OpenError::SignedOut) => {
                    self.context.note_attempt(Ok(()));
                    self.state.send_replace(LinkState::SignedOut);
                    self.wait_for_sign_in().await;
                }
                Err(OpenError::StepUpNeeded(token)) => {
                    self.context.note_attempt(Ok(()));
                    self.state.send_replace(LinkState::StepUpNeeded(token.clone()));
                    self.wait_for_step_up(token.as_ref()).await;
                }
                Err(OpenError::Failed(failure)) => self.stay_down(failure, None).await,
                Err(OpenError::Busy { failure, retry_after }) => {
                    self.stay_down(failure, Some(retry_after)).await;
                }
            }
        }
    }

    /// Opens a session in a task of its own, which ends it again where nobody waits for it any more.
    async fn open(&mut self) -> Result<Opened, OpenError> {
        while self.aside.try_join_next().is_some() {}
        let (give, opened) = oneshot::channel();
        let (context, opening, resume) = (self.context.clone(), self.opening.clone(), self.resume.take());
        self.aside.spawn(async move {
            let opening = timeout(OPEN_LIMIT, open::open(&context, &opening, resume)).await;
            let opened = opening.unwrap_or_else(|_| Err(OpenError::Failed(context.no_handshake())));
            if let Err(Ok(unwanted)) = give.send(opened) {
                unwanted.transport.delete().await;
            }
        });
        opened.await.unwrap_or_else(|_| Err(OpenError::Failed(self.context.defect())))
    }

    /// A DELETE breaks what is under way in a session, so it waits for that.
    fn end_once_unused(&mut self, transport: Arc<Transport>, uses: watch::Sender<()>) {
        let leave = self.end.leave.clone();
        self.aside.spawn(async move {
            tokio::select! {
                () = uses.closed() => {}
                () = leave.cancelled() => {}
            }
            transport.delete().await;
        });
    }

    /// A server that loses one session after the other is not asked for the next in a tight loop.
    async fn rest_after(&mut self, lasted: Duration) {
        let was_brief = std::mem::replace(&mut self.was_brief, lasted < BRIEF);
        if was_brief && self.was_brief {
            self.state.send_replace(LinkState::Opening);
            let at = Instant::now() + self.backoff.after_failure(None);
            self.wait_for_retry(Some(at), Some(at)).await;
        }
    }

    /// Waits for the next attempt; not even a request brings it forward while the server asks to be
    /// left alone.
    async fn stay_down(&mut self, failure: Failure, retry_after: Option<Duration>) {
        tracing::info!(server = %self.context.server(), code = ?failure.code, "{}", failure.sentence);
        self.context.note_attempt(Err(failure.clone()));
        let at = Instant::now() + self.backoff.after_failure(retry_after);
        let not_before = retry_after.map(|_| at);
        self.state.send_replace(LinkState::Down { failure, not_before });
        self.wait_for_retry(Some(at), not_before).await;
    }

    /// Keeps an open session until it ends.
    async fn serve(&mut self, opened: Opened, in_use: watch::Receiver<()>) -> Ended {
        let transport = opened.transport.clone();
        let mut ready = Ready {
            generation: self.generation,
            transport: transport.clone(),
            response: opened.response,
            settled: !opened.needs_initialized,
            resume: opened.resume,
            crossing: opened.crossing,
            interruptions: self.interruptions,
            level: Arc::new(watch::Sender::new(None)),
            is_signed_in: self.context.has_tokens(),
            _in_use: in_use,
        };
        if !ready.settled && self.initialized.borrow().is_none() {
            self.publish(&ready);
            if let Some(ended) = self.client_is_initialized().await {
                return ended;
            }
        }
        if !ready.settled {
            self.send_initialized(&transport).await;
            ready.settled = true;
        }
        self.publish(&ready);
        let mut listening = Listening::to(&self.context, &ready, self.subscribed.clone());
        loop {
            tokio::select! {
                heard = listening.next() => match heard {
                    Heard::SessionGone => return Ended::There,
                    Heard::NotOffered => {}
                    Heard::Resumed => {
                        self.interruptions += 1;
                        ready.interruptions = self.interruptions;
                        self.publish(&ready);
                    }
                },
                () = transport.closed() => return Ended::There,
                command = self.commands.recv() => if let Some(ended) = self.ended_by(command) {
                    return ended;
                },
            }
        }
    }

    fn publish(&self, ready: &Ready) {
        self.state.send_replace(LinkState::Ready(Arc::new(ready.clone())));
    }

    /// Waits for the client's `initialized`; how the session ended where it did before.
    async fn client_is_initialized(&mut self) -> Option<Ended> {
        loop {
            tokio::select! {
                changed = self.initialized.changed() => return changed.is_err().then_some(Ended::Here),
                command = self.commands.recv() => if let Some(ended) = self.ended_by(command) {
                    return Some(ended);
                },
            }
        }
    }

    /// How a command ends the session that is open, if it does.
    fn ended_by(&self, command: Option<Command>) -> Option<Ended> {
        match command {
            Some(Command::Gone(generation)) => (generation == self.generation).then_some(Ended::There),
            Some(Command::Left(generation)) => (generation == self.generation).then_some(Ended::Here),
            Some(Command::Retry) => None,
            None => Some(Ended::Here),
        }
    }

    async fn send_initialized(&self, transport: &Transport) {
        let message = self.initialized.borrow().clone();
        let Some(message) = message else { return };
        let sink = self.context.incoming.clone();
        let sending = self.context.authorized(|| transport.post(message.clone(), sink.clone()));
        if let Ok(Err(Refused::Upstream(error))) = timeout(INITIALIZED_LIMIT, sending).await {
            tracing::debug!(server = %self.context.server(), %error, "the server did not take `initialized`");
        }
    }

    async fn wait_for_sign_in(&mut self) {
        let Some(account) = &self.context.connection.account else {
            return self.wait_for_retry(None, None).await;
        };
        let mut account = account.state();
        loop {
            tokio::select! {
                changed = account.changed() => {
                    if changed.is_err() { return std::future::pending().await; }
                    if account.borrow_and_update().is_signed_in() { return; }
                }
                command = self.commands.recv() => match command {
                    Some(Command::Retry) => return,
                    Some(Command::Gone(_) | Command::Left(_)) => {}
                    None => return std::future::pending().await,
                },
            }
        }
    }

    async fn wait_for_step_up(&mut self, token: Option<&AccessToken>) {
        let context = self.context.clone();
        tokio::select! {
            () = context.until_other_token_than(token) => {}
            () = self.wait_for_retry(None, None) => {}
        }
    }

    async fn wait_for_retry(&mut self, at: Option<Instant>, not_before: Option<Instant>) {
        loop {
            tokio::select! {
                () = sleep_until(at.unwrap_or_else(Instant::now)), if at.is_some() => return,
                command = self.commands.recv() => match command {
                    Some(Command::Retry) if not_before.is_none_or(|at| at <= Instant::now()) => return,
                    Some(Command::Retry | Command::Gone(_) | Command::Left(_)) => {}
                    None => return std::future::pending().await,
                },
            }
        }
    }
}
