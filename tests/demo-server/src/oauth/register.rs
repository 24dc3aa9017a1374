//! Dynamic client registration (RFC 7591).

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Deserialize;
use serde_json::json;
use url::{Host, Url};

use crate::config::ClientAuth;
use crate::oauth::store::{Client, random};
use crate::oauth::{OAuthError, settings};
use crate::shared::Shared;

#[derive(Debug, Deserialize)]
struct Registration {
    #[serde(default)]
    redirect_uris: Vec<String>,
    #[serde(default)]
    client_name: Option<String>,
    #[serde(default)]
    grant_types: Option<Vec<String>>,
}

/// `POST /register`
pub(crate) async fn register(State(shared): State<Arc<Shared>>, body: Bytes) -> Response {
    if !settings(&shared).registration {
        return StatusCode::NOT_FOUND.into_response();
    }
    match accept(&shared, &body) {
        Ok(response) => response,
        Err(error) => error.into_response(),
    }
}

fn accept(shared: &Shared, body: &[u8]) -> Result<Response, OAuthError> {
    let asked: Registration = serde_json::from_slice(body)
        .map_err(|_| OAuthError::new("invalid_client_metadata", "not a registration"))?;
    if asked.redirect_uris.is_empty() {
        return Err(OAuthError::new("invalid_redirect_uri", "redirect_uris is empty"));
    }
    if !asked.redirect_uris.iter().all(|uri| is_acceptable(uri)) {
        return Err(OAuthError::new(
            "invalid_redirect_uri",
            "a redirect URI is neither https, loopback http nor a private-use scheme",
        ));
    }
    let grants = ["authorization_code", "refresh_token"];
    if asked.grant_types.iter().flatten().any(|grant| !grants.contains(&grant.as_str())) {
        return Err(OAuthError::new("invalid_client_metadata", "a grant type is not supported"));
    }
    let auth = settings(shared).client_auth;
    let client = Client {
        id: random("demo-client-"),
        name: asked.client_name.unwrap_or_else(|| "An unnamed client".to_owned()),
        secret: (auth != ClientAuth::None).then(|| random("demo-secret-")),
        auth,
        redirect_uris: asked.redirect_uris,
    };
    let response = (StatusCode::CREATED, Json(describe(&client))).into_response();
    crate::lock(&shared.oauth).add_client(client);
    shared.recorder.count(|stats| stats.registrations += 1);
    Ok(response)
}

fn describe(client: &Client) -> serde_json::Value {
    let mut document = json!({
        "client_id": client.id,
        "client_name": client.name,
        "redirect_uris": client.redirect_uris,
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": client.auth.as_str(),
    });
    if let Some(secret) = &client.secret {
        document["client_secret"] = json!(secret);
        document["client_secret_expires_at"] = json!(0);
    }
    document
}

fn is_acceptable(uri: &str) -> bool {
    let Ok(url) = Url::parse(uri) else {
        return false;
    };
    if url.fragment().is_some() {
        return false;
    }
    match url.scheme() {
        "https" => true,
        "http" => match url.host() {
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            Some(Host::Domain(name)) => name == "localhost",
            None => false,
        },
        // Private-use schemes are reversed domain names (RFC 8252 7.1).
        scheme => scheme.contains('.'),
    }
}
