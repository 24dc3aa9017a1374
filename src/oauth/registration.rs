//! Becoming a client of an authorization server: credentials from the options, else Dynamic Client Registration
//! (RFC 7591). A registration belongs to the issuer that made it and is stored under it.

use base64::Engine;
use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::discovery::AuthorizationServer;
use super::scope::Scopes;
use super::token::{ErrorBody, seconds};
use super::{CallbackHost, Error, Issuer, OAuthOptions};
use crate::net::{self, ConnectionSettings, Network};
use crate::secret::{self, ClientSecret, ItemName, Vault};

/// What we are called on consent pages.
const CLIENT_NAME: &str = "Drawbridge";

/// Who we are to one authorization server.
#[derive(Debug, Clone)]
pub struct ClientRegistration {
    /// Who made it.
    pub issuer: Issuer,
    /// Our name there.
    pub client_id: String,
    /// Our secret there.
    pub client_secret: Option<ClientSecret>,
    /// When the secret ends, in seconds since 1970.
    pub secret_expires_at: Option<u64>,
    /// How we show who we are at the token endpoint.
    pub auth: ClientAuth,
    /// Where browsers return to.
    pub redirect: RedirectUri,
    /// Whether we registered ourselves, and may do so again.
    pub dynamic: bool,
}

/// `token_endpoint_auth_method`, as far as we speak it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientAuth {
    /// A public client: `client_id` in the body.
    None,
    /// HTTP Basic.
    ClientSecretBasic,
    /// Both in the body.
    ClientSecretPost,
}

/// Where browsers return to: `http://HOST:PORT/callback`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RedirectUri {
    /// Its host.
    pub host: CallbackHost,
    /// Its port.
    pub port: u16,
}

impl RedirectUri {
    /// The path of every redirect URI of ours.
    pub const PATH: &'static str = "/callback";
}

impl std::fmt::Display for RedirectUri {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "http://{}:{}{}", self.host.as_str(), self.port, Self::PATH)
    }
}

impl ClientAuth {
    fn named(name: &str) -> Option<Self> {
        match name {
            "none" => Some(Self::None),
            "client_secret_basic" => Some(Self::ClientSecretBasic),
            "client_secret_post" => Some(Self::ClientSecretPost),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::ClientSecretBasic => "client_secret_basic",
            Self::ClientSecretPost => "client_secret_post",
        }
    }

    /// For a client with a secret whose method nobody said: Basic, the default of RFC 8414 and 7591, unless the
    /// server lists methods without it.
    fn with_secret(supported: Option<&[String]>) -> Self {
        let lists =
            |method: Self| supported.is_some_and(|methods| methods.iter().any(|name| name == method.name()));
        if !lists(Self::ClientSecretBasic) && lists(Self::ClientSecretPost) {
            Self::ClientSecretPost
        } else {
            Self::ClientSecretBasic
        }
    }

    /// What to ask for when registering: public where that is possible, since a secret on a desktop protects little.
    fn to_ask_for(supported: Option<&[String]>) -> Self {
        match supported {
            Some(methods) if !methods.iter().any(|name| name == "none") => Self::with_secret(supported),
            _ => Self::None,
        }
    }
}

impl ClientRegistration {
    /// The client the options name, if they name one.
    pub fn given(
        options: &OAuthOptions,
        server: &AuthorizationServer,
        redirect: RedirectUri,
    ) -> Option<Self> {
        let client_id = options.client_id.clone()?;
        let auth = match options.client_secret {
            Some(_) => ClientAuth::with_secret(server.token_auth_methods.as_deref()),
            None => ClientAuth::None,
        };
        Some(Self {
            issuer: server.issuer.clone(),
            client_id,
            client_secret: options.client_secret.clone(),
            secret_expires_at: None,
            auth,
            redirect,
            dynamic: false,
        })
    }

    /// Whether its secret has ended at this time.
    pub fn has_expired(&self, now_secs: u64) -> bool {
        self.secret_expires_at.is_some_and(|at| at <= now_secs)
    }
}

/// Registers us.
///
/// # Errors
/// [`Error::NoRegistration`], [`Error::RegistrationRefused`], [`Error::Unavailable`] or [`Error::Network`].
pub async fn register(
    network: &Network,
    settings: &ConnectionSettings,
    server: &AuthorizationServer,
    redirect: RedirectUri,
    scopes: &Scopes,
) -> Result<ClientRegistration, Error> {
    let endpoint = server
        .registration_endpoint
        .as_ref()
        .ok_or_else(|| Error::NoRegistration { issuer: server.issuer.to_string() })?;
    let asked = ClientAuth::to_ask_for(server.token_auth_methods.as_deref());
    let mut body = json!({
        "client_name": CLIENT_NAME,
        "application_type": "native",
        "redirect_uris": [redirect.to_string()],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": asked.name(),
    });
    if let Some(scope) = registered_scope(server, scopes) {
        body["scope"] = scope.into();
    }
    let headers = HeaderMap::from_iter([
        (CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (ACCEPT, HeaderValue::from_static("application/json")),
    ]);
    let answer = network.post(endpoint, headers, Bytes::from(body.to_string()), settings).await?;
    if !answer.status.is_success() {
        return Err(refused(server, &answer));
    }
    read_registration(&answer.body, server, redirect, asked)
}

/// What to register for: only what the authorization server says it knows. Some refuse a scope of
/// the resource's own here (`oidc-provider`) and still grant it later.
fn registered_scope(server: &AuthorizationServer, scopes: &Scopes) -> Option<String> {
    let known = server.scopes_supported.as_deref()?;
    let wanted: Vec<&str> = scopes.iter().filter(|scope| known.iter().any(|known| known == scope)).collect();
    (!wanted.is_empty() && wanted.len() == scopes.iter().count()).then(|| wanted.join(" "))
}

fn refused(server: &AuthorizationServer, answer: &net::SmallResponse) -> Error {
    let status = answer.status;
    if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
        return Error::Unavailable {
            status: status.as_u16(),
            retry_after: net::retry_after(&answer.headers),
        };
    }
    let issuer = server.issuer.to_string();
    // A registration endpoint that was only assumed, and is not there.
    if server.assumed && matches!(status, StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED) {
        return Error::NoRegistration { issuer };
    }
    let body = ErrorBody::parse(&answer.body);
    Error::RegistrationRefused {
        issuer,
        code: body
            .as_ref()
            .map_or_else(|| Some(format!("http_{}", status.as_u16())), |body| Some(body.code.clone())),
        description: body.and_then(|body| body.description),
    }
}

fn read_registration(
    body: &[u8],
    server: &AuthorizationServer,
    redirect: RedirectUri,
    asked: ClientAuth,
) -> Result<ClientRegistration, Error> {
    let refused = |why: &str| Error::RegistrationRefused {
        issuer: server.issuer.to_string(),
        code: None,
        description: Some(why.to_owned()),
    };
    let document: Map<String, Value> =
        serde_json::from_slice(body).map_err(|_| refused("its answer does not parse"))?;
    let text = |key: &str| document.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
    let client_id = text("client_id").ok_or_else(|| refused("its answer has no client id"))?.to_owned();
    let client_secret = text("client_secret").map(ClientSecret::new);
    let auth = match text("token_endpoint_auth_method") {
        Some(name) => ClientAuth::named(name)
            .ok_or_else(|| refused("it wants a kind of client authentication we do not have"))?,
        None if client_secret.is_some() && asked == ClientAuth::None => {
            ClientAuth::with_secret(server.token_auth_methods.as_deref())
        }
        None => asked,
    };
    if auth != ClientAuth::None && client_secret.is_none() {
        return Err(refused("its answer has no client secret"));
    }
    Ok(ClientRegistration {
        issuer: server.issuer.clone(),
        client_id,
        client_secret,
        secret_expires_at: document.get("client_secret_expires_at").and_then(seconds).filter(|at| *at > 0),
        auth,
        redirect,
        dynamic: true,
    })
}

/// The registrations of one server entry, in the vault. Each entry registers for itself: a consent given to one
/// server's client is then never silently good for another server.
#[derive(Clone)]
pub struct Registrations {
    vault: Vault,
    entry: String,
}

impl Registrations {
    /// Those of this entry.
    pub fn new(vault: Vault, entry: impl Into<String>) -> Self {
        Self { vault, entry: entry.into() }
    }

    /// The stored registration with this issuer.
    ///
    /// # Errors
    /// Those of the vault; a damaged item counts as none.
    pub async fn load(&self, issuer: &Issuer) -> Result<Option<ClientRegistration>, secret::Error> {
        let stored = self.vault.read(&self.item("client", issuer.as_str())).await?;
        let registration = stored.and_then(|text| StoredRegistration::parse(&text)?.restore());
        Ok(registration.filter(|registration| registration.issuer == *issuer))
    }

    /// Stores a registration under its issuer.
    ///
    /// # Errors
    /// Those of the vault.
    pub async fn save(&self, registration: &ClientRegistration) -> Result<(), secret::Error> {
        let name = self.item("client", registration.issuer.as_str());
        self.vault.write(&name, StoredRegistration::from(registration).text()).await
    }

    /// Forgets the registration with this issuer.
    ///
    /// # Errors
    /// Those of the vault.
    pub async fn forget(&self, issuer: &Issuer) -> Result<(), secret::Error> {
        self.vault.delete(&self.item("client", issuer.as_str())).await
    }

    /// Checks that a client id from the options meets the issuer it was first used with.
    ///
    /// # Errors
    /// [`Error::ForeignCredentials`], or [`Error::NotSaved`] where the vault does not answer.
    pub async fn check_given(&self, client_id: &str, issuer: &Issuer) -> Result<(), Error> {
        let bound = self.vault.read(&self.item("given", client_id)).await.map_err(Error::NotSaved)?;
        match bound {
            Some(bound) if bound.expose_secret() != issuer.as_str() => Err(Error::ForeignCredentials {
                expected: Issuer::new(bound.expose_secret()).to_string(),
                found: issuer.to_string(),
            }),
            Some(_) | None => Ok(()),
        }
    }

    /// Remembers the issuer a client id from the options worked with.
    ///
    /// # Errors
    /// Those of the vault.
    pub async fn bind_given(&self, client_id: &str, issuer: &Issuer) -> Result<(), secret::Error> {
        self.vault.write(&self.item("given", client_id), SecretString::from(issuer.as_str())).await
    }

    fn item(&self, purpose: &str, key: &str) -> ItemName {
        let digest = Sha256::digest(key.as_bytes());
        ItemName::new(
            purpose,
            &self.entry,
            &base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(&digest[..12]),
        )
    }
}

/// A registration as it rests in the vault.
#[derive(Serialize, Deserialize)]
pub(crate) struct StoredRegistration {
    issuer: String,
    client_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    client_secret: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    secret_expires_at: Option<u64>,
    auth: ClientAuth,
    #[serde(default)]
    localhost: bool,
    port: u16,
    #[serde(default)]
    dynamic: bool,
}

impl From<&ClientRegistration> for StoredRegistration {
    fn from(registration: &ClientRegistration) -> Self {
        Self {
            issuer: registration.issuer.as_str().to_owned(),
            client_id: registration.client_id.clone(),
            client_secret: registration.client_secret.as_ref().map(|secret| secret.expose().to_owned()),
            secret_expires_at: registration.secret_expires_at,
            auth: registration.auth,
            localhost: registration.redirect.host == CallbackHost::Localhost,
            port: registration.redirect.port,
            dynamic: registration.dynamic,
        }
    }
}

impl StoredRegistration {
    fn parse(text: &SecretString) -> Option<Self> {
        serde_json::from_str(text.expose_secret()).ok()
    }

    fn text(&self) -> SecretString {
        serde_json::to_string(self).unwrap_or_default().into()
    }

    /// Back to the working form.
    pub(crate) fn restore(self) -> Option<ClientRegistration> {
        Some(ClientRegistration {
            issuer: Issuer::new(self.issuer),
            client_id: self.client_id,
            client_secret: self.client_secret.map(ClientSecret::new),
            secret_expires_at: self.secret_expires_at,
            auth: self.auth,
            redirect: RedirectUri {
                host: if self.localhost { CallbackHost::Localhost } else { CallbackHost::Ipv4 },
                port: self.port,
            },
            dynamic: self.dynamic,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use url::Url;

    const REDIRECT: RedirectUri = RedirectUri { host: CallbackHost::Ipv4, port: 4000 };

    fn server(methods: Option<&[&str]>) -> AuthorizationServer {
        let url = Url::parse("https://as.example/x").unwrap();
        AuthorizationServer {
            issuer: Issuer::new("https://as.example"),
            authorization_endpoint: url.clone(),
            token_endpoint: url.clone(),
            registration_endpoint: Some(url),
            revocation_endpoint: None,
            scopes_supported: None,
            token_auth_methods: methods.map(|methods| methods.iter().map(|&name| name.to_owned()).collect()),
            sends_iss: false,
            protected_resources: None,
            assumed: false,
        }
    }

    #[test]
    fn the_servers_answer_decides_how_we_authenticate() {
        use ClientAuth::{ClientSecretBasic as Basic, ClientSecretPost as Post, None as Public};
        type Row = (Option<&'static [&'static str]>, &'static str, Option<ClientAuth>);
        let table: &[Row] = &[
            (None, r#"{"client_id":"c"}"#, Some(Public)),
            (None, r#"{"client_id":"c","client_secret":"s"}"#, Some(Basic)),
            (Some(&["client_secret_post"]), r#"{"client_id":"c","client_secret":"s"}"#, Some(Post)),
            (
                None,
                r#"{"client_id":"c","client_secret":"s","token_endpoint_auth_method":"none"}"#,
                Some(Public),
            ),
            (
                None,
                r#"{"client_id":"c","client_secret":"s","token_endpoint_auth_method":"client_secret_post"}"#,
                Some(Post),
            ),
            (None, r#"{"client_id":"c","token_endpoint_auth_method":"client_secret_basic"}"#, None),
            (Some(&["client_secret_basic"]), r#"{"client_id":"c"}"#, None),
            (None, r#"{"client_id":"c","token_endpoint_auth_method":"private_key_jwt"}"#, None),
            (None, r#"{"client_id":""}"#, None),
            (None, "[]", None),
        ];
        for (methods, body, expected) in table {
            let server = server(*methods);
            let asked = ClientAuth::to_ask_for(server.token_auth_methods.as_deref());
            let read = read_registration(body.as_bytes(), &server, REDIRECT, asked);
            assert_eq!(read.ok().map(|registration| registration.auth), *expected, "{body}");
        }
    }

    #[test]
    fn we_ask_to_be_a_public_client_where_that_is_possible() {
        for (methods, expected) in [
            (None, "none"),
            (Some(&["client_secret_post", "none"][..]), "none"),
            (Some(&["client_secret_post"][..]), "client_secret_post"),
            (Some(&["client_secret_post", "client_secret_basic"][..]), "client_secret_basic"),
        ] {
            assert_eq!(
                ClientAuth::to_ask_for(server(methods).token_auth_methods.as_deref()).name(),
                expected
            );
        }
    }

    #[test]
    fn a_secret_expires_when_the_server_says_so_and_zero_means_never() {
        let read = |expiry: &str| {
            let body =
                format!(r#"{{"client_id":"c","client_secret":"s","client_secret_expires_at":{expiry}}}"#);
            read_registration(body.as_bytes(), &server(None), REDIRECT, ClientAuth::None).unwrap()
        };
        assert!(!read("0").has_expired(u64::MAX));
        assert!(read("100").has_expired(100));
        assert!(!read("\"100\"").has_expired(99));
    }

    #[tokio::test]
    async fn registrations_are_kept_by_entry_and_issuer() {
        let (vault, _control) = Vault::memory("h");
        let registration = read_registration(
            br#"{"client_id":"c","client_secret":"s"}"#,
            &server(None),
            REDIRECT,
            ClientAuth::None,
        )
        .unwrap();
        let ours = Registrations::new(vault.clone(), "entry");
        ours.save(&registration).await.unwrap();
        let loaded = ours.load(&registration.issuer).await.unwrap().unwrap();
        assert_eq!(
            (loaded.client_id.as_str(), loaded.redirect, loaded.auth),
            ("c", REDIRECT, ClientAuth::ClientSecretBasic)
        );
        assert_eq!(loaded.client_secret.unwrap().expose(), "s");
        assert!(ours.load(&Issuer::new("https://as.example/")).await.unwrap().is_none());
        assert!(Registrations::new(vault, "other").load(&registration.issuer).await.unwrap().is_none());
        ours.forget(&registration.issuer).await.unwrap();
        assert!(ours.load(&registration.issuer).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn given_credentials_stay_with_their_first_issuer() {
        let ours = Registrations::new(Vault::memory("h").0, "entry");
        let (first, other) = (Issuer::new("https://a.example"), Issuer::new("https://b.example"));
        ours.check_given("c", &first).await.unwrap();
        ours.bind_given("c", &first).await.unwrap();
        ours.check_given("c", &first).await.unwrap();
        assert!(matches!(ours.check_given("c", &other).await, Err(Error::ForeignCredentials { .. })));
        ours.check_given("another", &other).await.unwrap();
    }
}
