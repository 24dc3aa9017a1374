//! What every task of one session shares: where it connects, what it may spend, whose answers are awaited.

use std::collections::HashMap;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{mpsc, oneshot, watch};

use crate::failure::{Code, Failure};
use crate::host::Pause;
use crate::host::account::{AccountHandle, AccountState, SignedOut};
use crate::host::activity::Activity;
use crate::host::connection::{Connection, ConnectionKey};
use crate::host::failures;
use crate::host::pages::Pages;
use crate::host::pins::AccountPins;
use crate::host::reach::{Reach, UnderWay};
use crate::host::snapshot::SharedSnapshot;
use crate::host::tool_changes::ToolChanges;
use crate::mcp::{Kind, Message, RequestId};
use crate::net::Network;
use crate::secret::AccessToken;
use crate::upstream::{self, Incoming, StreamableHttp, Upstream};

use super::aside::Aside;
use super::calls::Calls;
use super::downstream::Downstream;
use super::fresh::FreshLists;
use super::questions::Questions;
use super::sealer::ConnectionSealer;
use super::{Limits, SessionDeps, sign_in_tool};

/// One session's surroundings.
pub(super) struct Context {
    pub(super) connection: Connection,
    /// Seals what its clients keep for it.
    pub(super) sealer: ConnectionSealer,
    pub(super) network: Network,
    pub(super) downstream: Downstream,
    pub(super) limits: Limits,
    pub(super) pages: Pages,
    /// Where every message from upstream goes.
    pub(super) incoming: mpsc::Sender<Incoming>,
    /// What is known of the server, shared with all sessions of this connection's key.
    pub(super) snapshot: SharedSnapshot,
    pub(super) client_name: watch::Sender<String>,
    /// What a legacy client said it can do, raw.
    pub(super) client_capabilities: watch::Sender<String>,
    /// What a modern server called fresh for a legacy client.
    pub(super) fresh: FreshLists,
    /// What is under way at a legacy server for a modern client.
    pub(super) calls: Calls,
    /// What the client is asked in the name of a server that cannot ask it.
    pub(super) questions: Questions,
    /// Opens sessions.
    pub(super) aside: Aside,
    reach: Reach,
    tool_changes: ToolChanges,
    /// What was accepted of the server's tools, where they are pinned.
    pub(super) pins: Option<AccountPins>,
    /// Whether all servers are left alone.
    pub(super) pause: Pause,
    /// Whether a list of this session has begun a sign-in.
    list_has_asked: AtomicBool,
    /// Counts what is under way.
    pub(super) activity: Activity,
    awaited: Mutex<HashMap<RequestId, oneshot::Sender<Message>>>,
}

impl Context {
    pub(super) async fn new(
        connection: Connection,
        deps: SessionDeps,
        downstream: Downstream,
        incoming: mpsc::Sender<Incoming>,
    ) -> Self {
        let snapshot = deps.snapshots.open(&connection.key.to_string()).await;
        // Another address is another server, whoever the entry is.
        let address = format!("{} {}", connection.key, connection.entry.url);
        let account = ConnectionKey::account_prefix(&connection.key.entry, &connection.key.account);
        let sealer = deps.sealer.of(&address, &account);
        let is_pinned = connection.tools.is_pinned();
        let pins = is_pinned.then(|| deps.pins.of(&connection.key.entry, &connection.key.account));
        Self {
            connection,
            sealer,
            network: deps.network,
            downstream,
            limits: deps.limits,
            pages: deps.pages,
            incoming,
            snapshot,
            client_name: watch::Sender::new("an MCP client".to_owned()),
            client_capabilities: watch::Sender::new("{}".to_owned()),
            fresh: FreshLists::default(),
            calls: Calls::default(),
            questions: Questions::default(),
            aside: deps.aside,
            reach: deps.reach,
            tool_changes: deps.tool_changes,
            pins,
            pause: deps.pause,
            list_has_asked: AtomicBool::new(false),
            activity: deps.activity,
            awaited: Mutex::default(),
        }
    }

    /// The server's name, for people.
    pub(super) fn server(&self) -> &str {
        self.connection.entry.name.as_str()
    }

    /// True once: a list begins a sign-in at most once in a session.
    pub(super) fn is_first_list_to_ask(&self) -> bool {
        !self.list_has_asked.swap(true, Ordering::Relaxed)
    }

    /// The account whose tokens this session uses.
    pub(super) fn account(&self) -> Option<&AccountHandle> {
        self.connection.account.as_ref()
    }

    /// Whether requests carry somebody's token.
    pub(super) fn has_tokens(&self) -> bool {
        self.account().is_some_and(|account| {
            account.current_token().is_some() || account.state().borrow().is_signed_in()
        })
    }

    /// Whether requests carry another token than this one by now, or none.
    pub(super) fn has_other_token_than(&self, token: Option<&AccessToken>) -> bool {
        match (self.account().and_then(AccountHandle::current_token), token) {
            (Some(now), Some(before)) => !now.same_as(before),
            (None, None) => false,
            (Some(_), None) | (None, Some(_)) => true,
        }
    }

    /// What both transports need.
    pub(super) fn upstream(&self) -> Upstream {
        Upstream {
            network: self.network.clone(),
            url: self.connection.entry.url.clone(),
            settings: self.connection.settings.clone(),
            authorizer: self.connection.authorizer(),
            limits: upstream::Limits::default(),
        }
    }

    /// A fresh Streamable HTTP transport without a session.
    pub(super) fn streamable_http(&self) -> StreamableHttp {
        StreamableHttp::new(self.upstream())
    }

    /// Whether the client may send this: not where it calls a tool that is hidden or held back from it.
    pub(super) fn check_visible(&self, message: &Message) -> Result<(), Failure> {
        if sign_in_tool::is_call(message) {
            return Ok(());
        }
        let checked = self.connection.tools.check(message);
        checked.map_err(|refused| failures::of_hidden_tool(self.server(), &refused))?;
        let Some(pins) = self.pins.as_ref().filter(|_| message.method() == Some("tools/call")) else {
            return Ok(());
        };
        let tool = message.string_at(&["params", "name"]).unwrap_or_default();
        let lets_call =
            self.snapshot.read(|snapshot| pins.now().lets_call(&tool, snapshot.list("tools/list")));
        if lets_call {
            return Ok(());
        }
        let has_own_options = self.connection.key.options.is_some();
        Err(failures::of_held_tool(self.server(), &self.target(), &tool, has_own_options))
    }

    /// The account as `connect` takes it.
    fn target(&self) -> String {
        let (entry, label) = (&self.connection.entry, &self.connection.key.account);
        if entry.default_account().as_str() == label {
            entry.name.to_string()
        } else {
            format!("{}@{label}", entry.name)
        }
    }

    /// An attempt to open a session, under way until what this gives is dropped. One with options of its own says
    /// nothing about the server as its entry has it.
    pub(super) fn begin_attempt(&self) -> Option<UnderWay> {
        let key = &self.connection.key;
        key.options.is_none().then(|| self.reach.begin(&key.entry))
    }

    /// Remembers how an attempt to open a session ended. One with options of its own says nothing
    /// about the server as its entry has it.
    pub(super) fn note_attempt(&self, attempt: Result<(), Failure>) {
        let key = &self.connection.key;
        match attempt {
            _ if key.options.is_some() => {}
            // Nobody has asked the server.
            Err(failure) if failure.code == Code::Paused => {}
            Ok(()) => self.reach.worked(&key.entry),
            Err(failure) => self.reach.failed(&key.entry, failure),
        }
    }

    /// Remembers that the server lists other tools than it did before.
    pub(super) fn note_tools(&self, before: &str, after: &str) {
        let held = self.pins.as_ref().map_or(0, |pins| pins.now().held(after).len());
        self.tool_changes.note(&self.connection.key, self.server(), before, after, held);
    }

    /// Resolves once requests carry another token than this one, or none.
    pub(super) async fn until_other_token_than(&self, token: Option<&AccessToken>) {
        let Some(account) = self.account() else { return std::future::pending().await };
        let mut state = account.state();
        let wait = state.wait_for(|state| state.is_signed_in() && self.has_other_token_than(token));
        if wait.await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Whether the server names another authorization server than the one that somebody signed in with.
    pub(super) async fn has_moved(&self) -> bool {
        let Some(account) = self.account() else { return false };
        matches!(account.look().await, Ok(AccountState::SignedOut { why: SignedOut::Moved }))
    }

    /// Resolves once the account is signed in.
    pub(super) async fn until_signed_in(&self) {
        let Some(account) = self.account() else { return std::future::pending().await };
        let mut state = account.state();
        if state.wait_for(|state| state.is_signed_in()).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Takes the answer to `request` out of what comes from upstream, for whoever sent it.
    /// Who stops waiting leaves nothing behind.
    pub(super) fn expect_answer(&self, request: &Message) -> impl Future<Output = Option<Message>> {
        let id = request.request_id().cloned();
        let (answer, waits) = oneshot::channel();
        if let Some(id) = &id {
            self.awaited().insert(id.clone(), answer);
        }
        let awaited = id.map(|id| Awaited { context: self, id });
        async move {
            let _awaited = awaited;
            waits.await.ok()
        }
    }

    /// Hands an answer to whoever awaits it; gives it back where nobody does.
    pub(super) fn hand_over(&self, message: Message) -> Option<Message> {
        let Kind::Response { id: Some(id), .. } = message.kind() else { return Some(message) };
        let waiter = self.awaited().remove(id);
        match waiter {
            Some(waiter) => waiter.send(message).err(),
            None => Some(message),
        }
    }

    fn awaited(&self) -> MutexGuard<'_, HashMap<RequestId, oneshot::Sender<Message>>> {
        self.awaited.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An answer that somebody waits for.
struct Awaited<'a> {
    context: &'a Context,
    id: RequestId,
}

impl Drop for Awaited<'_> {
    fn drop(&mut self) {
        self.context.awaited().remove(&self.id);
    }
}

/// A context and the right to end its tasks.
pub(super) type Shared = Arc<Context>;
