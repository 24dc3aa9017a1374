//! Watches the config files of MCP clients, and tells of entries that start Drawbridge no longer, or otherwise.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use drawbridge::client_config::{self, Client, Entries, Ledger};
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
    /// The last of each file; none of one that was not there.
    stamps: BTreeMap<PathBuf, Option<Stamp>>,
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
            let Ok(stamp) = stamp(client) else { continue };
            let is_same = self.stamps.insert(client.path.clone(), stamp) == Some(stamp);
            let entries = match (stamp, is_same) {
                // One that is just being written is read with its next stamp.
                (Some(_), false) => client.entries(),
                // Whoever writes one anew may take the old one away first, so once does not count.
                (None, true) => self.ledger.knows(client).then(Entries::new),
                (Some(_), true) | (None, false) => None,
            };
            let Some(entries) = entries else { continue };
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

/// A file that cannot be looked at may still be there.
fn stamp(client: &Client) -> io::Result<Option<Stamp>> {
    match std::fs::metadata(&client.path) {
        Ok(about) => Ok(Some((about.modified()?, about.len()))),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use drawbridge::client_config::Change;

    use super::*;

    const ENTRIES: &str =
        r#"{ "mcpServers": { "a": { "command": "drawbridge", "args": ["connect", "x"] } } }"#;

    /// A watch over the file of one client, which has an entry of ours.
    fn watch(folder: &tempfile::TempDir) -> (Watch, PathBuf) {
        let mut cursor = client_config::of_user();
        cursor.retain(|client| client.name == "Cursor");
        cursor[0].path = folder.path().join("mcp.json");
        std::fs::write(&cursor[0].path, ENTRIES).expect("written");
        let file = cursor[0].path.clone();
        let mut watch = Watch::new(cursor, folder.path().join("ledger.json"));
        assert_eq!(watch.look(), []);
        assert!(watch.ledger.knows(&watch.clients[0]));
        (watch, file)
    }

    #[test]
    fn a_file_that_stays_away_is_told_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let (mut watch, file) = watch(&folder);
        std::fs::remove_file(&file).expect("it was there");
        assert_eq!(watch.look(), []);
        let gone = [("Cursor", ClientChanges::from([("a".to_owned(), Change::Gone)]))];
        assert_eq!(watch.look(), gone);
        assert_eq!(watch.look(), []);

        let mut later = Watch::new(watch.clients, watch.kept);
        assert_eq!((later.look(), later.look()), (vec![], vec![]), "not again after a restart");
        std::fs::write(&file, ENTRIES).expect("written");
        assert_eq!(later.look(), []);
        std::fs::remove_file(&file).expect("it was there");
        assert_eq!((later.look(), later.look()), (vec![], gone.to_vec()), "another time");
    }

    #[test]
    fn a_file_that_is_taken_away_and_written_anew_is_as_it_was() {
        let folder = tempfile::tempdir().expect("a folder");
        let (mut watch, file) = watch(&folder);
        let aside = file.with_extension("old");
        for _ in 0..2 {
            std::fs::rename(&file, &aside).expect("moved");
            assert_eq!(watch.look(), []);
            std::fs::rename(&aside, &file).expect("moved back");
            assert_eq!(watch.look(), []);
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_cannot_be_looked_at_counts_as_there() {
        let folder = tempfile::tempdir().expect("a folder");
        let (mut watch, file) = watch(&folder);
        std::fs::remove_file(&file).expect("it was there");
        std::os::unix::fs::symlink(&file, &file).expect("a link to itself");
        assert_eq!((watch.look(), watch.look()), (vec![], vec![]));
    }
}
