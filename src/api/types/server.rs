//! A server as it is shown.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{AccountView, ReachView, ResourceOption};
use crate::net::AddressClass;
use crate::registry::{
    AccountLabel, CallbackHost, GrantChoice, ServerName, SignInChoice, ToolRules, TransportChoice,
};

/// A server as it is shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "specta", derive(specta::Type))]
#[serde(rename_all = "camelCase")]
pub struct ServerView {
    /// Its name.
    pub name: ServerName,
    /// Its URL without what may be secret: user name, query and fragment.
    pub url: String,
    /// How it is talked to.
    pub transport: TransportChoice,
    /// Where its addresses lie.
    pub class: AddressClass,
    /// Where its sign-in page opens.
    pub sign_in: SignInChoice,
    /// Names of its headers.
    pub headers: Vec<String>,
    /// Whether it has a static bearer token.
    pub bearer: bool,
    /// How to sign in.
    pub oauth: OAuthView,
    /// Whether plain http is fine.
    pub allow_http: bool,
    /// Whether private addresses are fine.
    pub allow_private: bool,
    /// The file of further certificate authorities.
    pub ca: Option<PathBuf>,
    /// The file of the client certificate.
    pub client_cert: Option<PathBuf>,
    /// The proxy, without its login.
    pub proxy: Option<String>,
    /// Which of its tools clients may see.
    #[serde(default)]
    pub tools: ToolRules,
    /// The account a bare name means.
    pub default_account: AccountLabel,
    /// Whether it could be reached when it was last tried.
    #[serde(default)]
    pub reach: ReachView,
    /// The person's accounts there.
    pub accounts: Vec<AccountView>,
}

/// How to sign in to a server, as it is shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "specta", derive(specta::Type))]
#[serde(rename_all = "camelCase")]
pub struct OAuthView {
    /// The client id that was registered by hand.
    pub client_id: Option<String>,
    /// Whether there is a client secret.
    pub has_client_secret: bool,
    /// Whether there is a key that the client signs with.
    pub has_private_key: bool,
    /// The algorithm it signs with, where that was chosen.
    pub key_alg: Option<String>,
    /// The URL of the client's metadata document.
    pub client_metadata_url: Option<String>,
    /// How tokens are got.
    pub grant: GrantChoice,
    /// What vouches for a workload.
    pub assertion: SubjectView,
    /// The company's identity provider.
    pub idp: IdpView,
    /// The scopes that are asked for.
    pub scope: Option<String>,
    /// The resource, where it is not the server's own choice.
    pub resource: Option<ResourceOption>,
    /// The authorization server, where it was named.
    pub issuer: Option<String>,
    /// The port of the redirect URL.
    pub callback_port: Option<u16>,
    /// The host of the redirect URL.
    pub callback_host: CallbackHost,
}

/// Where a token that vouches for somebody is, as it is shown.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "specta", derive(specta::Type))]
#[serde(rename_all = "camelCase")]
pub enum SubjectView {
    /// Nowhere.
    #[default]
    None,
    /// In the secret store.
    Stored,
    /// In this file.
    File(PathBuf),
}

/// The identity provider of a company, as it is shown.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "specta", derive(specta::Type))]
#[serde(rename_all = "camelCase")]
pub struct IdpView {
    /// Its issuer.
    pub issuer: Option<String>,
    /// Where it exchanges tokens.
    pub token_endpoint: Option<String>,
    /// Our client id there.
    pub client_id: Option<String>,
    /// Whether there is a secret of ours.
    pub has_client_secret: bool,
    /// The person's ID token.
    pub id_token: SubjectView,
}

/// What a server turned out to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "specta", derive(specta::Type))]
#[serde(rename_all = "camelCase")]
pub struct ProbeView {
    /// The name it gives itself, made safe to show.
    pub server: String,
    /// The protocol version it agreed to.
    pub protocol_version: String,
    /// How many tools it lists.
    pub tools: usize,
}
