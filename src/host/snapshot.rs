//! The last known answers of a server, kept per account so that a client can be answered while
//! the server is away. Holds no secrets; files are 0600 all the same.

mod store;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::mcp::era::Era;

pub use store::{Generation, SharedSnapshot, SnapshotStore};

/// Which transport a server was last seen to speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "specta", derive(specta::Type))]
#[serde(rename_all = "snake_case")]
pub enum SeenTransport {
    /// Streamable HTTP, 2025-03-26 and later.
    StreamableHttp,
    /// HTTP with SSE, 2024-11-05.
    HttpSse,
}

/// What was last known of a server, for one account.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Snapshot {
    /// Its era, once there was evidence.
    pub era: Option<Era>,
    /// Its transport, once there was evidence.
    pub transport: Option<SeenTransport>,
    /// The `result` of its last answer to `initialize`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub initialize: Option<Box<RawValue>>,
    /// The `result` of its last answer to `server/discover`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub discover: Option<Box<RawValue>>,
    /// How long it last took for its first word to a client, roughly; none where it did not come in time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_word_ms: Option<u32>,
    /// Whole lists as JSON arrays, by method.
    pub lists: BTreeMap<String, Box<RawValue>>,
}

impl Snapshot {
    /// Whether the server's own `initialize` answer is known.
    pub fn is_known(&self) -> bool {
        self.initialize.is_some() || self.discover.is_some()
    }

    /// Whether a list can be given from here: every server is asked for tools, the other lists it may not have.
    pub fn knows(&self, list: &str) -> bool {
        self.lists.contains_key(list) || (list != "tools/list" && self.is_known())
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        let Self { era, transport, initialize, discover, lists, first_word_ms: _ } = self;
        era.is_none() && transport.is_none() && initialize.is_none() && discover.is_none() && lists.is_empty()
    }

    /// The items of a list as a JSON array.
    pub fn list(&self, method: &str) -> Option<&str> {
        self.lists.get(method).map(|list| list.get())
    }
}
