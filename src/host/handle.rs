//! What can be done with a Host: the same for shim, CLI and tray.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use url::Url;

use super::account::{GivingBack, SignInWindows};
use super::activity::Activity;
use super::approval::Approvals;
use super::clients::Clients;
use super::controller::{Controller, State};
use super::dialling;
use super::front::Front;
use super::options::{self, Server};
use super::secrets::ServerSecrets;
use super::session::SessionDeps;
use super::standing::Watched;
use super::{Error, options::loosens};
use crate::api::types::{Changes, Edited, NewServer, ServerOptions, ServerView, StatusView, VaultView};
use crate::failure::Failure;
use crate::net::{self, AddressClass, ConnectionSettings, Network};
use crate::oauth::browser::PageOpener;
use crate::registry::{ServerEntry, ServerId, ServerName};
use crate::secret::{Vault, VaultState};

/// The Host, for those who ask it. Clones ask the same one.
#[derive(Clone)]
pub struct HostHandle {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) controller: Controller,
    pub(super) network: Network,
    pub(super) vault: Vault,
    pub(super) giving_back: GivingBack,
    pub(super) opener: Arc<dyn PageOpener>,
    pub(super) windows: Option<Arc<dyn SignInWindows>>,
    pub(super) front: Option<Arc<dyn Front>>,
    pub(super) approvals: Approvals,
    pub(super) home_id: String,
    pub(super) activity: Activity,
    pub(super) tasks: TaskTracker,
    /// Asks the Host to end: sessions say goodbye.
    pub(super) shutdown: CancellationToken,
    /// Ends what sessions need for that: accounts, the controller.
    pub(super) end: CancellationToken,
    pub(super) warnings: Vec<Failure>,
    pub(super) clients: Clients,
    pub(super) settings: PathBuf,
    /// Accounts that have not looked at their tokens yet.
    pub(super) waking: watch::Sender<usize>,
    pub(super) sessions: SessionDeps,
}

impl HostHandle {
    /// Every server, now and whenever something about one changes.
    pub fn views(&self) -> watch::Receiver<Arc<Vec<ServerView>>> {
        self.inner.controller.views()
    }

    /// Every server.
    pub fn servers(&self) -> Arc<Vec<ServerView>> {
        self.views().borrow().clone()
    }

    /// One server.
    ///
    /// # Errors
    /// [`Error::UnknownServer`]
    pub async fn server(&self, name: &str) -> Result<ServerView, Error> {
        let name = name.to_owned();
        self.inner
            .controller
            .ask(move |state| state.by_name(&name).and_then(|entry| state.view_of(&entry.name)))
            .await?
    }

    /// The Host as a whole.
    pub async fn status(&self) -> StatusView {
        let secrets = match self.inner.vault.state().await {
            VaultState::Ready => VaultView::Ready,
            VaultState::Locked { why } => VaultView::Locked { why },
            VaultState::Unavailable { why } => VaultView::Unavailable { why },
        };
        StatusView {
            version: env!("CARGO_PKG_VERSION").into(),
            pid: std::process::id(),
            sessions: self.inner.activity.sessions(),
            secrets,
            http: self.inner.clients.settled().await.into(),
            warnings: self.inner.warnings.clone(),
            command: command(),
            servers: self.servers().to_vec(),
        }
    }

    /// Adds a server. Its person asked for it, so whatever the options refer to is approved.
    ///
    /// # Errors
    /// [`Error`]; nothing was added.
    pub async fn add(&self, new: NewServer) -> Result<ServerView, Error> {
        let name = new.name.clone();
        self.add_entry(new).await?;
        self.server(name.as_str()).await
    }

    /// Changes a server. Where its secrets could go elsewhere afterwards, they are dropped.
    ///
    /// # Errors
    /// [`Error`]; nothing was changed.
    pub async fn edit(&self, name: &str, changes: Changes) -> Result<Edited, Error> {
        let before = self.stored(self.entry(name).await?).await?;
        let mut after = before.clone();
        if let Some(name) = changes.name {
            after.entry.name = name;
        }
        if let Some(url) = changes.url {
            after.entry.url = url;
        }
        if let Some(label) = changes.default_account {
            if !before.entry.has_account(&label) {
                return Err(Error::UnknownAccount { server: before.entry.name, label });
            }
            after.entry.default_account = Some(label);
        }
        options::check_paths(&changes.options)?;
        after.unset(&changes.unset)?;
        after.apply(&changes.options)?;
        let drops = loosens(&before.entry, &after.entry);
        if drops {
            after = after.without_secrets();
            after.apply(&changes.options)?;
        }
        self.settle_class(&mut after, &before.entry).await?;
        if drops {
            self.wake_accounts(&before.entry).await;
        }
        self.commit(&before, &after, &changes.options).await?;
        // Another name makes no difference to what is under way.
        let renamed = before.renamed(&after.entry.name);
        let changed = drops || !renamed.same_trust(&after) || before.entry.url != after.entry.url;
        if !renamed.serves_as(&after) {
            let id = before.entry.id.clone();
            self.inner.controller.ask(move |state| state.outdate(&id)).await?.left().await;
        }
        if changed {
            self.inner.sessions.reach.forget(before.entry.id.as_str());
            self.end_accounts(&before.entry, drops).await;
        }
        let had_something = before.entry.has_secrets() || !before.entry.accounts.is_empty();
        let server = self.server(after.entry.name.as_str()).await?;
        Ok(Edited { server, secrets_dropped: drops && had_something })
    }

    /// Removes a server, its secrets, its sign-ins and what is remembered of it.
    ///
    /// # Errors
    /// [`Error::UnknownServer`], or why the registry could not be written.
    pub async fn remove(&self, name: &str) -> Result<(), Error> {
        let entry = self.entry(name).await?;
        let id = entry.id.clone();
        self.wake_accounts(&entry).await;
        self.inner.controller.ask(move |state| state.remove(&id)).await??.left().await;
        self.end_accounts(&entry, true).await;
        self.inner.sessions.snapshots.delete(&format!("{}.", entry.id)).await;
        self.inner.sessions.reach.forget(entry.id.as_str());
        if let Err(error) = ServerSecrets::delete(&self.inner.vault, &entry.id).await {
            tracing::warn!(server = %entry.name, %error, "its secrets could not be deleted");
        }
        Ok(())
    }

    /// What is going on, so that a Host that nobody needs can end.
    pub fn activity(&self) -> &Activity {
        &self.inner.activity
    }

    /// The clients of the local HTTP endpoint.
    pub fn clients(&self) -> &Clients {
        &self.inner.clients
    }

    /// The file of the settings.
    pub fn settings_file(&self) -> &Path {
        &self.inner.settings
    }

    /// Where tasks of the Host run.
    pub fn tasks(&self) -> &TaskTracker {
        &self.inner.tasks
    }

    /// Cancelled when the Host ends; cancel it to end the Host.
    pub fn shutdown(&self) -> &CancellationToken {
        &self.inner.shutdown
    }

    /// What every session shares.
    pub fn session_deps(&self) -> SessionDeps {
        self.inner.sessions.clone()
    }

    /// All outgoing HTTP.
    pub fn network(&self) -> &Network {
        &self.inner.network
    }

    /// Adds an entry after checking everything about it.
    pub(super) async fn add_entry(&self, new: NewServer) -> Result<ServerEntry, Error> {
        options::check_paths(&new.options)?;
        let entry = ServerEntry::new(new.name, without_fragment(new.url), AddressClass::Public);
        let mut server = Server { entry, secrets: ServerSecrets::default() };
        server.apply(&new.options)?;
        let free = server.entry.clone();
        self.inner.controller.ask(move |state| state.check_free(&free)).await??;
        server.entry.class = self.class_of(&server).await?;
        let settings = dialling::settings(&server).await?;
        self.inner.network.check(&server.entry.url, &settings)?;
        let Server { entry, secrets } = server;
        if !secrets.is_empty() {
            secrets.write(&self.inner.vault, &entry.id).await?;
        }
        let (added, references, url) = (entry.clone(), new.options.references(), entry.url.clone());
        let stored = self
            .inner
            .controller
            .ask(move |state| state.add(added).and_then(|()| state.approve(&url, &references)))
            .await?;
        if let Err(error) = stored {
            self.discard_secrets(&entry.id, &secrets).await;
            return Err(error);
        }
        tracing::info!(server = %entry.name, class = ?entry.class, "added");
        Ok(entry)
    }

    pub(super) async fn entry(&self, name: &str) -> Result<ServerEntry, Error> {
        let name = name.to_owned();
        self.inner.controller.ask(move |state| state.by_name(&name)).await?
    }

    /// An entry for a session, which watches it.
    pub(super) async fn watched_entry(&self, name: &str) -> Result<(ServerEntry, Watched), Error> {
        let name = name.to_owned();
        let find = move |state: &mut State| state.by_name(&name).map(|entry| state.watched(entry));
        self.inner.controller.ask(find).await?
    }

    pub(super) async fn entries(&self) -> Result<Vec<ServerEntry>, Error> {
        self.inner.controller.ask(|state| state.registry().servers().to_vec()).await
    }

    /// An entry with its secrets.
    pub(super) async fn stored(&self, entry: ServerEntry) -> Result<Server, Error> {
        let secrets = match entry.has_secrets() {
            true => ServerSecrets::read(&self.inner.vault, &entry.id).await?,
            false => ServerSecrets::default(),
        };
        Ok(Server { entry, secrets })
    }

    /// Fixes the class anew where the address changed, and checks the address in any case.
    async fn settle_class(&self, after: &mut Server, before: &ServerEntry) -> Result<(), Error> {
        after.entry.url = without_fragment(after.entry.url.clone());
        if after.entry.url.origin() != before.url.origin() {
            after.entry.class = self.class_of(after).await?;
        }
        let settings = dialling::settings(after).await?;
        Ok(self.inner.network.check(&after.entry.url, &settings)?)
    }

    /// Where the server's address lies, after checking that it may be asked at all.
    async fn class_of(&self, server: &Server) -> Result<AddressClass, Error> {
        let settings = dialling::settings(server).await?;
        // Any class is fine for a server that a person names; it is this check that finds it out.
        let any = ConnectionSettings { class: AddressClass::Loopback, ..settings.clone() };
        self.inner.network.check(&server.entry.url, &any)?;
        match self.inner.network.class_of(&server.entry.url, &settings).await {
            // A name that cannot be looked up now may be later: the strictest class holds until then.
            Err(net::Error::Dns { .. }) => Ok(AddressClass::Public),
            other => Ok(other?),
        }
    }

    /// Stores secrets, then the entry; if the entry cannot be stored, the old secrets again.
    async fn commit(&self, before: &Server, after: &Server, options: &ServerOptions) -> Result<(), Error> {
        let changed = !before.secrets.same_as(&after.secrets);
        let id = &before.entry.id;
        if changed {
            after.secrets.write(&self.inner.vault, id).await?;
        }
        let (old, new) = (before.entry.clone(), after.entry.clone());
        let (references, url) = (options.references(), new.url.clone());
        let job = self
            .inner
            .controller
            .ask(move |state| state.replace(&old, new).and_then(|()| state.approve(&url, &references)));
        let stored = job.await.and_then(|stored| stored);
        if stored.is_err() && changed {
            self.discard_secrets(id, &before.secrets).await;
        }
        stored
    }

    /// Puts the vault back to how it was before a change that did not happen.
    async fn discard_secrets(&self, id: &ServerId, before: &ServerSecrets) {
        if let Err(error) = before.write(&self.inner.vault, id).await {
            tracing::warn!(%error, "a change that failed could not be undone in the secret store");
        }
    }

    /// The entry of a URL, for a session, which watches it.
    pub(super) async fn find(&self, url: &Url) -> Result<Option<(ServerEntry, Watched)>, Error> {
        let url = without_fragment(url.clone());
        let find = move |state: &mut State| {
            let entry = state.registry().by_url(&url).cloned()?;
            Some(state.watched(entry))
        };
        self.inner.controller.ask(find).await
    }

    /// A name for a server that a program brought.
    pub(super) async fn free_name(&self, url: &Url) -> Result<ServerName, Error> {
        let url = url.clone();
        let name = move |state: &mut State| {
            crate::registry::name_for(&url, |name| state.registry().by_name(name).is_some())
        };
        self.inner.controller.ask(name).await
    }
}

impl std::fmt::Debug for HostHandle {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("HostHandle")
    }
}

/// The program that clients start: `drawbridge` beside the program that runs.
fn command() -> Option<PathBuf> {
    let own = std::env::current_exe().ok()?;
    let program = own.with_file_name("drawbridge").with_extension(std::env::consts::EXE_EXTENSION);
    program.is_file().then_some(program)
}

/// A fragment never reaches a server.
fn without_fragment(mut url: Url) -> Url {
    url.set_fragment(None);
    url
}
