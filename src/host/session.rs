//! One client's session with one server: the only owner of its state.
//!
//! Lines from the client come in on one side, messages from upstream on the other. A request
//! gets a task of its own ([`request`]); the upstream connection has one too ([`link`]). Whatever
//! they find out comes back here, so a request is answered exactly once.

mod ask;
mod context;
mod downstream;
mod link;
mod lists;
mod modern_tools;
mod open;
mod request;
pub mod resume;
mod sign_in_tool;
mod stand_in;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::value::RawValue;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::endpoint::frame::{Control, Frame, Hello};
use crate::endpoint::{Line, LineReader};
use crate::failure::Failure;
use crate::host::account::{AccountHandle, AccountState};
use crate::host::connection::Connection;
use crate::host::failures;
use crate::host::snapshot::SnapshotStore;
use crate::mcp::era::Era;
use crate::mcp::{self, Kind, Message, RequestId};
use crate::net::Network;
use crate::upstream::Incoming;

use context::{Context, Shared};
use downstream::Downstream;
use link::{End, Link, LinkState};
use lists::Collector;
use open::{Handshake, Opening};
use request::{Ending, Request};
pub use resume::Sealer;

/// Messages from upstream that may wait for this session.
const INCOMING_QUEUE: usize = 256;
/// How long the end of a session may take.
const END_LIMIT: Duration = Duration::from_secs(5);

/// What a session may spend.
#[derive(Debug, Clone)]
pub struct Limits {
    /// `initialize` and the first lists are answered within this time, whatever the server does.
    pub start_budget: Duration,
    /// How long a call waits for somebody to sign in.
    pub park: Duration,
    /// How long the first lists wait for a sign-in that is under way, where nothing is known.
    pub list_during_sign_in: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            start_budget: Duration::from_secs(3),
            park: Duration::from_secs(50),
            list_during_sign_in: Duration::from_secs(15),
        }
    }
}

/// What every session of a Host shares.
#[derive(Clone)]
pub struct SessionDeps {
    /// Connects upstream.
    pub network: Network,
    /// Keeps the last known answers.
    pub snapshots: SnapshotStore,
    /// Seals resume states.
    pub sealer: Sealer,
    /// What a session may spend.
    pub limits: Limits,
}

/// Serves one client until its stream ends or `shutdown` is cancelled. At the end of the stream
/// the upstream session is ended too; at a shutdown it stays for the next Host.
pub async fn serve<R, W>(
    deps: SessionDeps,
    connection: Connection,
    hello: Hello,
    frames: LineReader<R>,
    writer: W,
    shutdown: CancellationToken,
) where
    R: AsyncRead + Unpin + Send,
    W: AsyncWrite + Unpin + Send + 'static,
{
    let (downstream, writing) = Downstream::spawn(writer);
    let (sender, incoming) = mpsc::channel(INCOMING_QUEUE);
    let key = connection.key.to_string();
    let context = Context::new(connection, deps.network, downstream, deps.limits, sender, deps.snapshots);
    let session = Session::new(Arc::new(context), deps.sealer, key);
    session.run(hello, frames, incoming, shutdown).await;
    let _ = tokio::time::timeout(END_LIMIT, writing).await;
}

/// What the client was told in the server's stead.
#[derive(Debug, Default)]
struct Told {
    /// Whether `initialize` was answered here.
    initialize: bool,
    /// Lists given here, by method.
    lists: HashMap<String, String>,
}

/// A request the client waits for.
#[derive(Debug)]
struct Pending {
    method: Box<str>,
    task: Option<AbortHandle>,
    /// A modern call, as long as it may be sent again with other headers.
    call: Option<Message>,
}

struct Session {
    context: Shared,
    sealer: Sealer,
    key: String,
    link: Option<Link>,
    era: Era,
    pending: HashMap<RequestId, Pending>,
    /// The client's `initialize`, while it waits for its answer.
    initialize: Option<Message>,
    deadline: Option<Instant>,
    collector: Collector,
    told: Told,
    prefetch: u64,
    requests: JoinSet<(RequestId, Ending)>,
    tasks: JoinSet<()>,
    end: End,
}

impl Session {
    fn new(context: Shared, sealer: Sealer, key: String) -> Self {
        Self {
            context,
            sealer,
            key,
            link: None,
            era: Era::Legacy,
            pending: HashMap::new(),
            initialize: None,
            deadline: None,
            collector: Collector::default(),
            told: Told::default(),
            prefetch: 0,
            requests: JoinSet::new(),
            tasks: JoinSet::new(),
            end: End::default(),
        }
    }

    async fn run<R: AsyncRead + Unpin>(
        mut self,
        hello: Hello,
        mut frames: LineReader<R>,
        mut incoming: mpsc::Receiver<Incoming>,
        shutdown: CancellationToken,
    ) {
        self.resume(hello);
        let mut account = self.context.account().map(AccountHandle::state);
        let mut was_signed_in = account.as_ref().is_some_and(|account| account.borrow().is_signed_in());
        let client_left = loop {
            let deadline = self.deadline.filter(|_| self.initialize.is_some());
            tokio::select! {
                biased;
                () = shutdown.cancelled() => break false,
                Some(message) = incoming.recv() => self.on_upstream(message).await,
                line = frames.next() => match line {
                    Ok(Some(Line::Full(line))) => self.on_frame(line).await,
                    Ok(Some(Line::Piece { .. })) => {}
                    Ok(None) | Err(_) => break true,
                },
                Some(ended) = self.requests.join_next(), if !self.requests.is_empty() => {
                    if let Ok((id, ending)) = ended { self.on_ending(&id, ending).await; }
                }
                Some(_) = self.tasks.join_next(), if !self.tasks.is_empty() => {}
                () = link_changed(&mut self.link) => self.on_link().await,
                () = account_changed(&mut account) => {
                    let is_signed_in = account.as_mut().is_some_and(|account| account.borrow_and_update().is_signed_in());
                    if is_signed_in && !was_signed_in { self.on_signed_in(); }
                    was_signed_in = is_signed_in;
                }
                () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => {
                    self.stand_in_for_initialize(None).await;
                }
            }
        };
        self.requests.shutdown().await;
        if client_left {
            self.end.leave.cancel()
        } else {
            self.end.pause.cancel()
        }
        let rest = async { while self.tasks.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(END_LIMIT, rest).await;
    }

    /// Takes up a session that an earlier Host served.
    fn resume(&mut self, hello: Hello) {
        let Some(initialize) = hello.initialize.filter(|_| hello.initialized) else { return };
        let Ok(initialize) = Message::parse(Bytes::from(initialize.get().to_owned())) else { return };
        self.note_client(&initialize);
        let resume = hello.resume.and_then(|state| self.sealer.open(&state, &self.key));
        let initialized = Message::parse(Bytes::from_static(INITIALIZED)).ok();
        self.told.initialize = true;
        self.open_link(Opening::Legacy(Box::new(Handshake { initialize, resume, initialized })));
    }

    async fn on_frame(&mut self, line: Bytes) {
        let Ok(Frame::Message(line)) = Frame::parse(line) else { return };
        match Message::parse(line) {
            Ok(message) => self.on_client(message).await,
            Err(error) => tracing::debug!(%error, "the shim sent a line that is no message"),
        }
    }

    async fn on_client(&mut self, message: Message) {
        self.deadline.get_or_insert_with(|| Instant::now() + self.context.limits.start_budget);
        match message.kind().clone() {
            Kind::Request { id } => self.on_request(id, message).await,
            Kind::Notification => self.on_notification(message),
            Kind::Response { .. } => self.post_aside(message),
            Kind::Batch => {
                for part in message.split().into_iter().flatten() {
                    Box::pin(self.on_client(part)).await;
                }
            }
        }
    }

    async fn on_request(&mut self, id: RequestId, message: Message) {
        let method = message.method().unwrap_or_default().to_owned();
        if method == "initialize" {
            return self.on_initialize(id, message);
        }
        self.ensure_link(&message);
        if self.era == Era::Legacy && method == "ping" {
            return self.reply(mcp::result_response(&id, "{}")).await;
        }
        if let Some(answer) = self.answer_for_absent_capability(&id, &method) {
            return self.reply(answer).await;
        }
        if sign_in_tool::is_call(&message) {
            let task = sign_in_tool::run(self.context.clone(), self.link.clone(), message.clone());
            self.spawn(id, &method, task);
            return;
        }
        self.collector.on_request(&message);
        let call = (self.era == Era::Modern && method == "tools/call").then(|| message.clone());
        let Some(request) = self.request(message) else { return };
        self.spawn(id.clone(), &method, request.run());
        if let Some(pending) = self.pending.get_mut(&id) {
            pending.call = call;
        }
    }

    fn on_initialize(&mut self, id: RequestId, message: Message) {
        self.note_client(&message);
        self.era = Era::Legacy;
        self.told = Told::default();
        self.pending.insert(id, Pending { method: "initialize".into(), task: None, call: None });
        self.initialize = Some(message.clone());
        self.open_link(Opening::Legacy(Box::new(Handshake {
            initialize: message,
            resume: None,
            initialized: None,
        })));
    }

    fn note_client(&self, initialize: &Message) {
        if let Some(name) = initialize.string_at(&["params", "clientInfo", "name"]) {
            self.context.client_name.send_replace(crate::redact::plain(&name, 60));
        }
    }

    /// A client that starts without `initialize` is a modern one.
    fn ensure_link(&mut self, message: &Message) {
        if message.meta_protocol_version().is_some() && self.initialize.is_none() && !self.told.initialize {
            self.era = if self.link.is_none() { Era::Modern } else { self.era };
        }
        if self.link.is_none() {
            self.era = Era::Modern;
            self.open_link(Opening::Modern);
        }
    }

    fn open_link(&mut self, opening: Opening) {
        std::mem::take(&mut self.end).leave.cancel();
        self.link = Some(Link::spawn(self.context.clone(), opening, self.end.clone(), &mut self.tasks));
    }

    fn request(&self, message: Message) -> Option<Request> {
        let link = self.link.clone()?;
        let after_initialized = link.is_client_initialized();
        let list_deadline = self.deadline.unwrap_or_else(Instant::now);
        let context = self.context.clone();
        Some(Request {
            context,
            link,
            message,
            list_deadline,
            after_initialized,
            is_own: false,
            refresh_tools: false,
        })
    }

    fn spawn(&mut self, id: RequestId, method: &str, task: impl Future<Output = Ending> + Send + 'static) {
        let own_id = id.clone();
        let task = self.requests.spawn(async move { (own_id, task.await) });
        self.pending.insert(id, Pending { method: method.into(), task: Some(task), call: None });
    }

    fn on_notification(&mut self, message: Message) {
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
    fn on_cancelled(&mut self, message: Message) {
        let id = message.raw_at(&["params", "requestId"]).map(RequestId::from_raw);
        let pending = id.and_then(|id| {
            self.collector.forget(&id);
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
    fn post_aside(&mut self, message: Message) {
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
            if let LinkState::Ready(ready) = ready {
                let send = || ready.transport.post(message.clone(), context.incoming.clone());
                if let Err(error) = context.authorized(send).await {
                    tracing::debug!(server = %context.server(), ?error, "a notification was not delivered");
                }
            }
        });
    }

    async fn on_upstream(&mut self, incoming: Incoming) {
        let Some(message) = self.context.hand_over(incoming.message) else { return };
        match message.kind() {
            Kind::Response { id, .. } => {
                let id = incoming.for_request.or_else(|| id.clone());
                if let Some(id) = id {
                    self.on_response(&id, message).await;
                }
            }
            Kind::Request { .. } | Kind::Notification | Kind::Batch => {
                self.reply(message.line().clone()).await
            }
        }
    }

    /// A modern server that found a call's headers wrong has changed its tools: they are read
    /// again, and the call, which has not run, is sent once more.
    fn sent_again_with_other_headers(&mut self, id: &RequestId, response: &Message) -> bool {
        if response.raw_at(&["error", "code"]) != Some(modern_tools::HEADER_MISMATCH) {
            return false;
        }
        let call = self.pending.get_mut(id).and_then(|pending| pending.call.take());
        let Some(request) = call.and_then(|call| self.request(call)) else { return false };
        self.spawn(id.clone(), "tools/call", Request { refresh_tools: true, ..request }.run());
        true
    }

    async fn on_response(&mut self, id: &RequestId, message: Message) {
        if self.sent_again_with_other_headers(id, &message) {
            return;
        }
        let whole = self.collector.on_response(id, &message);
        if let Some(pending) = self.pending.remove(id) {
            let line = match &*pending.method {
                "tools/list" => usable_tools(&message, self.context.server(), self.era),
                _ => message.line().clone(),
            };
            self.told.lists.remove(&*pending.method);
            self.reply(line).await;
        }
        if let Some(whole) = whole {
            self.on_whole_list(whole).await;
        }
    }

    /// A list is known whole: it is kept, and a client that was given another one is told.
    async fn on_whole_list(&mut self, whole: lists::Whole) {
        if let Some(told) = self.told.lists.remove(&whole.method)
            && told != whole.items.get()
            && let Some(notification) = list_changed(&whole.method)
        {
            self.reply(Bytes::from_static(notification)).await;
        }
        self.context.note_list(&whole.method, whole.items);
    }

    async fn on_ending(&mut self, id: &RequestId, ending: Ending) {
        let Some(pending) = self.pending.get(id) else { return self.collector.forget(id) };
        let method = pending.method.clone();
        let answer = match ending {
            Ending::Answered => return,
            Ending::Answer(line) => line,
            Ending::StandIn { sign_in } => self.stand_in_list(id, &method, sign_in),
            Ending::Failed(failure) if &*method == "tools/call" => failure.tool_result(id),
            Ending::Failed(failure) => failure.response(id),
        };
        self.pending.remove(id);
        self.collector.forget(id);
        self.reply(answer).await;
    }

    fn stand_in_list(&mut self, id: &RequestId, method: &str, sign_in: bool) -> Bytes {
        let server = self.context.server().to_owned();
        let sign_in = sign_in.then_some(server.as_str());
        let (result, items) = self.context.with_snapshot(|snapshot| {
            let known = snapshot.list(method).unwrap_or("[]").to_owned();
            (stand_in::list(method, snapshot, sign_in, self.era), known)
        });
        let given = if sign_in.is_some() && method == "tools/list" { String::new() } else { items };
        self.told.lists.insert(method.to_owned(), given);
        match result {
            Some(result) => mcp::result_response(id, &result),
            None => failures::signed_out(&server).response(id),
        }
    }

    async fn on_link(&mut self) {
        let Some(link) = &self.link else { return };
        let state = link.state().borrow().clone();
        match state {
            LinkState::Opening => {}
            LinkState::Ready(ready) => {
                if let Some(state) =
                    ready.resume.as_ref().and_then(|resume| self.sealer.seal(resume, &self.key))
                {
                    let _ = self.context.downstream.control(Control::Resume { state }).await;
                }
                match &ready.response {
                    Some(response) if self.initialize.is_some() => {
                        self.answer_initialize(response.line().clone()).await
                    }
                    _ if ready.settled => self.prefetch(),
                    _ => {}
                }
            }
            LinkState::Rejected(answer) => {
                if self.initialize.is_some() {
                    self.answer_initialize(answer.line().clone()).await;
                }
            }
            LinkState::SignedOut => {
                let why = failures::signed_out(self.context.server());
                self.stand_in_for_initialize(Some(why)).await;
                let context = self.context.clone();
                self.tasks.spawn(async move { sign_in_tool::offer(&context).await });
            }
            LinkState::Down(failure) => self.stand_in_for_initialize(Some(failure)).await,
        }
    }

    fn on_signed_in(&mut self) {
        if let Some(link) = &self.link {
            link.retry();
        }
        self.prefetch();
    }

    async fn answer_initialize(&mut self, line: Bytes) {
        let Some(id) = self.initialize.take().and_then(|message| message.request_id().cloned()) else {
            return;
        };
        if self.pending.remove(&id).is_some() {
            self.reply(line).await;
        }
    }

    /// Answers `initialize` in the server's stead, if it still waits.
    async fn stand_in_for_initialize(&mut self, why: Option<Failure>) {
        let Some(message) = self.initialize.as_ref() else { return };
        let Some(id) = message.request_id().cloned() else { return };
        let version = message.string_at(&["params", "protocolVersion"]);
        let server = self.context.server().to_owned();
        let result = self.context.with_snapshot(|snapshot| {
            stand_in::initialize(snapshot, &server, version.as_deref(), why.as_ref())
        });
        self.told.initialize = true;
        self.answer_initialize(mcp::result_response(&id, &result)).await;
    }

    /// What was promised in the server's stead, and the server does not have, is answered empty.
    fn answer_for_absent_capability(&self, id: &RequestId, method: &str) -> Option<Bytes> {
        let capability = stand_in::capability_of(method).filter(|_| self.told.initialize)?;
        let absent = self.context.with_snapshot(|snapshot| {
            let initialize = snapshot.initialize.as_deref()?;
            Some(mcp::json::member_at(initialize.get(), &["capabilities", capability]).is_none())
        });
        absent.filter(|absent| *absent).and_then(|_| stand_in::empty(id, method, self.era))
    }

    /// Asks for the lists the client was given from memory, to tell it of changes.
    fn prefetch(&mut self) {
        let methods: Vec<String> = self.told.lists.keys().cloned().collect();
        for method in methods {
            self.prefetch += 1;
            let line =
                format!(r#"{{"jsonrpc":"2.0","id":"drawbridge-{}","method":"{method}"}}"#, self.prefetch);
            let Ok(message) = Message::parse(line.into()) else { continue };
            self.collector.on_request(&message);
            if let (Some(id), Some(request)) = (message.request_id().cloned(), self.request(message)) {
                let request = Request { is_own: true, ..request };
                self.requests.spawn(async move { (id, request.run().await) });
            }
        }
    }

    async fn reply(&self, line: Bytes) {
        let _ = self.context.downstream.message(line).await;
    }
}

const INITIALIZED: &[u8] = br#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;

async fn link_changed(link: &mut Option<Link>) {
    match link {
        Some(link) => link.changed().await,
        None => std::future::pending().await,
    }
}

async fn account_changed(account: &mut Option<watch::Receiver<AccountState>>) {
    let ended = match account {
        Some(account) => account.changed().await.is_err(),
        None => true,
    };
    if ended {
        std::future::pending::<()>().await;
    }
}

fn list_changed(method: &str) -> Option<&'static [u8]> {
    match method {
        "tools/list" => Some(br#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#),
        "prompts/list" => Some(br#"{"jsonrpc":"2.0","method":"notifications/prompts/list_changed"}"#),
        "resources/list" | "resources/templates/list" => {
            Some(br#"{"jsonrpc":"2.0","method":"notifications/resources/list_changed"}"#)
        }
        _ => None,
    }
}

/// A tool list without the tools that a client must not get; all else keeps its bytes.
fn usable_tools(message: &Message, server: &str, era: Era) -> Bytes {
    let line = message.line();
    let Some(tools) = message.raw_at(&["result", "tools"]) else { return line.clone() };
    let items: Option<Vec<&RawValue>> = mcp::json::elements(tools);
    let Some(kept) = items.and_then(|items| stand_in::without_unusable(&items, server, era)) else {
        return line.clone();
    };
    let start = tools.as_ptr() as usize - line.as_ptr() as usize;
    let kept = kept.join(",");
    [&line[..start], b"[", kept.as_bytes(), b"]", &line[start + tools.len()..]].concat().into()
}
