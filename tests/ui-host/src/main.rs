//! A Host whose control API a browser can reach: the window's pages are served from `ui/dist`,
//! `/control/v1` beside them, both on loopback. It is a program of its own, so that the product
//! has no such door (security rule 15).
//!
//! It prints one line of JSON: the address to open, with a token that works once, and the demo
//! servers that were started. It ends with its standard input.

mod carrier;
mod doctor;

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use clap::Parser;
use demo_server::{Auth, Config, DemoServer, OAuthConfig};
use drawbridge::endpoint::{self, Place};
use drawbridge::host::{Host, HostConfig};
use drawbridge::oauth::browser::SystemBrowser;
use drawbridge::paths::Paths;
use drawbridge::secret::StoreKind;
use serde_json::json;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

use carrier::Carrier;
use doctor::Doctor;

/// Serves the window's pages and the control API to a browser on this computer.
#[derive(Debug, Parser)]
struct Arguments {
    /// The built pages
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../../ui/dist"))]
    pages: PathBuf,
    /// The port; 0 takes a free one
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// The folder of the Host's files; without it a new one that goes at the end
    #[arg(long)]
    home: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> Result<()> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let arguments = Arguments::parse();
    let temporary = tempfile::tempdir()?;
    let home = arguments.home.unwrap_or_else(|| temporary.path().join("home"));

    let place = Place::of_own_world(&home);
    let claim = endpoint::claim(&place)?;
    let host = Host::build(HostConfig {
        paths: Paths::of_own_world(home.clone()),
        secrets: StoreKind::Memory,
        opener: Arc::new(SystemBrowser::from_environment()),
        windows: None,
        approver: None,
        front: None,
        has_display: false,
        idle_exit: None,
    })?;
    let socket = claim.listen()?;
    let listener = TcpListener::bind(("127.0.0.1", arguments.port)).await?;
    let carrier = Carrier::new(listener.local_addr()?.port());
    let pages = carrier.router(host.handle(), &arguments.pages, Doctor::of(&home)?);
    let (signed, open) = demo_servers().await?;
    tell(&json!({
        "url": carrier.address(),
        "home": home,
        "demo": signed.url(),
        "open": open.url(),
        "control": signed.control_url().context("the control port is on")?,
    }))?;

    let shutdown = CancellationToken::new();
    let ended = shutdown.clone();
    let serving = axum::serve(listener, pages).with_graceful_shutdown(async move { ended.cancelled().await });
    let running = host.run(socket, shutdown.clone());
    let until_told = async {
        told_to_end().await;
        shutdown.cancel();
    };
    let (served, ran, ()) = tokio::join!(serving, running, until_told);
    served?;
    Ok(ran?)
}

/// One that wants a sign-in, and one that does not.
async fn demo_servers() -> Result<(DemoServer, DemoServer)> {
    let control = Some(([127, 0, 0, 1], 0).into());
    let auth = vec![Auth::OAuth(OAuthConfig::default())];
    let signed = DemoServer::start(Config { auth, control, ..Config::default() }).await?;
    let open = DemoServer::start(Config { auth: vec![Auth::None], ..Config::default() }).await?;
    Ok((signed, open))
}

fn tell(line: &serde_json::Value) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}

/// Returns when standard input ends, or at Ctrl-C.
async fn told_to_end() {
    let mut byte = [0];
    let mut stdin = tokio::io::stdin();
    let closed = async { while stdin.read(&mut byte).await.is_ok_and(|read| read > 0) {} };
    tokio::select! {
        () = closed => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}
