//! The servers of the matrix: the demo server, held to one transport, version or era.

use demo_server::{Config, DemoServer, Eras, Transports};

use crate::spec::MODERN;

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

impl Kind {
    /// Its name in the table.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::HttpSse => "HTTP+SSE",
            Self::Legacy(version) => version,
            Self::Modern => MODERN,
            Self::Dual => "dual",
        }
    }

    /// The newest version it speaks.
    pub(crate) fn newest(self) -> &'static str {
        match self {
            Self::HttpSse => "2024-11-05",
            Self::Legacy(version) => version,
            Self::Modern | Self::Dual => MODERN,
        }
    }

    fn config(self) -> Config {
        let (eras, legacy_version) = match self {
            Self::HttpSse => (Eras::Legacy, Some("2024-11-05")),
            Self::Legacy(version) => (Eras::Legacy, Some(version)),
            Self::Modern => (Eras::Modern, None),
            Self::Dual => (Eras::Both, None),
        };
        let http_sse = self == Self::HttpSse;
        let transports = Transports { streamable: !http_sse, http_sse };
        Config { eras, legacy_version, transports, ..Config::default() }
    }
}

/// A server that runs.
pub(crate) struct Server {
    demo: DemoServer,
    kind: Kind,
}

impl Server {
    pub(crate) async fn start(kind: Kind) -> Self {
        Self { demo: DemoServer::start(kind.config()).await.expect("a server"), kind }
    }

    /// Its name in the table.
    pub(crate) fn name(&self) -> &'static str {
        self.kind.name()
    }

    /// The newest version it speaks.
    pub(crate) fn newest(&self) -> &'static str {
        self.kind.newest()
    }

    pub(crate) fn url(&self) -> String {
        match self.kind {
            Kind::HttpSse => self.demo.sse_url().to_string(),
            Kind::Legacy(_) | Kind::Modern | Kind::Dual => self.demo.url().to_string(),
        }
    }
}
