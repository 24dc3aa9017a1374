//! The app from its start to its end: become the Host, show what is wished, and end with it.

use std::panic::AssertUnwindSafe;
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
use futures_util::FutureExt as _;
use tauri::{AppHandle, Manager as _, RunEvent, Theme};
use tokio::sync::mpsc;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::approval::{Approvals, Brought};
use crate::front::{Wish, Wishes};
use crate::guarded;
use crate::hosting::{self, Start};
use crate::notify::Teller;
use crate::panel::Panel;
use crate::settings::SettingsFile;
use crate::sidecar::{self, Sidecar};
use crate::sign_in::Shows;
use crate::tray::Tray;
use crate::view::View;
use crate::{automation, autostart, bindings, client_watch, desktop, run, unforeseen, window};

/// How long a Host without a tray icon stays when no window is open and no client needs it.
const IDLE_EXIT: Duration = Duration::from_secs(10 * 60);
/// How long after login a panel may take to come before a window opens in its stead.
const PANEL_LIMIT: Duration = Duration::from_secs(15);

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
    fn first(&self, settings: &SettingsFile) -> First {
        if let Some(link) = &self.link {
            First::Window(View::of_link(link).unwrap_or(View::Servers))
        } else if self.background {
            First::Nothing
        } else if self.at_login && settings.starts_hidden() {
            First::Icon
        } else {
            First::Window(View::Servers)
        }
    }
}

/// What is shown first.
#[derive(Debug, PartialEq, Eq)]
enum First {
    /// The window.
    Window(View),
    /// The tray icon; the window, where no panel takes icons.
    Icon,
    /// The icon, if a panel takes icons.
    Nothing,
}

impl First {
    fn route(&self) -> Option<String> {
        match self {
            Self::Window(view) => Some(view.route()),
            Self::Icon | Self::Nothing => None,
        }
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
/// It cannot start here. Who started it by hand, or logged in, has seen that in a window.
pub(crate) fn run() -> Result<(), Failure> {
    let args = Args::parse();
    process::protect_memory();
    automation::refuse()?;
    desktop::connect()?;
    let ended = start(&args);
    if let Err(failure) = &ended
        && !args.background
    {
        desktop::show(failure);
    }
    ended
}

fn start(args: &Args) -> Result<(), Failure> {
    let place = client::place()?;
    let paths = Paths::find().ok_or_else(|| endpoint::Error::NoHome.failure())?;
    let settings = SettingsFile::open(paths.config.join("app.json"));
    let first = args.first(&settings);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(failed)?;
    let Start::Host(claim) = runtime.block_on(hosting::claim(&place, first.route().as_deref()))? else {
        return Ok(());
    };
    paths.create().map_err(failed)?;
    logging::to_files(&paths.logs()).map_err(|error| {
        Failure::new(Code::Internal, error.to_string(), "Check the disk and the folder's permissions")
    })?;
    guarded::log_panics();
    place.set_app_was_quit(false).map_err(failed)?;
    let result = {
        let _inside = runtime.enter();
        serve(&place, claim, paths, settings, &first)
    };
    runtime.shutdown_timeout(Duration::from_secs(1));
    result
}

fn serve(
    place: &Place,
    claim: Claim,
    paths: Paths,
    settings: SettingsFile,
    first: &First,
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
        idle_exit: Some(IDLE_EXIT),
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
        needs_icon: *first == First::Icon,
    };
    match first.route() {
        Some(route) => wishes.wish(Wish::Show(route)),
        None => desktop::draw_nothing_yet(),
    }
    let app = build(handle, paths, settings, approvals, wishes)
        .map_err(|error| unforeseen::internal(&error.to_string()))?;
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
    if code == 0 { Ok(()) } else { Err(unforeseen::internal("see the logs")) }
}

fn build(
    host: HostHandle,
    paths: Paths,
    settings: SettingsFile,
    approvals: Arc<Approvals>,
    wishes: Wishes,
) -> tauri::Result<tauri::App> {
    let bindings = bindings::builder();
    let app = autostart::prepare(tauri::Builder::default())
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
    /// Whether nobody could see the app without an icon.
    needs_icon: bool,
}

impl SettingUp {
    fn start(&mut self, app: &AppHandle) {
        let (Some((host, claim, listener)), Some(wished)) = (self.host.take(), self.wished.take()) else {
            return;
        };
        let handle = host.handle();
        self.show_icon(app, &handle);
        if self.theme.is_some() {
            // Not before the icon is there, nor without need: the desktop reads all its drawing rules anew for it.
            app.set_theme(self.theme);
        }
        if self.needs_icon {
            tokio::spawn(show_window_in_its_stead(app.clone()));
        }
        let shutdown = CancellationToken::new();
        tokio::spawn(end_when_told(shutdown.clone()));
        let teller = Teller::spawn(app, &handle);
        guarded::tell_of_panics(teller.clone());
        let kept = app.state::<Paths>().state.join("client-entries.json");
        tokio::spawn(client_watch::run(kept, teller.clone()));
        let serving = run::Serving {
            app: app.clone(),
            teller,
            host: handle,
            tray: None,
            place: self.place.clone(),
            approvals: self.approvals.clone(),
            brought: Brought::default(),
        };
        tokio::spawn(serving.run(wished));
        let app = app.clone();
        tokio::spawn(async move {
            let ended = AssertUnwindSafe(host.run(listener, shutdown)).catch_unwind().await;
            if let Ok(Err(error)) = &ended {
                tracing::error!(%error, "the Host ended");
            }
            // The place is free before the process is gone, so that the next Host need not wait.
            drop(claim);
            app.exit(i32::from(!matches!(ended, Ok(Ok(())))));
        });
    }

    /// Puts the icon into the panel, now or once there is one.
    fn show_icon(&self, app: &AppHandle, host: &HostHandle) {
        let (app, host, panel) = (app.clone(), host.clone(), self.panel);
        let pictures = self.place.socket().with_extension("tray");
        let is_made = Arc::new(AtomicBool::new(false));
        let show = move || {
            let wishes = app.state::<Wishes>().inner().clone();
            let clicked = wishes.clone();
            let click = move |action| clicked.wish(Wish::Click(action));
            if !is_made.load(Ordering::Relaxed)
                && let Some(tray) =
                    Tray::show(&app, panel, &pictures, &host.servers(), host.paused().is_on(), click)
            {
                is_made.store(true, Ordering::Relaxed);
                wishes.wish(Wish::Tray(Box::new(tray)));
            }
        };
        if self.has_tray {
            show();
        } else {
            desktop::when_tray_comes(show);
        }
    }
}

/// Where no panel takes the icon, a window is the only way to the app.
async fn show_window_in_its_stead(app: AppHandle) {
    sleep(PANEL_LIMIT).await;
    if !app.state::<HasTray>().get() && app.get_webview_window(window::MAIN).is_none() {
        app.state::<Wishes>().wish(Wish::Show(View::Servers.route()));
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

fn failed(error: std::io::Error) -> Failure {
    Failure::new(
        Code::Internal,
        format!("Drawbridge could not start ({})", error.kind()),
        "Check the disk and the folders' permissions",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_first_follows_from_how_it_was_started() {
        let folder = tempfile::tempdir().expect("a folder");
        let settings = SettingsFile::open(folder.path().join("app.json"));
        let table = [
            (&[][..], First::Window(View::Servers)),
            (&["--background"], First::Nothing),
            (&["--at-login"], First::Icon),
            (&["--background", "drawbridge://nothing"], First::Window(View::Servers)),
        ];
        for (words, first) in table {
            let args = Args::parse_from([&["drawbridge-app"], words].concat());
            assert_eq!(args.first(&settings), first, "{words:?}");
        }
    }
}
