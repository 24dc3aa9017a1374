//! What is asked of the registry: a new server, or another shape of one.

use serde::{Deserialize, Serialize};

use super::{ServerOptions, ServerView};
use crate::registry::{AccountLabel, ServerName};

/// A server to be added.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "specta", derive(specta::Type))]
#[serde(rename_all = "camelCase")]
pub struct NewServer {
    /// What to call it.
    pub name: ServerName,
    /// Its MCP endpoint, as it was written: the Host says whether it is an address.
    pub url: String,
    /// How to talk to it.
    #[serde(default)]
    pub options: ServerOptions,
}

/// An option that goes back to how it was before it was ever given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "specta", derive(specta::Type))]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "each is the option of that name")]
pub enum Unset {
    Header(String),
    Bearer,
    Transport,
    ClientId,
    ClientSecret,
    PrivateKey,
    KeyAlg,
    ClientMetadataUrl,
    Grant,
    Assertion,
    IdpIssuer,
    IdpTokenEndpoint,
    IdpClientId,
    IdpClientSecret,
    IdpIdToken,
    Scope,
    Resource,
    Issuer,
    CallbackPort,
    CallbackHost,
    SignIn,
    AllowHttp,
    AllowPrivate,
    Ca,
    ClientCert,
    Proxy,
    /// One glob.
    AllowTool(String),
    /// All of them.
    AllowTools,
    /// One glob.
    DenyTool(String),
    /// All of them.
    DenyTools,
    /// `pin-tools`: what was accepted is forgotten.
    PinTools,
    /// One account's.
    KeepProfile(AccountLabel),
}

/// What to change of a server.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "specta", derive(specta::Type))]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Changes {
    /// Another name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<ServerName>,
    /// Another URL, as it was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The account a bare name means.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_account: Option<AccountLabel>,
    /// An account whose sign-in window keeps what its pages store.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep_profile: Option<AccountLabel>,
    /// Options to take back; done before `options` are set.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unset: Vec<Unset>,
    /// Options to set.
    pub options: ServerOptions,
}

impl Changes {
    /// Whether nothing is to be changed.
    pub fn is_empty(&self) -> bool {
        serde_json::to_value(self).is_ok_and(|all| all == serde_json::json!({ "options": {} }))
    }
}

/// What an edit came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "specta", derive(specta::Type))]
#[serde(rename_all = "camelCase")]
pub struct Edited {
    /// The server now.
    pub server: ServerView,
    /// Whether stored secrets and sign-ins were dropped, because they would have gone elsewhere
    /// or by a less trusted way than they were given for.
    pub secrets_dropped: bool,
}
