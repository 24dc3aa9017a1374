//! Whether what a session was connected with still holds: sessions end when their entry is changed
//! or removed, and come back to what is there now.

use std::collections::HashMap;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

use crate::registry::ServerId;

/// How long sessions may take to leave a server before the accounts end that they need for it.
const LEAVE_LIMIT: Duration = Duration::from_secs(3);

/// How an entry stands, seen from a session that was connected with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// As it was.
    Holds,
    /// Something that matters to sessions is different now.
    Changed,
    /// It is gone.
    Removed,
}

/// A session's view of its entry, for as long as the session lasts.
pub type Watched = watch::Receiver<Standing>;

/// How all entries stand that sessions were connected with.
#[derive(Debug, Default)]
pub(super) struct Standings {
    all: HashMap<ServerId, watch::Sender<Standing>>,
}

/// The sessions that were told that their entry no longer holds.
#[derive(Debug)]
pub(super) struct Leaving(Option<watch::Sender<Standing>>);

impl Standings {
    /// Watches an entry from now on.
    pub(super) fn watch(&mut self, id: &ServerId) -> Watched {
        let entry = self.all.entry(id.clone()).or_insert_with(|| watch::Sender::new(Standing::Holds));
        entry.subscribe()
    }

    /// Tells those who watch an entry; who comes later watches it anew.
    pub(super) fn tell(&mut self, id: &ServerId, standing: Standing) -> Leaving {
        let entry = self.all.remove(id);
        if let Some(entry) = &entry {
            entry.send_replace(standing);
        }
        Leaving(entry)
    }
}

impl Leaving {
    /// Returns once they have left, or have had the time for it.
    pub(super) async fn left(self) {
        if let Some(entry) = self.0 {
            // Who is still there ends without its account.
            let _ = timeout(LEAVE_LIMIT, entry.closed()).await;
        }
    }
}

/// Returns once the entry no longer holds.
pub async fn ended(watched: &mut Watched) -> Standing {
    let ended = watched.wait_for(|standing| *standing != Standing::Holds).await.map(|standing| *standing);
    match ended {
        Ok(standing) => standing,
        // The controller has ended, and the Host with it.
        Err(_) => std::future::pending().await,
    }
}
