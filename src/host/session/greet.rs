//! A look at a server that leaves everything as it was: one session is opened and ended, and nothing that the server
//! says is kept.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::failure::{Code, Failure};
use crate::host::connection::Connection;
use crate::host::reach::Reach;
use crate::host::snapshot::{SeenTransport, Snapshot, SnapshotStore};
use crate::host::tool_changes::ToolChanges;
use crate::mcp::era::Era;

use super::context::Context;
use super::downstream::Downstream;
use super::open::{Handshake, OpenError, Opened, Opening};
use super::probe::{failure, initialize};
use super::{INCOMING_QUEUE, SessionDeps};

/// How long it may take to open a session: finding out the era, then the handshake.
const OPEN_LIMIT: Duration = Duration::from_secs(10);
/// How long the end of a session may take.
const END_LIMIT: Duration = Duration::from_secs(2);

/// How a server answered that opened a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Welcome {
    /// The newest protocol version that it speaks with us.
    pub protocol_version: String,
    /// The transport that it speaks.
    pub transport: Option<SeenTransport>,
}

/// Why there was no session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unwelcome {
    /// The server wants somebody to sign in.
    SignInNeeded,
    /// What is wrong.
    Failed(Failure),
}

impl SessionDeps {
    /// For somebody who leaves everything as it is: nothing is known, and nothing is remembered.
    #[must_use]
    pub fn for_onlooker(self) -> Self {
        let (reach, tool_changes) = (Reach::default(), ToolChanges::default());
        let pins = self.pins.for_onlooker();
        Self { snapshots: SnapshotStore::in_memory(), pins, reach, tool_changes, ..self }
    }
}

/// Opens a session and ends it.
///
/// # Errors
/// [`Unwelcome`]
pub async fn greet(deps: SessionDeps, connection: Connection) -> Result<Welcome, Unwelcome> {
    let (downstream, _writing) = Downstream::spawn(tokio::io::sink());
    let (sender, mut incoming) = mpsc::channel(INCOMING_QUEUE);
    let context = Arc::new(Context::new(connection, deps.for_onlooker(), downstream, sender).await);
    let mut tasks = JoinSet::new();
    let reader = context.clone();
    tasks.spawn(async move {
        while let Some(incoming) = incoming.recv().await {
            reader.hand_over(incoming.message);
        }
    });
    let opening =
        Opening::Legacy(Box::new(Handshake { initialize: initialize(), resume: None, initialized: None }));
    let opened = timeout(OPEN_LIMIT, context.open_aside(Arc::new(opening), None).0).await;
    let (opened, session) = match opened {
        Ok(Ok(opened)) => opened,
        Ok(Err(OpenError::SignedOut)) => return Err(Unwelcome::SignInNeeded),
        Ok(Err(error)) => return Err(Unwelcome::Failed(failure(&context, error))),
        Err(_) => return Err(Unwelcome::Failed(too_slow(context.server()))),
    };
    // A server that is slow to say goodbye has opened a session all the same.
    let _ = timeout(END_LIMIT, session.end()).await;
    Ok(context.snapshot.read(|snapshot| welcome(&opened, snapshot)))
}

fn welcome(opened: &Opened, snapshot: &Snapshot) -> Welcome {
    let agreed = || opened.response.as_ref()?.string_at(&["result", "protocolVersion"]);
    let version = match opened.crossing.server_era() {
        Some(Era::Modern) => newest_version(snapshot).or_else(agreed),
        Some(Era::Legacy) | None => agreed(),
    };
    let protocol_version = crate::redact::plain(&version.unwrap_or_default(), 40);
    Welcome { protocol_version, transport: snapshot.transport }
}

fn newest_version(snapshot: &Snapshot) -> Option<String> {
    let discovered: serde_json::Value = serde_json::from_str(snapshot.discover.as_ref()?.get()).ok()?;
    let versions = discovered.get("supportedVersions")?.as_array()?;
    versions.iter().filter_map(|version| version.as_str()).max().map(str::to_owned)
}

fn too_slow(server: &str) -> Failure {
    Failure::about(
        server,
        Code::TimedOut,
        format!("{server} did not answer within {} s", OPEN_LIMIT.as_secs()),
        "Try again later, or check the address",
    )
}
