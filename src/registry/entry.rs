//! One server as the registry knows it.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use url::Url;

use super::{AccountLabel, ServerId, ServerName, ToolRules};
use crate::net::AddressClass;

/// How to talk to a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "specta", derive(specta::Type))]
#[serde(rename_all = "snake_case")]
pub enum TransportChoice {
    /// Streamable HTTP, else HTTP+SSE.
    #[default]
    Auto,
    /// Streamable HTTP.
    Http,
    /// HTTP+SSE (2024-11-05).
    Sse,
}

/// Where its sign-in page opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "specta", derive(specta::Type))]
#[serde(rename_all = "snake_case")]
pub enum SignInChoice {
    /// In Drawbridge's own window, where there is one; else in the browser.
    #[default]
    Window,
    /// In the system's browser.
    Browser,
    /// Nowhere: nobody is ever asked to sign in.
    None,
}

/// How tokens of a server are got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "specta", derive(specta::Type))]
#[serde(rename_all = "kebab-case")]
pub enum GrantChoice {
    /// A person signs in, in a browser on this computer.
    #[default]
    Code,
    /// A person signs in, in a browser anywhere, with a code.
    Device,
    /// The client is its own user.
    ClientCredentials,
    /// The platform vouches for the client.
    Workload,
    /// The company's identity provider vouches for the person.
    Enterprise,
}

/// Which host the redirect URL of a sign-in names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "specta", derive(specta::Type))]
pub enum CallbackHost {
    /// The address.
    #[default]
    #[serde(rename = "127.0.0.1")]
    Address,
    /// The name.
    #[serde(rename = "localhost")]
    Localhost,
}

impl CallbackHost {
    /// The host as a URL spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Address => "127.0.0.1",
            Self::Localhost => "localhost",
        }
    }
}

/// One server: where it is and how to talk to it, without any secret.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ServerEntry {
    /// Stays the same when the server is renamed.
    pub id: ServerId,
    /// What people call it.
    pub name: ServerName,
    /// Its MCP endpoint.
    pub url: Url,
    /// How to talk to it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub transport: TransportChoice,
    /// Where its addresses lie, fixed when it was added.
    pub class: AddressClass,
    /// Names of the headers whose values are in the secret store.
    #[serde(default, skip_serializing_if = "is_default")]
    pub headers: Vec<String>,
    /// Whether a static bearer token is in the secret store.
    #[serde(default, skip_serializing_if = "is_default")]
    pub bearer: bool,
    /// How to sign in.
    #[serde(default, skip_serializing_if = "is_default")]
    pub oauth: OAuthEntry,
    /// Where the sign-in page opens.
    #[serde(default, skip_serializing_if = "is_default")]
    pub sign_in: SignInChoice,
    /// Whether plain http is fine.
    #[serde(default, skip_serializing_if = "is_default")]
    pub allow_http: bool,
    /// Whether addresses of private networks are fine.
    #[serde(default, skip_serializing_if = "is_default")]
    pub allow_private: bool,
    /// A PEM file of further certificate authorities.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
    /// A PEM file with a client certificate and its key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_cert: Option<PathBuf>,
    /// The proxy, without user name and password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy: Option<Url>,
    /// Whether the proxy's user name and password are in the secret store.
    #[serde(default, skip_serializing_if = "is_default")]
    pub proxy_login: bool,
    /// Which of its tools clients may see.
    #[serde(default, skip_serializing_if = "is_default")]
    pub tools: ToolRules,
    /// The person's accounts there.
    #[serde(default, skip_serializing_if = "is_default")]
    pub accounts: Vec<AccountEntry>,
    /// The account a bare name means, where it is not the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_account: Option<AccountLabel>,
    /// The accounts whose sign-in windows keep what their pages store.
    #[serde(default, skip_serializing_if = "is_default")]
    pub kept_profiles: BTreeSet<AccountLabel>,
    /// How often what was stored for its accounts was dropped, since it could have gone elsewhere.
    #[serde(default, skip_serializing_if = "is_default")]
    pub times_dropped: u32,
    /// Fields of other versions.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// How to sign in to a server.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct OAuthEntry {
    /// How tokens are got.
    #[serde(default, skip_serializing_if = "is_default")]
    pub grant: GrantChoice,
    /// Whether what vouches for a workload is in the secret store.
    #[serde(default, skip_serializing_if = "is_default")]
    pub has_assertion: bool,
    /// The file it is read from each time, in its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assertion_file: Option<PathBuf>,
    /// The company's identity provider.
    #[serde(default, skip_serializing_if = "is_default")]
    pub idp: IdpEntry,
    /// The client id, where one was registered by hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// Whether its secret is in the secret store.
    #[serde(default, skip_serializing_if = "is_default")]
    pub has_client_secret: bool,
    /// Whether a key that the client signs with is in the secret store.
    #[serde(default, skip_serializing_if = "is_default")]
    pub has_private_key: bool,
    /// The algorithm it signs with, where that was chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_alg: Option<String>,
    /// The URL of a client id metadata document, byte for byte.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_metadata_url: Option<String>,
    /// The scopes to ask for, in place of the server's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// The resource to name, in place of the server's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
    /// Whether no resource is named at all.
    #[serde(default, skip_serializing_if = "is_default")]
    pub no_resource: bool,
    /// The authorization server, byte for byte.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// The port of the redirect URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub callback_port: Option<u16>,
    /// The host of the redirect URL.
    #[serde(default, skip_serializing_if = "is_default")]
    pub callback_host: CallbackHost,
    /// Fields of other versions.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// The identity provider of a company, and who we are there.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct IdpEntry {
    /// Its issuer, byte for byte.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// Where it exchanges tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_endpoint: Option<String>,
    /// Our client id there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// Whether our secret there is in the secret store.
    #[serde(default, skip_serializing_if = "is_default")]
    pub has_client_secret: bool,
    /// Whether the person's ID token is in the secret store.
    #[serde(default, skip_serializing_if = "is_default")]
    pub has_id_token: bool,
    /// The file it is read from each time, in its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id_token_file: Option<PathBuf>,
}

/// One account at a server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AccountEntry {
    /// What the person calls it.
    pub label: AccountLabel,
    /// Who last signed it in; stays after a sign-out, as a consent does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// Fields of other versions.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl AccountEntry {
    /// An account of that label.
    pub fn new(label: AccountLabel) -> Self {
        Self { label, issuer: None, other: Map::new() }
    }
}

impl ServerEntry {
    /// A new entry with nothing special about it.
    pub fn new(name: ServerName, url: Url, class: AddressClass) -> Self {
        Self {
            id: ServerId::random(),
            name,
            url,
            transport: TransportChoice::default(),
            class,
            headers: Vec::new(),
            bearer: false,
            oauth: OAuthEntry::default(),
            sign_in: SignInChoice::default(),
            allow_http: false,
            allow_private: false,
            ca: None,
            client_cert: None,
            proxy: None,
            proxy_login: false,
            tools: ToolRules::default(),
            accounts: Vec::new(),
            default_account: None,
            kept_profiles: BTreeSet::new(),
            times_dropped: 0,
            other: Map::new(),
        }
    }

    /// Its name in the names of what is stored for its accounts. Another one after each drop, so that what the secret
    /// store would not delete is not used either.
    pub fn stored_as(&self) -> String {
        match self.times_dropped {
            0 => self.id.to_string(),
            times => format!("{}.{times}", self.id),
        }
    }

    /// The account a bare name means.
    pub fn default_account(&self) -> AccountLabel {
        let chosen = self.default_account.as_ref().filter(|label| self.has_account(label));
        let first = self.accounts.first().map(|account| &account.label);
        chosen.or(first).cloned().unwrap_or_else(AccountLabel::unnamed)
    }

    /// Whether there is an account of that label.
    pub fn has_account(&self, label: &AccountLabel) -> bool {
        self.accounts.iter().any(|account| account.label == *label)
    }

    /// Whether requests carry a fixed key, so that the server knows the person without a sign-in.
    pub fn has_own_key(&self) -> bool {
        self.bearer || !self.headers.is_empty() || self.client_cert.is_some()
    }

    /// Whether requests say who the person is, so that no sign-in of ours could.
    pub fn has_own_authorization(&self) -> bool {
        self.bearer || self.headers.iter().any(|header| header == "authorization")
    }

    /// Whether anything of it is in the secret store, tokens of accounts aside.
    pub fn has_secrets(&self) -> bool {
        let OAuthEntry { has_client_secret, has_private_key, has_assertion, idp, .. } = &self.oauth;
        let sign_in = *has_client_secret || *has_private_key || *has_assertion;
        let idp = idp.has_client_secret || idp.has_id_token;
        !self.headers.is_empty() || self.bearer || sign_in || idp || self.proxy_login
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
