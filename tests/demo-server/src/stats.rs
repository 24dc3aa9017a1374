//! What happened so far: counters to assert on and wait for, and the journal of raw requests.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;

use bytes::Bytes;
use http::HeaderMap;
use serde::Serialize;
use tokio::sync::watch;

/// Counters since the server started.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Stats {
    /// `initialize` requests, on either transport.
    pub initialize: u64,
    /// MCP messages by JSON-RPC method; GET and DELETE on `/mcp` under those names.
    pub requests: BTreeMap<String, u64>,
    /// MCP requests refused with 401.
    pub unauthorized: u64,
    /// MCP requests refused with 403 for want of a scope.
    pub insufficient_scope: u64,
    /// Proofs of a key that were refused, most for want of a nonce.
    pub refused_proofs: u64,
    /// Token requests by grant type.
    pub token_requests: BTreeMap<String, u64>,
    /// Times the login form was shown.
    pub authorize_pages: u64,
    /// Of those, in a browser that is remembered.
    pub remembered_pages: u64,
    /// Authorization codes issued.
    pub authorizations: u64,
    /// Clients registered.
    pub registrations: u64,
    /// Revocation requests.
    pub revocations: u64,
    /// Protected-resource and authorization-server metadata served.
    pub metadata_requests: u64,
    /// DELETE requests for sessions.
    pub deletes: u64,
    /// Sessions that live, on either transport.
    pub open_sessions: u64,
    /// Streams that can be pushed to: GET, `subscriptions/listen` and `/sse`.
    pub open_streams: u64,
    /// Requests held by a stall.
    pub stalled: u64,
    /// HTTP connections accepted.
    pub connections: u64,
    /// HTTP connections open.
    pub open_connections: u64,
}

impl Stats {
    /// How often that JSON-RPC method was seen.
    pub fn method(&self, method: &str) -> u64 {
        self.requests.get(method).copied().unwrap_or(0)
    }

    /// How often that grant type was seen.
    pub fn grant(&self, grant_type: &str) -> u64 {
        self.token_requests.get(grant_type).copied().unwrap_or(0)
    }
}

/// One MCP request as it was received.
#[derive(Debug, Clone)]
pub struct JournalEntry {
    /// The HTTP method.
    pub http_method: String,
    /// The path, without the query.
    pub path: String,
    /// The JSON-RPC method, where the body has one.
    pub method: Option<String>,
    /// `Mcp-Session-Id`.
    pub session_id: Option<String>,
    /// `MCP-Protocol-Version`.
    pub protocol_version: Option<String>,
    /// `Mcp-Method`.
    pub mcp_method: Option<String>,
    /// `Mcp-Name`.
    pub mcp_name: Option<String>,
    /// `Last-Event-ID`.
    pub last_event_id: Option<String>,
    /// The scheme of `Authorization`.
    pub authorization: Option<String>,
    /// All headers; test tokens included.
    pub headers: HeaderMap,
    /// The body, byte for byte.
    pub body: Bytes,
}

impl JournalEntry {
    pub(crate) fn new(parts: &http::request::Parts, method: Option<&str>, body: Bytes) -> Self {
        let text =
            |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        JournalEntry {
            http_method: parts.method.to_string(),
            path: parts.uri.path().to_owned(),
            method: method.map(str::to_owned),
            session_id: text("mcp-session-id"),
            protocol_version: text("mcp-protocol-version"),
            mcp_method: text("mcp-method"),
            mcp_name: text("mcp-name"),
            last_event_id: text("last-event-id"),
            authorization: text("authorization")
                .and_then(|value| value.split_whitespace().next().map(str::to_owned)),
            headers: parts.headers.clone(),
            body,
        }
    }
}

/// Where requests are counted and remembered.
#[derive(Debug)]
pub(crate) struct Recorder {
    stats: watch::Sender<Stats>,
    journal: Mutex<VecDeque<JournalEntry>>,
    journal_length: usize,
}

impl Recorder {
    pub(crate) fn new(journal_length: usize) -> Self {
        Recorder { stats: watch::Sender::new(Stats::default()), journal: Mutex::default(), journal_length }
    }

    pub(crate) fn count(&self, change: impl FnOnce(&mut Stats)) {
        self.stats.send_modify(change);
    }

    /// Starts counting anew; what is open stays counted.
    pub(crate) fn clear(&self) {
        self.count(|stats| {
            *stats = Stats {
                open_sessions: stats.open_sessions,
                open_streams: stats.open_streams,
                stalled: stats.stalled,
                open_connections: stats.open_connections,
                ..Stats::default()
            };
        });
    }

    pub(crate) fn watch(&self) -> watch::Receiver<Stats> {
        self.stats.subscribe()
    }

    pub(crate) fn request(&self, entry: JournalEntry) {
        let name = match (&entry.method, entry.http_method.as_str()) {
            (Some(method), _) => method.clone(),
            (None, "POST") => "response".to_owned(),
            (None, other) => other.to_owned(),
        };
        let deleted = entry.http_method == "DELETE";
        self.remember(entry);
        self.count(|stats| {
            stats.initialize += u64::from(name == "initialize");
            stats.deletes += u64::from(deleted);
            *stats.requests.entry(name).or_default() += 1;
        });
    }

    pub(crate) fn journal(&self) -> Vec<JournalEntry> {
        crate::lock(&self.journal).iter().cloned().collect()
    }

    pub(crate) fn clear_journal(&self) {
        crate::lock(&self.journal).clear();
    }

    fn remember(&self, entry: JournalEntry) {
        let mut journal = crate::lock(&self.journal);
        journal.push_back(entry);
        if journal.len() > self.journal_length {
            journal.pop_front();
        }
    }
}

/// Counts something as open for as long as it is held.
pub(crate) struct Open {
    shared: std::sync::Arc<crate::shared::Shared>,
    field: fn(&mut Stats) -> &mut u64,
}

impl Open {
    pub(crate) fn new(
        shared: &std::sync::Arc<crate::shared::Shared>,
        field: fn(&mut Stats) -> &mut u64,
    ) -> Self {
        shared.recorder.count(|stats| *field(stats) += 1);
        Open { shared: shared.clone(), field }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.shared.recorder.count(|stats| *(self.field)(stats) -= 1);
    }
}
