//! Serving the router on the local socket, to this user's processes alone.

use std::io;
use std::path::Path;
use std::time::Duration;

use axum::Router;
use tokio_util::sync::CancellationToken;

use crate::endpoint::{Listener, Stream, check_peer};

/// How long requests that are under way may still take at the end.
const LAST_ANSWERS: Duration = Duration::from_secs(3);
/// Where accepting fails, as it does when file handles run out, it is tried again this much later.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves until `shutdown` is cancelled and what is under way has ended, or its time is up.
pub(super) async fn serve(listener: Listener, router: Router, shutdown: CancellationToken) {
    let ending = shutdown.clone();
    let serving = axum::serve(OwnPeers(listener), router).with_graceful_shutdown(ending.cancelled_owned());
    let limit = async {
        shutdown.cancelled().await;
        tokio::time::sleep(LAST_ANSWERS).await;
    };
    tokio::select! {
        result = serving => {
            if let Err(error) = result {
                tracing::error!(%error, "the local socket cannot be served any more");
                shutdown.cancel();
            }
        }
        () = limit => {}
    }
}

/// A listener that hangs up on other users (security rule 10).
struct OwnPeers(Listener);

impl axum::serve::Listener for OwnPeers {
    type Io = Stream;
    type Addr = ();

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            match self.0.accept().await {
                Ok((stream, _)) if check_peer(&stream, Path::new("")).is_ok() => return (stream, ()),
                Ok(_) => tracing::warn!("another user's process tried the local socket"),
                Err(error) => {
                    tracing::warn!(%error, "a local connection could not be accepted");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        Ok(())
    }
}
