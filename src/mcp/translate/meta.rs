//! `_meta` of modern requests: who asks, what it can do, and which log messages it wants
//! (<https://modelcontextprotocol.io/specification/2026-07-28/basic/index#_meta>).

use super::edit::{Edit, edit_at};
use crate::mcp::era::NEWEST_MODERN;
use crate::mcp::{Message, json};

const PROTOCOL_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
const CLIENT_INFO: &str = "io.modelcontextprotocol/clientInfo";
const CLIENT_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
const LOG_LEVEL: &str = "io.modelcontextprotocol/logLevel";
/// Names the server in the `_meta` of results.
pub(super) const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";
/// Names the `subscriptions/listen` that a notification belongs to.
pub(super) const SUBSCRIPTION_ID: &str = "io.modelcontextprotocol/subscriptionId";

/// The levels of log messages, least severe first (RFC 5424).
const LEVELS: [&str; 8] = ["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"];

/// A client, as a modern server gets to know it with every request. Two are equal when they are
/// spelled the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    info: Option<String>,
    capabilities: String,
}

impl Client {
    /// The client that sent a legacy `initialize`. What only legacy servers can use of its
    /// capabilities (`roots.listChanged`, `tasks`) is left out.
    pub fn of_initialize(initialize: &Message) -> Self {
        let capabilities = initialize.raw_at(&["params", "capabilities"]).unwrap_or("{}");
        Self {
            info: initialize.raw_at(&["params", "clientInfo"]).map(str::to_owned),
            capabilities: without_legacy_capabilities(capabilities).unwrap_or_else(|| "{}".to_owned()),
        }
    }

    /// The client that sent a modern request; `None` where it does not say.
    pub fn of_request(request: &Message) -> Option<Self> {
        let meta = request.raw_at(&["params", "_meta"])?;
        Some(Self {
            info: json::member(meta, CLIENT_INFO).map(str::to_owned),
            capabilities: json::member(meta, CLIENT_CAPABILITIES)?.to_owned(),
        })
    }

    /// A client that says nothing of itself and can be asked nothing.
    pub fn unknown() -> Self {
        Self { info: None, capabilities: "{}".to_owned() }
    }

    /// Its name and version as raw JSON.
    pub fn info(&self) -> Option<&str> {
        self.info.as_deref()
    }

    /// Its capabilities as raw JSON.
    pub fn capabilities(&self) -> &str {
        &self.capabilities
    }

    /// The members of a modern `_meta`.
    pub(super) fn put_into(&self, meta: &mut Edit<'_>, level: Option<Level>) {
        meta.set(PROTOCOL_VERSION, format!("\"{NEWEST_MODERN}\""));
        if let Some(info) = &self.info {
            meta.set(CLIENT_INFO, info.as_str());
        }
        meta.set(CLIENT_CAPABILITIES, self.capabilities.as_str());
        if let Some(level) = level {
            meta.set(LOG_LEVEL, format!("\"{}\"", level.as_str()));
        }
    }
}

/// Takes what [`Client::put_into`] sets out of a `_meta`.
pub(super) fn take_out_of(meta: &mut Edit<'_>) {
    for key in [PROTOCOL_VERSION, CLIENT_INFO, CLIENT_CAPABILITIES, LOG_LEVEL] {
        meta.remove(key);
    }
}

fn without_legacy_capabilities(capabilities: &str) -> Option<String> {
    let mut edit = Edit::of(capabilities)?;
    edit.remove("tasks");
    let roots = edit.member("roots").and_then(|roots| {
        json::member(roots, "listChanged")?;
        edit_at(roots, &[], |roots| _ = roots.remove("listChanged"))
    });
    if let Some(roots) = roots {
        edit.set("roots", roots);
    }
    Some(edit.text())
}

/// How severe log messages must be to be wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Level(usize);

impl Level {
    /// Reads a level's name; `None` for anything else.
    pub fn named(name: &str) -> Option<Self> {
        LEVELS.iter().position(|level| *level == name).map(Self)
    }

    /// The level that a legacy `logging/setLevel` asks for.
    pub fn of_set_level(request: &Message) -> Option<Self> {
        Self::named(&request.string_at(&["params", "level"])?)
    }

    /// The level that a modern request asks for.
    pub fn of_request(request: &Message) -> Option<Self> {
        Self::named(&request.string_at(&["params", "_meta", LOG_LEVEL])?)
    }

    /// The level of a log message.
    pub fn of_notification(notification: &Message) -> Option<Self> {
        Self::named(&notification.string_at(&["params", "level"])?)
    }

    /// Its name.
    pub fn as_str(self) -> &'static str {
        LEVELS[self.0]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn message(text: &'static str) -> Message {
        Message::parse(Bytes::from_static(text.as_bytes())).expect(text)
    }

    #[test]
    fn a_legacy_client_is_introduced_without_what_only_legacy_servers_use() {
        let client = Client::of_initialize(&message(
            r#"{"id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{"tasks":{"list":{}},"roots":{ "listChanged":true },"elicitation":{"url":{}},"x":1.0},"clientInfo":{"name":"c","icons":[]}}}"#,
        ));
        assert_eq!(client.capabilities(), r#"{"roots":{  },"elicitation":{"url":{}},"x":1.0}"#);
        assert_eq!(client.info(), Some(r#"{"name":"c","icons":[]}"#));
        let bare = Client::of_initialize(&message(r#"{"id":0,"method":"initialize"}"#));
        assert_eq!((bare.info(), bare.capabilities()), (None, "{}"));
    }

    #[test]
    fn a_client_that_says_nothing_of_itself_is_none() {
        assert_eq!(Client::of_request(&message(r#"{"id":0,"method":"tools/list"}"#)), None);
    }

    #[test]
    fn levels_are_ordered_by_severity() {
        assert!(Level::named("warning") > Level::named("debug"));
        assert_eq!(Level::named("loud"), None);
        assert_eq!(Level::named("alert").map(Level::as_str), Some("alert"));
    }
}
