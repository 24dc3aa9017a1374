//! The servers of the matrix: the demo server, held to one transport, version or era, and other
//! people's.

use std::process::Stdio;

use demo_server::{Config, DemoServer, Eras, Transports};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Child;
use tokio::time::timeout;

use crate::peers::{PYTHON_1, PYTHON_2, peer};
use crate::spec::MODERN;
use crate::support::LIMIT;

/// What a server speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// 2024-11-05, over HTTP+SSE.
    HttpSse,
    /// One legacy version, over Streamable HTTP.
    Legacy(&'static str),
    /// 2026-07-28 alone.
    Modern,
    /// All versions.
    Dual,
    /// A program of `tests/peers`, and the newest version it speaks.
    Program { name: &'static str, command: &'static [&'static str], newest: &'static str },
}

/// The columns of the specification's matrix.
pub(crate) const KINDS: [Kind; 6] = [
    Kind::HttpSse,
    Kind::Legacy("2025-03-26"),
    Kind::Legacy("2025-06-18"),
    Kind::Legacy("2025-11-25"),
    Kind::Modern,
    Kind::Dual,
];

/// Other people's servers, of each era and of both, over each transport. The Python SDK 2 has no way to serve one alone.
pub(crate) const PEERS: [Kind; 7] = [
    Kind::Program {
        name: "TypeScript SDK 1",
        command: &["node", "matrix-server.mjs", "--sdk", "1"],
        newest: "2025-11-25",
    },
    PYTHON_SDK_1,
    Kind::Program {
        name: "TypeScript SDK 1, SSE",
        command: &["node", "matrix-server.mjs", "--sdk", "1", "--sse"],
        newest: "2025-11-25",
    },
    Kind::Program {
        name: "Python SDK 1, SSE",
        command: &[PYTHON_1, "matrix-server-1.py", "sse"],
        newest: "2025-11-25",
    },
    TYPESCRIPT_SDK_2,
    Kind::Program {
        name: "TypeScript SDK 2, dual",
        command: &["node", "matrix-server.mjs", "--sdk", "2", "--era", "dual"],
        newest: MODERN,
    },
    Kind::Program { name: "Python SDK 2, dual", command: &[PYTHON_2, "matrix-server-2.py"], newest: MODERN },
];

const PYTHON_SDK_1: Kind =
    Kind::Program { name: "Python SDK 1", command: &[PYTHON_1, "matrix-server-1.py"], newest: "2025-11-25" };
const TYPESCRIPT_SDK_2: Kind = Kind::Program {
    name: "TypeScript SDK 2",
    command: &["node", "matrix-server.mjs", "--sdk", "2", "--era", "modern"],
    newest: MODERN,
};

/// A server of each era, ours and other people's.
pub(crate) const OF_EACH_ERA: [Kind; 4] =
    [Kind::Legacy("2025-11-25"), PYTHON_SDK_1, Kind::Modern, TYPESCRIPT_SDK_2];

impl Kind {
    /// Its name in the table.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::HttpSse => "HTTP+SSE",
            Self::Legacy(version) => version,
            Self::Modern => MODERN,
            Self::Dual => "dual",
            Self::Program { name, .. } => name,
        }
    }

    /// The newest version it speaks.
    pub(crate) fn newest(self) -> &'static str {
        match self {
            Self::HttpSse => "2024-11-05",
            Self::Legacy(version) => version,
            Self::Modern | Self::Dual => MODERN,
            Self::Program { newest, .. } => newest,
        }
    }
}

/// A server that runs.
pub(crate) struct Server {
    kind: Kind,
    url: String,
    _running: Running,
}

/// What is running as long as this is there.
enum Running {
    Demo(#[expect(dead_code, reason = "it stops when it is dropped")] DemoServer),
    Program(#[expect(dead_code, reason = "it ends when its stdin closes")] Child),
}

impl Server {
    pub(crate) async fn start(kind: Kind) -> Self {
        let demo = |eras, legacy_version| Config { eras, legacy_version, ..Config::default() };
        let (running, url) = match kind {
            Kind::HttpSse => {
                let transports = Transports { streamable: false, http_sse: true };
                let config = Config { transports, ..demo(Eras::Legacy, Some("2024-11-05")) };
                let server = DemoServer::start(config).await.expect("a server");
                let url = server.sse_url().to_string();
                (Running::Demo(server), url)
            }
            Kind::Legacy(version) => streamable(demo(Eras::Legacy, Some(version))).await,
            Kind::Modern => streamable(demo(Eras::Modern, None)).await,
            Kind::Dual => streamable(demo(Eras::Both, None)).await,
            Kind::Program { command, .. } => program(command).await,
        };
        Self { kind, url, _running: running }
    }

    /// The newest version it speaks.
    pub(crate) fn newest(&self) -> &'static str {
        self.kind.newest()
    }

    pub(crate) fn url(&self) -> String {
        self.url.clone()
    }
}

async fn streamable(config: Config) -> (Running, String) {
    let transports = Transports { streamable: true, http_sse: false };
    let server = DemoServer::start(Config { transports, ..config }).await.expect("a server");
    let url = server.url().to_string();
    (Running::Demo(server), url)
}

/// Starts a program, which says where it serves once it does. What it logs is seen when it is run by hand.
async fn program(command: &[&str]) -> (Running, String) {
    let mut child = peer(command).stdin(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it starts");
    let stdout = child.stdout.take().expect("stdout is piped");
    let mut lines = BufReader::new(stdout).lines();
    let line = timeout(LIMIT, lines.next_line()).await.expect("it is ready").expect("text");
    let ready: Value = serde_json::from_str(&line.expect("its address")).expect("JSON");
    let url = ready["url"].as_str().expect("an address").to_owned();
    (Running::Program(child), url)
}
