//! The app from its start to its end: become the Host, show what is wished, and end with it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::Parser;
use drawbridge::cli::client;
use drawbridge::endpoint::{self, Claim, Listener, Place};
use drawbridge::failure::{Code, Failure};
use drawbridge::host::{Host, HostConfig, HostHandle, environment};
use drawbridge::oauth::browser::SystemBrowser;
use drawbridge::paths::Paths;
use drawbridge::{logging, process};
use tauri::{AppHandle, Manager as _, RunEvent, Theme};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::approval::Approvals;
use crate::front::{Wish, Wishes};
use crate::hosting::{self, Start};
use crate::notify::Teller;
use crate::panel::Panel;
use crate::settings::SettingsFile;
use crate::sidecar::{self, Sidecar};
use crate::sign_in::Shows;
use crate::tray::Tray;
use crate::view::View;
use crate::{automation, bindings, client_watch, desktop, run};

/// How long a Host without a tray icon stays when no window is open and no client needs it.
const IDLE_EXIT: Duration = Duration::from_secs(10 * 60);

/// Drawbridge with a window: stay signed in to remote MCP servers
#[derive(Debug, Parser)]
#[command(name = "drawbridge-app", version)]
struct Args {
    /// Show no window; how MCP clients start it
    #[arg(long)]
    background: bool,
    /// Show a window only if the settings say so; how the desktop starts it at login
    #[arg(long, hide = true)]
    at_login: bool,
    /// A `drawbridge://add` link
    link: Option<String>,
}

impl Args {
    /// What to show first.
    fn view(&self, settings: &SettingsFile) -> Option<View> {
        if let Some(link) = &self.link {
            return Some(View::of_link(link).unwrap_or(View::Servers));
        }
        let hidden = self.background || (self.at_login && settings.starts_hidden());
        (!hidden).then_some(View::Servers)
    }
}

/// Whether there is a tray icon.
#[derive(Default)]
pub(crate) struct HasTray(AtomicBool);

impl HasTray {
    /// Whether there is one.
    pub(crate) fn get(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Says so.
    pub(crate) fn set(&self, has: bool) {
        self.0.store(has, Ordering::Relaxed);
    }
}

/// Runs the app until it is told to end.
///
/// # Errors
/// It cannot start here.
pub(crate) fn run() -> Result<(), Failure> {
    let args = Args::parse();
    process::protect_memory();
    automation::refuse()?;
    desktop::connect()?;
    let place = client::place()?;
    let paths = Paths::find().ok_or_else(|| endpoint::Error::NoHome.failure())?;
    let settings = SettingsFile::open(paths.config.join("app.json"));
    let view = args.view(&settings);
    let route = view.as_ref().map(View::route);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(failed)?;
    let Start::Host(claim) = runtime.block_on(hosting::claim(&place, route.as_deref()))? else {
        return Ok(());
    };
    paths.create().map_err(failed)?;
    logging::to_files(&paths.logs()).map_err(|error| {
        Failure::new(Code::Internal, error.to_string(), "Check the disk and the folder's permissions")
    })?;
    log_panics();
    place.set_app_was_quit(false).map_err(failed)?;
    let result = {
        let _inside = runtime.enter();
        serve(&place, claim, paths, settings, route)
    };
    runtime.shutdown_timeout(Duration::from_secs(1));
    result
}

fn serve(
    place: &Place,
    claim: Claim,
    paths: Paths,
    settings: SettingsFile,
    route: Option<String>,
) -> Result<(), Failure> {
    let (wishes, wished) = Wishes::channel();
    let approvals = Approvals::new();
    let has_tray = desktop::has_tray();
    if !has_tray {
        tracing::info!("this desktop has no place for a tray icon");
    }
    let host = Host::build(HostConfig {
        paths: paths.clone(),
        secrets: environment::store_kind()?,
        opener: Arc::new(SystemBrowser::from_environment()),
        windows: Some(Arc::new(wishes.clone())),
        approver: Some(approvals.clone()),
        front: Some(Arc::new(wishes.clone())),
        has_display: true,
        idle_exit: (!has_tray).then_some(IDLE_EXIT),
    })?;
    if let Err(error) = endpoint::write_session_environment(&paths.state) {
        tracing::warn!(%error, "Hosts that clients start later will not know this session");
    }
    let listener = claim.listen().map_err(|error| error.failure())?;
    tracing::info!(version = env!("CARGO_PKG_VERSION"), "running");
    tauri::async_runtime::set(tokio::runtime::Handle::current());
    let handle = host.handle();
    let setting_up = SettingUp {
        panel: Panel::find(),
        host: Some((host, claim, listener)),
        wished: Some(wished),
        approvals: approvals.clone(),
        place: place.clone(),
        has_tray,
        theme: settings.theme().of_window(),
    };
    match route {
        Some(route) => wishes.wish(Wish::Show(route)),
        None => desktop::draw_nothing_yet(),
    }
    let app = build(handle, paths, settings, approvals, wishes)
        .map_err(|error| crate::signing::internal(&error.to_string()))?;
    desktop::draw_with_first_window();
    let mut setting_up = setting_up;
    let code = app.run_return(move |app, event| {
        if let RunEvent::Ready = event {
            setting_up.start(app);
        } else if let RunEvent::ExitRequested { code: None, api, .. } = event {
            // Closing the last window ends nothing: the Host stays. An exit of ours has a code.
            api.prevent_exit();
        }
    });
    if code == 0 { Ok(()) } else { Err(crate::signing::internal("see the logs")) }
}

fn build(
    host: HostHandle,
    paths: Paths,
    settings: SettingsFile,
    approvals: Arc<Approvals>,
    wishes: Wishes,
) -> tauri::Result<tauri::App> {
    let bindings = bindings::builder();
    let app = tauri::Builder::default()
        .plugin(tauri_plugin_autostart::Builder::new().arg("--at-login").build())
        .plugin(Sidecar::new())
        .manage(host)
        .manage(paths)
        .manage(settings)
        .manage(approvals)
        .manage(wishes)
        .manage(Shows::default())
        .manage(HasTray::default())
        .invoke_handler(bindings.invoke_handler())
        .build(sidecar::context())?;
    bindings.mount_events(&app);
    Ok(app)
}

/// What starts once the event loop runs.
struct SettingUp {
    panel: Panel,
    host: Option<(Host, Claim, Listener)>,
    wished: Option<mpsc::Receiver<Wish>>,
    approvals: Arc<Approvals>,
    place: Place,
    has_tray: bool,
    theme: Option<Theme>,
}

impl SettingUp {
    fn start(&mut self, app: &AppHandle) {
        let (Some((host, claim, listener)), Some(wished)) = (self.host.take(), self.wished.take()) else {
            return;
        };
        let handle = host.handle();
        let wishes = app.state::<Wishes>().inner().clone();
        let tray = self
            .has_tray
            .then(|| {
                Tray::show(app, self.panel, &handle.servers(), handle.paused().is_on(), move |action| {
                    wishes.wish(Wish::Click(action));
                })
            })
            .flatten();
        if self.theme.is_some() {
            // Not before the icon is there, nor without need: the desktop reads all its drawing rules anew for it.
            app.set_theme(self.theme);
        }
        app.state::<HasTray>().set(tray.is_some());
        let shutdown = CancellationToken::new();
        tokio::spawn(end_when_told(shutdown.clone()));
        let teller = Teller::spawn(app, &handle);
        let kept = app.state::<Paths>().state.join("client-entries.json");
        tokio::spawn(client_watch::run(kept, teller.clone()));
        let serving = run::Serving {
            app: app.clone(),
            teller,
            host: handle,
            tray,
            place: self.place.clone(),
            approvals: self.approvals.clone(),
        };
        tokio::spawn(serving.run(wished));
        let app = app.clone();
        tokio::spawn(async move {
            let ended = host.run(listener, shutdown).await;
            if let Err(error) = &ended {
                tracing::error!(%error, "the Host ended");
            }
            // The place is free before the process is gone, so that the next Host need not wait.
            drop(claim);
            app.exit(i32::from(ended.is_err()));
        });
    }
}

/// The desktop ends programs with a signal.
async fn end_when_told(shutdown: CancellationToken) {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let (Ok(mut terminate), Ok(mut interrupt)) =
            (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
        else {
            return;
        };
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        shutdown.cancel();
    }
    #[cfg(not(unix))]
    if tokio::signal::ctrl_c().await.is_ok() {
        shutdown.cancel();
    }
}

/// A panic ends its task and nothing else; it is logged, since nobody sees stderr.
fn log_panics() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(%place, "a defect of Drawbridge");
        usual(panic);
    }));
}

fn failed(error: std::io::Error) -> Failure {
    Failure::new(
        Code::Internal,
        format!("Drawbridge could not start ({})", error.kind()),
        "Check the disk and the folders' permissions",
    )
}
