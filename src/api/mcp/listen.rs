//! When the endpoint listens, and on which port: as long as there is a client whose token works,
//! on 127.0.0.1 alone, for this user's processes alone.

use std::convert::Infallible;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};

use super::Endpoint;
use super::callers::Callers;
use crate::failure::{Code, Failure};
use crate::host::HostHandle;
use crate::host::clients::{EndpointState, Table};
use crate::peer;
use crate::redact::reason;

/// Connections at once, of all clients.
const MOST_CONNECTIONS: usize = 512;
/// How long the head of a request may take, and a connection may be idle.
const HEAD_LIMIT: Duration = Duration::from_secs(60);
/// How long what is under way may take once its connection is to end.
const LAST_ANSWERS: Duration = Duration::from_secs(1);
/// Where accepting fails, as it does when file handles run out, it is tried again this much later.
const PAUSE: Duration = Duration::from_millis(100);
/// Ports to choose from: below those that systems hand out to outgoing connections, so that the
/// one that was chosen is free again at the next start.
const PORTS: std::ops::Range<u16> = 17_000..32_000;
const ATTEMPTS: usize = 16;

/// Runs the endpoint for as long as the Host runs.
pub async fn run(host: HostHandle) {
    let mut tables = host.clients().watch();
    let following = follow(&host, &mut tables);
    host.shutdown().clone().run_until_cancelled(following).await;
}

async fn follow(host: &HostHandle, tables: &mut watch::Receiver<Arc<Table>>) {
    loop {
        let is_in_use = tables.borrow_and_update().is_in_use();
        let state = match is_in_use {
            false => EndpointState::Off,
            true => match open(host).await {
                Ok((listener, endpoint)) => {
                    serve(listener, Arc::new(endpoint), tables).await;
                    continue;
                }
                Err(failure) => {
                    tracing::error!("{}", failure.text());
                    EndpointState::Failed(failure)
                }
            },
        };
        // Tokens that became void meanwhile are a change that is followed already.
        let generation = tables.borrow_and_update().generation;
        host.clients().settle(generation, state);
        if tables.changed().await.is_err() {
            return;
        }
    }
}

/// Serves until there is no client any more.
async fn serve(listener: TcpListener, endpoint: Arc<Endpoint>, tables: &mut watch::Receiver<Arc<Table>>) {
    let host = &endpoint.host;
    // A Host that some shim started must not leave when that shim does.
    let _needed = host.activity().other();
    let _ends_with_this = endpoint.stop.clone().drop_guard();
    host.tasks().spawn(accept(listener, endpoint.clone()));
    tracing::info!(port = endpoint.port, "the local HTTP endpoint is on");
    loop {
        let table = tables.borrow_and_update().clone();
        endpoint.callers.follow(&table);
        if !table.is_in_use() {
            tracing::info!("the local HTTP endpoint is off");
            return;
        }
        host.clients().settle(table.generation, EndpointState::On { port: endpoint.port });
        if tables.changed().await.is_err() {
            return;
        }
    }
}

/// Opens the port, and chooses one where none was chosen yet.
async fn open(host: &HostHandle) -> Result<(TcpListener, Endpoint), Failure> {
    let file = host.settings_file();
    let settings = file.load().map_err(|why| no_settings(file.path(), &why))?;
    let listener = match settings.http_port {
        Some(port) => match bind(port).await {
            Ok(listener) => listener,
            Err(error) => return Err(taken(host, port, &error).await),
        },
        None => {
            let listener = bind_any().await.map_err(|error| no_port(&error))?;
            let port = port_of(&listener)?;
            let saved = file.change(|settings| settings.http_port = Some(port)).map(drop);
            saved.map_err(|why| no_settings(file.path(), &why))?;
            listener
        }
    };
    let port = port_of(&listener)?;
    let limits = settings.http_limits.unwrap_or_default();
    let stop = host.shutdown().child_token();
    let callers = Callers::new(limits.clone(), stop.clone());
    Ok((listener, Endpoint { host: host.clone(), callers, limits, port, stop }))
}

async fn bind(port: u16) -> std::io::Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await
}

async fn bind_any() -> std::io::Result<TcpListener> {
    for _ in 0..ATTEMPTS {
        if let Ok(listener) = bind(rand::random_range(PORTS)).await {
            return Ok(listener);
        }
    }
    bind(0).await
}

/// Clients have shown their tokens to whoever has the port. Where that is another user, they are
/// no secrets any more, and the next client gets another port.
async fn taken(host: &HostHandle, port: u16, error: &std::io::Error) -> Failure {
    if error.kind() != ErrorKind::AddrInUse {
        return no_port(error);
    }
    let is_foreign = spawn_blocking(move || peer::is_held_by_another_user(port)).await.unwrap_or(true);
    if !is_foreign {
        return Failure::new(
            Code::Limit,
            format!("Another program uses port {port}, so the local HTTP endpoint is off"),
            "Quit that program, or set another `http_port` in settings.json, then restart Drawbridge",
        );
    }
    let voided = host.clients().void_all().map_err(|error| error.to_string());
    let saved = host.settings_file().change(|settings| settings.http_port = None).map(drop);
    if let Err(error) = voided.and(saved) {
        tracing::error!(%error, "the tokens of local HTTP clients could not be made void");
    }
    Failure::new(
        Code::Forbidden,
        format!(
            "Another user's program uses port {port}, so the local HTTP endpoint is off and its tokens no longer work"
        ),
        "Add your clients again with `drawbridge clients add`; they get new tokens and another port",
    )
}

fn port_of(listener: &TcpListener) -> Result<u16, Failure> {
    listener.local_addr().map(|address| address.port()).map_err(|error| no_port(&error))
}

fn no_port(error: &std::io::Error) -> Failure {
    Failure::new(
        Code::Internal,
        format!("The local HTTP endpoint could not open its port ({})", reason(error.kind())),
        "Restart Drawbridge",
    )
}

fn no_settings(path: &Path, why: &str) -> Failure {
    Failure::new(
        Code::Invalid,
        format!(
            "The settings in {} could not be used ({why}), so the local HTTP endpoint is off",
            path.display()
        ),
        "Correct the file and restart Drawbridge",
    )
}

async fn accept(listener: TcpListener, endpoint: Arc<Endpoint>) {
    let room = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    let accepting = async {
        loop {
            let Ok(place) = room.clone().acquire_owned().await else { return };
            match listener.accept().await {
                Ok((stream, peer)) => {
                    endpoint.host.tasks().spawn(admit(stream, peer, endpoint.clone(), place));
                }
                Err(error) => {
                    tracing::warn!(%error, "a local HTTP connection could not be accepted");
                    sleep(PAUSE).await;
                }
            }
        }
    };
    endpoint.stop.run_until_cancelled(accepting).await;
}

/// Serves a connection, if it comes from a process of this user.
async fn admit(stream: TcpStream, peer: SocketAddr, endpoint: Arc<Endpoint>, _place: OwnedSemaphorePermit) {
    let Ok(local) = stream.local_addr() else { return };
    let is_own = spawn_blocking(move || peer::is_own(peer, local)).await.unwrap_or(false);
    if !is_own {
        tracing::warn!("another user's process tried the local HTTP endpoint");
        return;
    }
    let _ = stream.set_nodelay(true);
    let answering = endpoint.clone();
    let service = service_fn(move |request| {
        let endpoint = answering.clone();
        async move { Ok::<_, Infallible>(endpoint.answer(request).await) }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_LIMIT);
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    tokio::select! {
        // Whatever goes wrong with a connection is its client's to notice.
        _ = &mut connection => return,
        () = endpoint.stop.cancelled() => connection.as_mut().graceful_shutdown(),
    }
    let _ = timeout(LAST_ANSWERS, connection).await;
}
