//! One client's session with one server: the only owner of its state.
//!
//! Lines from the client come in on one side, messages from upstream on the other. A request
//! gets a task of its own (`request`); the upstream connection has one too (`link`). Whatever
//! they find out comes back here, so a request is answered exactly once.

mod aside;
mod ask;
mod authorized;
mod away;
mod calls;
mod context;
mod crossing;
mod deps;
mod detect;
mod downstream;
mod early;
mod ending;
mod fresh;
mod from_client;
mod from_legacy;
mod from_upstream;
pub mod greet;
mod held;
mod held_lists;
mod in_its_stead;
mod known;
mod link;
mod listening;
mod listens;
mod lists;
mod modern_tools;
mod open;
mod patience;
pub mod probe;
mod questions;
mod request;
mod resume;
mod sealer;
mod sentences;
mod sign_in_tool;
pub(crate) mod stand_in;
mod subscribed;
mod through_client;
mod to_legacy;
mod to_modern;
mod transport;
mod usable_tools;
mod wishes;

use std::collections::{BTreeSet, HashMap};
use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep_until};

use crate::endpoint::frame::Hello;
use crate::endpoint::{Line, LineReader};
use crate::host::account::{AccountHandle, AccountState};
use crate::host::activity::Busy;
use crate::host::connection::Connection;
use crate::host::pins::{AccountPins, PinChanges};
use crate::host::standing;
use crate::mcp::era::Era;
use crate::mcp::translate::meta::Client;
use crate::mcp::{Message, RequestId};
use crate::upstream::Incoming;

pub use aside::Aside;
use context::{Context, Shared};
pub use deps::{Limits, SessionDeps};
use downstream::Downstream;
pub use early::Early;
pub use ending::HostEnd;
use ending::Upstream;
pub use held::HELD_STATE;
use held::HeldRequests;
use held_lists::{HeldList, HeldLists};
use link::{End, Link};
use listens::Listens;
use lists::Collector;
use open::{Handshake, Opening};
use patience::{Due, Start};
use request::Ending;
use resume::{Kept, Resume};
pub use sealer::Sealer;
use wishes::{Wish, Wishes};

/// Messages from upstream that may wait for this session.
const INCOMING_QUEUE: usize = 256;
/// How long the end of a session may take.
const END_LIMIT: Duration = Duration::from_secs(5);

/// Serves one client until its stream ends, its entry is changed or removed, or the Host ends. Then
/// the upstream session is ended too, unless the next Host goes on with it.
pub async fn serve<R, W>(
    deps: SessionDeps,
    connection: Connection,
    hello: Hello,
    early: Early,
    frames: LineReader<R>,
    writer: W,
    host_end: HostEnd,
) where
    R: AsyncRead + Unpin + Send,
    W: AsyncWrite + Unpin + Send + 'static,
{
    let (downstream, writing) = Downstream::spawn(writer);
    let (sender, incoming) = mpsc::channel(INCOMING_QUEUE);
    let context = Context::new(connection, deps, downstream.clone(), sender).await;
    let session = Session::new(Arc::new(context));
    session.run((hello, early), frames, incoming, host_end).await;
    let written = async {
        downstream.end().await;
        let _ = writing.await;
    };
    let _ = tokio::time::timeout(END_LIMIT, written).await;
}

/// What the client was told in the server's stead.
#[derive(Debug, Default)]
struct Told {
    /// Whether the server was introduced here, in answer to `initialize` or `server/discover`.
    introduction: bool,
    /// Lists given here.
    lists: HeldLists,
}

/// A request the client waits for.
#[derive(Debug)]
struct Pending {
    method: Box<str>,
    task: Option<AbortHandle>,
    /// Whether it asks for a further page of a list.
    is_further_page: bool,
    /// A modern call, as long as it may be sent again with other headers.
    call: Option<Message>,
    /// Counts it until it is answered, unless it has no end.
    _busy: Option<Busy>,
    /// What the server is to remember once it has answered.
    wish: Option<Wish>,
}

/// Messages of the server that are handled before the client gets a word in.
const MOST_IN_A_ROW: u32 = 32;

struct Session {
    context: Shared,
    link: Option<Link>,
    era: Era,
    /// A modern client, as it introduced itself first.
    client: Client,
    pending: HashMap<RequestId, Pending>,
    /// The client's `initialize`, while it waits for its answer.
    initialize: Option<Message>,
    start: Option<Start>,
    /// Lists and the like that wait for the server, and until when.
    due: Vec<(Due, RequestId)>,
    collector: Collector,
    told: Told,
    /// What a modern client listens for.
    listens: Listens,
    held: HeldRequests,
    /// What a legacy client has told the server for as long as its session lasts.
    wishes: Wishes,
    /// What of that it has not been told, because it was left alone.
    untold: Vec<Wish>,
    /// The upstream session that was last told what it has to remember, by its generation.
    told_session: u64,
    /// The upstream session of an earlier Host, until the link is ready.
    handed_over: Option<Resume>,
    /// The lists that the client got from the server, by method.
    given_lists: BTreeSet<String>,
    /// How often listening upstream was interrupted, as far as it was made up for.
    interruptions: u64,
    /// Lists that are asked for to tell of changes, by request.
    prefetching: HashMap<RequestId, String>,
    requests: JoinSet<(RequestId, Ending)>,
    tasks: JoinSet<()>,
    end: End,
}

impl Session {
    fn new(context: Shared) -> Self {
        Self {
            context,
            link: None,
            era: Era::Legacy,
            client: Client::unknown(),
            pending: HashMap::new(),
            initialize: None,
            start: None,
            due: Vec::new(),
            collector: Collector::default(),
            told: Told::default(),
            listens: Listens::default(),
            held: HeldRequests::default(),
            wishes: Wishes::default(),
            untold: Vec::new(),
            told_session: 0,
            handed_over: None,
            given_lists: BTreeSet::new(),
            interruptions: 0,
            prefetching: HashMap::new(),
            requests: JoinSet::new(),
            tasks: JoinSet::new(),
            end: End::default(),
        }
    }

    async fn run<R: AsyncRead + Unpin>(
        mut self,
        (hello, early): (Hello, Early),
        mut frames: LineReader<R>,
        mut incoming: mpsc::Receiver<Incoming>,
        host_end: HostEnd,
    ) {
        self.resume(hello);
        self.take_up(early).await;
        let mut account = self.context.account().map(AccountHandle::state);
        let mut was_signed_in = account.as_ref().is_some_and(|account| account.borrow().is_signed_in());
        let mut standing = self.context.connection.standing.clone();
        let mut pause = self.context.pause.changes();
        let mut pins = self.context.pins.as_ref().map(AccountPins::changes);
        let mut in_a_row = 0;
        let upstream = loop {
            let deadline = self.next_deadline();
            let is_servers_turn = in_a_row < MOST_IN_A_ROW;
            in_a_row = if is_servers_turn { in_a_row + 1 } else { 0 };
            tokio::select! {
                biased;
                upstream = host_end.reached() => break upstream,
                // Before the endings, because an answer may come with its request's end.
                Some(message) = incoming.recv(), if is_servers_turn => {
                    self.on_upstream(message).await;
                    continue;
                }
                line = frames.next() => match line {
                    Ok(Some(Line::Full(line))) => self.on_frame(line).await,
                    Ok(Some(Line::Piece { .. })) => {}
                    Ok(None) | Err(_) => break Upstream::Ends,
                },
                Some(ended) = self.requests.join_next_with_id(), if is_servers_turn && !self.requests.is_empty() => {
                    match ended {
                        Ok((_, (id, ending))) => self.on_ending(&id, ending).await,
                        Err(error) => self.on_lost_task(&error).await,
                    }
                }
                Some(_) = self.tasks.join_next(), if !self.tasks.is_empty() => {}
                () = link_changed(&mut self.link) => self.on_link().await,
                is_paused = pause.next() => if !is_paused { self.on_servers_there() },
                () = pins_changed(&mut pins) => self.on_accepted().await,
                ended = standing::ended(&mut standing) => {
                    self.on_entry_ended(ended).await;
                    break Upstream::Ends;
                }
                ended = account_changed(&mut account) => {
                    // The shim comes back to the account as it is now.
                    if ended { break Upstream::Stays; }
                    self.context.fresh.forget_private();
                    let is_signed_in = account.as_mut().is_some_and(|account| account.borrow_and_update().is_signed_in());
                    if let Some(account) = &account { self.on_caller(&account.borrow()); }
                    if is_signed_in && !was_signed_in { self.on_servers_there(); }
                    was_signed_in = is_signed_in;
                }
                () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => {
                    self.on_deadline().await;
                }
                () = ready(()), if !is_servers_turn => {}
            }
            in_a_row = 0;
        };
        let under_way = self.under_way_at_legacy_server();
        self.requests.shutdown().await;
        match upstream {
            Upstream::Stays => self.end.pause.cancel(),
            Upstream::Ends => {
                self.take_back(under_way).await;
                self.end.leave.cancel();
            }
        }
        let rest = async { while self.tasks.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(END_LIMIT, rest).await;
    }

    /// Takes up a session that an earlier Host served.
    fn resume(&mut self, hello: Hello) {
        let kept = hello.resume.and_then(|state| Kept::open(&state, &self.context.sealer));
        let Kept { upstream: resume, wishes, lists } = kept.unwrap_or_default();
        self.handed_over.clone_from(&resume);
        self.told.lists = lists;
        let Some(initialize) = hello.initialize.filter(|_| hello.initialized) else { return };
        let Ok(initialize) = Message::parse(Bytes::from(initialize.get().to_owned())) else { return };
        self.note_client(&initialize);
        self.wishes = wishes;
        let initialized = Message::parse(Bytes::from_static(INITIALIZED)).ok();
        self.told.introduction = true;
        self.open_link(Opening::Legacy(Box::new(Handshake { initialize, resume, initialized })));
        self.wish_at_modern_server();
    }

    /// Goes on with a client that was answered before its connection was made.
    async fn take_up(&mut self, mut early: Early) {
        let waiting = early.take_waiting();
        let Early { initialize, introduced, lists, .. } = early;
        if let Some(initialize) = initialize {
            self.note_client(&initialize);
            let initialized = Message::parse(Bytes::from_static(INITIALIZED)).ok();
            self.open_link(Opening::Legacy(Box::new(Handshake { initialize, resume: None, initialized })));
        }
        self.told.introduction |= introduced;
        self.told.lists.extend(lists.into_iter().map(|list| (list, HeldList::of("[]"))));
        for message in waiting {
            self.on_client(message).await;
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

/// Waits until the person accepts tools.
async fn pins_changed(pins: &mut Option<PinChanges>) {
    match pins {
        Some(pins) => pins.next().await,
        None => std::future::pending().await,
    }
}

/// Waits for a change; `true` when the account itself has ended.
async fn account_changed(account: &mut Option<watch::Receiver<AccountState>>) -> bool {
    match account {
        Some(account) => account.changed().await.is_err(),
        None => std::future::pending().await,
    }
}
