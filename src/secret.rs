//! Secrets: the types that carry them in memory and the vault that keeps them at rest.
//!
//! Every secret is its own type, prints `[redacted]` and is wiped when dropped. The vault is the only place at rest:
//! the OS keychain, an encrypted file the user opted into, or memory. What is stored under which name is decided by
//! the callers; this module knows names, values and stores, and nothing of OAuth.

mod file;
mod keychain;
mod memory;
mod parts;
mod types;
mod vault;

use std::fmt;

pub use memory::MemoryControl;
pub use types::{
    AccessToken, AuthorizationCode, ClientSecret, PkceVerifier, PrivateKey, RefreshToken, StaticSecret,
};
pub use vault::{StoreKind, UnknownStore, Vault, VaultState};

/// Why a secret could not be read, written or deleted.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store is there but does not open.
    #[error("the secret store is locked: {why}")]
    Locked {
        /// What keeps it locked and how it opens.
        why: String,
    },
    /// There is no store to talk to.
    #[error("there is no secret store: {why}")]
    Unavailable {
        /// What is missing and the way out.
        why: String,
    },
    /// The store did not answer in time.
    #[error("the secret store did not answer within 10 seconds; it may be waiting for you to unlock it")]
    TimedOut,
    /// Too many calls are waiting for a store that does not answer.
    #[error("the secret store is busy; it may be waiting for you to unlock it")]
    Busy,
    /// The store answered with a failure of its own.
    #[error("the secret store failed: {why}")]
    Failed {
        /// What it said, without any value.
        why: String,
    },
    /// What is stored is not what was written.
    #[error("the stored secret {name} is damaged: {why}")]
    Damaged {
        /// The item.
        name: String,
        /// What does not fit.
        why: &'static str,
    },
}

/// The name of one stored secret: what it is for, of which server entry, under which label.
///
/// The vault adds the home id, so two homes never share an item.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ItemName(String);

impl ItemName {
    /// Builds the name from its three parts; any text is safe in them.
    pub fn new(purpose: &str, entry: &str, label: &str) -> Self {
        Self(format!("{}/{}/{}", escaped(purpose), escaped(entry), escaped(label)))
    }

    /// The name as text, as it appears in logs and errors.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ItemName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for ItemName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Keeps a part of a name free of the separators `/` and `#`.
fn escaped(part: &str) -> String {
    let mut out = String::with_capacity(part.len());
    for byte in part.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'_' | b'-' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02x}")),
        }
    }
    out
}

/// A place that keeps named values. Calls block; the vault makes them from a thread of its own.
pub(crate) trait SecretStore: Send {
    /// The value under a name, if there is one.
    fn read(&mut self, name: &str) -> Result<Option<Bytes>, Error>;
    /// Stores a value, replacing what was there.
    fn write(&mut self, name: &str, value: &[u8]) -> Result<(), Error>;
    /// Removes a value; a name that is not there is fine.
    fn delete(&mut self, name: &str) -> Result<(), Error>;
    /// Whether the store can be used right now.
    fn probe(&mut self) -> Result<(), Error>;
}

/// Bytes that are wiped when dropped.
pub(crate) type Bytes = secrecy::zeroize::Zeroizing<Vec<u8>>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_separators_in_their_parts_never_meet() {
        let names = [
            ItemName::new("a", "b/c", "d"),
            ItemName::new("a", "b", "c/d"),
            ItemName::new("a/b", "c", "d"),
            ItemName::new("a", "b%2fc", "d"),
            ItemName::new("a", "b#1", "d"),
        ];
        let distinct: std::collections::BTreeSet<_> = names.iter().collect();
        assert_eq!(distinct.len(), names.len());
        assert!(names.iter().all(|name| name.as_str().matches('/').count() == 2));
        assert!(names.iter().all(|name| !name.as_str().contains('#')));
    }
}
