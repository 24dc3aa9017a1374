//! The authorization server: OAuth 2.1 with everything the MCP authorization pages ask of one.
//!
//! Its endpoints live at the origin; after the issuer was swapped, under `/as/{generation}`, and
//! the earlier ones are gone.

pub(crate) mod authorize;
mod browser;
pub(crate) mod client;
pub(crate) mod dpop;
mod id_token;
pub(crate) mod metadata;
mod page;
mod register;
pub(crate) mod store;
mod token;

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::header::CACHE_CONTROL;
use http::{HeaderValue, StatusCode};
use serde_json::json;

use crate::config::OAuthConfig;
use crate::shared::Shared;

/// Everything a token can be granted.
pub(crate) const SCOPES: [&str; 6] =
    ["mcp", "profile", "web-search:read", "web-search:write", "offline_access", "openid"];
/// Of these, what is about the person and their sign-in rather than about the resource.
pub(crate) const OWN_SCOPES: [&str; 2] = ["offline_access", "openid"];

/// The routes of the authorization server and of the resource metadata.
pub(crate) fn router(shared: &Arc<Shared>) -> Router {
    let current = axum::middleware::from_fn_with_state(shared.clone(), only_current);
    let endpoints = Router::new()
        .route("/authorize", get(authorize::form).post(authorize::submit))
        .route("/token", post(token::token))
        .route("/register", post(register::register))
        .route("/revoke", post(token::revoke));
    Router::new()
        .merge(endpoints.clone())
        .nest("/as/{generation}", endpoints)
        .route_layer(current)
        .merge(metadata::router())
        .with_state(shared.clone())
}

/// Serves only the authorization server that exists now.
async fn only_current(
    State(shared): State<Arc<Shared>>,
    generation: Option<Path<u32>>,
    request: Request,
    next: Next,
) -> Response {
    let asked = generation.map_or(0, |Path(generation)| generation);
    let now = crate::lock(&shared.oauth).generation;
    match shared.config.oauth_config() {
        Some(_) if asked == now => next.run(request).await,
        Some(_) | None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// The OAuth settings; the routes exist only with them.
pub(crate) fn settings(shared: &Shared) -> OAuthConfig {
    shared.config.oauth_config().cloned().unwrap_or_default()
}

/// The issuer identifier in force.
pub(crate) fn issuer(shared: &Shared) -> String {
    match crate::lock(&shared.oauth).generation {
        0 => shared.origin.clone(),
        generation => format!("{}/as/{generation}", shared.origin),
    }
}

/// The scopes in a space-separated list.
pub(crate) fn parse_scopes(text: &str) -> BTreeSet<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

/// Scopes as a space-separated list.
pub(crate) fn print_scopes(scopes: &BTreeSet<String>) -> String {
    scopes.iter().map(String::as_str).collect::<Vec<_>>().join(" ")
}

/// An error answer of the token, revocation or registration endpoint.
#[derive(Debug)]
pub(crate) struct OAuthError {
    pub(crate) status: StatusCode,
    pub(crate) code: &'static str,
    pub(crate) description: &'static str,
    /// What the client's next proof must carry.
    pub(crate) nonce: Option<HeaderValue>,
}

impl OAuthError {
    pub(crate) fn new(code: &'static str, description: &'static str) -> Self {
        OAuthError { status: StatusCode::BAD_REQUEST, code, description, nonce: None }
    }
}

impl IntoResponse for OAuthError {
    fn into_response(self) -> Response {
        let body = json!({ "error": self.code, "error_description": self.description });
        let mut response = (self.status, Json(body)).into_response();
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(nonce) = self.nonce {
            response.headers_mut().insert("dpop-nonce", nonce);
        }
        response
    }
}
