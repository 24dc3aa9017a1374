//! When the status of the Host has changed, for windows that show it.

use std::sync::Arc;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::clients::Settled;
use super::tool_changes::LastChanges;
use super::{HostHandle, PauseChanges};
use crate::api::types::ServerView;

/// Tells of changes of the status, until the Host ends.
#[derive(Debug)]
pub struct StatusChanges {
    servers: watch::Receiver<Arc<Vec<ServerView>>>,
    tools: watch::Receiver<LastChanges>,
    sessions: watch::Receiver<usize>,
    endpoint: watch::Receiver<Settled>,
    pause: PauseChanges,
    proxy: watch::Receiver<Option<Url>>,
    shutdown: CancellationToken,
}

impl HostHandle {
    /// Watches the status from now on.
    pub fn changes(&self) -> StatusChanges {
        StatusChanges {
            servers: self.views(),
            tools: self.tool_changes(),
            sessions: self.activity().watch_sessions(),
            endpoint: self.clients().watch_endpoint(),
            pause: self.paused().changes(),
            proxy: self.inner.network.proxy(),
            shutdown: self.shutdown().clone(),
        }
    }
}

impl StatusChanges {
    /// Resolves once something may have changed since the last call; `None` once the Host ends.
    pub async fn next(&mut self) -> Option<()> {
        let changed = tokio::select! {
            () = self.shutdown.cancelled() => return None,
            changed = self.servers.changed() => changed,
            changed = self.tools.changed() => changed,
            changed = self.sessions.changed() => changed,
            changed = self.endpoint.changed() => changed,
            changed = self.proxy.changed() => changed,
            _ = self.pause.next() => Ok(()),
        };
        changed.ok()
    }
}
