//! The clients of the matrix: ours of every version, and other people's.

use std::process::Stdio;
use std::sync::Arc;

use serde_json::Value;
use tokio::time::timeout;

use crate::caller::Caller;
use crate::features::{show, show_absent};
use crate::peers::{PYTHON_1, PYTHON_2, peer};
use crate::rmcp_client::RustSdk;
use crate::servers::Server;
use crate::spec::{FEATURES, Feature, MODERN, absence};
use crate::support::{Home, LIMIT};

/// The newest version of the legacy era.
const LEGACY: &str = "2025-11-25";

/// Who connects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Client {
    /// Ours, of this version.
    Version(&'static str),
    /// The Rust SDK, in the era of this version.
    Rust(&'static str),
    /// A program of `tests/peers`, told the era by this option.
    Program { name: &'static str, command: &'static [&'static str], version: &'static str },
}

/// Other people's clients, in each era they speak.
pub(crate) const PEERS: [Client; 8] = [
    Client::Rust(LEGACY),
    Client::Rust(MODERN),
    Client::Program {
        name: "TypeScript SDK 1",
        command: &["node", "matrix-client.mjs", "--sdk", "1", "--"],
        version: LEGACY,
    },
    Client::Program {
        name: "TypeScript SDK 2",
        command: &["node", "matrix-client.mjs", "--sdk", "2", "--era", "legacy", "--"],
        version: LEGACY,
    },
    Client::Program {
        name: "TypeScript SDK 2",
        command: &["node", "matrix-client.mjs", "--sdk", "2", "--era", "modern", "--"],
        version: MODERN,
    },
    Client::Program { name: "Python SDK 1", command: &[PYTHON_1, "matrix-client-1.py"], version: LEGACY },
    Client::Program {
        name: "Python SDK 2",
        command: &[PYTHON_2, "matrix-client-2.py", "legacy"],
        version: LEGACY,
    },
    Client::Program {
        name: "Python SDK 2",
        command: &[PYTHON_2, "matrix-client-2.py", "modern"],
        version: MODERN,
    },
];

/// What one feature came to in one pair.
#[derive(Debug, Clone)]
pub(crate) enum Cell {
    Works,
    Failed(String),
    /// This pair cannot have it, for a reason that the tables of `spec` name.
    Absent,
}

impl Client {
    /// Its name in the table.
    pub(crate) fn name(self) -> String {
        match self {
            Self::Version(version) => version.to_owned(),
            Self::Rust(version) => format!("Rust SDK, {version}"),
            Self::Program { name, version, .. } => format!("{name}, {version}"),
        }
    }

    /// Shows every feature with that server, in one session as far as it goes.
    pub(crate) async fn show_all(self, server: Server) -> Vec<Cell> {
        let home = Home::new();
        match self {
            Self::Version(version) => ours(version, home, server).await,
            Self::Rust(version) => rust(version, &home, &server).await,
            Self::Program { name, command, version } => program(name, command, version, &home, &server).await,
        }
    }
}

/// Ours; after a feature that fails, in a new session.
async fn ours(version: &'static str, home: Home, server: Server) -> Vec<Cell> {
    let (home, url) = (Arc::new(home), server.url());
    let mut open: Option<Caller> = None;
    let mut cells = Vec::new();
    for feature in FEATURES {
        let (home, url, known) = (home.clone(), url.clone(), open.take());
        let absent = absence(feature, version, version, &server);
        let shown = tokio::spawn(async move {
            let mut caller = match known {
                Some(caller) => caller,
                None => Caller::open(&home, &url, version).await,
            };
            match absent {
                None => show(feature, &mut caller).await,
                Some(why) if why.is_answered() => show_absent(feature, &mut caller).await,
                Some(_) => {}
            }
            caller
        });
        cells.push(match shown.await {
            Ok(caller) => {
                open = Some(caller);
                if absent.is_none() { Cell::Works } else { Cell::Absent }
            }
            Err(error) => Cell::Failed(words(error)),
        });
    }
    cells
}

async fn rust(version: &'static str, home: &Home, server: &Server) -> Vec<Cell> {
    let shim = home.command(&["connect", &server.url()]);
    let client = RustSdk::open(shim, version >= MODERN).await;
    let mut cells = Vec::new();
    for feature in FEATURES {
        if absence(feature, "Rust SDK", version, server).is_some() {
            cells.push(Cell::Absent);
            continue;
        }
        let shown = tokio::spawn(client.clone().show(feature)).await;
        cells.push(shown.map_or_else(|error| Cell::Failed(words(error)), |()| Cell::Works));
    }
    cells
}

/// Runs a program to its end and reads what it says of every feature.
async fn program(
    name: &str,
    command: &[&str],
    version: &'static str,
    home: &Home,
    server: &Server,
) -> Vec<Cell> {
    let connect = home.command(&["connect", &server.url()]);
    let connect = connect.as_std();
    let mut client = peer(command);
    client.arg(connect.get_program()).args(connect.get_args()).stdin(Stdio::null());
    client.envs(connect.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let output = timeout(LIMIT * 4, client.output()).await.expect("it ends").expect("it runs");
    let stderr = String::from_utf8_lossy(&output.stderr);
    let said: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{stderr}"));
    assert_eq!(said["version"], version, "the version it agreed on: {said}");
    let cell =
        |feature: Feature| match (&said["features"][feature.name()], said["features"].get(feature.name())) {
            _ if absence(feature, name, version, server).is_some() => Cell::Absent,
            (Value::Null, Some(_)) => Cell::Works,
            (why, Some(_)) => Cell::Failed(why.to_string()),
            (_, None) => Cell::Failed("the program does not show it".to_owned()),
        };
    FEATURES.into_iter().map(cell).collect()
}

fn words(error: tokio::task::JoinError) -> String {
    let panic = error.into_panic();
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("no words").to_owned()
}
