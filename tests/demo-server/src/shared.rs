//! What all parts of a running server share. Each field is a leaf with its own lock.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use rmcp::{Peer, RoleServer};
use tokio::sync::{broadcast, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::config::Config;
use crate::fault::Queues;
use crate::http_sse::SseSession;
use crate::oauth::store::Store;
use crate::sessions::Sessions;
use crate::stats::Recorder;

pub(crate) struct Shared {
    pub(crate) config: Config,
    /// The origin told to clients, without a trailing slash.
    pub(crate) origin: String,
    pub(crate) clock: Clock,
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) queues: Queues,
    pub(crate) oauth: Mutex<Store>,
    pub(crate) sessions: Arc<Sessions>,
    /// The sessions of the old transport, by id.
    pub(crate) sse_sessions: Mutex<HashMap<String, SseSession>>,
    pub(crate) tools: Mutex<ToolChanges>,
    /// Scopes that methods need beyond what they need by themselves.
    pub(crate) demanded_scopes: Mutex<HashMap<String, String>>,
    pub(crate) corpus: Mutex<Vec<crate::mcp::corpus::Document>>,
    pub(crate) listeners: Mutex<Vec<Listener>>,
    pub(crate) changes: broadcast::Sender<Change>,
    /// Raw messages for open streams.
    pub(crate) push: broadcast::Sender<Bytes>,
    /// Counts up when open streams are to end.
    pub(crate) cut: watch::Sender<u64>,
    /// Counts up when stalled requests may go on.
    pub(crate) release: watch::Sender<u64>,
    /// Cancelled and replaced when all connections are to break.
    pub(crate) connections: Mutex<CancellationToken>,
    pub(crate) rate: Mutex<Option<(Instant, u32)>>,
    pub(crate) shutdown: CancellationToken,
}

/// Something clients are told about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    Tools,
    Prompts,
    Resources,
    /// One resource has new content.
    Updated(String),
}

/// A legacy session that hears of changes.
#[derive(Debug)]
pub(crate) struct Listener {
    pub(crate) peer: Peer<RoleServer>,
    /// The resources it subscribed to.
    pub(crate) uris: Arc<Mutex<BTreeSet<String>>>,
}

/// How the tool list differs from the built-in one.
#[derive(Debug, Default)]
pub(crate) struct ToolChanges {
    pub(crate) added: BTreeSet<String>,
    pub(crate) removed: BTreeSet<String>,
    /// Descriptions in the place of their own, by name.
    pub(crate) described: BTreeMap<String, String>,
}

impl Shared {
    pub(crate) fn new(config: Config, origin: &Url) -> Self {
        let clients = config.oauth_config().map(|oauth| oauth.clients.clone());
        let recorder = Arc::new(Recorder::new(config.journal));
        let timeout = config.limits.session_timeout;
        Shared {
            origin: origin.as_str().trim_end_matches('/').to_owned(),
            clock: Clock::default(),
            queues: Queues::default(),
            oauth: Mutex::new(Store::new(clients.unwrap_or_default())),
            sessions: Arc::new(Sessions::new(timeout, recorder.clone())),
            sse_sessions: Mutex::default(),
            recorder,
            tools: Mutex::default(),
            demanded_scopes: Mutex::default(),
            corpus: Mutex::new(crate::mcp::corpus::built_in()),
            listeners: Mutex::default(),
            changes: broadcast::Sender::new(64),
            push: broadcast::Sender::new(256),
            cut: watch::Sender::new(0),
            release: watch::Sender::new(0),
            connections: Mutex::default(),
            rate: Mutex::default(),
            shutdown: CancellationToken::new(),
            config,
        }
    }

    /// The resource identifiers (RFC 8707) that cover a path of this server.
    pub(crate) fn covers(&self, resource: &str, path: &str) -> bool {
        let endpoint = if path == "/mcp" { "/mcp" } else { "/sse" };
        resource.trim_end_matches('/') == self.origin
            || resource.strip_prefix(self.origin.as_str()) == Some(endpoint)
    }

    /// Whether a resource identifier is one of this server's.
    pub(crate) fn is_own_resource(&self, resource: &str) -> bool {
        self.covers(resource, "/mcp") || self.covers(resource, "/sse")
    }

    /// Waits until the next `release_stalled`.
    pub(crate) async fn stalled(self: &Arc<Self>) {
        let mut release = self.release.subscribe();
        let _stalled = crate::stats::Open::new(self, |stats| &mut stats.stalled);
        // The sender lives in `self`, so this only ends when the count changes.
        let _ = release.changed().await;
    }
}

/// The server's own time, which tests can move ahead.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    ahead_millis: AtomicU64,
}

impl Clock {
    pub(crate) fn now(&self) -> Instant {
        Instant::now() + Duration::from_millis(self.ahead_millis.load(Ordering::Relaxed))
    }

    pub(crate) fn advance(&self, by: Duration) {
        let millis = u64::try_from(by.as_millis()).unwrap_or(u64::MAX / 2);
        self.ahead_millis.fetch_add(millis, Ordering::Relaxed);
    }
}
