//! The local HTTP endpoint and the clients that may use it.

use serde::{Deserialize, Serialize};

use super::FailureView;
use crate::host::clients::TokenDigest;
use crate::registry::ClientName;

/// How the local HTTP endpoint stands.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "specta", derive(specta::Type))]
#[serde(rename_all = "camelCase", tag = "kind")]
pub enum EndpointView {
    /// No client may use it, so no port is open.
    #[default]
    Off,
    /// It listens.
    On {
        /// What the URL of every server starts with; `/` and the server's name follow.
        url: String,
    },
    /// It should listen and cannot.
    Failed {
        /// Why.
        failure: FailureView,
    },
}

/// A client of the local HTTP endpoint to be added.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "specta", derive(specta::Type))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewClient {
    /// Its name.
    pub name: ClientName,
    /// The digest of its token. The token itself stays with whoever shows it.
    pub digest: TokenDigest,
    /// The servers it may use, as `name` or `name@account`.
    #[serde(default)]
    pub servers: Vec<String>,
    /// Whether it may use all servers, later ones too.
    #[serde(default)]
    pub all: bool,
}

/// A client of the local HTTP endpoint as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "specta", derive(specta::Type))]
#[serde(rename_all = "camelCase")]
pub struct ClientView {
    /// Its name.
    pub name: ClientName,
    /// The servers it may use now.
    pub servers: Vec<String>,
    /// Whether it may use all servers, later ones too.
    pub all: bool,
    /// When it was added, in seconds since 1970.
    pub created: u64,
    /// Whether its token works; one that others may have seen does not.
    pub is_valid: bool,
}

/// The local HTTP endpoint and its clients.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "specta", derive(specta::Type))]
#[serde(rename_all = "camelCase")]
pub struct ClientsView {
    /// The endpoint.
    pub endpoint: EndpointView,
    /// Its clients.
    pub clients: Vec<ClientView>,
}
