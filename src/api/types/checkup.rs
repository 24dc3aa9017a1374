//! What `drawbridge doctor` finds: steps in the order in which they depend on each other.

use serde::{Deserialize, Serialize};

use super::FailureView;
use crate::registry::{AccountLabel, ServerName};

/// What is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "specta", derive(specta::Type))]
#[serde(rename_all = "camelCase")]
pub enum CheckName {
    /// The folders of Drawbridge, which are for their owner alone.
    Folders,
    /// The Host, its lock and its socket.
    Host,
    /// Whether this program and the Host are of one release.
    Version,
    /// The settings and the list of servers.
    Settings,
    /// Where secrets are kept.
    SecretStore,
    /// The local HTTP endpoint.
    HttpEndpoint,
    /// What is stored for a server: options, secrets, certificates.
    Stored,
    /// Whether the server can be reached.
    Server,
    /// Who signs in for the server.
    Discovery,
    /// Whether the authorization server knows this program.
    Registration,
    /// The account's token.
    Token,
    /// Whether the server opens a session.
    Initialize,
    /// Whether what clients start gets that session.
    ClientEntry,
}

/// What came of a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "specta", derive(specta::Type))]
#[serde(rename_all = "camelCase", tag = "kind")]
pub enum CheckOutcome {
    /// It is as it should be.
    Done {
        /// What was found, where that says something.
        note: Option<String>,
    },
    /// It is the first thing that is wrong.
    Wrong {
        /// What, and what to do.
        failure: FailureView,
    },
    /// Something before it is wrong.
    NotReached,
    /// This server or Host does without.
    NotNeeded,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "specta", derive(specta::Type))]
#[serde(rename_all = "camelCase")]
pub struct CheckView {
    /// What was looked at.
    pub name: CheckName,
    /// What came of it.
    pub outcome: CheckOutcome,
}

/// The steps from an account of a server to an open session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "specta", derive(specta::Type))]
#[serde(rename_all = "camelCase")]
pub struct ServerCheckup {
    /// The server.
    pub server: ServerName,
    /// The account.
    pub account: AccountLabel,
    /// The steps, in order.
    pub checks: Vec<CheckView>,
}

/// All that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "specta", derive(specta::Type))]
#[serde(rename_all = "camelCase")]
pub struct Checkup {
    /// Drawbridge itself; empty where one server was asked about.
    pub host: Vec<CheckView>,
    /// The servers.
    pub servers: Vec<ServerCheckup>,
}

impl Checkup {
    /// Everything that is wrong, the first thing first.
    pub fn failures(&self) -> impl Iterator<Item = &FailureView> {
        let of_servers = self.servers.iter().flat_map(|server| &server.checks);
        self.host.iter().chain(of_servers).filter_map(|check| match &check.outcome {
            CheckOutcome::Wrong { failure } => Some(failure),
            CheckOutcome::Done { .. } | CheckOutcome::NotReached | CheckOutcome::NotNeeded => None,
        })
    }
}
