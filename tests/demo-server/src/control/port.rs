//! The control port: [`Control`] over HTTP, for people with `curl` and tests in other languages.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{Query, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::StatusCode;
use http::header::ORIGIN;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::control::Control;
use crate::fault::{Plan, TokenFault};
use crate::gate::admission;
use crate::stats::Stats;

/// All parameters any route takes.
#[derive(Debug, Default, Deserialize)]
struct Parameters {
    name: Option<String>,
    user: Option<String>,
    uri: Option<String>,
    method: Option<String>,
    iss: Option<String>,
    description: Option<String>,
    #[serde(default)]
    seconds: f64,
    #[serde(default)]
    sse: bool,
}

impl Parameters {
    fn name(&self) -> &str {
        self.name.as_deref().unwrap_or_default()
    }
}

/// The routes of the control port.
pub(crate) fn router(control: Control) -> Router {
    let guard = axum::middleware::from_fn_with_state(control.clone(), refuse_browsers);
    Router::new()
        .merge(oauth_routes())
        .merge(fault_routes())
        .merge(message_routes())
        .route("/control/stats", get(stats))
        .route("/control/journal", get(journal))
        .layer(guard)
        .with_state(control)
}

fn oauth_routes() -> Router<Control> {
    Router::new()
        .route("/control/expire-tokens", act(|control, _| control.expire_access_tokens()))
        .route("/control/revoke-tokens", act(|control, with| control.revoke_tokens(with.user.as_deref())))
        .route("/control/revoke-access-tokens", act(|control, _| control.revoke_access_tokens()))
        .route("/control/revoke-refresh-tokens", act(|control, _| control.revoke_refresh_tokens()))
        .route("/control/forget-clients", act(|control, _| control.forget_clients()))
        .route(
            "/control/swap-issuer",
            act(|control, _| {
                control.swap_issuer();
            }),
        )
        .route("/control/callback-iss", act(|control, with| control.set_callback_iss(with.iss.as_deref())))
        .route(
            "/control/advance",
            act(|control, with| {
                control.advance(Duration::try_from_secs_f64(with.seconds).unwrap_or_default());
            }),
        )
}

fn fault_routes() -> Router<Control> {
    Router::new()
        .route("/control/fault", post(fault))
        .route("/control/token-fault", post(token_fault))
        .route("/control/clear-faults", act(|control, _| control.clear_faults()))
        .route("/control/release", act(|control, _| control.release_stalled()))
        .route("/control/kill-sessions", post(kill_sessions))
        .route("/control/drop-streams", act(|control, _| control.drop_streams()))
        .route("/control/drop-connections", act(|control, _| control.drop_connections()))
}

fn message_routes() -> Router<Control> {
    Router::new()
        .route("/control/tools-changed", act(|control, _| control.set_tools_changed()))
        .route("/control/prompts-changed", act(|control, _| control.set_prompts_changed()))
        .route("/control/resources-changed", act(|control, _| control.set_resources_changed()))
        .route(
            "/control/resource-updated",
            act(|control, with| control.set_resource_updated(with.uri.as_deref().unwrap_or_default())),
        )
        .route("/control/add-tool", act(|control, with| control.add_tool(with.name())))
        .route("/control/remove-tool", act(|control, with| control.remove_tool(with.name())))
        .route(
            "/control/describe-tool",
            act(|control, with| {
                control.describe_tool(with.name(), with.description.as_deref().unwrap_or_default())
            }),
        )
        .route("/control/script", post(script))
        .route("/control/push", post(push))
}

/// A route that does one thing and answers nothing.
fn act(action: fn(&Control, &Parameters)) -> axum::routing::MethodRouter<Control> {
    post(move |State(control): State<Control>, Query(with): Query<Parameters>| async move {
        action(&control, &with);
        StatusCode::NO_CONTENT
    })
}

/// Web pages have no business here, nor have names that only DNS rebinding brings.
async fn refuse_browsers(State(control): State<Control>, request: Request, next: Next) -> Response {
    if let Err(refused) = admission::check_host(&control.shared, request.headers()) {
        return *refused;
    }
    if request.headers().contains_key(ORIGIN) {
        return StatusCode::FORBIDDEN.into_response();
    }
    next.run(request).await
}

async fn stats(State(control): State<Control>) -> Json<Stats> {
    Json(control.stats())
}

async fn journal(State(control): State<Control>) -> Json<Value> {
    let entries = control.journal().into_iter().map(|entry| {
        json!({
            "http_method": entry.http_method,
            "path": entry.path,
            "method": entry.method,
            "session_id": entry.session_id,
            "protocol_version": entry.protocol_version,
            "mcp_method": entry.mcp_method,
            "mcp_name": entry.mcp_name,
            "authorization": entry.authorization,
            "body": String::from_utf8_lossy(&entry.body),
        })
    });
    Json(entries.collect())
}

async fn fault(State(control): State<Control>, body: Bytes) -> Response {
    match serde_json::from_slice::<Plan>(&body) {
        Ok(plan) => {
            control.plan(plan);
            StatusCode::NO_CONTENT.into_response()
        }
        Err(error) => (StatusCode::BAD_REQUEST, error.to_string()).into_response(),
    }
}

async fn token_fault(State(control): State<Control>, body: Bytes) -> Response {
    match serde_json::from_slice::<TokenFault>(&body) {
        Ok(fault) => {
            control.token_endpoint_fault(fault);
            StatusCode::NO_CONTENT.into_response()
        }
        Err(error) => (StatusCode::BAD_REQUEST, error.to_string()).into_response(),
    }
}

async fn kill_sessions(State(control): State<Control>) -> StatusCode {
    control.kill_sessions().await;
    StatusCode::NO_CONTENT
}

async fn script(State(control): State<Control>, Query(with): Query<Parameters>, body: Bytes) -> StatusCode {
    control.script(with.method.as_deref().unwrap_or_default(), body, with.sse);
    StatusCode::NO_CONTENT
}

async fn push(State(control): State<Control>, body: Bytes) -> Json<Value> {
    Json(json!({ "streams": control.push(body) }))
}
