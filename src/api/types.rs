//! The words of `/control/v1`, for CLI and tray alike.
//!
//! What the Host answers holds no secret; what it is told may, and those values print as
//! `[redacted]`.

mod details;

use std::fmt;
use std::path::PathBuf;

use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize, Serializer};
use url::Url;

use crate::host::clients::TokenDigest;
use crate::net::AddressClass;
use crate::registry::{
    AccountLabel, CallbackHost, ClientName, GrantChoice, ServerName, SignInChoice, ToolRules, TransportChoice,
};

pub use crate::failure::Failure as FailureView;
pub use details::{DetailsView, ReachView, ToolEffect, ToolView};

/// A secret on its way to the Host.
#[derive(Clone, Deserialize)]
#[cfg_attr(feature = "specta", derive(specta::Type), specta(type = String))]
#[serde(from = "String")]
pub struct SecretText(SecretString);

impl SecretText {
    /// The secret itself; whoever calls this stores or sends it.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl From<String> for SecretText {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl From<SecretText> for SecretString {
    fn from(text: SecretText) -> Self {
        text.0
    }
}

/// Only requests to the Host hold such values, and they go over the local socket alone.
impl Serialize for SecretText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.expose())
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[redacted]")
    }
}

/// A secret option, and what it was read from.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "specta", derive(specta::Type))]
#[serde(rename_all = "camelCase")]
pub struct SecretOption {
    /// The value.
    pub value: SecretText,
    /// `env:NAME` or `file:PATH` for everything that was read to make up the value.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub references: Vec<String>,
}

/// One request header.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "specta", derive(specta::Type))]
#[serde(rename_all = "camelCase")]
pub struct HeaderOption {
    /// Its name.
    pub name: String,
    /// Its value, always a secret.
    #[serde(flatten)]
    pub secret: SecretOption,
}

/// Which resource a sign-in names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "specta", derive(specta::Type))]
#[serde(rename_all = "camelCase")]
pub enum ResourceOption {
    /// This one.
    Given(String),
    /// None at all.
    Omitted,
}

/// The server options of `add`, `edit` and `connect`; what is absent was not given.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "specta", derive(specta::Type))]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct ServerOptions {
    /// `--header`
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<HeaderOption>,
    /// `--bearer`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bearer: Option<SecretOption>,
    /// `--transport`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transport: Option<TransportChoice>,
    /// `--client-id`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// `--client-secret`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<SecretOption>,
    /// `--private-key`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub private_key: Option<SecretOption>,
    /// `--key-alg`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_alg: Option<String>,
    /// `--client-metadata-url`, byte for byte
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_metadata_url: Option<String>,
    /// `--grant`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grant: Option<GrantChoice>,
    /// `--assertion`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assertion: Option<SecretOption>,
    /// `--idp-issuer`, byte for byte
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idp_issuer: Option<String>,
    /// `--idp-token-endpoint`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idp_token_endpoint: Option<String>,
    /// `--idp-client-id`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idp_client_id: Option<String>,
    /// `--idp-client-secret`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idp_client_secret: Option<SecretOption>,
    /// `--idp-id-token`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idp_id_token: Option<SecretOption>,
    /// `--scope`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// `--resource`, `--no-resource`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource: Option<ResourceOption>,
    /// `--issuer`, byte for byte
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// `--callback-port`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub callback_port: Option<u16>,
    /// `--callback-host`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub callback_host: Option<CallbackHost>,
    /// `--sign-in`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sign_in: Option<SignInChoice>,
    /// `--allow-http`
    #[serde(skip_serializing_if = "is_false")]
    pub allow_http: bool,
    /// `--allow-private`
    #[serde(skip_serializing_if = "is_false")]
    pub allow_private: bool,
    /// `--ca`, absolute
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
    /// `--client-cert`, absolute
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_cert: Option<PathBuf>,
    /// `--proxy`; it may hold a user name and a password
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy: Option<SecretText>,
    /// `--allow-tool`
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allow_tools: Vec<String>,
    /// `--deny-tool`
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub deny_tools: Vec<String>,
}

impl ServerOptions {
    /// What was read to make up these options, each name once.
    pub fn references(&self) -> Vec<String> {
        let headers = self.headers.iter().map(|header| &header.secret);
        let client = self.client_secret.iter().chain(&self.private_key).chain(&self.assertion);
        let idp = self.idp_client_secret.iter().chain(&self.idp_id_token);
        let secrets = headers.chain(&self.bearer).chain(client).chain(idp);
        let mut references: Vec<String> =
            secrets.flat_map(|secret| secret.references.iter().cloned()).collect();
        references.extend(self.client_cert.iter().map(|path| format!("file:{}", path.display())));
        references.sort();
        references.dedup();
        references
    }
}

/// A server to be added.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "specta", derive(specta::Type))]
#[serde(rename_all = "camelCase")]
pub struct NewServer {
    /// What to call it.
    pub name: ServerName,
    /// Its MCP endpoint.
    pub url: Url,
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
}

/// What to change of a server.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "specta", derive(specta::Type))]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Changes {
    /// Another name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<ServerName>,
    /// Another URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<Url>,
    /// The account a bare name means.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_account: Option<AccountLabel>,
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

/// An account as it is shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "specta", derive(specta::Type))]
#[serde(rename_all = "camelCase")]
pub struct AccountView {
    /// Its label.
    pub label: AccountLabel,
    /// How it stands.
    pub state: AccountStateView,
}

/// How an account stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "specta", derive(specta::Type))]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "kind")]
pub enum AccountStateView {
    /// Nobody has asked for a sign-in yet; perhaps none is needed.
    Unknown,
    /// Signed in.
    SignedIn {
        /// When the access token ends, in seconds since 1970, where it does.
        expires: Option<u64>,
        /// When the access token was last renewed, in seconds since 1970.
        #[serde(default)]
        renewed: Option<u64>,
        /// What may be done.
        scopes: Vec<String>,
        /// Who it is, in the words of the authorization server.
        identity: Option<String>,
        /// Who it is, claim by claim.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        person: Option<PersonView>,
    },
    /// A sign-in page is open.
    SigningIn {
        /// The host of the page.
        host: Option<String>,
    },
    /// Somebody has to sign in.
    SignedOut {
        /// Why.
        why: String,
    },
    /// Something else is wrong.
    Failed {
        /// What.
        failure: FailureView,
    },
}

/// Somebody, in the words of an authorization server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "specta", derive(specta::Type))]
#[serde(rename_all = "camelCase")]
pub struct PersonView {
    /// Who says so.
    pub issuer: String,
    /// The name by which the issuer tells people apart.
    pub subject: String,
    /// The address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// The name to sign in with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// The name to be called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
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

/// Asks a Host with windows to show its main one.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct ShowWindow {
    /// At which view; `None` only asks whether there are windows.
    pub view: Option<String>,
}

/// How the secret store stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "specta", derive(specta::Type))]
#[serde(rename_all = "camelCase", tag = "kind")]
pub enum VaultView {
    /// It works.
    Ready,
    /// It has to be unlocked.
    Locked {
        /// How.
        why: String,
    },
    /// It does not work.
    Unavailable {
        /// Why.
        why: String,
    },
}

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

/// Who opens the page of a sign-in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "specta", derive(specta::Type))]
#[serde(rename_all = "camelCase")]
pub enum OpenBy {
    /// The program that asks: it has the person's terminal and session.
    #[default]
    Caller,
    /// The Host.
    Host,
}

/// Asks for a sign-in.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "specta", derive(specta::Type))]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct SignInBody {
    /// Who opens the page.
    pub open_by: OpenBy,
}

/// What happens during a sign-in, one JSON object on each line.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "specta", derive(specta::Type))]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "event")]
pub enum SignInEvent {
    /// The page to open.
    Url {
        /// Its URL.
        url: Url,
    },
    /// The code to enter elsewhere.
    Code {
        /// The code.
        user_code: String,
        /// Where it is entered.
        url: Url,
        /// Where it is entered already.
        complete_url: Option<Url>,
        /// For how many seconds it is good.
        expires_in: u64,
        /// What is unusual about it.
        warnings: Vec<String>,
    },
    /// It worked; the last event.
    Done,
    /// It did not; the last event.
    Failed {
        /// Why.
        failure: FailureView,
    },
}

/// How many accounts were signed out.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "specta", derive(specta::Type))]
pub struct SignedOut {
    /// The count.
    pub accounts: usize,
}

/// The redirect URL that a person copied from a browser on another computer.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "specta", derive(specta::Type))]
#[serde(rename_all = "camelCase")]
pub struct PastedRedirect {
    /// It holds a one-time code.
    pub url: SecretText,
}

fn is_false(value: &bool) -> bool {
    !value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_travel_whole_and_print_no_secret() {
        let options = ServerOptions {
            headers: vec![HeaderOption {
                name: "X-Key".into(),
                secret: SecretOption {
                    value: "marked-1".to_owned().into(),
                    references: vec!["env:B".into(), "env:A".into()],
                },
            }],
            bearer: Some(SecretOption {
                value: "marked-2".to_owned().into(),
                references: vec!["env:A".into()],
            }),
            proxy: Some("http://me:marked-3@proxy.example".to_owned().into()),
            client_cert: Some("/c.pem".into()),
            ..ServerOptions::default()
        };
        assert_eq!(options.references(), ["env:A", "env:B", "file:/c.pem"]);
        assert!(!format!("{options:?}").contains("marked"));
        let text = serde_json::to_string(&options).expect("JSON");
        let again: ServerOptions = serde_json::from_str(&text).expect("options");
        assert_eq!(again.headers[0].secret.value.expose(), "marked-1");
        assert_eq!(serde_json::to_string(&again).expect("JSON"), text);
        assert_eq!(serde_json::to_string(&ServerOptions::default()).expect("JSON"), "{}");
    }

    #[test]
    fn an_option_of_a_newer_shim_is_refused_and_not_ignored() {
        assert!(serde_json::from_str::<ServerOptions>(r#"{"pinTools":["x"]}"#).is_err());
    }
}
