//! Accepts HTTP connections, counts them, and can break them all.

use std::sync::Arc;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::shared::Shared;
use crate::stats::Open;

/// Who connects to a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// Clients of the server: counted, and broken on request.
    Clients,
    /// Whoever steers it.
    Control,
}

/// Serves until the server stops; open connections end with it.
pub(crate) async fn serve(shared: Arc<Shared>, listener: TcpListener, router: Router, side: Side) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(shared.clone(), stream, router.clone(), side));
                }
                Err(error) => tracing::warn!(%error, "could not accept a connection"),
            },
            Some(_) = connections.join_next() => {}
            () = shared.shutdown.cancelled() => return,
        }
    }
}

async fn connection(shared: Arc<Shared>, stream: TcpStream, router: Router, side: Side) {
    let mut broken = shared.shutdown.clone();
    let mut _open = None;
    if side == Side::Clients {
        shared.recorder.count(|stats| stats.connections += 1);
        _open = Some(Open::new(&shared, |stats| &mut stats.open_connections));
        broken = crate::lock(&shared.connections).clone();
    }
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY is not to be had");
    }
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    tokio::select! {
        served = serving => if let Err(error) = served {
            tracing::debug!(%error, "a connection ended badly");
        },
        () = broken.cancelled() => {}
    }
}

/// Breaks all connections that are open now.
pub(crate) fn break_all(shared: &Shared) {
    std::mem::take(&mut *crate::lock(&shared.connections)).cancel();
}
