//! Which lists a client holds that the server may have otherwise. Only digests are kept: enough to see that a list is
//! another one, also for the next Host.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// The lists by method.
pub(super) type HeldLists = BTreeMap<String, HeldList>;

/// A list as a client has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum HeldList {
    /// These items, by the digest of their JSON array.
    Items(String),
    /// One that no server gives: parts of it, or nobody knows which.
    Other,
    /// One with our own tool, or the client has heard that there is such a one now.
    WithOurTool,
}

impl HeldList {
    /// A list of these items, a JSON array.
    pub(super) fn of(items: &str) -> Self {
        Self::Items(BASE64.encode(Sha256::digest(items)))
    }
}
