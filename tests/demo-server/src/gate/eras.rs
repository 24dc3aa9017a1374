//! Keeps the eras apart where the server speaks only one of them. rmcp serves both.

use axum::response::{IntoResponse, Response};
use http::header::ALLOW;
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode};
use serde_json::json;

use crate::config::Eras;
use crate::gate::peek::Message;
use crate::gate::rpc_error;
use crate::shared::Shared;

pub(crate) const MODERN: &str = "2026-07-28";

/// Answers what belongs to an era this server does not speak, as a server of the other would.
pub(crate) fn check(shared: &Shared, parts: &mut Parts, message: &Message) -> Result<(), Box<Response>> {
    match shared.config.eras {
        Eras::Both => Ok(()),
        Eras::Legacy => refuse_modern(parts, message),
        Eras::Modern => refuse_legacy(parts, message),
    }
}

/// A legacy server knows nothing of 2026-07-28, and says so in its own words.
fn refuse_modern(parts: &Parts, message: &Message) -> Result<(), Box<Response>> {
    let header = parts.headers.get("mcp-protocol-version").and_then(|value| value.to_str().ok());
    let asked = message.meta_version().or(header);
    let Some(asked) = asked.filter(|version| *version >= MODERN) else {
        return Ok(());
    };
    if message.is("initialize") {
        return Ok(());
    }
    let text = format!("Bad Request: Unsupported protocol version: {asked}");
    Err(Box::new(rpc_error(StatusCode::BAD_REQUEST, message, -32000, &text, None)))
}

/// A modern server names its versions to old clients, and has neither sessions nor GET.
fn refuse_legacy(parts: &mut Parts, message: &Message) -> Result<(), Box<Response>> {
    parts.headers.remove("mcp-session-id");
    parts.headers.remove("last-event-id");
    if parts.method != Method::POST {
        let mut response = StatusCode::METHOD_NOT_ALLOWED.into_response();
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
        return Err(Box::new(response));
    }
    if !message.is("initialize") {
        return Ok(());
    }
    let asked = message.params.protocol_version.as_deref().unwrap_or("unknown");
    let data = json!({ "supported": [MODERN], "requested": asked });
    let text = "Unsupported protocol version; this server speaks 2026-07-28";
    Err(Box::new(rpc_error(StatusCode::BAD_REQUEST, message, -32022, text, Some(data))))
}
