//! The tools of pinned servers as the person accepted them (security rule 9). What is new or other since is held back
//! from clients until it is accepted, too. One file for each account, in the state folder.

mod accepted;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use tokio::task::spawn_blocking;

use super::connection::ConnectionKey;
use crate::registry::write_atomically;

use accepted::Accepted;
pub use accepted::{Held, Pinned, names_of_several};

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
    /// By the prefix of the account's keys, until it is forgotten; a leaf, never held across an await.
    accounts: Mutex<BTreeMap<String, Arc<Account>>>,
    /// Held while the folder is written, so that the newest state is what stays.
    disk: Mutex<()>,
    /// Whether what was accepted could not be looked for, so that nothing counts as accepted.
    is_unreadable: bool,
}

/// What was accepted of an account, also for who still asks once it was forgotten.
#[derive(Debug, Default)]
struct Account(watch::Sender<Pinned>);

/// The way to what was accepted of one account.
#[derive(Debug, Clone)]
pub struct AccountPins {
    store: PinStore,
    key: String,
    account: Arc<Account>,
}

impl PinStore {
    /// Reads what was accepted before. Of an account whose file is damaged, nothing counts as accepted.
    pub fn open(folder: PathBuf) -> Self {
        let mut accounts = BTreeMap::new();
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
            let pinned = Pinned(Some(Arc::new(tools.unwrap_or_default())));
            accounts.insert(key.to_owned(), Arc::new(Account(watch::Sender::new(pinned))));
        }
        let inner = Inner { folder, accounts: Mutex::new(accounts), disk: Mutex::default(), is_unreadable };
        Self { inner: Arc::new(inner), is_onlooker: false }
    }

    /// The same for somebody who leaves everything as it is.
    pub fn for_onlooker(&self) -> Self {
        Self { is_onlooker: true, ..self.clone() }
    }

    /// What was accepted of an account.
    pub fn of(&self, entry: &str, account: &str) -> AccountPins {
        let key = ConnectionKey::account_prefix(entry, account);
        let account = lock(&self.inner.accounts).entry(key.clone()).or_default().clone();
        AccountPins { store: self.clone(), key, account }
    }

    /// Where it is kept.
    pub fn folder(&self) -> &Path {
        &self.inner.folder
    }

    /// Forgets what was accepted of all accounts whose key starts so: of one, or with the entry alone of a server's. For
    /// a session that outlives this it goes on to hold, and nothing of it is kept.
    pub async fn forget(&self, prefix: &str) {
        let prefix = prefix.to_owned();
        lock(&self.inner.accounts).retain(|key, _| !key.starts_with(&prefix));
        let inner = self.inner.clone();
        spawn_blocking(move || inner.delete(&prefix)).await.ok();
    }
}

impl AccountPins {
    /// Hears when something else is accepted.
    pub fn changes(&self) -> PinChanges {
        PinChanges(self.account.0.subscribe())
    }

    /// What is accepted at this moment.
    pub fn now(&self) -> Pinned {
        let pinned = self.account.0.borrow().clone();
        match pinned.is_there() || !self.store.inner.is_unreadable {
            true => pinned,
            false => Pinned(Some(Arc::default())),
        }
    }

    /// Takes a server's first list for accepted; later ones say nothing.
    pub fn note_first(&self, list: &str) {
        if self.store.is_onlooker || self.now().is_there() {
            return;
        }
        let Some(tools) = Accepted::of(list) else { return };
        let mut is_first = false;
        // Clients have that list, so nothing has changed for them.
        self.account.0.send_if_modified(|pinned| {
            is_first = !pinned.is_there();
            if is_first {
                *pinned = Pinned(Some(Arc::new(tools)));
            }
            false
        });
        if !is_first {
            return;
        }
        let pins = self.clone();
        spawn_blocking(move || {
            if let Err(error) = pins.write() {
                tracing::warn!(%error, "the tools that were pinned could not be saved");
            }
        });
    }

    /// Accepts the tools of this list, and no others; of those that the person has `not_seen`, what was accepted before.
    ///
    /// # Errors
    /// It cannot be saved; then nothing is accepted.
    pub async fn accept<'a>(&self, list: &str, not_seen: impl Iterator<Item = &'a str>) -> io::Result<()> {
        let tools = Accepted::of(list).ok_or(io::ErrorKind::InvalidData)?.leaving(&self.now(), not_seen);
        let before = self.account.0.send_replace(Pinned(Some(Arc::new(tools))));
        let pins = self.clone();
        let written = spawn_blocking(move || pins.write()).await;
        let written = written.unwrap_or_else(|error| Err(io::Error::other(error)));
        if written.is_err() {
            self.account.0.send_replace(before);
        }
        written
    }

    /// Writes what is accepted by now, unless it was forgotten.
    fn write(&self) -> io::Result<()> {
        let inner = &self.store.inner;
        let _turn = lock(&inner.disk);
        let is_known =
            lock(&inner.accounts).get(&self.key).is_some_and(|known| Arc::ptr_eq(known, &self.account));
        let Some(accepted) = self.account.0.borrow().list().filter(|_| is_known) else { return Ok(()) };
        make_private_folder(&inner.folder)?;
        write_atomically(&inner.file(&self.key), accepted.as_bytes())
    }
}

/// Tells when what is accepted of an account has changed.
#[derive(Debug)]
pub struct PinChanges(watch::Receiver<Pinned>);

impl PinChanges {
    /// Resolves once something else was accepted. A first list that counts as accepted is no change.
    pub async fn next(&mut self) {
        if self.0.changed().await.is_err() {
            std::future::pending().await
        }
    }
}

impl Inner {
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

    async fn accept(pins: &AccountPins) -> io::Result<()> {
        pins.accept(LIST, std::iter::empty()).await
    }

    async fn accepted_in(folder: &Path) -> AccountPins {
        let pins = PinStore::open(folder.to_owned()).of("e", "work");
        accept(&pins).await.expect("saved");
        pins
    }

    #[tokio::test]
    async fn what_was_accepted_is_read_back_and_goes_with_its_account() {
        let home = tempfile::tempdir().expect("a folder");
        accepted_in(home.path()).await;
        let later = PinStore::open(home.path().to_owned());
        assert!(!later.of("e", "work").now().shows("c", "{}"), "it is pinned");
        assert!(later.of("e", "work").now().shows("b", r#"{"name":"b"}"#));
        assert!(later.of("e", "home").now().shows("c", "{}"), "of another account nothing was accepted yet");
        later.forget("e.").await;
        assert!(later.of("e", "work").now().shows("c", "{}"));
        assert!(PinStore::open(home.path().to_owned()).of("e", "work").now().shows("c", "{}"));
    }

    #[tokio::test]
    async fn who_outlives_an_account_pins_nothing_for_the_next_of_its_name() {
        let home = tempfile::tempdir().expect("a folder");
        let store = PinStore::open(home.path().to_owned());
        let [pinned, unpinned] = ["work", "home"].map(|account| store.of("e", account));
        accept(&pinned).await.expect("saved");
        store.forget("e.").await;
        for pins in [pinned, unpinned] {
            pins.note_first(LIST);
            assert!(!pins.now().shows("c", "{}"), "it is held to what it knows");
            pins.write().expect("nothing to write");
        }
        for store in [store, PinStore::open(home.path().to_owned())] {
            assert!(["work", "home"].iter().all(|account| !store.of("e", account).now().is_there()));
        }
    }

    #[tokio::test]
    async fn who_listens_hears_what_was_accepted_of_that_account_and_nothing_else() {
        let home = tempfile::tempdir().expect("a folder");
        let store = PinStore::open(home.path().to_owned());
        let pins = store.of("e", "work");
        let mut changes = pins.changes();
        pins.note_first("[]");
        accept(&store.of("e", "home")).await.expect("saved");
        store.forget("e.home.").await;
        assert!(!changes.0.has_changed().expect("open"), "clients have the first list");
        accept(&pins).await.expect("saved");
        changes.next().await;
        store.forget("e.").await;
        assert!(!changes.0.has_changed().expect("open"), "who outlives it is held to what it knows");
    }

    #[tokio::test]
    async fn a_damaged_file_holds_everything_back() {
        let home = tempfile::tempdir().expect("a folder");
        accepted_in(home.path()).await;
        let file =
            fs::read_dir(home.path()).expect("a folder").next().expect("a file").expect("readable").path();
        fs::write(file, "[{").expect("written");
        let pins = PinStore::open(home.path().to_owned()).of("e", "work");
        assert!(!pins.now().shows("b", r#"{"name":"b"}"#));
        pins.note_first(LIST);
        assert!(!pins.now().shows("b", r#"{"name":"b"}"#), "no list is the first one here");
        accept(&pins).await.expect("saved");
        assert!(pins.now().shows("b", r#"{"name":"b"}"#));
    }

    #[tokio::test]
    async fn what_cannot_be_saved_is_not_accepted() {
        let home = tempfile::tempdir().expect("a folder");
        let folder = home.path().join("pins");
        fs::write(&folder, "no folder").expect("written");
        let pins = PinStore::open(folder).of("e", "work");
        accept(&pins).await.expect_err("there is no folder");
        assert_eq!(pins.now().held(LIST).len(), 2, "nothing was accepted");
        pins.note_first(LIST);
        assert!(
            !pins.now().shows("b", r#"{"name":"b"}"#),
            "who cannot read what was accepted believes no list"
        );
    }
}
