//! Whether all servers are left alone because the person wants that: no session with one is opened, no request of a
//! client is sent, and nobody is asked to sign in. Clients keep their sessions, what is under way comes to its end,
//! and tokens stay fresh. It is about the Host that runs, and ends with it.

use tokio::sync::watch;

use super::activity::Busy;
use super::{HostHandle, failures};
use crate::failure::Failure;

/// Whether servers are left alone. Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Pause {
    /// There while they are. A Host that ended for want of clients would forget it, so it keeps the Host busy.
    on: watch::Sender<Option<Busy>>,
}

impl Pause {
    /// What a request meets now, if servers are left alone.
    pub fn refusal(&self) -> Option<Failure> {
        self.is_on().then(failures::paused)
    }

    /// Whether servers are left alone.
    pub fn is_on(&self) -> bool {
        self.on.borrow().is_some()
    }

    /// Tells of every change from now on.
    pub fn changes(&self) -> PauseChanges {
        PauseChanges(self.on.subscribe())
    }

    /// Resolves once they are not left alone.
    pub async fn ended(&self) {
        // The sender is our own, so it does not go.
        self.on.subscribe().wait_for(Option::is_none).await.ok();
    }

    fn set(&self, on: Option<Busy>) {
        self.on.send_if_modified(|before| {
            let is_new = before.is_some() != on.is_some();
            if is_new {
                *before = on;
            }
            is_new
        });
    }
}

/// Changes of whether servers are left alone.
#[derive(Debug)]
pub struct PauseChanges(watch::Receiver<Option<Busy>>);

impl PauseChanges {
    /// Resolves once it has changed since the last call; whether they are left alone now.
    pub async fn next(&mut self) -> bool {
        match self.0.changed().await {
            Ok(()) => self.0.borrow_and_update().is_some(),
            // The Host has ended.
            Err(_) => std::future::pending().await,
        }
    }
}

impl HostHandle {
    /// Leaves all servers alone, until [`resume`](Self::resume) or the end of the Host.
    pub fn pause(&self) {
        tracing::info!("all servers are left alone");
        self.paused().set(Some(self.activity().other()));
    }

    /// Uses servers again.
    pub fn resume(&self) {
        tracing::info!("servers are used");
        self.paused().set(None);
    }

    /// Whether all servers are left alone.
    pub fn paused(&self) -> &Pause {
        &self.inner.sessions.pause
    }

    /// For what would go to a server.
    ///
    /// # Errors
    /// All servers are left alone.
    pub fn not_while_paused(&self) -> Result<(), Failure> {
        self.paused().refusal().map_or(Ok(()), Err)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::FutureExt as _;

    use super::*;
    use crate::host::Activity;

    #[tokio::test(start_paused = true)]
    async fn a_pause_is_told_once_and_keeps_the_host() {
        let (pause, activity) = (Pause::default(), Activity::new());
        let mut changes = pause.changes();
        pause.set(Some(activity.other()));
        pause.set(Some(activity.other()));
        assert_eq!(changes.next().now_or_never(), Some(true));
        assert_eq!(changes.next().now_or_never(), None, "it was so already");
        let idle = activity.idle_for(Duration::from_secs(1));
        assert!(tokio::time::timeout(Duration::from_secs(60), idle).await.is_err());

        pause.set(None);
        pause.ended().await;
        assert!(!changes.next().await);
        assert!(!pause.is_on() && pause.refusal().is_none());
        activity.idle_for(Duration::from_secs(1)).await;
    }
}
