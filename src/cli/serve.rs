//! `drawbridge serve`: the Host without a window.

use std::io::IsTerminal as _;
use std::sync::Arc;
use std::time::Duration;

use http::Method;
use tokio_util::sync::CancellationToken;

use super::client::{self, Client, NOTHING};
use super::{no_runtime, output};
use crate::endpoint::{self, Place};
use crate::failure::{Code, Failure};
use crate::host::{Host, HostConfig, environment};
use crate::logging;
use crate::oauth::browser::SystemBrowser;
use crate::paths::Paths;
use crate::process;
use crate::redact::reason;

/// How long a Host that a shim started stays without anybody who needs it.
const USUAL_IDLE_EXIT: Duration = Duration::from_secs(10 * 60);
/// How long a Host may take to end.
const STOP_LIMIT: Duration = Duration::from_secs(20);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// End the one that is running
    #[arg(long, conflicts_with = "background")]
    stop: bool,
    /// Log to a file, and end when nobody has needed it for some time
    #[arg(long, hide = true)]
    background: bool,
}

pub(super) fn run(args: Args) -> Result<(), Failure> {
    if args.stop {
        logging::to_stderr();
        return super::block_on(stop());
    }
    process::protect_memory();
    let place = client::place()?;
    let paths = Paths::find().ok_or_else(|| {
        Failure::new(Code::HostGone, "no home folder is known", "Set HOME or DRAWBRIDGE_HOME")
    })?;
    start_logging(&args, &paths)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(no_runtime)?;
    let result = runtime.block_on(serve(&place, paths, args.background));
    runtime.shutdown_background();
    if let Err(failure) = &result {
        tracing::error!("{}", failure.text());
    }
    result
}

async fn serve(place: &Place, paths: Paths, background: bool) -> Result<(), Failure> {
    let claim = endpoint::claim(place).map_err(|error| error.failure())?;
    let state = paths.state.clone();
    let config = HostConfig {
        secrets: environment::store_kind()?,
        opener: Arc::new(SystemBrowser::from_environment()),
        windows: None,
        approver: None,
        front: None,
        has_display: environment::has_display(),
        idle_exit: if background { Some(idle_exit()?) } else { None },
        paths,
    };
    // Built before the socket is there: whoever can connect is served.
    let host = Host::build(config)?;
    let listener = claim.listen().map_err(|error| error.failure())?;
    if !background {
        if let Err(error) = endpoint::write_session_environment(&state) {
            tracing::warn!(%error, "Hosts that clients start later will not know this session");
        }
        output::tell(&format!("Drawbridge is running ({}). Ctrl-C ends it.", place.socket().display()));
    }
    tracing::info!(version = env!("CARGO_PKG_VERSION"), "running");
    let shutdown = CancellationToken::new();
    let running = host.run(listener, shutdown.clone());
    tokio::pin!(running);
    tokio::select! {
        result = &mut running => return Ok(result?),
        () = asked_to_end() => shutdown.cancel(),
    }
    Ok(running.await?)
}

async fn stop() -> Result<(), Failure> {
    let Some(mut client) = Client::connect_to_running().await? else {
        output::tell("Drawbridge is not running.");
        return Ok(());
    };
    client.tell(Method::POST, "/shutdown", NOTHING).await?;
    let place = client::place()?;
    let gone = async {
        while endpoint::claim(&place).is_err() {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    };
    match tokio::time::timeout(STOP_LIMIT, gone).await {
        Ok(()) => output::tell("Drawbridge has ended."),
        Err(_) => {
            return Err(Failure::new(
                Code::TimedOut,
                "Drawbridge has not ended yet",
                "Try again in a moment",
            ));
        }
    }
    Ok(())
}

#[cfg(unix)]
async fn asked_to_end() {
    use tokio::signal::unix::{SignalKind, signal};
    let terminate = async {
        match signal(SignalKind::terminate()) {
            Ok(mut signal) => drop(signal.recv().await),
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        () = terminate => {}
    }
}

#[cfg(not(unix))]
async fn asked_to_end() {
    let _ = tokio::signal::ctrl_c().await;
}

fn start_logging(args: &Args, paths: &Paths) -> Result<(), Failure> {
    if !args.background && std::io::stderr().is_terminal() {
        logging::to_terminal();
        return Ok(());
    }
    let failed = |why: String| {
        let sentence = format!("no log can be written to {} ({why})", paths.logs().display());
        Failure::new(Code::Internal, sentence, "Check the disk and the folder's permissions")
    };
    paths.create().map_err(|error| failed(reason(error.kind())))?;
    logging::to_files(&paths.logs()).map_err(|error| failed(error.to_string()))
}

fn idle_exit() -> Result<Duration, Failure> {
    match std::env::var("DRAWBRIDGE_IDLE_EXIT") {
        Ok(text) if !text.is_empty() => crate::host::settings::duration(&text).ok_or_else(|| {
            Failure::new(
                Code::Invalid,
                "DRAWBRIDGE_IDLE_EXIT is no length of time",
                "Write seconds, or a number with s, m or h, as in 10m",
            )
        }),
        Ok(_) | Err(_) => Ok(USUAL_IDLE_EXIT),
    }
}
