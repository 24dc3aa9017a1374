//! The Host as a whole.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{EndpointView, FailureView, ServerView};
use crate::failure::Code;

/// How the secret store stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "specta", derive(specta::Type))]
#[serde(rename_all = "camelCase", tag = "kind")]
pub enum VaultView {
    /// It works.
    Ready,
    /// It has to be unlocked.
    Locked {
        /// That it is, and how.
        why: String,
    },
    /// It does not work.
    Unavailable {
        /// That it does not, and why.
        why: String,
    },
}

impl VaultView {
    /// What is wrong with it, where something is.
    pub fn failure(&self) -> Option<FailureView> {
        let (Self::Locked { why } | Self::Unavailable { why }) = self else { return None };
        let next_step = "Unlock your keychain and try again, or see DRAWBRIDGE_SECRETS";
        Some(FailureView::new(Code::Keychain, why.as_str(), next_step))
    }
}

/// The Host as a whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "specta", derive(specta::Type))]
#[serde(rename_all = "camelCase")]
pub struct StatusView {
    /// Its release.
    pub version: String,
    /// Its process.
    pub pid: u32,
    /// Client sessions that are open.
    pub sessions: usize,
    /// Whether all servers are left alone.
    #[serde(default)]
    pub paused: bool,
    /// Through which servers without a proxy of their own are reached; without it, as the environment says.
    #[serde(default)]
    pub proxy: Option<String>,
    /// The secret store.
    pub secrets: VaultView,
    /// The local HTTP endpoint.
    #[serde(default)]
    pub http: EndpointView,
    /// What was found wrong when it started.
    pub warnings: Vec<FailureView>,
    /// The program that MCP clients start, where it is known.
    #[serde(default)]
    pub command: Option<PathBuf>,
    /// All servers.
    pub servers: Vec<ServerView>,
}

/// Sets the proxy for all servers without one of their own.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SetProxy {
    /// Its address; `null` goes back to what the environment says. It has to be given.
    #[serde(deserialize_with = "Option::deserialize")]
    pub proxy: Option<String>,
}

/// Asks a Host with windows to show its main one.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct ShowWindow {
    /// At which view; `None` only asks whether there are windows.
    pub view: Option<String>,
}
