//! Becoming a client of an authorization server by Dynamic Client Registration (RFC 7591). A registration belongs to
//! the issuer that made it and is stored under it. Which client a sign-in uses is `client`'s choice.

mod stored;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use url::{Host, Url};

pub use self::stored::Registrations;
pub(crate) use self::stored::StoredRegistration;
use super::client_auth::{AuthMethod, ClientAuth};
use super::discovery::AuthorizationServer;
use super::scope::Scopes;
use super::signing_key::SigningKey;
use super::token::{ErrorBody, seconds};
use super::{CallbackHost, Error, Issuer, OAuthOptions};
use crate::net::{self, ConnectionSettings, Network};
use crate::secret::ClientSecret;

/// What we are called on consent pages.
const CLIENT_NAME: &str = "Drawbridge";

/// Who we are to one authorization server.
#[derive(Debug, Clone)]
pub struct ClientRegistration {
    /// Who made it.
    pub issuer: Issuer,
    /// Our name there.
    pub client_id: String,
    /// How we show who we are at the token endpoint.
    pub auth: ClientAuth,
    /// When the secret ends, in seconds since 1970.
    pub secret_expires_at: Option<u64>,
    /// Where browsers return to; grants without a browser have none.
    pub redirect: Option<RedirectUri>,
    /// How we came by it.
    pub kind: ClientKind,
}

/// How we came to be a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientKind {
    /// Registered beforehand, and given in the options.
    Given,
    /// A client id metadata document stands for us; the same one for every authorization server.
    Document,
    /// We registered ourselves, and may do so again.
    Dynamic,
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

    /// The same port under the other name of this computer.
    #[must_use]
    pub fn with_other_host(self) -> Self {
        Self { host: self.host.other(), ..self }
    }
}

impl std::fmt::Display for RedirectUri {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "http://{}:{}{}", self.host.as_str(), self.port, Self::PATH)
    }
}

impl ClientRegistration {
    /// The client the options name, if they name one.
    pub fn given(
        options: &OAuthOptions,
        server: &AuthorizationServer,
        redirect: Option<RedirectUri>,
    ) -> Option<Self> {
        let client_id = options.client_id.clone()?;
        Some(Self::of_options(client_id, ClientKind::Given, options, server, redirect))
    }

    /// The client whose metadata document the options name, where the server reads such documents.
    pub fn document(
        options: &OAuthOptions,
        server: &AuthorizationServer,
        redirect: Option<RedirectUri>,
    ) -> Option<Self> {
        let url = options.client_metadata_url.clone().filter(|_| server.client_id_documents)?;
        Some(Self::of_options(url, ClientKind::Document, options, server, redirect))
    }

    /// Nobody in particular: what is sent besides says who asks.
    pub(super) fn unnamed(issuer: Issuer) -> Self {
        Self {
            issuer,
            client_id: String::new(),
            auth: ClientAuth::None,
            secret_expires_at: None,
            redirect: None,
            kind: ClientKind::Given,
        }
    }

    fn of_options(
        client_id: String,
        kind: ClientKind,
        options: &OAuthOptions,
        server: &AuthorizationServer,
        redirect: Option<RedirectUri>,
    ) -> Self {
        Self {
            issuer: server.issuer.clone(),
            client_id,
            auth: ClientAuth::given(options, server),
            secret_expires_at: None,
            redirect,
            kind,
        }
    }

    /// Whether its secret has ended at this time.
    pub fn has_expired(&self, now_secs: u64) -> bool {
        self.secret_expires_at.is_some_and(|at| at <= now_secs)
    }

    /// The same client with the secret or key that the options hold now, where it came from them: a secret may have
    /// been replaced since the tokens were issued.
    #[must_use]
    pub fn with_current(&self, options: &OAuthOptions) -> Self {
        let named = match self.kind {
            ClientKind::Given => options.client_id.as_ref(),
            ClientKind::Document => options.client_metadata_url.as_ref(),
            ClientKind::Dynamic => None,
        };
        match named {
            Some(name) if *name == self.client_id => {
                Self { auth: self.auth.with_current(options), ..self.clone() }
            }
            Some(_) | None => self.clone(),
        }
    }
}

/// Whether a client id metadata document may be there: an https address with a path, written as it is compared.
pub fn is_document_url(text: &str) -> bool {
    let Ok(url) = Url::parse(text) else { return false };
    let is_plain = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
    // A repaired address is another client id than the one in the document; so is one with dot segments.
    url.scheme() == "https" && url.path() != "/" && is_plain && url.as_str() == text
}

/// What to register for.
#[derive(Debug, Clone, Copy)]
pub struct Wish<'a> {
    /// Where browsers return to; none for a grant without a browser.
    pub redirect: Option<RedirectUri>,
    /// The grant, besides refreshing.
    pub grant_type: &'a str,
    /// What will be asked for.
    pub scopes: &'a Scopes,
    /// A key to authenticate with.
    pub key: Option<&'a SigningKey>,
}

/// Registers us.
///
/// # Errors
/// [`Error::NoRegistration`], [`Error::RegistrationRefused`], [`Error::RedirectRefused`], [`Error::Unavailable`] or
/// [`Error::Network`].
pub async fn register(
    network: &Network,
    settings: &ConnectionSettings,
    server: &AuthorizationServer,
    wish: Wish<'_>,
) -> Result<ClientRegistration, Error> {
    let endpoint = server
        .registration_endpoint
        .as_ref()
        .ok_or_else(|| Error::NoRegistration { issuer: server.issuer.to_string() })?;
    let method = AuthMethod::to_ask_for(server.token_auth_methods.as_deref(), wish.key.is_some());
    let headers = HeaderMap::from_iter([
        (CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (ACCEPT, HeaderValue::from_static("application/json")),
    ]);
    let body = Bytes::from(request(server, wish, method).to_string());
    let answer = network.post(endpoint, headers, body, settings).await?;
    if !answer.status.is_success() {
        return Err(refused(server, wish, &answer));
    }
    read_registration(&answer.body, server, wish, method)
}

/// RFC 7591 §2, with the `application_type` that OpenID Connect servers ask for.
fn request(server: &AuthorizationServer, wish: Wish<'_>, method: AuthMethod) -> Value {
    let mut body = json!({
        "client_name": CLIENT_NAME,
        "application_type": "native",
        "grant_types": [wish.grant_type, "refresh_token"],
        "token_endpoint_auth_method": method.name(),
    });
    match wish.redirect {
        Some(redirect) => {
            body["redirect_uris"] = json!([redirect.to_string()]);
            body["response_types"] = json!(["code"]);
        }
        // Left out it means `code` (RFC 7591 §2), which is nothing without a redirect URI.
        None => body["response_types"] = json!([]),
    }
    if let Some(scope) = registered_scope(server, wish.scopes) {
        body["scope"] = scope.into();
    }
    if let Some(key) = wish.key.filter(|_| method == AuthMethod::PrivateKeyJwt) {
        let key = key.clone().accepted_by(server.token_auth_algorithms.as_deref());
        body["jwks"] = json!({ "keys": [key.public_jwk()] });
        body["token_endpoint_auth_signing_alg"] = key.algorithm().name().into();
    }
    body
}

/// What to register for: only what the authorization server says it knows. Some refuse a scope of
/// the resource's own here (`oidc-provider`) and still grant it later.
fn registered_scope(server: &AuthorizationServer, scopes: &Scopes) -> Option<String> {
    let known = server.scopes_supported.as_deref()?;
    let wanted: Vec<&str> = scopes.iter().filter(|scope| known.iter().any(|known| known == scope)).collect();
    (!wanted.is_empty() && wanted.len() == scopes.iter().count()).then(|| wanted.join(" "))
}

fn refused(server: &AuthorizationServer, wish: Wish<'_>, answer: &net::SmallResponse) -> Error {
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
    if let (Some(redirect), Some(body)) = (wish.redirect, &body)
        && is_about_redirect(body)
    {
        let description = body.description.clone();
        return Error::RedirectRefused { issuer, redirect: redirect.to_string(), description };
    }
    Error::RegistrationRefused {
        issuer,
        code: body
            .as_ref()
            .map_or_else(|| Some(format!("http_{}", status.as_u16())), |body| Some(body.code.clone())),
        description: body.and_then(|body| body.description),
    }
}

/// RFC 7591 §3.2.2; some say it in words only.
fn is_about_redirect(body: &ErrorBody) -> bool {
    let names_it = |text: &String| text.to_ascii_lowercase().contains("redirect");
    body.code == "invalid_redirect_uri"
        || (body.code == "invalid_client_metadata" && body.description.as_ref().is_some_and(names_it))
}

fn read_registration(
    body: &[u8],
    server: &AuthorizationServer,
    wish: Wish<'_>,
    asked: AuthMethod,
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
    let secret = text("client_secret").map(ClientSecret::new);
    let method = match text("token_endpoint_auth_method") {
        Some(name) => AuthMethod::named(name)
            .ok_or_else(|| refused("it wants a kind of client authentication we do not have"))?,
        None if secret.is_some() && asked == AuthMethod::None => {
            AuthMethod::with_secret(server.token_auth_methods.as_deref())
        }
        None => asked,
    };
    let no_secret = || refused("its answer has no client secret");
    let auth = match method {
        AuthMethod::None => ClientAuth::None,
        AuthMethod::ClientSecretBasic => ClientAuth::SecretBasic(secret.ok_or_else(no_secret)?),
        AuthMethod::ClientSecretPost => ClientAuth::SecretPost(secret.ok_or_else(no_secret)?),
        AuthMethod::PrivateKeyJwt => {
            let key = wish.key.filter(|_| asked == AuthMethod::PrivateKeyJwt);
            let key = key.ok_or_else(|| refused("it wants a key we did not offer"))?;
            ClientAuth::PrivateKeyJwt(key.clone().accepted_by(server.token_auth_algorithms.as_deref()))
        }
    };
    Ok(ClientRegistration {
        issuer: server.issuer.clone(),
        client_id,
        auth,
        secret_expires_at: document.get("client_secret_expires_at").and_then(seconds).filter(|at| *at > 0),
        redirect: wish.redirect.map(|ours| registered_redirect(&document, server, ours)).transpose()?,
        kind: ClientKind::Dynamic,
    })
}

/// Servers may register other values than were asked for (RFC 7591 §3.2.1); ours must be among them, or what is
/// the same listener under this computer's other name.
fn registered_redirect(
    document: &Map<String, Value>,
    server: &AuthorizationServer,
    ours: RedirectUri,
) -> Result<RedirectUri, Error> {
    let uris: Vec<&str> = match document.get("redirect_uris") {
        Some(Value::Array(uris)) => uris.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let has = |wanted: RedirectUri| uris.iter().any(|uri| is_same(uri, wanted));
    match [ours, ours.with_other_host()].into_iter().find(|redirect| has(*redirect)) {
        Some(redirect) => Ok(redirect),
        None if uris.is_empty() => Ok(ours),
        None => Err(Error::RedirectRefused {
            issuer: server.issuer.to_string(),
            redirect: ours.to_string(),
            description: None,
        }),
    }
}

/// Without a port, a loopback address stands for every port (RFC 8252 §7.3).
fn is_same(uri: &str, redirect: RedirectUri) -> bool {
    let Ok(url) = Url::parse(uri) else { return false };
    let host = match url.host() {
        Some(Host::Ipv4(address)) => address.to_string() == redirect.host.as_str(),
        Some(Host::Domain(name)) => name == redirect.host.as_str(),
        Some(Host::Ipv6(_)) | None => false,
    };
    let port = url.port().is_none_or(|port| port == redirect.port);
    url.scheme() == "http" && host && port && url.path() == RedirectUri::PATH
}

#[cfg(test)]
mod tests;
