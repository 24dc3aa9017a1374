//! The two discovery documents: protected-resource metadata (RFC 9728) and authorization-server
//! metadata (RFC 8414, and OpenID Connect's place for the same).

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::StatusCode;
use serde_json::{Value, json};

use crate::config::{Discovery, Dpop};
use crate::oauth::{OWN_SCOPES, SCOPES, issuer, settings};
use crate::shared::Shared;

pub(crate) fn router() -> Router<Arc<Shared>> {
    Router::new()
        .route("/.well-known/oauth-protected-resource", get(root_resource))
        .route("/.well-known/oauth-protected-resource/{endpoint}", get(endpoint_resource))
        .route("/.well-known/oauth-authorization-server", get(oauth))
        .route("/.well-known/oauth-authorization-server/as/{generation}", get(oauth_generation))
        .route("/.well-known/openid-configuration", get(openid))
        .route("/.well-known/openid-configuration/as/{generation}", get(openid_generation))
        .route("/as/{generation}/.well-known/openid-configuration", get(openid_generation))
}

/// Where the metadata of the endpoint at `path` is.
pub(crate) fn resource_metadata_url(shared: &Shared, path: &str) -> String {
    let endpoint = if path == "/mcp" { "mcp" } else { "sse" };
    match settings(shared).resource_metadata.at_path {
        true => format!("{}/.well-known/oauth-protected-resource/{endpoint}", shared.origin),
        false => format!("{}/.well-known/oauth-protected-resource", shared.origin),
    }
}

async fn root_resource(State(shared): State<Arc<Shared>>) -> Response {
    let exists = shared.config.oauth_config().is_some_and(|oauth| oauth.resource_metadata.at_root);
    let resource = shared.origin.clone();
    if exists { resource_metadata(&shared, &resource) } else { not_found() }
}

async fn endpoint_resource(State(shared): State<Arc<Shared>>, Path(endpoint): Path<String>) -> Response {
    let exists = shared.config.oauth_config().is_some_and(|oauth| oauth.resource_metadata.at_path);
    if !exists || !["mcp", "sse"].contains(&endpoint.as_str()) {
        return not_found();
    }
    let resource = format!("{}/{endpoint}", shared.origin);
    resource_metadata(&shared, &resource)
}

fn resource_metadata(shared: &Shared, resource: &str) -> Response {
    shared.recorder.count(|stats| stats.metadata_requests += 1);
    let scopes: Vec<_> = SCOPES.iter().filter(|scope| !OWN_SCOPES.contains(scope)).collect();
    let mut document = json!({
        "resource": resource,
        "resource_name": "Drawbridge demo",
        "authorization_servers": [issuer(shared)],
        "scopes_supported": scopes,
        "bearer_methods_supported": ["header"],
    });
    if settings(shared).dpop != Dpop::Off {
        document["dpop_bound_access_tokens_required"] = json!(true);
        document["dpop_signing_alg_values_supported"] = json!(["ES256"]);
    }
    Json(document).into_response()
}

async fn oauth(State(shared): State<Arc<Shared>>) -> Response {
    server_metadata(&shared, 0, Discovery::OAuth)
}

async fn oauth_generation(State(shared): State<Arc<Shared>>, Path(generation): Path<u32>) -> Response {
    server_metadata(&shared, generation, Discovery::OAuth)
}

async fn openid(State(shared): State<Arc<Shared>>) -> Response {
    server_metadata(&shared, 0, Discovery::OpenId)
}

async fn openid_generation(State(shared): State<Arc<Shared>>, Path(generation): Path<u32>) -> Response {
    server_metadata(&shared, generation, Discovery::OpenId)
}

fn server_metadata(shared: &Shared, generation: u32, place: Discovery) -> Response {
    let current = crate::lock(&shared.oauth).generation == generation;
    let served = shared
        .config
        .oauth_config()
        .is_some_and(|oauth| oauth.discovery == place || oauth.discovery == Discovery::Both);
    if !current || !served {
        return not_found();
    }
    shared.recorder.count(|stats| stats.metadata_requests += 1);
    Json(describe(shared)).into_response()
}

fn describe(shared: &Shared) -> Value {
    let oauth = settings(shared);
    let issuer = issuer(shared);
    let mut document = json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{issuer}/token"),
        "revocation_endpoint": format!("{issuer}/revoke"),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials"],
        "token_endpoint_auth_methods_supported": ["none", "client_secret_basic", "client_secret_post"],
        "revocation_endpoint_auth_methods_supported": ["none", "client_secret_basic", "client_secret_post"],
        "scopes_supported": SCOPES,
        "authorization_response_iss_parameter_supported": oauth.iss_parameter,
        "client_id_metadata_document_supported": oauth.client_id_documents,
    });
    if oauth.announce_pkce {
        document["code_challenge_methods_supported"] = json!(["S256"]);
    }
    if oauth.dpop != Dpop::Off {
        document["dpop_signing_alg_values_supported"] = json!(["ES256"]);
    }
    if oauth.registration {
        document["registration_endpoint"] = json!(format!("{issuer}/register"));
    }
    document
}

fn not_found() -> Response {
    StatusCode::NOT_FOUND.into_response()
}
