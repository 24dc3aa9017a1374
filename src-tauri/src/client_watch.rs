//! Watches the config files of MCP clients, and tells of entries that start Drawbridge no longer, or otherwise.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use drawbridge::client_config::{self, Client, Ledger};
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval};

use crate::notice::ClientChanges;
use crate::notify::{News, Teller};

/// How often the files are looked at. Nothing is read of those that are as they were.
const EVERY: Duration = Duration::from_secs(5);

/// What tells a file from what it was: when it was written, and its size.
type Stamp = (SystemTime, u64);

/// What was seen so far.
struct Watch {
    clients: Vec<Client>,
    stamps: BTreeMap<PathBuf, Stamp>,
    ledger: Ledger,
    /// Where that is kept.
    kept: PathBuf,
}

/// Watches for as long as the app runs; what was seen is kept in this file.
pub(crate) async fn run(kept: PathBuf, teller: Teller) {
    let mut rounds = interval(EVERY);
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut watch: Option<Watch> = None;
    loop {
        rounds.tick().await;
        let (taken, kept) = (watch.take(), kept.clone());
        let looking = spawn_blocking(move || {
            let mut watch = taken.unwrap_or_else(|| Watch::new(client_config::of_user(), kept));
            let changed = watch.look();
            (watch, changed)
        });
        // A defect ends this round alone.
        let Ok((seen, changed)) = looking.await else { continue };
        watch = Some(seen);
        for (client, changes) in changed {
            teller.tell(News::ClientChanged(client, changes));
        }
    }
}

impl Watch {
    fn new(clients: Vec<Client>, kept: PathBuf) -> Self {
        Self { clients, stamps: BTreeMap::new(), ledger: Ledger::load(&kept), kept }
    }

    /// What became of the clients' entries since the last time.
    fn look(&mut self) -> Vec<(&'static str, ClientChanges)> {
        let before = self.ledger.clone();
        let mut changed = Vec::new();
        for client in &self.clients {
            let Some(stamp) = stamp(client) else { continue };
            if self.stamps.insert(client.path.clone(), stamp) == Some(stamp) {
                continue;
            }
            // One that is just being written is read with its next stamp.
            let Some(entries) = client.entries() else { continue };
            let changes = self.ledger.see(client, &entries);
            if !changes.is_empty() {
                changed.push((client.name, changes));
            }
        }
        if self.ledger != before
            && let Err(error) = self.ledger.save(&self.kept)
        {
            tracing::warn!(%error, "what was seen of clients' configs is not kept");
        }
        changed
    }
}

fn stamp(client: &Client) -> Option<Stamp> {
    let about = std::fs::metadata(&client.path).ok()?;
    Some((about.modified().ok()?, about.len()))
}
