//! What is known of a session's server, and shared with all sessions of its connection.

use serde_json::value::RawValue;

use crate::host::pins::{AccountPins, Pinned, names_of_several};
use crate::host::snapshot::{Generation, SeenTransport};
use crate::mcp::era::Era;
use crate::mcp::json;
use crate::redact::plain;

use super::context::Context;
use super::open::raw_result;
use super::usable_tools::{UsableList, UsableTools};

impl Context {
    /// Whether the server was seen to take `initialize` of a client of that version. One that said
    /// which versions it speaks has to have named it.
    pub(super) fn is_known_as_legacy_for(&self, version: &str) -> bool {
        self.snapshot.read(|snapshot| {
            let named = snapshot.discover.as_deref().and_then(|discovered| {
                let versions = json::member(discovered.get(), "supportedVersions")?;
                let versions: Vec<String> = serde_json::from_str(versions).ok()?;
                Some(versions.iter().any(|named| named == version))
            });
            snapshot.era == Some(Era::Legacy) && named.unwrap_or(true)
        })
    }

    /// Whether the server speaks to modern clients in their own words, once there was evidence.
    pub(super) fn is_known_as_modern(&self) -> Option<bool> {
        self.snapshot.read(|snapshot| match snapshot.era {
            Some(Era::Modern) => Some(true),
            Some(Era::Legacy) => Some(snapshot.discover.is_some()),
            None => None,
        })
    }

    /// The transport the server was seen to speak.
    pub(super) fn seen_transport(&self) -> Option<SeenTransport> {
        self.snapshot.read(|snapshot| snapshot.transport)
    }

    /// Remembers era and transport.
    pub(super) fn note_seen(&self, era: Era, transport: SeenTransport) {
        self.snapshot.change(self.snapshot.generation(), |snapshot| {
            let seen = (Some(era), Some(transport));
            let is_new = (snapshot.era, snapshot.transport) != seen;
            (snapshot.era, snapshot.transport) = seen;
            is_new
        });
    }

    /// Forgets what proved wrong of the server's era, so that it is asked for again.
    pub(super) fn forget_era(&self) {
        self.snapshot.change(self.snapshot.generation(), |snapshot| {
            let was_known = snapshot.era.is_some() || snapshot.discover.is_some();
            (snapshot.era, snapshot.discover) = (None, None);
            was_known
        });
    }

    /// Forgets which transport the server was seen to speak; it may have moved to the newer one.
    pub(super) fn forget_transport(&self) {
        self.snapshot.change(self.snapshot.generation(), |snapshot| snapshot.transport.take().is_some());
    }

    /// Remembers what a server said, when it was asked at `asked`, that knows modern clients.
    pub(super) fn note_discover(&self, asked: Generation, result: Option<&str>, speaks_legacy_too: bool) {
        let era = if speaks_legacy_too { Era::Legacy } else { Era::Modern };
        self.note_seen(era, SeenTransport::StreamableHttp);
        let Some(result) = result.and_then(|result| RawValue::from_string(result.to_owned()).ok()) else {
            return;
        };
        self.snapshot.change(asked, |snapshot| {
            let is_new = snapshot.discover.as_ref().is_none_or(|known| known.get() != result.get());
            snapshot.discover = Some(result);
            is_new
        });
    }

    /// Remembers the server's identity and capabilities, which were asked for at `asked`.
    pub(super) fn note_initialize(&self, asked: Generation, result: Option<&str>) {
        let Some(result) = raw_result(result) else { return };
        self.snapshot.change(asked, |snapshot| {
            let is_new = snapshot.initialize.as_ref().is_none_or(|known| known.get() != result.get());
            snapshot.initialize = Some(result);
            is_new
        });
    }

    /// What a client may get of a tool list.
    pub(super) fn usable_tools(&self, era: Era) -> UsableTools<'_> {
        let pinned = self.pins.as_ref().map(AccountPins::now).unwrap_or_default();
        UsableTools { pinned, ..self.permitted_tools(era) }
    }

    /// A list without what a client must not get.
    pub(super) fn usable(&self, method: &str, items: Box<RawValue>, era: Era) -> UsableList {
        match method {
            "tools/list" => self.usable_tools(era).of_list(items),
            _ => UsableList::of_no_tools(items),
        }
    }

    /// The list that was last known. It may be older than the rules for tools.
    pub(super) fn known_list(&self, method: &str, era: Era) -> UsableList {
        let empty = || RawValue::from_string("[]".to_owned()).expect("an empty array");
        let items = self.snapshot.read(|snapshot| snapshot.lists.get(method).cloned());
        self.usable(method, items.unwrap_or_else(empty), era)
    }

    /// Remembers a whole list of the server, which was asked for at `asked`; with the tools that are held back, so
    /// that the person can look at them.
    pub(super) fn note_list(&self, asked: Generation, method: &str, items: Box<RawValue>, era: Era) {
        let is_tools = method == "tools/list";
        if let Some(pins) = self.pins.as_ref().filter(|_| is_tools) {
            pins.note_first(items.get());
        }
        let items =
            if is_tools { self.permitted_tools(era).of_list(items) } else { UsableList::of_no_tools(items) };
        self.snapshot.change(asked, |snapshot| {
            let known = snapshot.list(method);
            let is_new = known != Some(items.text());
            if let Some(known) = known.filter(|_| is_new && method == "tools/list") {
                self.note_tools(known, items.text());
            }
            if is_new {
                if is_tools && self.pins.is_some() {
                    self.warn_of_several(items.text());
                }
                snapshot.lists.insert(method.to_owned(), items.into_raw());
            }
            is_new
        });
    }

    /// Which tools of a list can never be accepted.
    fn warn_of_several(&self, list: &str) {
        for name in names_of_several(list) {
            let (server, tool) = (self.server(), plain(&name, 64));
            tracing::warn!(%server, %tool, "the server has several tools of this name: none can be accepted");
        }
    }

    /// What the rules leave of a tool list, be it held back or not.
    fn permitted_tools(&self, era: Era) -> UsableTools<'_> {
        UsableTools { server: self.server(), era, visible: &self.connection.tools, pinned: Pinned::default() }
    }
}
