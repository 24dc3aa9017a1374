//! The task that owns the registry and the accounts. Everybody else asks it.
//!
//! It never waits for the network or the secret store: a [`HostHandle`](super::HostHandle) does
//! that on its caller's time and comes back with the result.

mod shown;

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Error;
use super::account::{AccountKey, AccountState, Served};
use super::live::{Closed, Found, Live, LiveAccounts};
use super::reach::{AttemptsByEntry, Reach};
use super::standing::{Leaving, Standing, Standings, Watched};
use crate::api::types::ServerView;
use crate::registry::{AccountEntry, AccountLabel, Registry, ServerEntry, ServerId};

/// Requests that wait while the controller is busy.
const QUEUE: usize = 64;

type Job = Box<dyn FnOnce(&mut State) + Send>;

/// A way to ask the controller.
#[derive(Clone)]
pub(super) struct Controller {
    jobs: mpsc::Sender<Job>,
    views: watch::Receiver<Arc<Vec<ServerView>>>,
    served: watch::Receiver<Arc<Vec<Served>>>,
    kept_profiles: watch::Receiver<Arc<BTreeSet<AccountKey>>>,
}

/// What the controller owns.
pub(super) struct State {
    registry: Registry,
    accounts: LiveAccounts,
    standings: Standings,
    reach: watch::Receiver<AttemptsByEntry>,
    views: watch::Sender<Arc<Vec<ServerView>>>,
    served: watch::Sender<Arc<Vec<Served>>>,
    kept_profiles: watch::Sender<Arc<BTreeSet<AccountKey>>>,
    jobs: mpsc::WeakSender<Job>,
    tasks: TaskTracker,
}

impl Controller {
    /// Starts the task; it ends with the last handle or when `shutdown` is cancelled.
    pub(super) fn spawn(
        registry: Registry,
        reach: &Reach,
        tasks: &TaskTracker,
        shutdown: CancellationToken,
    ) -> Self {
        let (jobs, mut queue) = mpsc::channel::<Job>(QUEUE);
        let (views, shown) = watch::channel(Arc::default());
        let (served, seen) = watch::channel(Arc::default());
        let (kept_profiles, kept) = watch::channel(Arc::default());
        let mut state = State {
            registry,
            accounts: LiveAccounts::default(),
            standings: Standings::default(),
            reach: reach.watch(),
            views,
            served,
            kept_profiles,
            jobs: jobs.downgrade(),
            tasks: tasks.clone(),
        };
        state.publish();
        tasks.spawn(
            shutdown.clone().run_until_cancelled_owned(shown::show_attempts(reach.watch(), jobs.downgrade())),
        );
        tasks.spawn(async move {
            while let Some(Some(job)) = shutdown.run_until_cancelled(queue.recv()).await {
                job(&mut state);
            }
        });
        Self { jobs, views: shown, served: seen, kept_profiles: kept }
    }

    /// Has the controller do something and tell the result.
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&mut State) -> T + Send + 'static,
    ) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move |state| {
            // Whoever asked may have gone away meanwhile.
            let _ = reply.send(question(state));
        });
        self.jobs.send(job).await.map_err(|_| Error::Stopped)?;
        answer.await.map_err(|_| Error::Stopped)
    }

    /// All servers as they are shown, now and whenever something changes.
    pub(super) fn views(&self) -> watch::Receiver<Arc<Vec<ServerView>>> {
        self.views.clone()
    }

    /// The accounts whose sign-in windows keep what their pages store.
    pub(super) fn kept_profiles(&self) -> Arc<BTreeSet<AccountKey>> {
        self.kept_profiles.borrow().clone()
    }

    /// The servers that somebody signed in to, now and whenever that changes.
    pub(super) fn served(&self) -> watch::Receiver<Arc<Vec<Served>>> {
        self.served.clone()
    }
}

impl State {
    pub(super) fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Adds a server whose name and URL are new.
    pub(super) fn add(&mut self, entry: ServerEntry) -> Result<(), Error> {
        self.check_free(&entry)?;
        self.change(|registry| registry.put(entry))
    }

    /// Replaces an entry, unless it is no longer what the change was made from.
    pub(super) fn replace(&mut self, before: &ServerEntry, mut after: ServerEntry) -> Result<(), Error> {
        let now = self.registry.by_id(&before.id).filter(|now| same_but_for_accounts(now, before));
        let Some(now) = now else { return Err(Error::Conflict { name: before.name.clone() }) };
        after.accounts.clone_from(&now.accounts);
        self.check_free(&after)?;
        self.change(|registry| {
            registry.put(after);
            registry.forget_unused_approvals();
        })
    }

    /// Takes a server out; who is to leave it.
    pub(super) fn remove(&mut self, id: &ServerId) -> Result<Leaving, Error> {
        self.change(|registry| {
            registry.take(id);
            registry.forget_unused_approvals();
        })?;
        Ok(self.standings.tell(id, Standing::Removed))
    }

    /// Ends the sessions that were connected with an entry as it was.
    pub(super) fn outdate(&mut self, id: &ServerId) -> Leaving {
        self.standings.tell(id, Standing::Changed)
    }

    /// An entry for a session, which watches it.
    pub(super) fn watched(&mut self, entry: ServerEntry) -> (ServerEntry, Watched) {
        let watched = self.standings.watch(&entry.id);
        (entry, watched)
    }

    /// Remembers an approval.
    pub(super) fn approve(&mut self, url: &url::Url, references: &[String]) -> Result<(), Error> {
        if self.registry.unapproved(url, references).is_empty() {
            return Ok(());
        }
        self.change(|registry| registry.approve(url, references))
    }

    /// Removes an account from its entry, and ends its task.
    pub(super) fn remove_account(&mut self, id: &ServerId, label: &AccountLabel) -> Result<(), Error> {
        self.change_entry(id, |entry| {
            entry.accounts.retain(|account| account.label != *label);
            entry.kept_profiles.remove(label);
        })?;
        let key = AccountKey { entry: id.clone(), label: label.to_string() };
        if let Some(live) = self.accounts.remove(&key) {
            live.stop.cancel();
        }
        self.publish();
        Ok(())
    }

    /// An account, for those who want to use it.
    pub(super) fn find(&self, key: &AccountKey) -> Found {
        self.accounts.find(key)
    }

    /// Starts an account's task, unless somebody else did so meanwhile or its server is closed.
    ///
    /// # Errors
    /// [`Error::Conflict`] when the entry is no longer what `start` was made from.
    pub(super) fn start(
        &mut self,
        key: AccountKey,
        entry: &ServerEntry,
        start: impl FnOnce() -> Live,
    ) -> Result<Found, Error> {
        let found = self.accounts.find(&key);
        if !matches!(found, Found::Nothing) {
            return Ok(found);
        }
        let now = self.registry.by_id(&entry.id);
        if !now.is_some_and(|now| same_but_for_accounts(now, entry)) {
            return Err(Error::Conflict { name: entry.name.clone() });
        }
        let live = start();
        self.follow(key.clone(), &live);
        self.accounts.insert(key, live.clone());
        Ok(Found::Live(live))
    }

    /// Lets nobody have accounts of a server, until the answer is dropped.
    pub(super) fn close(&mut self, id: &ServerId) -> Closed {
        self.accounts.close(id)
    }

    /// Takes the running tasks of a server's accounts out; the caller ends them.
    pub(super) fn take_live(&mut self, id: &ServerId) -> Vec<Live> {
        let taken = self.accounts.take(id);
        self.publish();
        taken
    }

    /// Publishes an account's changes, as long as it runs.
    fn follow(&self, key: AccountKey, live: &Live) {
        let (jobs, stop, mut state) = (self.jobs.clone(), live.stop.clone(), live.handle.state());
        self.tasks.spawn(stop.run_until_cancelled_owned(async move {
            while state.changed().await.is_ok() {
                let (Some(jobs), key) = (jobs.upgrade(), key.clone()) else { return };
                let job: Job = Box::new(move |state| state.account_changed(&key));
                if jobs.send(job).await.is_err() {
                    return;
                }
            }
        }));
    }

    /// An account that somebody signed in to is there to stay, and with it who signed it in.
    fn account_changed(&mut self, key: &AccountKey) {
        let issuer = self.accounts.get(key).and_then(|live| match &*live.handle.state().borrow() {
            AccountState::SignedIn { issuer, .. } => Some(issuer.as_str().to_owned()),
            AccountState::Unknown
            | AccountState::SigningIn { .. }
            | AccountState::SignedOut { .. }
            | AccountState::Failed { .. } => None,
        });
        let label = key.label.parse::<AccountLabel>();
        if let (Some(issuer), Ok(label)) = (issuer, label) {
            let is_known = |account: &AccountEntry| {
                account.label == label && account.issuer.as_deref() == Some(issuer.as_str())
            };
            let entry = self.registry.by_id(&key.entry);
            if entry.is_some_and(|entry| !entry.accounts.iter().any(is_known)) {
                let added = self.change_entry(&key.entry, |entry| {
                    if !entry.has_account(&label) {
                        entry.accounts.push(AccountEntry::new(label.clone()));
                    }
                    for account in entry.accounts.iter_mut().filter(|account| account.label == label) {
                        account.issuer = Some(issuer.clone());
                    }
                });
                if let Err(error) = added {
                    tracing::warn!(%error, "a new account could not be stored");
                }
            }
        }
        self.publish();
    }

    fn change_entry(&mut self, id: &ServerId, change: impl FnOnce(&mut ServerEntry)) -> Result<(), Error> {
        let Some(mut entry) = self.registry.by_id(id).cloned() else { return Ok(()) };
        change(&mut entry);
        self.change(|registry| registry.put(entry))
    }

    /// Changes the registry on disk, then here: what could not be stored did not happen.
    fn change(&mut self, change: impl FnOnce(&mut Registry)) -> Result<(), Error> {
        let mut changed = self.registry.clone();
        change(&mut changed);
        changed.save()?;
        self.registry = changed;
        self.publish();
        Ok(())
    }

    /// Whether no other server has the name, or the URL and no key of its own.
    pub(super) fn check_free(&self, entry: &ServerEntry) -> Result<(), Error> {
        let is_other = |other: &&ServerEntry| other.id != entry.id;
        if self.registry.by_name(entry.name.as_str()).filter(is_other).is_some() {
            return Err(Error::NameTaken { name: entry.name.clone() });
        }
        // Two keys of one server are two entries; two sign-ins are two accounts of one.
        let same = self.registry.servers().iter().filter(is_other).filter(|other| other.url == entry.url);
        match { same }.find(|other| !other.has_own_key() && !entry.has_own_key()) {
            Some(other) => Err(Error::UrlTaken { name: other.name.clone() }),
            None => Ok(()),
        }
    }

    pub(super) fn by_name(&self, name: &str) -> Result<ServerEntry, Error> {
        let unknown = || Error::UnknownServer { name: crate::redact::plain(name, 80) };
        self.registry.by_name(name).cloned().ok_or_else(unknown)
    }
}

/// Whether an account that was started from one entry is right for the other.
pub(super) fn same_but_for_accounts(one: &ServerEntry, other: &ServerEntry) -> bool {
    let plain = |entry: &ServerEntry| ServerEntry {
        accounts: Vec::new(),
        default_account: None,
        kept_profiles: BTreeSet::new(),
        ..entry.clone()
    };
    plain(one) == plain(other)
}
