//! The config files of MCP clients: which of their entries start Drawbridge, and whether one of these was changed.
//! They are only read.

mod entries;
mod files;
mod ledger;

use std::collections::BTreeMap;

pub use files::{Client, of_user};
pub use ledger::{Change, Ledger};

/// The largest config file that is read: some clients keep their history in it.
const LARGEST: u64 = 32 * 1024 * 1024;

/// An entry that starts Drawbridge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What it connects to: a server's name or an address.
    pub target: String,
    /// A digest of its command and arguments, which may hold secrets.
    pub digest: String,
}

/// The entries of one file that start Drawbridge, by name.
pub type Entries = BTreeMap<String, Entry>;

impl Client {
    /// Reads its entries; `None` where there is no such file, or not one that can be understood just now.
    pub fn entries(&self) -> Option<Entries> {
        let content =
            crate::private_file::read(&self.path, LARGEST, crate::private_file::Owner::User).ok()?;
        entries::of(std::str::from_utf8(&content).ok()?, self.shape)
    }
}
