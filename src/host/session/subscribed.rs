//! The resources that a legacy client of a modern server is told of.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

/// A server that takes longer to acknowledge is believed to, so that nobody hangs.
const ACKNOWLEDGED_WITHIN: Duration = Duration::from_secs(5);

/// What the client wants to be told of, and what the server has said it tells of.
#[derive(Debug, Clone, Default)]
pub(super) struct Subscribed {
    wanted: Arc<watch::Sender<BTreeSet<String>>>,
    acknowledged: Arc<watch::Sender<BTreeSet<String>>>,
}

impl Subscribed {
    /// Resolves once the server tells of this resource, so that no change is lost after the
    /// client's `resources/subscribe` was answered; or when that takes too long.
    pub(super) async fn subscribe(&self, uri: String) {
        let mut acknowledged = self.acknowledged.subscribe();
        self.wanted.send_if_modified(|uris| uris.insert(uri.clone()));
        let is_told = acknowledged.wait_for(|uris| uris.contains(&uri));
        if timeout(ACKNOWLEDGED_WITHIN, is_told).await.is_err() {
            tracing::debug!("the server has not acknowledged a subscription yet");
        }
    }

    /// The client does not want to be told of it any longer.
    pub(super) fn unsubscribe(&self, uri: &str) {
        self.wanted.send_if_modified(|uris| uris.remove(uri));
    }

    /// Watches what the client wants.
    pub(super) fn wanted(&self) -> watch::Receiver<BTreeSet<String>> {
        self.wanted.subscribe()
    }

    /// The server has acknowledged these, and no others.
    pub(super) fn acknowledge(&self, uris: BTreeSet<String>) {
        self.acknowledged.send_replace(uris);
    }
}
