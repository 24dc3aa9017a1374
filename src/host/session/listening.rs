//! Hearing of changes. A legacy server has a stream of its own; a modern one is asked to tell, on
//! one `subscriptions/listen` that stays open for as long as the legacy client does
//! (<https://modelcontextprotocol.io/specification/2026-07-28/basic/patterns/subscriptions>).

use std::collections::BTreeSet;
use std::future::pending;
use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep, sleep_until};

use crate::mcp::translate::subscription::{self, Filter};
use crate::mcp::{Kind, Message, RequestId};
use crate::upstream::{self, Backoff, Incoming};

use super::authorized::Refused;
use super::context::Context;
use super::crossing::{Crossing, LegacyClient};
use super::link::Ready;
use super::subscribed::Subscribed;
use super::transport::Transport;

const QUEUE: usize = 64;

/// What listening came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heard {
    /// There is nothing to hear.
    NotOffered,
    /// The server has forgotten the session.
    SessionGone,
    /// It was interrupted, and goes on: something may have changed meanwhile.
    Resumed,
}

/// Listens to one upstream session.
pub(super) enum Listening {
    /// To the stream of a legacy server.
    Stream(Pin<Box<dyn Future<Output = Heard> + Send>>),
    /// To what a modern server was asked to tell.
    Subscription(Box<Subscription>),
    /// To nothing.
    Nothing,
}

impl Listening {
    /// Begins to listen.
    pub(super) fn to(context: &Arc<Context>, ready: &Ready, subscribed: Subscribed) -> Self {
        match &ready.crossing {
            Crossing::None | Crossing::ToLegacy | Crossing::ToVersion(_) => {
                let new_session = ready.response.is_some();
                Self::Stream(Box::pin(listen(context.clone(), ready.transport.clone(), new_session)))
            }
            Crossing::ToModern(client) => Self::Subscription(Box::new(Subscription::new(
                context.clone(),
                ready,
                client.clone(),
                subscribed,
            ))),
        }
    }

    /// What comes of it next. Cancel safe.
    pub(super) async fn next(&mut self) -> Heard {
        let heard = match self {
            Self::Stream(listening) => listening.await,
            Self::Subscription(subscription) => subscription.next().await,
            Self::Nothing => pending().await,
        };
        if heard != Heard::Resumed {
            *self = Self::Nothing;
        }
        heard
    }
}

/// Keeps the server's GET stream open, where it offers one.
async fn listen(context: Arc<Context>, transport: Arc<Transport>, new_session: bool) -> Heard {
    let Transport::Http(http) = &*transport else { return Heard::NotOffered };
    if http.session().is_none() {
        return Heard::NotOffered;
    }
    let mut backoff = Backoff::new(&upstream::Limits::default());
    loop {
        match context.authorized(|| http.listen(context.incoming.clone(), new_session)).await {
            Err(Refused::Upstream(upstream::Error::SessionGone)) => return Heard::SessionGone,
            Err(Refused::SignInNeeded) => {
                context.until_signed_in().await;
                // Some servers take a token elsewhere and not here.
                sleep(backoff.after_failure(None)).await;
            }
            // What an account cannot do now it may do later.
            Err(Refused::Failed(_) | Refused::StepUpNeeded(_)) => sleep(backoff.after_failure(None)).await,
            Ok(_) | Err(Refused::Upstream(_)) => return Heard::NotOffered,
        }
    }
}

/// One `subscriptions/listen`, opened again when it drops or something else is wanted.
pub(super) struct Subscription {
    context: Arc<Context>,
    transport: Arc<Transport>,
    client: Arc<LegacyClient>,
    /// What the server tells of by itself.
    offered: Filter,
    subscribed: Subscribed,
    wanted: watch::Receiver<BTreeSet<String>>,
    streams: JoinSet<RequestId>,
    newest: Option<Stream>,
    older: Vec<AbortHandle>,
    sink: mpsc::Sender<Incoming>,
    told: mpsc::Receiver<Incoming>,
    open_at: Option<Instant>,
    backoff: Backoff,
    was_cut: bool,
}

/// A stream that was asked for.
struct Stream {
    id: RequestId,
    uris: BTreeSet<String>,
    task: AbortHandle,
}

impl Subscription {
    fn new(context: Arc<Context>, ready: &Ready, client: Arc<LegacyClient>, subscribed: Subscribed) -> Self {
        subscribed.acknowledge(BTreeSet::new());
        let (sink, told) = mpsc::channel(QUEUE);
        let capabilities =
            ready.response.as_ref().and_then(|response| response.raw_at(&["result", "capabilities"]));
        Self {
            context,
            transport: ready.transport.clone(),
            client,
            offered: capabilities.map(Filter::of_capabilities).unwrap_or_default(),
            wanted: subscribed.wanted(),
            subscribed,
            streams: JoinSet::new(),
            newest: None,
            older: Vec::new(),
            sink,
            told,
            open_at: Some(Instant::now()),
            backoff: Backoff::new(&upstream::Limits::default()),
            was_cut: false,
        }
    }

    async fn next(&mut self) -> Heard {
        loop {
            let open_at = self.open_at;
            tokio::select! {
                biased;
                Some(told) = self.told.recv() => match self.on_told(told).await {
                    Some(heard) => return heard,
                    None => continue,
                },
                Some(ended) = self.streams.join_next(), if !self.streams.is_empty() => {
                    self.on_end(ended.ok());
                }
                changed = self.wanted.changed() => match changed {
                    Ok(()) => self.open(),
                    Err(_) => pending().await,
                },
                () = sleep_until(open_at.unwrap_or_else(Instant::now)), if open_at.is_some() => self.open(),
            }
        }
    }

    /// Opens a stream for what is wanted now. The one before stays until the server has
    /// acknowledged this one, so that nothing is missed.
    fn open(&mut self) {
        self.open_at = None;
        let filter = Filter { uris: self.wanted.borrow_and_update().clone(), ..self.offered.clone() };
        if filter.is_empty() {
            self.newest = None;
            self.streams.abort_all();
            return;
        }
        let id = self.context.questions.next_id();
        let request = filter.listen(&id, &self.client.client);
        let (context, transport, sink) = (self.context.clone(), self.transport.clone(), self.sink.clone());
        let own_id = id.clone();
        let task = self.streams.spawn(async move {
            let opened = context.authorized(|| transport.post(request.clone(), sink.clone())).await;
            match opened {
                Err(Refused::SignInNeeded) => context.until_signed_in().await,
                Ok(_) | Err(Refused::StepUpNeeded(_) | Refused::Failed(_) | Refused::Upstream(_)) => {}
            }
            own_id
        });
        let before = self.newest.replace(Stream { id, uris: filter.uris, task });
        self.older.extend(before.map(|stream| stream.task));
    }

    /// A stream has ended; the newest one is opened again.
    fn on_end(&mut self, ended: Option<RequestId>) {
        let is_newest = self.newest.as_ref().is_some_and(|newest| ended.as_ref() == Some(&newest.id));
        if is_newest {
            self.newest = None;
            self.was_cut = true;
            self.subscribed.acknowledge(BTreeSet::new());
            self.open_at = Some(Instant::now() + self.backoff.after_failure(None));
        }
    }

    async fn on_told(&mut self, told: Incoming) -> Option<Heard> {
        let message = told.message;
        match message.kind() {
            Kind::Notification => {}
            Kind::Response { is_error: true, .. } => {
                let is_unknown = message.raw_at(&["error", "code"]) == Some("-32601");
                return is_unknown.then_some(Heard::NotOffered);
            }
            Kind::Response { .. } | Kind::Request { .. } | Kind::Batch => return None,
        }
        match message.method() {
            Some(subscription::ACKNOWLEDGED) => self.on_acknowledged(told.for_request.as_ref()).await,
            Some(method) if subscription::is_change(method) => {
                self.context.fresh.on_change(method);
                self.pass_on(subscription::untagged(&message).unwrap_or(message)).await;
                None
            }
            Some(_) | None => None,
        }
    }

    async fn on_acknowledged(&mut self, stream: Option<&RequestId>) -> Option<Heard> {
        let newest = self.newest.as_ref().filter(|newest| stream == Some(&newest.id))?;
        let uris = newest.uris.clone();
        self.subscribed.acknowledge(uris.clone());
        self.backoff.reset();
        self.older.drain(..).for_each(|older| older.abort());
        if !std::mem::take(&mut self.was_cut) {
            return None;
        }
        self.context.fresh.forget_all();
        for uri in uris {
            if let Ok(updated) = Message::parse(subscription::updated(&uri)) {
                self.pass_on(updated).await;
            }
        }
        Some(Heard::Resumed)
    }

    async fn pass_on(&self, message: Message) {
        let _ = self.context.incoming.send(Incoming { message, for_request: None, event_id: None }).await;
    }
}
