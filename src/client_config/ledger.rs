//! What was last seen of every client's entries, so that a change is noticed, also after a restart. Adding an entry is
//! what people do themselves; one that stops starting Drawbridge, or starts it otherwise, may be somebody else's doing.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{Client, Entries};
use crate::registry::write_atomically;

/// How an entry was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It does not start Drawbridge any more.
    Gone,
    /// It starts it with another command or other arguments.
    Other,
}

/// The entries of all clients, as they were last seen.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    /// Digests by entry, by file.
    files: BTreeMap<String, BTreeMap<String, String>>,
}

impl Ledger {
    /// Reads it; one that is missing or broken has seen nothing.
    pub fn load(path: &Path) -> Self {
        let text = std::fs::read(path).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }

    /// Writes it, for its owner alone.
    ///
    /// # Errors
    /// What the file system says.
    pub fn save(&self, path: &Path) -> io::Result<()> {
        write_atomically(path, &serde_json::to_vec_pretty(self)?)
    }

    /// Whether any entry of this client is known.
    pub fn knows(&self, client: &Client) -> bool {
        self.files.get(&*client.path.to_string_lossy()).is_some_and(|entries| !entries.is_empty())
    }

    /// Looks at a client's entries as they are now; what became of those seen before, by name. One under another name
    /// is the same.
    pub fn see(&mut self, client: &Client, now: &Entries) -> BTreeMap<String, Change> {
        let place = client.path.to_string_lossy().into_owned();
        let digests: BTreeMap<_, _> =
            now.iter().map(|(name, entry)| (name.clone(), entry.digest.clone())).collect();
        let before = self.files.insert(place, digests).unwrap_or_default();
        let change = |name: &str, digest: &str| match now.get(name) {
            Some(entry) if entry.digest == digest => None,
            Some(_) => Some(Change::Other),
            None if now.values().any(|entry| entry.digest == digest) => None,
            None => Some(Change::Gone),
        };
        before
            .into_iter()
            .filter_map(|(name, digest)| Some((name.clone(), change(&name, &digest)?)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::client_config::Entry;
    use crate::client_config::files::Shape;

    fn client(path: PathBuf) -> Client {
        Client { name: "Cursor", path, shape: Shape::Json("mcpServers") }
    }

    fn entries(of: &[(&str, &str)]) -> Entries {
        let entry = |digest: &str| Entry { target: "linear".into(), digest: digest.into() };
        of.iter().map(|(name, digest)| ((*name).to_owned(), entry(digest))).collect()
    }

    #[test]
    fn what_is_new_or_renamed_is_no_change_and_what_goes_or_is_altered_is_one() {
        let client = client("/c".into());
        let mut ledger = Ledger::default();
        let mut see = |now: &[(&str, &str)]| -> Vec<(String, Change)> {
            ledger.see(&client, &entries(now)).into_iter().collect()
        };
        assert_eq!(see(&[("a", "1"), ("b", "2")]), []);
        assert_eq!(see(&[("a", "1"), ("b", "2"), ("c", "3")]), []);
        assert_eq!(see(&[("a", "1"), ("z", "2"), ("c", "3")]), [], "renamed");
        assert_eq!(see(&[("a", "9"), ("c", "3")]), [("a".into(), Change::Other), ("z".into(), Change::Gone)]);
        assert_eq!(see(&[("a", "9"), ("c", "3")]), [], "told once");
    }

    #[test]
    fn files_are_told_apart_and_a_restart_forgets_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("ledger.json");
        let (one, two) = (client("/one".into()), client("/two".into()));
        let mut ledger = Ledger::load(&path);
        assert!(ledger.see(&one, &entries(&[("a", "1")])).is_empty());
        ledger.save(&path).expect("it is written");

        let mut later = Ledger::load(&path);
        assert_eq!(later, ledger);
        assert!(later.knows(&one) && !later.knows(&two));
        assert!(later.see(&two, &Entries::new()).is_empty());
        assert_eq!(later.see(&one, &Entries::new()).len(), 1);
        assert!(!later.knows(&one), "nothing is left of them");
        std::fs::write(&path, "broken").expect("written");
        assert_eq!(Ledger::load(&path), Ledger::default());
    }
}
