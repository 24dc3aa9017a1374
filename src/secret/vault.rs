//! The vault: async calls on one side, one plain thread that talks to the store on the other.
//!
//! The Secret Service library must not run on an async worker, and a keychain may sit in an unlock dialog for
//! minutes. So calls queue for the one thread, each caller waits 10 seconds at most, and a call whose caller has
//! gone is still made if it writes: the last word on an item must win.

use std::path::Path;
use std::sync::mpsc as std_mpsc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use tokio::sync::oneshot;

use super::file::{FileStore, KeySource};
use super::keychain::Keychain;
use super::memory::MemoryStore;
use super::{Error, ItemName, MemoryControl, SecretStore, parts};

/// How long a caller waits for the store.
const LIMIT: Duration = Duration::from_secs(10);
/// Calls that may wait behind a store that does not answer.
const QUEUE: usize = 64;

/// Which store a vault uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StoreKind {
    /// The OS keychain.
    #[default]
    Keychain,
    /// The encrypted file, by the user's choice.
    File,
    /// Nothing at rest.
    Memory,
}

impl std::str::FromStr for StoreKind {
    type Err = UnknownStore;

    /// The words of `DRAWBRIDGE_SECRETS`.
    fn from_str(word: &str) -> Result<Self, UnknownStore> {
        match word {
            "keychain" => Ok(Self::Keychain),
            "file" => Ok(Self::File),
            "memory" => Ok(Self::Memory),
            _ => Err(UnknownStore),
        }
    }
}

/// Not the name of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("secrets are kept in `keychain`, `file` or `memory`")]
pub struct UnknownStore;

/// Whether the vault can be used right now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VaultState {
    /// It answers.
    Ready,
    /// It is there but locked.
    Locked {
        /// What to do.
        why: String,
    },
    /// It is not there or fails.
    Unavailable {
        /// What is wrong and the way out.
        why: String,
    },
}

/// The only place where secrets rest. Clones share it.
#[derive(Clone)]
pub struct Vault {
    prefix: Arc<str>,
    backend: Backend,
}

#[derive(Clone)]
enum Backend {
    Thread(std_mpsc::SyncSender<Job>),
    /// Memory answers at once; it needs neither thread nor limit.
    Direct(Arc<Mutex<MemoryStore>>),
}

type Job = Box<dyn FnOnce(&mut dyn SecretStore) + Send>;

impl Vault {
    /// Opens the vault of a home. The store itself is reached at the first call, so this neither blocks nor fails.
    pub fn open(kind: StoreKind, home_id: &str, state_dir: &Path) -> Self {
        match kind {
            StoreKind::Keychain => Self::on_thread(home_id, Keychain::default()),
            StoreKind::File => {
                Self::on_thread(home_id, FileStore::new(state_dir, KeySource::from_environment()))
            }
            StoreKind::Memory => Self::memory(home_id).0,
        }
    }

    /// A vault in memory, with the means to make it fail.
    pub fn memory(home_id: &str) -> (Self, MemoryControl) {
        let (store, control) = MemoryStore::new();
        let backend = Backend::Direct(Arc::new(Mutex::new(store)));
        (Self { prefix: home_id.into(), backend }, control)
    }

    fn on_thread(home_id: &str, store: impl SecretStore + 'static) -> Self {
        let (jobs, queue) = std_mpsc::sync_channel::<Job>(QUEUE);
        let spawned =
            std::thread::Builder::new().name("vault".to_owned()).spawn(move || serve(store, &queue));
        if let Err(error) = spawned {
            // The queue is gone with the closure, so every call answers `Unavailable`.
            tracing::error!(%error, "cannot start the vault thread");
        }
        Self { prefix: home_id.into(), backend: Backend::Thread(jobs) }
    }

    /// Reads a secret.
    ///
    /// # Errors
    /// Any [`Error`]; a secret that is not there is `None`.
    pub async fn read(&self, name: &ItemName) -> Result<Option<SecretString>, Error> {
        let name = self.full(name);
        self.call(false, move |store| {
            let Some(value) = parts::read(store, &name)? else { return Ok(None) };
            let text = std::str::from_utf8(&value)
                .map_err(|_| Error::Damaged { name: name.clone(), why: "it is not text" })?;
            Ok(Some(SecretString::from(text)))
        })
        .await
    }

    /// Stores a secret, replacing the one before.
    ///
    /// # Errors
    /// Any [`Error`]. After [`Error::TimedOut`] the write may still happen.
    pub async fn write(&self, name: &ItemName, value: SecretString) -> Result<(), Error> {
        let name = self.full(name);
        self.call(true, move |store| parts::write(store, &name, value.expose_secret().as_bytes())).await
    }

    /// Changes a secret in one step, so that nobody writes in between. What `change` gives back is stored; nothing is
    /// done where it gives nothing.
    ///
    /// # Errors
    /// Any [`Error`]. After [`Error::TimedOut`] the change may still happen.
    pub async fn change(
        &self,
        name: &ItemName,
        change: impl FnOnce(Option<&str>) -> Option<SecretString> + Send + 'static,
    ) -> Result<(), Error> {
        let name = self.full(name);
        self.call(true, move |store| {
            let known = parts::read(store, &name)?;
            let known = known.as_ref().and_then(|value| std::str::from_utf8(value).ok());
            match change(known) {
                Some(value) => parts::write(store, &name, value.expose_secret().as_bytes()),
                None => Ok(()),
            }
        })
        .await
    }

    /// Deletes a secret; one that is not there is fine.
    ///
    /// # Errors
    /// Any [`Error`]. After [`Error::TimedOut`] the deletion may still happen.
    pub async fn delete(&self, name: &ItemName) -> Result<(), Error> {
        let name = self.full(name);
        self.call(true, move |store| parts::delete(store, &name)).await
    }

    /// Asks the store whether it can be used.
    pub async fn state(&self) -> VaultState {
        match self.call(false, |store| store.probe()).await {
            Ok(()) => VaultState::Ready,
            Err(error @ (Error::Locked { .. } | Error::TimedOut | Error::Busy)) => {
                VaultState::Locked { why: error.to_string() }
            }
            Err(error) => VaultState::Unavailable { why: error.to_string() },
        }
    }

    fn full(&self, name: &ItemName) -> String {
        format!("{}/{name}", self.prefix)
    }

    async fn call<T: Send + 'static>(
        &self,
        even_if_nobody_waits: bool,
        run: impl FnOnce(&mut dyn SecretStore) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let jobs = match &self.backend {
            Backend::Thread(jobs) => jobs,
            Backend::Direct(store) => return run(&mut *store.lock().unwrap_or_else(PoisonError::into_inner)),
        };
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move |store| {
            if even_if_nobody_waits || !reply.is_closed() {
                // A caller that stopped waiting was told so.
                reply.send(run(store)).ok();
            }
        });
        jobs.try_send(job).map_err(|error| match error {
            std_mpsc::TrySendError::Full(_) => Error::Busy,
            std_mpsc::TrySendError::Disconnected(_) => stopped(),
        })?;
        match tokio::time::timeout(LIMIT, answer).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err(stopped()),
            Err(_) => Err(Error::TimedOut),
        }
    }
}

fn stopped() -> Error {
    Error::Unavailable { why: "its thread has stopped; restart Drawbridge".to_owned() }
}

fn serve(mut store: impl SecretStore, queue: &std_mpsc::Receiver<Job>) {
    while let Ok(job) = queue.recv() {
        // A panic in a store library must not take all later calls with it.
        let ran = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| job(&mut store)));
        if ran.is_err() {
            tracing::error!("the secret store panicked");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Bytes;

    fn name(entry: &str) -> ItemName {
        ItemName::new("token", entry, "default")
    }

    /// Answers only while its gate is open.
    struct Slow {
        gate: std_mpsc::Receiver<()>,
        inner: MemoryStore,
    }

    impl SecretStore for Slow {
        fn read(&mut self, name: &str) -> Result<Option<Bytes>, Error> {
            self.gate.recv().ok();
            self.inner.read(name)
        }
        fn write(&mut self, name: &str, value: &[u8]) -> Result<(), Error> {
            self.inner.write(name, value)
        }
        fn delete(&mut self, name: &str) -> Result<(), Error> {
            self.inner.delete(name)
        }
        fn probe(&mut self) -> Result<(), Error> {
            panic!("a bug in a store");
        }
    }

    #[tokio::test]
    async fn two_homes_share_no_item() {
        let (vault, control) = Vault::memory("home-a");
        vault.write(&name("x"), "secret".into()).await.unwrap();
        assert_eq!(control.names(), ["home-a/token/x/default"]);
        let other = Vault { prefix: "home-b".into(), backend: vault.backend.clone() };
        assert!(other.read(&name("x")).await.unwrap().is_none());
        assert_eq!(vault.read(&name("x")).await.unwrap().unwrap().expose_secret(), "secret");
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_does_not_answer_is_not_waited_for_and_late_writes_happen() {
        let (inner, control) = MemoryStore::new();
        let (open, gate) = std_mpsc::sync_channel(0);
        let vault = Vault::on_thread("h", Slow { gate, inner });
        assert!(matches!(vault.read(&name("x")).await, Err(Error::TimedOut)));
        assert!(matches!(vault.write(&name("x"), "late".into()).await, Err(Error::TimedOut)));
        assert!(matches!(vault.state().await, VaultState::Locked { .. }));
        drop(open);
        tokio::time::resume();
        assert_eq!(vault.read(&name("x")).await.unwrap().unwrap().expose_secret(), "late");
        assert_eq!(control.writes(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_queue_is_an_error_not_a_wait() {
        let (inner, _control) = MemoryStore::new();
        let (_open, gate) = std_mpsc::sync_channel(0);
        let vault = Vault::on_thread("h", Slow { gate, inner });
        let mut seen_busy = false;
        for _ in 0..QUEUE + 2 {
            // Writes, as a read that nobody waits for any more leaves the queue.
            seen_busy |= matches!(vault.write(&name("x"), "v".into()).await, Err(Error::Busy));
        }
        assert!(seen_busy);
    }

    #[tokio::test]
    async fn a_panicking_store_answers_the_next_call() {
        let (inner, _control) = MemoryStore::new();
        let (open, gate) = std_mpsc::sync_channel(0);
        drop(open);
        let vault = Vault::on_thread("h", Slow { gate, inner });
        assert!(matches!(vault.state().await, VaultState::Unavailable { .. }));
        vault.write(&name("x"), "v".into()).await.unwrap();
    }

    #[tokio::test]
    async fn a_locked_store_says_so() {
        let (vault, control) = Vault::memory("h");
        control.lock(true);
        assert!(matches!(vault.state().await, VaultState::Locked { .. }));
        assert!(matches!(vault.read(&name("x")).await, Err(Error::Locked { .. })));
        control.lock(false);
        assert_eq!(vault.state().await, VaultState::Ready);
    }
}
