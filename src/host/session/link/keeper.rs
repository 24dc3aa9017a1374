//! The task that opens the upstream session, keeps it and opens it again, and ends those that are of no use any more.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use super::{Command, End, LinkState, Ready};
use crate::failure::Failure;
use crate::host::session::aside::Current;
use crate::host::session::authorized::Refused;
use crate::host::session::context::Context;
use crate::host::session::listening::{Heard, Listening};
use crate::host::session::open::{OpenError, Opened, Opening};
use crate::host::session::resume::Resume;
use crate::host::session::subscribed::Subscribed;
use crate::host::session::transport::Transport;
use crate::mcp::Message;
use crate::secret::AccessToken;
use crate::upstream::Backoff;

const FAREWELL_LIMIT: Duration = Duration::from_secs(3);
/// A server that takes longer to take `notifications/initialized` is taken to have it.
const INITIALIZED_LIMIT: Duration = Duration::from_secs(5);
/// Sessions that end sooner, one after the other, are opened more and more slowly.
const BRIEF: Duration = Duration::from_secs(10);

/// How an open session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    /// The server knows nothing of it any more.
    There,
    /// Nothing new is sent in it, and the server still has it.
    Here,
}

/// Opens one session after the other, for as long as the client is there.
pub(super) struct Keeper {
    pub(super) context: Arc<Context>,
    pub(super) opening: Arc<Opening>,
    /// The session of an earlier Host, until it was taken up.
    pub(super) resume: Option<Resume>,
    pub(super) end: End,
    /// What ends sessions that are of no use any more.
    pub(super) aside: JoinSet<()>,
    pub(super) state: watch::Sender<LinkState>,
    pub(super) commands: mpsc::Receiver<Command>,
    pub(super) initialized: watch::Receiver<Option<Message>>,
    pub(super) subscribed: Subscribed,
    pub(super) generation: u64,
    pub(super) interruptions: u64,
    pub(super) backoff: Backoff,
    /// Whether the last session ended soon after it was opened.
    pub(super) was_brief: bool,
}

impl Keeper {
    pub(super) async fn run(mut self) {
        let mut current: Option<Current> = None;
        let end = self.end.clone();
        tokio::select! {
            // First, because who leaves also lets go of the link's handle.
            biased;
            () = end.leave.cancelled() => {}
            () = end.pause.cancelled() => return,
            () = self.keep_open(&mut current) => {}
        }
        let farewell = async {
            if let Some(current) = current {
                current.end().await;
            }
            while self.aside.join_next().await.is_some() {}
        };
        let _ = timeout(FAREWELL_LIMIT, farewell).await;
    }

    async fn keep_open(&mut self, current: &mut Option<Current>) {
        loop {
            self.state.send_replace(LinkState::Opening);
            match self.open().await {
                Ok((opened, session)) => {
                    if !self.was_brief {
                        self.backoff.reset();
                    }
                    self.generation += 1;
                    // What the one before would have told of is made up for.
                    self.interruptions += u64::from(self.generation > 1);
                    *current = Some(session);
                    let opened_at = Instant::now();
                    let (uses, in_use) = watch::channel(());
                    let ended = match self.is_being_signed_out() {
                        true => Ended::Here,
                        false => self.serve(opened, in_use).await,
                    };
                    if let Some(session) = current.take()
                        && ended == Ended::Here
                    {
                        self.end_once_unused(session, uses);
                    }
                    self.rest_after(opened_at.elapsed()).await;
                }
                Err(OpenError::Rejected(answer)) => {
                    self.state.send_replace(LinkState::Rejected(answer));
                    self.wait_for_retry(None, None).await;
                }
                Err(OpenError::SignedOut) => {
                    self.state.send_replace(LinkState::SignedOut);
                    self.wait_for_sign_in().await;
                }
                Err(OpenError::StepUpNeeded(token)) => {
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

    /// Opens a session, which ends again where nobody waits for it any more.
    async fn open(&mut self) -> Result<(Opened, Current), OpenError> {
        while self.aside.try_join_next().is_some() {}
        self.until_signed_out().await;
        if let Some(refusal) = self.context.pause.refusal() {
            return Err(OpenError::Failed(refusal));
        }
        let _under_way = self.context.begin_attempt();
        let (opened, opening) = self.context.open_aside(self.opening.clone(), self.resume.take());
        // Who leaves gives it a moment.
        self.aside.spawn(async move { drop(opening.await) });
        let outcome = opened.await;
        self.note(&outcome);
        outcome
    }

    /// Who asks for a sign-in has answered.
    fn note(&self, outcome: &Result<(Opened, Current), OpenError>) {
        match outcome {
            Ok((opened, _)) if opened.response.is_none() => {}
            Ok(_) | Err(OpenError::SignedOut | OpenError::StepUpNeeded(_)) => {
                self.context.note_attempt(Ok(()));
            }
            Err(OpenError::Rejected(_)) => {}
            Err(OpenError::Failed(failure) | OpenError::Busy { failure, .. }) => {
                self.context.note_attempt(Err(failure.clone()));
            }
        }
    }

    /// A session that is opened while somebody signs out would be nobody's.
    async fn until_signed_out(&self) {
        let Some(account) = self.context.account() else { return };
        // The task of an account that has ended signs nobody out.
        account.state().wait_for(|state| !state.is_ending()).await.ok();
    }

    fn is_being_signed_out(&self) -> bool {
        self.context.account().is_some_and(|account| account.state().borrow().is_ending())
    }

    /// A DELETE breaks what is under way in a session, so it waits for that.
    fn end_once_unused(&mut self, session: Current, uses: watch::Sender<()>) {
        let leave = self.end.leave.clone();
        self.aside.spawn(async move {
            tokio::select! {
                () = uses.closed() => {}
                () = leave.cancelled() => {}
            }
            session.end().await;
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
