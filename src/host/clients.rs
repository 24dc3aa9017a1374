//! Who may use the local HTTP endpoint: one revocable token per client, of which only the digest
//! is kept (security rule 10). While there is no client, the endpoint is off.
//!
//! The token is made where it is shown; the Host is told its digest, so nothing here can give it
//! away.

mod grants;
mod token;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::sync::watch;

use super::Error;
use crate::failure::{Code, Failure};
use crate::redact::reason;
use crate::registry::{ClientName, write_atomically};

pub use grants::{Denied, Grant, Grants};
pub use token::{LocalToken, TokenDigest};

/// The version of the file that this release writes.
const VERSION: u64 = 1;
/// How long the endpoint may take to follow a change.
const SETTLE_LIMIT: Duration = Duration::from_secs(3);

/// One client of the endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocalClient {
    /// What its person calls it.
    pub name: ClientName,
    /// The digest of its token; `None` once the token may be known to others.
    pub digest: Option<TokenDigest>,
    /// The servers it may use.
    pub servers: Grants,
    /// When it was added, in seconds since 1970.
    pub created: u64,
    /// Fields of other versions.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl LocalClient {
    /// A client that is added now.
    pub fn new(name: ClientName, digest: TokenDigest, servers: Grants) -> Self {
        let created = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        Self { name, digest: Some(digest), servers, created, other: Map::new() }
    }
}

/// All clients, as they are between two changes.
#[derive(Debug, Clone, Default)]
pub struct Table {
    /// Counts the changes.
    pub generation: u64,
    /// The clients by the time they were added.
    pub clients: Vec<LocalClient>,
}

impl Table {
    /// Whether anybody has a token that works.
    pub fn is_in_use(&self) -> bool {
        self.clients.iter().any(|client| client.digest.is_some())
    }
}

/// How the endpoint stands.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum EndpointState {
    /// Nobody may use it, so no port is open.
    #[default]
    Off,
    /// It listens on 127.0.0.1.
    On {
        /// The port.
        port: u16,
    },
    /// It should listen and cannot.
    Failed(Failure),
}

/// The state of the endpoint, and the change it followed last.
#[derive(Debug, Clone, Default)]
pub(super) struct Settled {
    generation: Option<u64>,
    state: EndpointState,
}

#[derive(Serialize, Deserialize)]
struct Document {
    version: u64,
    clients: Vec<LocalClient>,
}

/// The clients and the state of the endpoint. Clones are the same ones.
#[derive(Debug, Clone)]
pub struct Clients {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    /// Why the file must not be written over.
    locked: Option<Failure>,
    /// One change at a time; never held across an await.
    changing: Mutex<()>,
    table: watch::Sender<Arc<Table>>,
    settled: watch::Sender<Settled>,
}

impl Clients {
    /// Reads the file. One that cannot be read lets nobody in, and is left as it is.
    pub fn open(path: PathBuf) -> (Self, Option<Failure>) {
        let (clients, locked) = match read(&path) {
            Ok(clients) => (clients, None),
            Err(why) => (Vec::new(), Some(unreadable(&path, &why))),
        };
        let inner = Inner {
            path,
            locked: locked.clone(),
            changing: Mutex::default(),
            table: watch::Sender::new(Arc::new(Table { generation: 0, clients })),
            settled: watch::Sender::default(),
        };
        (Self { inner: Arc::new(inner) }, locked)
    }

    /// All clients, now and whenever they change.
    pub fn watch(&self) -> watch::Receiver<Arc<Table>> {
        self.inner.table.subscribe()
    }

    /// Adds a client, or gives one whose token no longer works a new one.
    ///
    /// # Errors
    /// [`Error::ClientExists`], or why the file cannot be written.
    pub fn add(&self, new: LocalClient) -> Result<(), Error> {
        self.change(|clients| {
            if clients.iter().any(|client| client.name == new.name && client.digest.is_some()) {
                return Err(Error::ClientExists { name: new.name });
            }
            clients.retain(|client| client.name != new.name);
            clients.push(new);
            Ok(())
        })
    }

    /// Takes a client's token back.
    ///
    /// # Errors
    /// [`Error::UnknownClient`], or why the file cannot be written.
    pub fn revoke(&self, name: &ClientName) -> Result<(), Error> {
        self.change(|clients| {
            let before = clients.len();
            clients.retain(|client| client.name != *name);
            if clients.len() < before { Ok(()) } else { Err(Error::UnknownClient { name: name.clone() }) }
        })
    }

    /// Makes every token useless, because somebody else may have been shown them.
    ///
    /// # Errors
    /// Why the file cannot be written.
    pub fn void_all(&self) -> Result<(), Error> {
        self.change(|clients| {
            clients.iter_mut().for_each(|client| client.digest = None);
            Ok(())
        })
    }

    /// How the endpoint stands.
    pub fn endpoint(&self) -> EndpointState {
        self.inner.settled.borrow().state.clone()
    }

    /// How the endpoint stands, now and whenever that changes.
    pub(super) fn watch_endpoint(&self) -> watch::Receiver<Settled> {
        self.inner.settled.subscribe()
    }

    /// The endpoint tells how it stands after it has followed a change.
    pub fn settle(&self, generation: u64, state: EndpointState) {
        self.inner.settled.send_replace(Settled { generation: Some(generation), state });
    }

    /// How the endpoint stands once it has followed the last change.
    pub async fn settled(&self) -> EndpointState {
        let generation = self.inner.table.borrow().generation;
        let mut settled = self.inner.settled.subscribe();
        let follows = settled.wait_for(|settled| settled.generation >= Some(generation));
        match tokio::time::timeout(SETTLE_LIMIT, follows).await {
            Ok(Ok(settled)) => settled.state.clone(),
            Ok(Err(_)) | Err(_) => self.endpoint(),
        }
    }

    /// Changes the file, then what everybody sees: what could not be stored did not happen.
    fn change(&self, change: impl FnOnce(&mut Vec<LocalClient>) -> Result<(), Error>) -> Result<(), Error> {
        if let Some(failure) = &self.inner.locked {
            return Err(Error::Clients { failure: failure.clone() });
        }
        let _one_at_a_time = self.inner.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.inner.table.borrow().clone();
        let mut clients = now.clients.clone();
        change(&mut clients)?;
        let document = Document { version: VERSION, clients };
        let text = serde_json::to_vec_pretty(&document).expect("clients are plain JSON");
        let failed = |source| Error::Folder { path: self.inner.path.clone(), source };
        write_atomically(&self.inner.path, &text).map_err(failed)?;
        let table = Table { generation: now.generation + 1, clients: document.clients };
        self.inner.table.send_replace(Arc::new(table));
        Ok(())
    }
}

fn read(path: &std::path::Path) -> Result<Vec<LocalClient>, String> {
    let text = match std::fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(reason(error.kind())),
    };
    let document: Document = serde_json::from_slice(&text).map_err(|error| error.to_string())?;
    match document.version {
        ..=VERSION => Ok(document.clients),
        newer => Err(format!("it is of version {newer}, which a later release wrote")),
    }
}

fn unreadable(path: &std::path::Path, why: &str) -> Failure {
    let sentence = format!(
        "The list of local HTTP clients in {} could not be read ({why}), so no client is let in",
        path.display()
    );
    Failure::new(Code::Invalid, sentence, "Correct or delete that file and start Drawbridge again")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(name: &str, token: &LocalToken) -> LocalClient {
        LocalClient::new(name.parse().expect("a name"), token.digest(), Grants::All)
    }

    fn names(clients: &Clients) -> Vec<String> {
        clients.watch().borrow().clients.iter().map(|client| client.name.to_string()).collect()
    }

    #[test]
    fn a_client_stays_until_it_is_revoked_and_its_token_is_nowhere() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("clients.json");
        let token = LocalToken::random();
        let (clients, warning) = Clients::open(path.clone());
        assert!(warning.is_none() && !clients.watch().borrow().is_in_use());
        clients.add(client("cursor", &token)).expect("added");
        assert!(matches!(clients.add(client("cursor", &token)), Err(Error::ClientExists { .. })));

        let text = std::fs::read_to_string(&path).expect("the file");
        assert!(!text.contains(token.expose()));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = std::fs::metadata(&path).expect("the file").permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        let (again, _) = Clients::open(path);
        assert_eq!(names(&again), ["cursor"]);
        assert_eq!(again.watch().borrow().clients[0].digest, Some(token.digest()));
        let name: ClientName = "cursor".parse().expect("a name");
        again.revoke(&name).expect("revoked");
        assert!(matches!(again.revoke(&name), Err(Error::UnknownClient { .. })));
        assert!(names(&again).is_empty());
    }

    #[test]
    fn a_void_token_stays_listed_and_can_be_replaced() {
        let folder = tempfile::tempdir().expect("a folder");
        let (clients, _) = Clients::open(folder.path().join("clients.json"));
        clients.add(client("one", &LocalToken::random())).expect("added");
        clients.void_all().expect("voided");
        assert!(!clients.watch().borrow().is_in_use());
        assert_eq!(names(&clients), ["one"]);
        clients.add(client("one", &LocalToken::random())).expect("renewed");
        assert!(clients.watch().borrow().is_in_use());
        assert_eq!(names(&clients), ["one"]);
    }

    #[test]
    fn a_file_that_cannot_be_read_lets_nobody_in_and_is_kept() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("clients.json");
        for text in ["{", r#"{"version":2,"clients":[]}"#] {
            std::fs::write(&path, text).expect("written");
            let (clients, warning) = Clients::open(path.clone());
            assert!(warning.is_some() && !clients.watch().borrow().is_in_use(), "{text}");
            let added = clients.add(client("one", &LocalToken::random()));
            assert!(matches!(added, Err(Error::Clients { .. })), "{text}");
            assert_eq!(std::fs::read_to_string(&path).expect("kept"), text);
        }
    }

    #[tokio::test]
    async fn whoever_changes_something_sees_the_endpoint_follow() {
        let folder = tempfile::tempdir().expect("a folder");
        let (clients, _) = Clients::open(folder.path().join("clients.json"));
        clients.settle(0, EndpointState::Off);
        clients.add(client("one", &LocalToken::random())).expect("added");
        let follower = clients.clone();
        let following = async { follower.settle(1, EndpointState::On { port: 7 }) };
        let (state, ()) = tokio::join!(clients.settled(), following);
        assert_eq!(state, EndpointState::On { port: 7 });
    }
}
