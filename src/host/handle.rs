//! What can be done with a Host: the same for shim, CLI and tray.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use url::Url;

use super::Error;
use super::account::{GivingBack, SignInWindows};
use super::activity::Activity;
use super::approval::Approvals;
use super::clients::Clients;
use super::controller::{Controller, State};
use super::front::Front;
use super::options::Server;
use super::secrets::ServerSecrets;
use super::servers::without_fragment;
use super::session::SessionDeps;
use super::settings::SettingsFile;
use super::standing::Watched;
use super::tool_changes::LastChanges;
use crate::api::types::{ServerView, StatusView, VaultView};
use crate::failure::Failure;
use crate::net::Network;
use crate::oauth::browser::PageOpener;
use crate::registry::{ServerEntry, ServerName};
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
    pub(super) asked_to_end: CancellationToken,
    pub(super) shutdown: CancellationToken,
    /// Ends what sessions need for that: accounts, the controller.
    pub(super) end: CancellationToken,
    pub(super) warnings: Vec<Failure>,
    pub(super) clients: Clients,
    /// Where the kept profiles of sign-in windows are.
    pub(super) profiles: PathBuf,
    pub(super) settings: SettingsFile,
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
        let secrets = self.secrets().await;
        StatusView {
            version: env!("CARGO_PKG_VERSION").into(),
            pid: std::process::id(),
            sessions: self.inner.activity.sessions(),
            paused: self.paused().is_on(),
            proxy: self.proxy(),
            secrets,
            http: self.inner.clients.settled().await.into(),
            warnings: self.inner.warnings.clone(),
            command: command(),
            servers: self.servers().to_vec(),
        }
    }

    /// The secret store.
    pub(super) async fn secrets(&self) -> VaultView {
        match self.inner.vault.state().await {
            VaultState::Ready => VaultView::Ready,
            VaultState::Locked { why } => VaultView::Locked { why },
            VaultState::Unavailable { why } => VaultView::Unavailable { why },
        }
    }

    /// What is going on, so that a Host that nobody needs can end.
    pub fn activity(&self) -> &Activity {
        &self.inner.activity
    }

    /// The clients of the local HTTP endpoint.
    pub fn clients(&self) -> &Clients {
        &self.inner.clients
    }

    /// The last change of each account's tools, now and whenever there is another.
    pub fn tool_changes(&self) -> watch::Receiver<LastChanges> {
        self.inner.sessions.tool_changes.watch()
    }

    /// The file of the settings.
    pub fn settings_file(&self) -> &SettingsFile {
        &self.inner.settings
    }

    /// Where tasks of the Host run.
    pub fn tasks(&self) -> &TaskTracker {
        &self.inner.tasks
    }

    /// Asks the Host to end: calls that are under way may end first, for a moment.
    pub fn ask_to_end(&self) {
        self.inner.asked_to_end.cancel();
    }

    /// Cancelled when the Host ends; cancel it to end the Host at once.
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
