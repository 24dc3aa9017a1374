//! What stands in front of the MCP endpoints: counts and remembers each request as it came, lets
//! faults happen, asks who is calling, keeps the eras apart, and answers scripts itself.
//!
//! Streamable HTTP goes on to rmcp's service; the old HTTP+SSE (`crate::http_sse`) uses the same
//! steps for its two endpoints.

pub(crate) mod admission;
pub(crate) mod eras;
pub(crate) mod peek;
mod scopes;
pub(crate) mod script;
pub(crate) mod spoil;
pub(crate) mod stream;

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::response::{Html, IntoResponse, Response};
use http::header::RETRY_AFTER;
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode};
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use serde_json::json;
use tower::ServiceExt as _;

use crate::auth::{self, Caller, Refusal};
use crate::config::{Answers, Eras};
use crate::fault::Fault;
use crate::mcp::Demo;
use crate::sessions::Sessions;
use crate::shared::Shared;
use crate::stats::JournalEntry;
use peek::Message;

/// The Streamable HTTP endpoint.
#[derive(Clone)]
pub(crate) struct Endpoint {
    shared: Arc<Shared>,
    service: StreamableHttpService<Demo, Sessions>,
}

/// A request that may be served: by whom it was sent, and what else it brings.
pub(crate) struct Admitted {
    pub(crate) parts: Parts,
    pub(crate) body: Bytes,
    pub(crate) message: Message,
    pub(crate) caller: Caller,
    /// A fault that spoils the answer.
    pub(crate) fault: Option<Fault>,
}

impl Endpoint {
    pub(crate) fn new(shared: &Arc<Shared>) -> Self {
        let modern_only = shared.config.eras == Eras::Modern;
        // Hosts, origins and sizes are checked here, before anything else happens.
        let config = StreamableHttpServerConfig::default()
            .disable_allowed_hosts()
            .with_legacy_session_mode(shared.config.sessions && !modern_only)
            .with_stateless_protocol_metadata_required(modern_only)
            .with_json_response(shared.config.answers == Answers::Json)
            .with_max_request_body_bytes(usize::MAX)
            .with_cancellation_token(shared.shutdown.child_token());
        let handlers = shared.clone();
        let service =
            StreamableHttpService::new(move || Ok(Demo::new(&handlers)), shared.sessions.clone(), config);
        Endpoint { shared: shared.clone(), service }
    }
}

/// Any method on `/mcp`.
pub(crate) async fn mcp(State(endpoint): State<Endpoint>, request: Request) -> Response {
    let shared = &endpoint.shared;
    let admitted = match admit(shared, request).await {
        Ok(admitted) => admitted,
        Err(response) => return *response,
    };
    if let Some(refused) = refuse_session(shared, &admitted).await {
        return refused;
    }
    serve(&endpoint, admitted).await
}

/// The steps every MCP request goes through before it is served.
pub(crate) async fn admit(shared: &Arc<Shared>, request: Request) -> Result<Admitted, Box<Response>> {
    let (mut parts, body) = request.into_parts();
    admission::check_origin(shared, &parts.headers)?;
    let body = admission::read(shared, body).await?;
    let message = Message::peek(&body);
    let entry = JournalEntry::new(&parts, message.method.as_deref(), body.clone());
    shared.recorder.request(entry);
    let name = message.method.as_deref().unwrap_or(parts.method.as_str());
    let fault = shared.queues.take_fault(name, message.is_request());
    let path = parts.uri.path().to_owned();
    if let Some(fault) = &fault {
        fail(shared, fault, &path).await?;
    }
    admission::check_rate(shared)?;
    let refuse = |refusal: Refusal| Box::new(refused(shared, &refusal, &path));
    let caller = auth::identify(shared, &parts.headers, &parts.method, &path).map_err(refuse)?;
    eras::check(shared, &mut parts, &message)?;
    scopes::check(shared, &caller, &message).map_err(refuse)?;
    parts.extensions.insert(caller.clone());
    Ok(Admitted { parts, body, message, caller, fault: fault.filter(Fault::spoils_answer) })
}

fn refused(shared: &Shared, refusal: &Refusal, path: &str) -> Response {
    shared.recorder.count(|stats| match refusal {
        Refusal::Missing | Refusal::Invalid(_) => stats.unauthorized += 1,
        Refusal::InsufficientScope(_) => stats.insufficient_scope += 1,
        Refusal::Proof(_) => stats.refused_proofs += 1,
        Refusal::Unavailable => {}
    });
    refusal.response(shared, path)
}

/// Faults that happen before a request is looked at.
async fn fail(shared: &Arc<Shared>, fault: &Fault, path: &str) -> Result<(), Box<Response>> {
    match fault {
        Fault::Status { code, retry_after } => {
            let status = StatusCode::from_u16(*code).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
            Err(Box::new(later(status, *retry_after)))
        }
        Fault::NotMcp => Err(Box::new(Html("<h1>Welcome to the hotel network</h1>").into_response())),
        Fault::CheckUnavailable => Err(Box::new(Refusal::Unavailable.response(shared, path))),
        Fault::Stall => {
            shared.stalled().await;
            Ok(())
        }
        Fault::DropMidBody | Fault::StallMidBody | Fault::InvalidJson | Fault::TruncatedSse => Ok(()),
    }
}

/// A refusal that may name the seconds to wait.
pub(crate) fn later(status: StatusCode, seconds: Option<u64>) -> Response {
    let mut response = (status, "not now").into_response();
    if let Some(seconds) = seconds {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// An answer that is a JSON-RPC error.
pub(crate) fn rpc_error(
    status: StatusCode,
    message: &Message,
    code: i64,
    text: &str,
    data: Option<serde_json::Value>,
) -> Response {
    let mut error = json!({ "code": code, "message": text });
    if let Some(data) = data {
        error["data"] = data;
    }
    let id: serde_json::Value =
        message.id.as_deref().and_then(|id| serde_json::from_str(id).ok()).unwrap_or_default();
    (status, axum::Json(json!({ "jsonrpc": "2.0", "id": id, "error": error }))).into_response()
}

/// Refuses what has to do with sessions: other people's, too many, a second one.
async fn refuse_session(shared: &Shared, admitted: &Admitted) -> Option<Response> {
    let id = admitted.parts.headers.get("mcp-session-id").and_then(|id| id.to_str().ok());
    if let Some(id) = id {
        let own = shared.sessions.may_use(id, admitted.caller.name());
        return (!own).then(|| (StatusCode::NOT_FOUND, "session not found").into_response());
    }
    if !admitted.message.is("initialize") {
        return None;
    }
    let open = shared.sessions.len().await;
    if shared.config.single_session && open > 0 {
        let text = "Invalid Request: Server already initialized";
        let status = StatusCode::BAD_REQUEST;
        return Some(rpc_error(status, &admitted.message, -32600, text, None));
    }
    (open >= shared.config.limits.sessions).then(|| later(StatusCode::SERVICE_UNAVAILABLE, Some(5)))
}

async fn serve(endpoint: &Endpoint, admitted: Admitted) -> Response {
    let Admitted { parts, body, message, caller, fault } = admitted;
    let shared = &endpoint.shared;
    let script = message.method.as_deref().and_then(|name| shared.queues.take_script(name));
    if let Some(script) = &script
        && !message.is("initialize")
    {
        return script.response(&message);
    }
    let posted = parts.method == Method::POST;
    let listens = parts.method == Method::GET || message.is("subscriptions/listen");
    let request = Request::from_parts(parts, Body::from(body));
    let Ok(response) = endpoint.service.clone().oneshot(request).await;
    let mut response = response.map(Body::new);
    if let Some(id) = response.headers().get("mcp-session-id").and_then(|id| id.to_str().ok()) {
        shared.sessions.claim(id, caller.name());
    }
    if let Some(script) = script {
        // The session is real, so its id stays; only the body is the test's.
        return script.replace(response, &message);
    }
    if listens {
        response = stream::merge_pushes(shared, response);
    } else if posted && shared.config.answers == Answers::Json {
        response = stream::collapse(response).await;
    }
    match fault {
        Some(fault) if !listens => spoil::apply(shared, &fault, response).await,
        Some(_) | None => response,
    }
}
