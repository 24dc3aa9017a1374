//! The last known answers of a server, kept per account so that a client can be answered while
//! the server is away. Holds no secrets; files are 0600 all the same.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::mcp::era::Era;

/// Which transport a server was last seen to speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SeenTransport {
    /// Streamable HTTP, 2025-03-26 and later.
    StreamableHttp,
    /// HTTP with SSE, 2024-11-05.
    HttpSse,
}

/// What was last known of a server, for one account.
#[derive(Debug, Default, Serialize, Deserialize)]
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
    /// Whole lists as JSON arrays, by method.
    pub lists: BTreeMap<String, Box<RawValue>>,
}

impl Snapshot {
    /// Whether the server's own `initialize` answer is known.
    pub fn is_known(&self) -> bool {
        self.initialize.is_some() || self.discover.is_some()
    }

    /// The items of a list as a JSON array.
    pub fn list(&self, method: &str) -> Option<&str> {
        self.lists.get(method).map(|list| list.get())
    }
}

/// The folder of all snapshots. A file's name starts with entry and account, so that these can
/// be deleted together.
#[derive(Debug, Clone)]
pub struct SnapshotStore {
    folder: PathBuf,
}

impl SnapshotStore {
    /// Keeps snapshots in `folder`, which is made when first needed.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// The snapshot kept under `key`; an empty one where there is none or it cannot be read.
    pub fn load(&self, key: &str) -> Snapshot {
        let text = fs::read(self.file(key)).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }

    /// Replaces the snapshot kept under `key`.
    ///
    /// # Errors
    /// What the file system says; the old snapshot is then still there.
    pub fn save(&self, key: &str, snapshot: &Snapshot) -> io::Result<()> {
        make_private_folder(&self.folder)?;
        let mut file = tempfile::NamedTempFile::new_in(&self.folder)?;
        file.write_all(&serde_json::to_vec(snapshot)?)?;
        file.persist(self.file(key))?;
        Ok(())
    }

    /// Deletes every snapshot whose key starts so: an account's, or with the entry alone a server's.
    pub fn delete(&self, prefix: &str) {
        let Ok(files) = fs::read_dir(&self.folder) else { return };
        for file in files.flatten() {
            if file.file_name().to_string_lossy().starts_with(prefix) {
                let _ = fs::remove_file(file.path());
            }
        }
    }

    fn file(&self, key: &str) -> PathBuf {
        self.folder.join(format!("{key}.json"))
    }
}

#[cfg(unix)]
fn make_private_folder(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_is_read_back_byte_for_byte_and_goes_with_its_account() {
        let home = tempfile::tempdir().expect("a folder");
        let store = SnapshotStore::new(home.path().join("snapshots"));
        let mut snapshot = Snapshot::default();
        let tools = r#"[{"name":"a","x":12345678901234567890.10}]"#;
        snapshot.lists.insert("tools/list".into(), RawValue::from_string(tools.into()).expect("JSON"));
        store.save("entry.work.0", &snapshot).expect("saved");
        store.save("entry.home.0", &snapshot).expect("saved");
        assert_eq!(store.load("entry.work.0").list("tools/list"), Some(tools));

        store.delete("entry.work.");
        assert_eq!(store.load("entry.work.0").list("tools/list"), None);
        assert!(store.load("entry.home.0").list("tools/list").is_some());
    }

    #[test]
    fn a_broken_snapshot_counts_as_none() {
        let home = tempfile::tempdir().expect("a folder");
        let store = SnapshotStore::new(home.path().into());
        fs::write(home.path().join("k.json"), "{\"lists\":").expect("written");
        assert!(!store.load("k").is_known());
    }
}
