//! `/mcp/{server}` on 127.0.0.1: Streamable HTTP for MCP clients that speak it, legacy and modern.
//!
//! It is off until somebody adds a client. A request passes the [`guard`] first, then its
//! client's rate, then becomes a message for a session of the Host, the same one that a shim
//! gets. Messages keep their bytes.

mod answer;
mod callers;
mod held;
mod legacy;
mod listen;
mod modern;
mod rate;
mod routes;
mod session;

use std::sync::Arc;
use std::time::Duration;

use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::{Body as _, Incoming};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::guard::{self, Refusal};
use crate::api::types::ServerOptions;
use crate::failure::Failure;
use crate::host::clients::Denied;
use crate::host::connection::Connection;
use crate::host::settings::HttpLimits;
use crate::host::{HostHandle, Target};
use crate::mcp::{self, Message};
use crate::redact::plain;

use callers::{Caller, Callers};

pub use listen::run;

const PREFIX: &str = "/mcp/";
/// How long a body may take to arrive.
const BODY_LIMIT: Duration = Duration::from_secs(120);
/// How long a body that is too large is still read, and how long a pause in it may be.
const DRAIN_LIMIT: Duration = Duration::from_secs(5);
const DRAIN_PAUSE: Duration = Duration::from_millis(200);

/// The endpoint while it listens.
struct Endpoint {
    host: HostHandle,
    callers: Callers,
    limits: HttpLimits,
    port: u16,
    /// Cancelled once it no longer listens; everything that is open ends.
    stop: CancellationToken,
}

/// A request whose client is known and may ask what it asks.
struct Asking {
    caller: Arc<Caller>,
    headers: HeaderMap,
    /// The server as the path spells it, decoded.
    server: String,
    target: Target,
    permit: OwnedSemaphorePermit,
}

impl Endpoint {
    /// Answers one request.
    async fn answer(&self, request: Request<Incoming>) -> Response {
        let (parts, body) = request.into_parts();
        let caller = match guard::check(&parts, self.port) {
            Ok(token) => self.callers.find(token),
            Err(Refusal::ForeignHost | Refusal::WebPage) => return StatusCode::FORBIDDEN.into_response(),
            Err(Refusal::NoToken) => None,
        };
        match caller {
            Some(caller) => self.answer_caller(caller, parts, body).await,
            None => answer::unauthorized(),
        }
    }

    async fn answer_caller(&self, caller: Arc<Caller>, parts: Parts, body: Incoming) -> Response {
        if let Err(wait) = caller.count(1) {
            return answer::slow_down(wait, "This client asks too fast.");
        }
        let asking = match self.asking(caller, parts.uri.path(), parts.headers).await {
            Ok(asking) => asking,
            Err(response) => return *response,
        };
        match parts.method {
            Method::POST => self.post(asking, body).await,
            Method::GET => legacy::get(asking).await,
            Method::DELETE => legacy::delete(&asking),
            _ => answer::no_such_method(),
        }
    }

    async fn post(&self, asking: Asking, body: Incoming) -> Response {
        if !answer::is_json(&asking.headers) {
            return answer::reject(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Send application/json.");
        }
        let body = match self.read(body).await {
            Ok(body) => body,
            Err(response) => return *response,
        };
        let message = match Message::parse(body) {
            Ok(message) => message,
            Err(error @ mcp::Error::NotJson) => return invalid(mcp::PARSE_ERROR, &error),
            Err(error @ mcp::Error::NotJsonRpc { .. }) => return invalid(mcp::INVALID_REQUEST, &error),
        };
        if modern::is_meant(&asking.headers, &message) {
            return modern::post(self, asking, message).await;
        }
        legacy::post(self, asking, message).await
    }

    async fn asking(
        &self,
        caller: Arc<Caller>,
        path: &str,
        headers: HeaderMap,
    ) -> Result<Asking, Box<Response>> {
        let reject = |status, why: &str| Err(Box::new(answer::reject(status, why)));
        let Some(segment) = path.strip_prefix(PREFIX) else {
            return reject(StatusCode::NOT_FOUND, "Servers are at /mcp/NAME.");
        };
        // Names need no other encoding, and nothing else is decoded.
        let server = segment.replace("%40", "@");
        let target = match self.host.admit(&caller.client, &server).await {
            Ok(target) => target,
            Err(Denied::Unknown) => {
                let why = format!("There is no server named {}.", plain(&server, 80));
                return reject(StatusCode::NOT_FOUND, &why);
            }
            Err(Denied::NotGranted) => {
                let why = format!("This client's token is not for {}.", plain(&server, 80));
                return reject(StatusCode::FORBIDDEN, &why);
            }
        };
        let Ok(permit) = caller.requests.clone().try_acquire_owned() else {
            let why = "This client has too many requests under way.";
            return Err(Box::new(answer::slow_down(Duration::from_secs(1), why)));
        };
        Ok(Asking { caller, headers, server, target, permit })
    }

    async fn read(&self, mut body: Incoming) -> Result<Bytes, Box<Response>> {
        let most = self.limits.body_bytes;
        let reject = |status, why| Err(Box::new(answer::reject(status, why)));
        let mut is_too_large = body.size_hint().lower() > most as u64;
        if !is_too_large {
            match timeout(BODY_LIMIT, Limited::new(&mut body, most).collect()).await {
                Ok(Ok(body)) => return Ok(body.to_bytes()),
                Ok(Err(error)) => is_too_large = error.is::<LengthLimitError>(),
                Err(_) => return reject(StatusCode::REQUEST_TIMEOUT, "The body did not arrive in time."),
            }
        }
        if is_too_large {
            drain(body).await;
            return reject(StatusCode::PAYLOAD_TOO_LARGE, "The message is too large.");
        }
        reject(StatusCode::BAD_REQUEST, "The body broke off.")
    }

    /// Connects as the stored entry says; a client of this endpoint brings no options.
    async fn connect(&self, asking: &Asking) -> Result<Connection, Failure> {
        Ok(self.host.resolve(&asking.target, &ServerOptions::default()).await?)
    }
}

/// Throws away what is on its way already: a client that is hung up on while it sends often does
/// not see the answer.
async fn drain(mut body: Incoming) {
    let rest = async { while let Ok(Some(Ok(_))) = timeout(DRAIN_PAUSE, body.frame()).await {} };
    let _ = timeout(DRAIN_LIMIT, rest).await;
}

fn invalid(code: i64, error: &mcp::Error) -> Response {
    answer::json(StatusCode::BAD_REQUEST, mcp::error_response(None, code, &error.to_string(), None))
}
