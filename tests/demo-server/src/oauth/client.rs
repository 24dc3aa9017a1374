//! Which client is asking: registered ones, those known by the URL of their metadata document,
//! and how they prove it at the token endpoint.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::AUTHORIZATION;
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use url::{Host, Url};

use crate::config::ClientAuth;
use crate::oauth::store::Client;
use crate::oauth::{OAuthError, settings};
use crate::shared::Shared;

/// The client of that id, if there is one.
pub(crate) async fn find(shared: &Shared, id: &str) -> Option<Client> {
    let known = crate::lock(&shared.oauth).client(id);
    if known.is_some() || !settings(shared).client_id_documents {
        return known;
    }
    let client = fetch(id).await?;
    crate::lock(&shared.oauth).add_client(client.clone());
    Some(client)
}

/// Whether a client may be called back there. A loopback address matches with any port
/// (RFC 8252 7.3), everything else to the letter.
pub(crate) fn may_redirect(client: &Client, uri: &str, strict_port: bool) -> bool {
    client
        .redirect_uris
        .iter()
        .any(|registered| registered == uri || (!strict_port && same_but_for_loopback_port(registered, uri)))
}

/// The client that sends a form to the token or revocation endpoint.
pub(crate) async fn authenticate(
    shared: &Shared,
    headers: &HeaderMap,
    form: &Form,
) -> Result<Client, OAuthError> {
    let basic = headers.get(AUTHORIZATION).map(|value| basic(value.to_str().unwrap_or_default()));
    let (id, secret, used) = match basic {
        Some(Some((id, secret))) => (id, Some(secret), ClientAuth::SecretBasic),
        Some(None) => return Err(invalid_client("the Authorization header is not readable")),
        None => {
            let id = form.get("client_id").ok_or(invalid_client("client_id is missing"))?;
            let secret = form.get("client_secret").map(str::to_owned);
            let used = if secret.is_some() { ClientAuth::SecretPost } else { ClientAuth::None };
            (id.to_owned(), secret, used)
        }
    };
    let client = find(shared, &id).await.ok_or(invalid_client("the client is unknown"))?;
    if client.auth != used {
        return Err(invalid_client("the client authenticates in another way"));
    }
    if client.secret != secret {
        return Err(invalid_client("the client secret is wrong"));
    }
    Ok(client)
}

/// The fields of a form, none of them given twice.
pub(crate) struct Form(Vec<(String, String)>);

impl Form {
    pub(crate) fn parse(body: &[u8]) -> Result<Self, OAuthError> {
        let fields: Vec<(String, String)> = url::form_urlencoded::parse(body)
            .map(|(name, value)| (name.into_owned(), value.into_owned()))
            .collect();
        let mut names: Vec<_> = fields.iter().map(|(name, _)| name).collect();
        names.sort_unstable();
        if names.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(OAuthError::new("invalid_request", "a parameter is given twice"));
        }
        Ok(Form(fields))
    }

    /// A field; an empty one counts as absent.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let (_, value) = self.0.iter().find(|(field, _)| field == name)?;
        Some(value.as_str()).filter(|value| !value.is_empty())
    }
}

fn invalid_client(description: &'static str) -> OAuthError {
    OAuthError { status: StatusCode::UNAUTHORIZED, ..OAuthError::new("invalid_client", description) }
}

fn basic(header: &str) -> Option<(String, String)> {
    let (scheme, encoded) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (id, secret) = decoded.split_once(':')?;
    Some((form_decode(id), form_decode(secret)))
}

/// Id and secret are form-encoded before they become Basic (RFC 6749 2.3.1).
fn form_decode(text: &str) -> String {
    let field = format!("x={text}");
    url::form_urlencoded::parse(field.as_bytes())
        .next()
        .map_or_else(String::new, |(_, value)| value.into_owned())
}

fn same_but_for_loopback_port(registered: &str, asked: &str) -> bool {
    let (Ok(mut registered), Ok(mut asked)) = (Url::parse(registered), Url::parse(asked)) else {
        return false;
    };
    let loopback = match registered.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(_)) | None => false,
    };
    let cleared = registered.set_port(None).is_ok() && asked.set_port(None).is_ok();
    loopback && registered.scheme() == "http" && cleared && registered == asked
}

#[derive(Debug, Deserialize)]
struct Document {
    client_id: String,
    #[serde(default)]
    client_name: Option<String>,
    redirect_uris: Vec<String>,
}

/// Reads the metadata document a client id points to; plain http only from loopback, for tests.
async fn fetch(id: &str) -> Option<Client> {
    let url = Url::parse(id).ok()?;
    let loopback = matches!(url.host(), Some(Host::Ipv4(address)) if address.is_loopback());
    if url.scheme() != "http" || !loopback || url.path() == "/" {
        return None;
    }
    let body = crate::sign_in::browser().ok()?.get(url).send().await.ok()?.bytes().await.ok()?;
    let document: Document = serde_json::from_slice(&body).ok()?;
    (document.client_id == id).then(|| Client {
        id: document.client_id,
        name: document.client_name.unwrap_or_else(|| id.to_owned()),
        secret: None,
        auth: ClientAuth::None,
        redirect_uris: document.redirect_uris,
    })
}
