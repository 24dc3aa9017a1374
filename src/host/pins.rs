//! The tools of pinned servers as the person accepted them (security rule 9). What is new or other since is held back
//! from clients until it is accepted, too. One file for each account, in the state folder.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::value::RawValue;
use tokio::sync::watch;
use tokio::task::spawn_blocking;

use super::connection::ConnectionKey;
use crate::mcp::json;
use crate::redact::plain;
use crate::registry::write_atomically;

/// What was accepted of every account. Clones are the same one.
#[derive(Debug, Clone)]
pub struct PinStore {
    inner: Arc<Inner>,
    /// Whether no first list is taken for accepted.
    is_onlooker: bool,
}

#[derive(Debug)]
struct Inner {
    folder: PathBuf,
    /// By the prefix of the account's keys; a leaf, never held across an await.
    accepted: Mutex<BTreeMap<String, Arc<Accepted>>>,
    /// Held while the folder is written, so that the newest state is what stays.
    disk: Mutex<()>,
    changes: watch::Sender<u64>,
    /// Whether what was accepted could not be looked for, so that nothing counts as accepted.
    is_unreadable: bool,
}

/// Tools byte for byte, by name.
#[derive(Debug, Default, PartialEq, Eq)]
struct Accepted(BTreeMap<String, String>);

/// What was accepted of one account.
#[derive(Debug, Clone)]
pub struct AccountPins {
    store: PinStore,
    key: String,
}

/// A tool that is not as it was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Its name.
    pub name: String,
    /// As it was accepted; `None` where it is new.
    pub before: Option<String>,
    /// As the server describes it now.
    pub now: String,
}

impl PinStore {
    /// Reads what was accepted before. Of an account whose file is damaged, nothing counts as accepted.
    pub fn open(folder: PathBuf) -> Self {
        let mut accepted = BTreeMap::new();
        let files = fs::read_dir(&folder);
        let is_unreadable = files.as_ref().is_err_and(|error| error.kind() != io::ErrorKind::NotFound);
        if is_unreadable {
            tracing::warn!("what you accepted of servers' tools cannot be read");
        }
        for file in files.into_iter().flatten().flatten() {
            let name = file.file_name();
            let Some(key) = name.to_str().and_then(|name| name.strip_suffix("json")) else { continue };
            let tools = fs::read_to_string(file.path()).ok().and_then(|text| Accepted::of(&text));
            if tools.is_none() {
                tracing::warn!(file = %file.path().display(), "what you accepted of a server's tools cannot be read");
            }
            accepted.insert(key.to_owned(), Arc::new(tools.unwrap_or_default()));
        }
        let inner = Inner {
            folder,
            accepted: Mutex::new(accepted),
            disk: Mutex::default(),
            changes: watch::Sender::new(0),
            is_unreadable,
        };
        Self { inner: Arc::new(inner), is_onlooker: false }
    }

    /// The same for somebody who leaves everything as it is.
    pub fn for_onlooker(&self) -> Self {
        Self { is_onlooker: true, ..self.clone() }
    }

    /// What was accepted of an account.
    pub fn of(&self, entry: &str, account: &str) -> AccountPins {
        AccountPins { store: self.clone(), key: ConnectionKey::account_prefix(entry, account) }
    }

    /// Where it is kept.
    pub fn folder(&self) -> &Path {
        &self.inner.folder
    }

    /// Forgets what was accepted of all accounts whose key starts so: of one, or with the entry alone of a server's.
    pub async fn forget(&self, prefix: &str) {
        let prefix = prefix.to_owned();
        self.accepted().retain(|key, _| !key.starts_with(&prefix));
        let inner = self.inner.clone();
        spawn_blocking(move || inner.delete(&prefix)).await.ok();
        self.tell();
    }

    fn tell(&self) {
        self.inner.changes.send_modify(|number| *number += 1);
    }

    fn accepted(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Accepted>>> {
        lock(&self.inner.accepted)
    }
}

impl AccountPins {
    /// Hears when something else is accepted, or all of it forgotten.
    pub fn changes(&self) -> PinChanges {
        PinChanges { pins: self.clone(), any: self.store.inner.changes.subscribe(), last: self.now() }
    }

    /// Whether anything was accepted, so that everything else is held back.
    pub fn are_there(&self) -> bool {
        self.now().is_some()
    }

    /// Whether a client may get this tool; any, as long as nothing was accepted.
    pub fn shows(&self, name: &str, tool: &str) -> bool {
        self.now().is_none_or(|accepted| accepted.0.get(name).is_some_and(|known| known == tool))
    }

    /// Whether a client may call a tool, as far as the server's last list tells.
    pub fn lets_call(&self, name: &str, list: Option<&str>) -> bool {
        let Some(accepted) = self.now() else { return true };
        let Some(known) = accepted.0.get(name) else { return false };
        let tools = list.and_then(json::elements).unwrap_or_default();
        let is_other = |tool: &&RawValue| name_of(tool).as_deref() == Some(name) && tool.get() != known;
        !tools.iter().any(is_other)
    }

    /// What of a list of tools is not as it was accepted, in the list's order. Of two tools with one name neither is
    /// in it, since neither can be accepted.
    pub fn held(&self, list: &str) -> Vec<Held> {
        let (Some(accepted), Some(tools)) = (self.now(), json::elements(list)) else { return Vec::new() };
        let counts = Accepted::of(list).unwrap_or_default();
        let held = tools.iter().filter_map(|tool| {
            let (name, now) = (name_of(tool)?, tool.get());
            if !counts.0.contains_key(&name) {
                return None;
            }
            let before = accepted.0.get(&name);
            (before.is_none_or(|before| before != now)).then(|| Held {
                before: before.cloned(),
                now: now.to_owned(),
                name,
            })
        });
        held.collect()
    }

    /// Takes a server's first list for accepted; later ones say nothing.
    pub fn note_first(&self, list: &str) {
        let Some(tools) = Accepted::of(list) else { return };
        let mut all = self.store.accepted();
        if self.store.is_onlooker || self.store.inner.is_unreadable || all.contains_key(&self.key) {
            return;
        }
        all.insert(self.key.clone(), Arc::new(tools));
        drop(all);
        let (inner, key) = (self.store.inner.clone(), self.key.clone());
        spawn_blocking(move || {
            if let Err(error) = inner.write(&key) {
                tracing::warn!(%error, "the tools that were pinned could not be saved");
            }
        });
    }

    /// Accepts the tools of this list, and no others.
    ///
    /// # Errors
    /// It cannot be saved; then nothing is accepted.
    pub async fn accept(&self, list: &str) -> io::Result<()> {
        let tools = Accepted::of(list).ok_or(io::ErrorKind::InvalidData)?;
        let before = self.store.accepted().insert(self.key.clone(), Arc::new(tools));
        let (inner, key) = (self.store.inner.clone(), self.key.clone());
        let written = spawn_blocking(move || inner.write(&key)).await;
        let written = written.unwrap_or_else(|error| Err(io::Error::other(error)));
        if written.is_err() {
            let mut all = self.store.accepted();
            match before {
                Some(before) => drop(all.insert(self.key.clone(), before)),
                None => drop(all.remove(&self.key)),
            }
        }
        self.store.tell();
        written
    }

    fn now(&self) -> Option<Arc<Accepted>> {
        let known = self.store.accepted().get(&self.key).cloned();
        known.or_else(|| self.store.inner.is_unreadable.then(Arc::default))
    }
}

/// Tells when what is accepted of an account has changed.
#[derive(Debug)]
pub struct PinChanges {
    pins: AccountPins,
    any: watch::Receiver<u64>,
    last: Option<Arc<Accepted>>,
}

impl PinChanges {
    /// Resolves with the next change. A first list that counts as accepted is none: clients have it.
    pub async fn next(&mut self) {
        loop {
            if self.any.changed().await.is_err() {
                return std::future::pending().await;
            }
            let now = self.pins.now();
            if std::mem::replace(&mut self.last, now.clone()) != now {
                return;
            }
        }
    }
}

impl Accepted {
    /// The tools of a list. Of two with one name neither counts: a client may call either.
    fn of(list: &str) -> Option<Self> {
        let tools: Vec<&RawValue> = json::elements(list)?;
        let mut by_name = BTreeMap::new();
        let mut twice = Vec::new();
        for tool in tools {
            let Some(name) = name_of(tool) else { continue };
            if by_name.insert(name.clone(), tool.get().to_owned()).is_some_and(|other| other != tool.get()) {
                tracing::warn!(tool = %plain(&name, 64), "a server has two tools of this name: neither can be accepted");
                twice.push(name);
            }
        }
        by_name.retain(|name, _| !twice.contains(name));
        Some(Self(by_name))
    }

    /// As [`of`](Self::of) reads it.
    fn list(&self) -> String {
        let tools: Vec<&str> = self.0.values().map(String::as_str).collect();
        format!("[{}]", tools.join(","))
    }
}

impl Inner {
    /// Writes what is accepted of an account by now.
    fn write(&self, key: &str) -> io::Result<()> {
        let _turn = lock(&self.disk);
        let Some(accepted) = lock(&self.accepted).get(key).cloned() else { return Ok(()) };
        make_private_folder(&self.folder)?;
        write_atomically(&self.file(key), accepted.list().as_bytes())
    }

    fn delete(&self, prefix: &str) {
        let _turn = lock(&self.disk);
        for file in fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            if file.file_name().to_string_lossy().starts_with(prefix)
                && let Err(error) = fs::remove_file(file.path())
            {
                tracing::warn!(%error, "what was accepted of a server's tools could not be deleted");
            }
        }
    }

    fn file(&self, key: &str) -> PathBuf {
        self.folder.join(format!("{key}json"))
    }
}

fn name_of(tool: &RawValue) -> Option<String> {
    json::member(tool.get(), "name").and_then(json::string).map(String::from)
}

/// Nothing that holds one of these locks can fail half-way.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(unix)]
fn make_private_folder(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

#[cfg(not(unix))]
fn make_private_folder(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = r#"[{"name":"a","x":1.0},{"name":"b"}]"#;

    async fn accepted_in(folder: &Path) -> AccountPins {
        let pins = PinStore::open(folder.to_owned()).of("e", "work");
        pins.accept(LIST).await.expect("saved");
        pins
    }

    #[tokio::test]
    async fn only_what_was_accepted_byte_for_byte_is_shown_and_called() {
        let home = tempfile::tempdir().expect("a folder");
        let pins = accepted_in(home.path()).await;
        assert!(pins.shows("a", r#"{"name":"a","x":1.0}"#) && pins.lets_call("a", Some(LIST)));
        assert!(!pins.shows("a", r#"{"name":"a","x":1}"#) && !pins.shows("c", r#"{"name":"c"}"#));
        assert!(!pins.lets_call("a", Some(r#"[{"name":"a","x":1}]"#)), "it has changed");
        assert!(!pins.lets_call("c", Some(LIST)), "no list names it");
        assert!(pins.lets_call("a", None), "the server has not been asked yet");
        assert!(!pins.lets_call("b", Some(r#"[{"name":"b"},{"name":"b","x":2}]"#)), "it may mean either");

        let held = pins.held(r#"[{"name":"b","x":2},{"name":"a","x":1.0},{"name":"c"}]"#);
        let held: Vec<_> = held.iter().map(|held| (held.name.as_str(), held.before.as_deref())).collect();
        assert_eq!(held, [("b", Some(r#"{"name":"b"}"#)), ("c", None)]);
    }

    #[tokio::test]
    async fn what_was_accepted_is_read_back_and_goes_with_its_account() {
        let home = tempfile::tempdir().expect("a folder");
        accepted_in(home.path()).await;
        let later = PinStore::open(home.path().to_owned());
        assert!(!later.of("e", "work").shows("c", "{}"), "it is pinned");
        assert!(later.of("e", "work").shows("b", r#"{"name":"b"}"#));
        assert!(later.of("e", "home").shows("c", "{}"), "of another account nothing was accepted yet");
        later.forget("e.").await;
        assert!(later.of("e", "work").shows("c", "{}"));
        assert!(PinStore::open(home.path().to_owned()).of("e", "work").shows("c", "{}"));
    }

    #[tokio::test]
    async fn a_damaged_file_holds_everything_back() {
        let home = tempfile::tempdir().expect("a folder");
        accepted_in(home.path()).await;
        let file =
            fs::read_dir(home.path()).expect("a folder").next().expect("a file").expect("readable").path();
        fs::write(file, "[{").expect("written");
        let pins = PinStore::open(home.path().to_owned()).of("e", "work");
        assert!(!pins.shows("b", r#"{"name":"b"}"#));
        pins.note_first(LIST);
        assert!(!pins.shows("b", r#"{"name":"b"}"#), "no list is the first one here");
        pins.accept(LIST).await.expect("saved");
        assert!(pins.shows("b", r#"{"name":"b"}"#));
    }

    #[tokio::test]
    async fn what_cannot_be_saved_is_not_accepted() {
        let home = tempfile::tempdir().expect("a folder");
        let folder = home.path().join("pins");
        fs::write(&folder, "no folder").expect("written");
        let pins = PinStore::open(folder).of("e", "work");
        pins.accept(LIST).await.expect_err("there is no folder");
        assert_eq!(pins.held(LIST).len(), 2, "nothing was accepted");
        pins.note_first(LIST);
        assert!(!pins.shows("b", r#"{"name":"b"}"#), "who cannot read what was accepted believes no list");
    }
}
