//! The token and revocation endpoints: code exchange, refresh with rotation, client credentials
//! (RFC 6749, RFC 7636, RFC 8707, RFC 7009).

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{OriginalUri, State};
use axum::response::{Html, IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::{CACHE_CONTROL, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::config::{Dpop, OAuthConfig, RefreshTokens};
use crate::fault::TokenFault;
use crate::oauth::client::{self, Form};
use crate::oauth::store::{Client, Grant};
use crate::oauth::{OAuthError, dpop, id_token, parse_scopes, print_scopes, settings};
use crate::shared::Shared;

/// `POST /token`
pub(crate) async fn token(
    State(shared): State<Arc<Shared>>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let form = match Form::parse(&body) {
        Ok(form) => form,
        Err(error) => return error.into_response(),
    };
    let grant_type = form.get("grant_type").unwrap_or("none").to_owned();
    shared.recorder.count(|stats| *stats.token_requests.entry(grant_type).or_default() += 1);
    let fault = shared.queues.take_token_fault();
    if let Some(refused) = refuse(&shared, fault.as_ref()).await {
        return refused;
    }
    let response = match exchange(&shared, uri.path(), &headers, &form).await {
        Ok(answer) => answer,
        Err(error) => error.into_response(),
    };
    match fault {
        Some(TokenFault::DropAnswer) => crate::gate::spoil::broken(StatusCode::OK),
        Some(TokenFault::StallAnswer) => {
            shared.stalled().await;
            response
        }
        Some(_) | None => response,
    }
}

/// `POST /revoke`
pub(crate) async fn revoke(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> Response {
    shared.recorder.count(|stats| stats.revocations += 1);
    let revoked = async {
        let form = Form::parse(&body)?;
        let client = client::authenticate(&shared, &headers, &form).await?;
        let token = form.get("token").ok_or(OAuthError::new("invalid_request", "token is missing"))?;
        crate::lock(&shared.oauth).revoke(token, &client.id);
        Ok::<_, OAuthError>(StatusCode::OK)
    };
    revoked.await.into_response()
}

async fn refuse(shared: &Arc<Shared>, fault: Option<&TokenFault>) -> Option<Response> {
    match fault? {
        TokenFault::Status { code, retry_after } => {
            let status = StatusCode::from_u16(*code).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
            let mut response = (status, Body::from("not now")).into_response();
            if let Some(seconds) = retry_after {
                response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(*seconds));
            }
            Some(response)
        }
        TokenFault::Error { error } => {
            let body = json!({ "error": error, "error_description": "on request" });
            Some((StatusCode::BAD_REQUEST, Json(body)).into_response())
        }
        TokenFault::NotJson => Some(Html("<p>Welcome to the hotel network</p>").into_response()),
        TokenFault::Stall => {
            shared.stalled().await;
            None
        }
        TokenFault::DropAnswer | TokenFault::StallAnswer => None,
    }
}

async fn exchange(
    shared: &Shared,
    path: &str,
    headers: &HeaderMap,
    form: &Form,
) -> Result<Response, OAuthError> {
    let client = client::authenticate(shared, headers, form).await?;
    let key = proven_key(shared, path, headers)?;
    match form.get("grant_type") {
        Some("authorization_code") => from_code(shared, &client, form, key),
        Some("refresh_token") => from_refresh_token(shared, &client, form, key.as_ref()),
        Some("client_credentials") => from_client(shared, &client, form, key),
        Some(_) => Err(OAuthError::new("unsupported_grant_type", "not offered here")),
        None => Err(OAuthError::new("invalid_request", "grant_type is missing")),
    }
}

/// The key of the proof, where one is wanted (RFC 9449 §5).
fn proven_key(shared: &Shared, path: &str, headers: &HeaderMap) -> Result<Option<String>, OAuthError> {
    if settings(shared).dpop == Dpop::Off {
        return Ok(None);
    }
    match dpop::check(shared, headers, &Method::POST, path, None) {
        Ok(key) => Ok(Some(key)),
        Err(dpop::Refused::Proof(why)) => Err(OAuthError::new("invalid_dpop_proof", why)),
        Err(dpop::Refused::Nonce) => {
            let nonce = dpop::nonce(shared);
            Err(OAuthError {
                nonce,
                ..OAuthError::new("use_dpop_nonce", "use the nonce that comes with this")
            })
        }
    }
}

fn from_code(
    shared: &Shared,
    client: &Client,
    form: &Form,
    key: Option<String>,
) -> Result<Response, OAuthError> {
    let (grant, nonce) = redeem_code(shared, client, form)?;
    let grant = Grant { key, ..grant };
    let oauth = settings(shared);
    let refreshable = match oauth.refresh_tokens {
        RefreshTokens::Always => true,
        RefreshTokens::OfflineAccess => grant.scopes.contains("offline_access"),
        RefreshTokens::Never => false,
    };
    let refresh = refreshable.then(|| crate::lock(&shared.oauth).add_refresh_token(grant.clone()));
    let id_token = grant.scopes.contains("openid").then(|| {
        let issuer = crate::oauth::issuer(shared);
        id_token::mint(&issuer, &client.id, &grant.user, nonce.as_deref())
    });
    Ok(answer(shared, &oauth, grant, refresh, id_token.flatten()))
}

fn redeem_code(shared: &Shared, client: &Client, form: &Form) -> Result<(Grant, Option<String>), OAuthError> {
    let invalid = |why| OAuthError::new("invalid_grant", why);
    let mut store = crate::lock(&shared.oauth);
    let asked = form.get("code").ok_or(OAuthError::new("invalid_request", "code is missing"))?;
    let code = store.code(asked).ok_or(invalid("the code is unknown"))?;
    if code.used {
        let family = code.grant.family;
        store.revoke_family(family);
        return Err(invalid("the code was used before"));
    }
    code.used = true;
    if code.grant.client_id != client.id {
        return Err(invalid("the code is for another client"));
    }
    if code.grant.expires_at <= shared.clock.now() {
        return Err(invalid("the code expired"));
    }
    if form.get("redirect_uri") != Some(code.redirect_uri.as_str()) {
        return Err(invalid("the redirect URI is another one"));
    }
    if form.get("code_verifier").map(challenge).as_ref() != Some(&code.challenge) {
        return Err(invalid("the code verifier does not match"));
    }
    check_resource(shared, form, &code.grant.resource)?;
    Ok((code.grant.clone(), code.nonce.clone()))
}

fn from_refresh_token(
    shared: &Shared,
    client: &Client,
    form: &Form,
    key: Option<&String>,
) -> Result<Response, OAuthError> {
    let oauth = settings(shared);
    let invalid = |why| OAuthError::new("invalid_grant", why);
    let asked =
        form.get("refresh_token").ok_or(OAuthError::new("invalid_request", "refresh_token is missing"))?;
    let (grant, next) = {
        let mut store = crate::lock(&shared.oauth);
        let refresh = store.refresh_token(asked).ok_or(invalid("the token is unknown"))?;
        if refresh.used {
            let family = refresh.grant.family;
            store.revoke_family(family);
            return Err(invalid("the token was used before, so all of its family end"));
        }
        if refresh.grant.client_id != client.id {
            return Err(invalid("the token is for another client"));
        }
        if refresh.grant.key.as_ref() != key {
            return Err(invalid("the token is bound to another key"));
        }
        check_resource(shared, form, &refresh.grant.resource)?;
        let mut grant = refresh.grant.clone();
        let scopes = narrowed(form, &grant.scopes)?;
        refresh.used = oauth.rotate_refresh_tokens;
        let next = refresh.used.then(|| store.add_refresh_token(grant.clone()));
        grant.scopes = scopes;
        (grant, next)
    };
    Ok(answer(shared, &oauth, grant, next, None))
}

fn from_client(
    shared: &Shared,
    client: &Client,
    form: &Form,
    key: Option<String>,
) -> Result<Response, OAuthError> {
    if client.secret.is_none() {
        return Err(OAuthError::new("unauthorized_client", "public clients cannot do this"));
    }
    check_resource(shared, form, form.get("resource").unwrap_or(&shared.origin))?;
    let grant = Grant {
        user: "demo".to_owned(),
        client_id: client.id.clone(),
        scopes: parse_scopes(form.get("scope").unwrap_or("mcp")),
        resource: form.get("resource").unwrap_or(&shared.origin).to_owned(),
        family: 0,
        key,
        expires_at: shared.clock.now(),
    };
    Ok(answer(shared, &settings(shared), grant, None, None))
}

fn check_resource(shared: &Shared, form: &Form, granted: &str) -> Result<(), OAuthError> {
    let wrong = OAuthError::new("invalid_target", "the resource is not the one granted");
    match form.get("resource") {
        Some(asked) if asked == granted && shared.is_own_resource(asked) => Ok(()),
        Some(_) => Err(wrong),
        None if settings(shared).require_resource => Err(wrong),
        None => Ok(()),
    }
}

fn narrowed(form: &Form, granted: &BTreeSet<String>) -> Result<BTreeSet<String>, OAuthError> {
    let Some(asked) = form.get("scope").map(parse_scopes) else {
        return Ok(granted.clone());
    };
    if asked.is_subset(granted) {
        Ok(asked)
    } else {
        Err(OAuthError::new("invalid_scope", "more than was granted"))
    }
}

fn answer(
    shared: &Shared,
    oauth: &OAuthConfig,
    mut grant: Grant,
    refresh: Option<String>,
    id_token: Option<String>,
) -> Response {
    grant.expires_at = shared.clock.now() + oauth.access_token_lifetime;
    let mut body = json!({
        "token_type": if grant.key.is_some() { "DPoP" } else { "Bearer" },
        "expires_in": oauth.access_token_lifetime.as_secs(),
        "scope": print_scopes(&grant.scopes),
    });
    if let Some(refresh) = refresh {
        body["refresh_token"] = json!(refresh);
    }
    if let Some(id_token) = id_token {
        body["id_token"] = json!(id_token);
    }
    body["access_token"] = json!(crate::lock(&shared.oauth).add_access_token(grant));
    let mut response = Json(body).into_response();
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn challenge(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(verifier))
}
