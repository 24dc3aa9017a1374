//! The owner of all snapshots: everyone who uses a connection key shares one, and the disk follows.
//!
//! A change marks the snapshot; one task writes what is marked, newest state only, off the async
//! workers. Whatever touches the folder does so in turn, so a deletion never loses to a write.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::{Notify, OnceCell};
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

use super::Snapshot;

/// All snapshots of a home. Clones are the same store.
///
/// A file's name starts with entry and account, so that these can be deleted together.
#[derive(Debug, Clone)]
pub struct SnapshotStore {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    folder: PathBuf,
    /// Whether there is a folder at all.
    is_on_disk: bool,
    /// A leaf: never held across an await.
    live: Mutex<HashMap<String, Weak<Live>>>,
    /// What has changed since it was written, by key; a leaf, too.
    changed: Mutex<BTreeMap<String, Arc<Live>>>,
    wake: Notify,
    /// Held while files are read, written or deleted.
    disk: Arc<tokio::sync::Mutex<()>>,
}

/// The snapshot of one connection key, the same for all who opened it.
#[derive(Debug, Clone)]
pub struct SharedSnapshot {
    key: String,
    live: Arc<Live>,
    store: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Live {
    loaded: OnceCell<()>,
    /// A leaf: read and written in one breath.
    content: Mutex<Content>,
}

#[derive(Debug, Clone, Default)]
struct Content {
    snapshot: Snapshot,
    generation: Generation,
}

/// Tells whether a snapshot was emptied since: what was asked before must not be kept afterwards.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Generation(u64);

impl SnapshotStore {
    /// Keeps snapshots in `folder`, which is made when first needed. Nothing is written before
    /// [`keep_written`](Self::keep_written) or [`flush`](Self::flush) runs.
    pub fn new(folder: PathBuf) -> Self {
        Self::with(folder, true)
    }

    /// Forgets everything with its last user, and touches no file.
    pub fn in_memory() -> Self {
        Self::with(PathBuf::new(), false)
    }

    fn with(folder: PathBuf, is_on_disk: bool) -> Self {
        let inner = Inner {
            folder,
            is_on_disk,
            live: Mutex::default(),
            changed: Mutex::default(),
            wake: Notify::new(),
            disk: Arc::default(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// The snapshot kept under `key`; an empty one where there is none or it cannot be read.
    pub async fn open(&self, key: &str) -> SharedSnapshot {
        let live = self.inner.live_or_new(key);
        live.loaded.get_or_init(|| self.inner.load(key, &live)).await;
        SharedSnapshot { key: key.to_owned(), live, store: self.inner.clone() }
    }

    /// Empties every snapshot whose key starts so, and deletes its file: an account's, or with the
    /// entry alone a server's.
    pub async fn delete(&self, prefix: &str) {
        for live in self.inner.live_under(prefix) {
            let mut content = lock(&live.content);
            let generation = Generation(content.generation.0 + 1);
            *content = Content { snapshot: Snapshot::default(), generation };
        }
        lock(&self.inner.changed).retain(|key, _| !key.starts_with(prefix));
        let (folder, prefix) = (self.inner.folder.clone(), prefix.to_owned());
        self.inner.on_disk(move || delete_files(&folder, &prefix)).await;
    }

    /// Writes what changes, until `shutdown` is cancelled.
    pub async fn keep_written(self, shutdown: CancellationToken) {
        while shutdown.run_until_cancelled(self.inner.wake.notified()).await.is_some() {
            self.flush().await;
        }
    }

    /// Returns once everything that has changed so far is on disk.
    pub async fn flush(&self) {
        loop {
            let Some((key, live)) = lock(&self.inner.changed).pop_first() else { break };
            self.inner.write(key, live).await;
        }
        // Whoever took the last one may still be writing it.
        drop(self.inner.disk.lock().await);
    }
}

impl SharedSnapshot {
    /// Reads it.
    pub fn read<T>(&self, read: impl FnOnce(&Snapshot) -> T) -> T {
        read(&lock(&self.live.content).snapshot)
    }

    /// Which one it is, for a later [`change`](Self::change).
    pub fn generation(&self) -> Generation {
        lock(&self.live.content).generation
    }

    /// Changes it, unless it was emptied since it was of this `generation`. `change` tells whether
    /// there is anything new.
    pub fn change(&self, generation: Generation, change: impl FnOnce(&mut Snapshot) -> bool) {
        let mut content = lock(&self.live.content);
        if content.generation == generation && change(&mut content.snapshot) {
            lock(&self.store.changed).insert(self.key.clone(), self.live.clone());
            self.store.wake.notify_one();
        }
    }
}

impl Inner {
    fn live_or_new(&self, key: &str) -> Arc<Live> {
        let mut all = lock(&self.live);
        if let Some(live) = all.get(key).and_then(Weak::upgrade) {
            return live;
        }
        all.retain(|_, live| live.strong_count() > 0);
        let live = Arc::new(Live::default());
        all.insert(key.to_owned(), Arc::downgrade(&live));
        live
    }

    fn live_under(&self, prefix: &str) -> Vec<Arc<Live>> {
        let all = lock(&self.live);
        let under = all.iter().filter(|(key, _)| key.starts_with(prefix));
        under.filter_map(|(_, live)| live.upgrade()).collect()
    }

    async fn load(&self, key: &str, live: &Live) {
        let generation = lock(&live.content).generation;
        let file = self.file(key);
        let read = move || fs::read(file).ok().and_then(|text| serde_json::from_slice(&text).ok());
        let Some(Some(snapshot)) = self.on_disk(read).await else { return };
        let mut content = lock(&live.content);
        if content.generation == generation {
            content.snapshot = snapshot;
        }
    }

    async fn write(&self, key: String, live: Arc<Live>) {
        let (folder, file) = (self.folder.clone(), self.file(&key));
        let writing = move || {
            let snapshot = lock(&live.content).snapshot.clone();
            if snapshot.is_empty() { Ok(()) } else { write_file(&folder, &file, &snapshot) }
        };
        if let Some(Err(error)) = self.on_disk(writing).await {
            tracing::warn!(%error, "the last known answers of a server could not be saved");
        }
    }

    /// Does something with the folder, in turn and off the async workers.
    async fn on_disk<T: Send + 'static>(&self, act: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        if !self.is_on_disk {
            return None;
        }
        let turn = self.disk.clone().lock_owned().await;
        // Whoever gives up waiting does not give up the turn.
        let acting = spawn_blocking(move || {
            let _turn = turn;
            act()
        });
        acting.await.ok()
    }

    fn file(&self, key: &str) -> PathBuf {
        self.folder.join(format!("{key}.json"))
    }
}

/// Nothing that holds one of these locks can fail half-way.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn write_file(folder: &Path, file: &Path, snapshot: &Snapshot) -> io::Result<()> {
    make_private_folder(folder)?;
    let mut written = tempfile::NamedTempFile::new_in(folder)?;
    written.write_all(&serde_json::to_vec(snapshot)?)?;
    written.persist(file)?;
    Ok(())
}

fn delete_files(folder: &Path, prefix: &str) {
    let Ok(files) = fs::read_dir(folder) else { return };
    for file in files.flatten() {
        if file.file_name().to_string_lossy().starts_with(prefix) {
            let _ = fs::remove_file(file.path());
        }
    }
}

#[cfg(unix)]
fn make_private_folder(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;

    use super::*;

    const TOOLS: &str = r#"[{"name":"a","x":12345678901234567890.10}]"#;

    fn note(shared: &SharedSnapshot, list: &str) {
        let list = RawValue::from_string(list.into()).expect("JSON");
        shared.change(shared.generation(), |snapshot| {
            snapshot.lists.insert("tools/list".into(), list);
            true
        });
    }

    fn tools(shared: &SharedSnapshot) -> Option<String> {
        shared.read(|snapshot| snapshot.list("tools/list").map(ToOwned::to_owned))
    }

    fn home() -> (tempfile::TempDir, SnapshotStore) {
        let home = tempfile::tempdir().expect("a folder");
        let store = SnapshotStore::new(home.path().join("snapshots"));
        (home, store)
    }

    #[tokio::test]
    async fn a_snapshot_is_read_back_byte_for_byte_and_goes_with_its_account() {
        let (home, store) = home();
        note(&store.open("entry.work.0").await, TOOLS);
        note(&store.open("entry.home.0").await, TOOLS);
        store.flush().await;
        let later = SnapshotStore::new(home.path().join("snapshots"));
        assert_eq!(tools(&later.open("entry.work.0").await).as_deref(), Some(TOOLS));

        later.delete("entry.work.").await;
        let later = SnapshotStore::new(home.path().join("snapshots"));
        assert_eq!(tools(&later.open("entry.work.0").await), None);
        assert!(tools(&later.open("entry.home.0").await).is_some());
    }

    #[tokio::test]
    async fn who_opens_the_same_key_shares_one_snapshot() {
        let (_home, store) = home();
        let (one, other) = (store.open("e.a.0").await, store.open("e.a.0").await);
        note(&one, "[1]");
        assert_eq!(tools(&other).as_deref(), Some("[1]"));
        note(&other, "[2]");
        drop(other);
        assert_eq!(tools(&one).as_deref(), Some("[2]"));
        drop(one);
        assert_eq!(tools(&store.open("e.a.0").await).as_deref(), Some("[2]"), "not yet written, not lost");
        assert_eq!(tools(&store.open("e.a.1").await), None);
    }

    #[tokio::test]
    async fn a_deletion_empties_live_snapshots_and_what_was_asked_before_it_is_not_kept() {
        let (home, store) = home();
        let shared = store.open("e.a.0").await;
        note(&shared, "[1]");
        let before = shared.generation();
        store.delete("e.").await;
        assert_eq!(tools(&shared), None);
        shared.change(before, |_| panic!("an answer to a question from before"));
        store.flush().await;
        let written = fs::read_dir(home.path().join("snapshots")).map_or(0, Iterator::count);
        assert_eq!(written, 0, "nothing comes back on disk");
        note(&shared, "[2]");
        store.flush().await;
        let later = SnapshotStore::new(home.path().join("snapshots"));
        assert_eq!(tools(&later.open("e.a.0").await).as_deref(), Some("[2]"));
    }

    #[tokio::test]
    async fn the_last_of_many_changes_is_what_the_disk_has() {
        let (home, store) = home();
        let stop = CancellationToken::new();
        let writer = tokio::spawn(store.clone().keep_written(stop.clone()));
        let shared = store.open("e.a.0").await;
        for count in 0..200 {
            note(&shared, &format!("[{count}]"));
            tokio::task::yield_now().await;
        }
        store.flush().await;
        stop.cancel();
        writer.await.expect("it ends");
        let later = SnapshotStore::new(home.path().join("snapshots"));
        assert_eq!(tools(&later.open("e.a.0").await).as_deref(), Some("[199]"));
    }

    #[tokio::test]
    async fn a_broken_snapshot_counts_as_none() {
        let home = tempfile::tempdir().expect("a folder");
        fs::write(home.path().join("k.json"), "{\"lists\":").expect("written");
        let store = SnapshotStore::new(home.path().into());
        assert!(!store.open("k").await.read(Snapshot::is_known));
    }
}
