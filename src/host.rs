//! The Host: everything that matters lives here, once per user.
//!
//! [`Host::build`] wires it together, [`Host::run`] serves its local socket until it is told to
//! end or nobody needs it any more. It knows neither windows nor command lines.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::endpoint;
use crate::failure::{Code, Failure};
use crate::net::{Limits, Network};
use crate::oauth::browser::PageOpener;
use crate::paths::Paths;
use crate::registry::{BrokenFile, Registry, write_atomically};
use crate::secret::{StoreKind, Vault};

pub mod account;
mod accounts;
mod activity;
mod approval;
mod changes;
mod checkup;
pub mod clients;
mod connect;
pub mod connection;
mod controller;
mod details;
mod dialling;
pub mod environment;
mod error;
pub mod failures;
mod front;
mod handle;
mod live;
mod options;
mod pages;
mod pause;
mod pinning;
pub mod pins;
mod profiles;
pub mod proxy;
pub mod reach;
mod secrets;
mod servers;
mod serving;
pub mod session;
pub mod settings;
mod signing_in;
pub mod snapshot;
pub mod standing;
pub mod tool_changes;
mod view;
pub mod visible_tools;
mod wake;

pub use accounts::AccountRef;
pub use activity::{Activity, Busy};
pub use approval::{Approver, Wanted};
pub use changes::StatusChanges;
pub use connect::Target;
pub use error::Error;
pub use front::Front;
pub use handle::HostHandle;
pub use pause::{Pause, PauseChanges};

use account::{GivingBack, SignInWindows};
use approval::Approvals;
use clients::Clients;
use controller::Controller;
use handle::Inner;
use pages::Pages;
use pins::PinStore;
use reach::Reach;
use session::Aside;
use session::Sealer;
use session::SessionDeps;
use settings::{Settings, SettingsFile};
use snapshot::SnapshotStore;
use tool_changes::ToolChanges;

/// How long tasks may take to end.
const END_LIMIT: Duration = Duration::from_secs(5);
/// How long calls that are under way may still take once the Host was asked to end.
const CALLS_LIMIT: Duration = Duration::from_secs(5);

/// What a Host is built from.
pub struct HostConfig {
    /// Its files.
    pub paths: Paths,
    /// Where secrets are kept.
    pub secrets: StoreKind,
    /// Opens sign-in pages.
    pub opener: Arc<dyn PageOpener>,
    /// Shows sign-in pages in windows of this program, where it has any.
    pub windows: Option<Arc<dyn SignInWindows>>,
    /// Asks the person, where somebody can.
    pub approver: Option<Arc<dyn Approver>>,
    /// Shows windows, where this Host has any.
    pub front: Option<Arc<dyn Front>>,
    /// Whether there is a display, and so a person who can be asked.
    pub has_display: bool,
    /// Ends the Host once nobody has needed it for that long.
    pub idle_exit: Option<Duration>,
}

/// A Host that is ready to run.
pub struct Host {
    handle: HostHandle,
    idle_exit: Option<Duration>,
}

impl Host {
    /// Reads what is stored and starts the controller. Call it inside a runtime.
    ///
    /// # Errors
    /// [`Error`] when the registry or a folder cannot be used.
    pub fn build(config: HostConfig) -> Result<Self, Error> {
        let HostConfig { paths, secrets, opener, windows, approver, front, has_display, idle_exit } = config;
        let failed = |source| Error::Folder { path: paths.config.clone(), source };
        paths.create().map_err(failed)?;
        let home_id = home_id(&paths).map_err(failed)?;
        let (registry, broken) = Registry::load(paths.servers())?;
        let mut warnings: Vec<Failure> = broken.as_ref().map(broken_registry).into_iter().collect();
        let settings_file = SettingsFile::new(paths.settings());
        let settings = settings_file.load().unwrap_or_else(|why| {
            warnings.push(broken_settings(&paths, &why));
            Settings::strict()
        });
        let (clients, locked) = Clients::open(paths.state.join("clients.json"));
        warnings.extend(locked);
        for warning in &warnings {
            tracing::warn!("{}", warning.text());
        }
        let tasks = TaskTracker::new();
        let (shutdown, end) = (CancellationToken::new(), CancellationToken::new());
        let network = Network::new(Limits::default());
        network.set_proxy(settings.proxy.as_ref().map(|proxy| proxy.url().clone()));
        let snapshots = SnapshotStore::new(paths.cache.join("snapshots"));
        tasks.spawn(snapshots.clone().keep_written(end.clone()));
        let (redialled, asleep) = (network.clone(), end.clone());
        tasks.spawn(async move {
            let woke = || {
                tracing::info!("the computer was asleep, so all servers are dialled anew");
                redialled.redial();
            };
            asleep.run_until_cancelled(wake::watch(wake::Reading::now, woke)).await;
        });
        let vault = Vault::open(secrets, &home_id, &paths.state);
        let reach = Reach::default();
        let activity = Activity::new();
        let inner = Inner {
            controller: Controller::spawn(registry, &reach, &tasks, end.clone()),
            giving_back: GivingBack::spawn(network.clone(), vault.clone(), &tasks, end.clone()),
            vault,
            opener,
            windows,
            front,
            approvals: Approvals::new(settings.connect_url(has_display), approver),
            sessions: SessionDeps {
                network: network.clone(),
                snapshots,
                pins: PinStore::open(paths.state.join("pins")),
                sealer: Sealer::new(&resume_key(&paths).map_err(failed)?),
                limits: limits(),
                pages: Pages::new(&tasks),
                aside: Aside::new(&tasks, &end),
                reach,
                tool_changes: ToolChanges::default(),
                pause: Pause::default(),
                activity: activity.clone(),
            },
            network,
            home_id,
            activity,
            tasks,
            asked_to_end: CancellationToken::new(),
            shutdown,
            end,
            warnings,
            clients,
            profiles: paths.state.join("profiles"),
            settings: settings_file,
            waking: tokio::sync::watch::Sender::new(0),
        };
        Ok(Self { handle: HostHandle { inner: Arc::new(inner) }, idle_exit })
    }

    /// What can be done with it.
    pub fn handle(&self) -> HostHandle {
        self.handle.clone()
    }

    /// Serves the local socket until `shutdown` is cancelled, somebody asks the Host to end, or
    /// it was idle for long enough. Calls that are under way may end first, for a moment.
    ///
    /// # Errors
    /// [`Error::Folder`] when the socket breaks.
    pub async fn run(self, listener: endpoint::Listener, shutdown: CancellationToken) -> Result<(), Error> {
        let own = self.handle.shutdown().clone();
        let asked = self.handle.inner.asked_to_end.clone();
        self.handle.tasks().spawn(crate::api::mcp::run(self.handle.clone()));
        self.handle.wake_all().await;
        let serving = serving::serve(listener, crate::api::router(self.handle.clone()), own.clone());
        let idle = async {
            match self.idle_exit {
                Some(time) => self.handle.activity().idle_for(time).await,
                None => std::future::pending().await,
            }
        };
        let end = async {
            tokio::select! {
                () = own.cancelled() => {}
                () = shutdown.cancelled() => tracing::info!("asked to end"),
                () = asked.cancelled() => tracing::info!("asked to end by the app or over the control API"),
                () = idle => tracing::info!("idle for long enough"),
            }
            asked.cancel();
            own.run_until_cancelled(self.last_calls()).await;
            own.cancel();
            self.end_tasks().await;
        };
        tokio::join!(serving, end);
        Ok(())
    }

    async fn last_calls(&self) {
        let calls = self.handle.activity().calls();
        if calls > 0 {
            tracing::info!(calls, "calls are under way and may end first");
        }
        if tokio::time::timeout(CALLS_LIMIT, self.handle.activity().no_calls()).await.is_err() {
            tracing::info!("they took too long");
        }
    }

    /// Ends the sessions first, because they need accounts to say goodbye to their servers.
    async fn end_tasks(&self) {
        if tokio::time::timeout(END_LIMIT, self.handle.activity().without_sessions()).await.is_err() {
            tracing::warn!("some sessions did not end in time");
        }
        self.handle.inner.end.cancel();
        let tasks = self.handle.tasks();
        tasks.close();
        if tokio::time::timeout(END_LIMIT, tasks.wait()).await.is_err() {
            tracing::warn!("some tasks did not end in time");
        }
        self.handle.session_deps().snapshots.flush().await;
    }
}

/// The random id that keeps the secrets of several homes apart; made once.
fn home_id(paths: &Paths) -> std::io::Result<String> {
    let path = paths.config.join("home-id");
    match std::fs::read_to_string(&path) {
        Ok(id) if !id.trim().is_empty() => return Ok(id.trim().to_owned()),
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        Ok(_) | Err(_) => {}
    }
    let id = format!("{:032x}", rand::random::<u128>());
    write_atomically(&path, id.as_bytes())?;
    Ok(id)
}

/// What states of sessions are sealed with, so that the next Host can open them.
fn resume_key(paths: &Paths) -> std::io::Result<[u8; 32]> {
    let path = paths.state.join("resume-key");
    match std::fs::read(&path).map(<[u8; 32]>::try_from) {
        Ok(Ok(key)) => return Ok(key),
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        Ok(Err(_)) | Err(_) => {}
    }
    let key: [u8; 32] = rand::random();
    write_atomically(&path, &key)?;
    Ok(key)
}

/// What a session may spend: the usual, or what the environment says.
fn limits() -> session::Limits {
    let usual = session::Limits::default();
    session::Limits {
        start_budget: duration_in("DRAWBRIDGE_START_BUDGET").unwrap_or(usual.start_budget),
        snapshot_budget: duration_in("DRAWBRIDGE_SNAPSHOT_BUDGET").unwrap_or(usual.snapshot_budget),
        ..usual
    }
}

/// The length of time that a variable holds.
fn duration_in(variable: &str) -> Option<Duration> {
    let given = std::env::var(variable).ok().filter(|text| !text.is_empty())?;
    let read = settings::duration(&given);
    if read.is_none() {
        tracing::warn!(%given, "{variable} is no length of time, as in 5s");
    }
    read
}

fn broken_registry(broken: &BrokenFile) -> Failure {
    Failure::new(
        Code::Invalid,
        format!(
            "The list of servers could not be read ({}); it was kept as {}",
            broken.why,
            broken.kept_as.display()
        ),
        "Correct that file and put it back in place while Drawbridge is not running, or add your servers again",
    )
}

fn broken_settings(paths: &Paths, why: &str) -> Failure {
    Failure::new(
        Code::Invalid,
        format!(
            "The settings in {} could not be read ({why}), so the strictest ones hold, and no proxy is taken from it",
            paths.settings().display()
        ),
        "Correct the file and start Drawbridge again",
    )
}
