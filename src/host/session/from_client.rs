//! What the client sends: requests get a task each, notifications go on their way.

use std::sync::Mutex;

use bytes::Bytes;
use tokio::time::Instant;

use crate::endpoint::frame::Frame;
use crate::failure::Failure;
use crate::mcp::era::Era;
use crate::mcp::translate::meta::Client;
use crate::mcp::{Kind, Message, RequestId, method};

use super::crossing::Crossing;
use super::held::Held;
use super::link::{Link, LinkState};
use super::open::{Handshake, Opening};
use super::patience::Start;
use super::request::{Ending, Request};
use super::wishes::Wish;
use super::{Pending, Session, Told, sign_in_tool};

/// The request that stays open for as long as its client listens.
pub(super) const LISTEN: &str = "subscriptions/listen";

impl Session {
    pub(super) async fn on_frame(&mut self, line: Bytes) {
        let Ok(Frame::Message(line)) = Frame::parse(line) else { return };
        match Message::parse(line) {
            Ok(message) => self.on_client(message).await,
            Err(error) => tracing::debug!(%error, "the shim sent a line that is no message"),
        }
    }

    pub(super) async fn on_client(&mut self, message: Message) {
        self.start.get_or_insert_with(|| Start::with(&message));
        if let Err(failure) = self.context.check_visible(&message) {
            return self.refuse(&message, &failure).await;
        }
        match message.kind().clone() {
            Kind::Request { id } => self.on_request(id, message).await,
            Kind::Notification => self.on_notification(message),
            Kind::Response { .. } => {
                if let Some(message) = self.context.questions.hand_over(message) {
                    self.post_aside(message);
                }
            }
            Kind::Batch => {
                for part in message.split().into_iter().flatten() {
                    Box::pin(self.on_client(part)).await;
                }
            }
        }
    }

    /// Answers a request that must not go to the server; other messages just end here.
    async fn refuse(&self, message: &Message, failure: &Failure) {
        let Some(id) = message.request_id() else { return };
        let answer = match message.method() {
            Some("tools/call") => self.tool_failure(id, failure),
            Some(_) | None => failure.response(id),
        };
        self.reply(answer).await;
    }

    pub(super) async fn on_request(&mut self, id: RequestId, message: Message) {
        let method = message.method().unwrap_or_default().to_owned();
        if method == "initialize" {
            return self.on_initialize(id, message);
        }
        self.ensure_link(&message);
        if let Some(answer) = self.answer_while_away(&id, &message).await {
            return self.reply(answer).await;
        }
        if let Some(answer) = self.answer_for_absent_capability(&id, &method) {
            return self.reply(answer).await;
        }
        if sign_in_tool::is_call(&message) {
            let held = self.take_held(&message);
            let Some(request) = self.request(message) else { return };
            let task = Request { held: Mutex::new(held), ..request }.run_own_tool();
            return self.spawn(id, &method, task);
        }
        self.collector.on_request(&message, self.context.snapshot.generation());
        if is_due_within_budget(&method, self.era) {
            self.due.extend(self.due_now(&method).map(|due| (due, id.clone())));
        }
        if self.era == Era::Modern && method == LISTEN {
            self.listens.ask(&message);
        }
        let held = self.take_held(&message);
        let restored = || held.as_ref().and_then(|held| held.restored(&message));
        let is_modern_call = self.era == Era::Modern && method == "tools/call";
        let call = is_modern_call.then(|| restored().unwrap_or_else(|| message.clone()));
        let wish = (self.era == Era::Legacy).then(|| Wish::of(&message)).flatten();
        let is_further_page = message.string_at(&["params", "cursor"]).is_some();
        let Some(request) = self.request(message) else { return };
        self.spawn(id.clone(), &method, Request { held: Mutex::new(held), ..request }.run());
        if let Some(pending) = self.pending.get_mut(&id) {
            pending.call = call;
            pending.is_further_page = is_further_page;
            pending.wish = wish;
        }
    }

    /// What a modern client comes back to. While servers are left alone, only what is under way goes on.
    fn take_held(&mut self, retry: &Message) -> Option<Held> {
        match self.era {
            Era::Legacy => None,
            Era::Modern if self.context.pause.is_on() => self.held.take_under_way(retry),
            Era::Modern => self.held.take(retry),
        }
    }

    /// The era of the server, as far as it is known; else that of the client.
    pub(super) fn server_era(&self) -> Era {
        self.crossing().server_era().unwrap_or(self.era)
    }

    /// How messages are written for the server, as far as it is known.
    pub(super) fn crossing(&self) -> Crossing {
        let state = self.link.as_ref().map(|link| link.state().borrow().clone());
        match state {
            Some(LinkState::Ready(ready)) => ready.crossing.clone(),
            Some(
                LinkState::Opening
                | LinkState::Rejected(_)
                | LinkState::SignedOut
                | LinkState::StepUpNeeded(_)
                | LinkState::Down { .. },
            )
            | None => Crossing::None,
        }
    }

    pub(super) fn on_initialize(&mut self, id: RequestId, message: Message) {
        self.note_client(&message);
        self.era = Era::Legacy;
        self.start = Some(Start::with(&message));
        self.told = Told::default();
        self.pending.insert(
            id,
            Pending {
                method: "initialize".into(),
                task: None,
                is_further_page: false,
                call: None,
                _busy: None,
                wish: None,
            },
        );
        self.initialize = Some(message.clone());
        self.open_link(Opening::Legacy(Box::new(Handshake {
            initialize: message,
            resume: None,
            initialized: None,
        })));
    }

    pub(super) fn note_client(&self, initialize: &Message) {
        if let Some(name) = initialize.string_at(&["params", "clientInfo", "name"]) {
            self.context.client_name.send_replace(crate::redact::plain(&name, 60));
        }
        let capabilities = initialize.raw_at(&["params", "capabilities"]).unwrap_or("{}");
        self.context.client_capabilities.send_replace(capabilities.to_owned());
    }

    /// A client that starts without `initialize` is a modern one.
    pub(super) fn ensure_link(&mut self, message: &Message) {
        if message.meta_protocol_version().is_some() && self.initialize.is_none() && !self.told.introduction {
            self.era = if self.link.is_none() { Era::Modern } else { self.era };
        }
        if self.link.is_none() {
            self.era = Era::Modern;
            self.client = Client::of_request(message).unwrap_or_else(Client::unknown);
            self.open_link(Opening::Modern(self.client.clone()));
        }
    }

    pub(super) fn open_link(&mut self, opening: Opening) {
        std::mem::take(&mut self.end).leave.cancel();
        self.link = Some(Link::spawn(self.context.clone(), opening, self.end.clone(), &mut self.tasks));
    }

    pub(super) fn request(&self, message: Message) -> Option<Request> {
        let link = self.link.clone()?;
        let after_initialized = link.is_client_initialized();
        let start = self.start.map_or_else(Instant::now, |start| start.at());
        let list_deadline = start + self.context.limits.start_budget;
        let context = self.context.clone();
        Some(Request {
            context,
            link,
            message,
            list_deadline,
            after_initialized,
            is_own: false,
            refresh_tools: false,
            was_shown_page: false,
            held: Mutex::default(),
        })
    }

    pub(super) fn spawn(
        &mut self,
        id: RequestId,
        method: &str,
        task: impl Future<Output = Ending> + Send + 'static,
    ) {
        let own_id = id.clone();
        let task = self.requests.spawn(async move { (own_id, task.await) });
        let _busy = (method != LISTEN).then(|| self.context.activity.call());
        self.pending.insert(
            id,
            Pending {
                method: method.into(),
                task: Some(task),
                is_further_page: false,
                call: None,
                wish: None,
                _busy,
            },
        );
    }

    pub(super) fn on_notification(&mut self, message: Message) {
        match message.method() {
            Some("notifications/initialized") => {
                if let Some(link) = &self.link {
                    link.client_is_initialized(message);
                }
            }
            Some("notifications/cancelled") => self.on_cancelled(message),
            _ => self.post_aside(message),
        }
    }

    /// Legacy servers are told; for modern ones closing the response stream says it.
    pub(super) fn on_cancelled(&mut self, message: Message) {
        let id = message.raw_at(&["params", "requestId"]).map(RequestId::from_raw);
        let pending = id.and_then(|id| {
            self.collector.forget(&id);
            self.cancel_at_legacy_server(&id);
            self.pending.remove(&id)
        });
        if self.era == Era::Legacy {
            self.post_aside(message);
        }
        if let Some(task) = pending.and_then(|pending| pending.task) {
            task.abort();
        }
    }

    /// Sends what needs no answer: notifications, and answers to the server's own requests.
    pub(super) fn post_aside(&mut self, message: Message) {
        let Some(link) = &self.link else { return };
        let mut state = link.state();
        let context = self.context.clone();
        self.tasks.spawn(async move {
            let limit = context.limits.start_budget;
            let ready = state.wait_for(|state| matches!(state, LinkState::Ready(_)));
            let ready = match tokio::time::timeout(limit, ready).await {
                Ok(Ok(state)) => state.clone(),
                _ => return,
            };
            if let LinkState::Ready(ready) = ready
                && let Some(message) = ready.crossing.aside(message)
            {
                let send = || ready.transport.post(message.clone(), context.incoming.clone());
                if let Err(error) = context.authorized(send).await {
                    tracing::debug!(server = %context.server(), ?error, "a notification was not delivered");
                }
            }
        });
    }
}

/// Whether a client is answered within the start budget, whatever the server does. `initialize` has a time of its own.
fn is_due_within_budget(method: &str, era: Era) -> bool {
    let opens_modern_session = matches!(method, "server/discover" | LISTEN);
    method::list_member(method).is_some() || (era == Era::Modern && opens_modern_session)
}
