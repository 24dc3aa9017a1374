//! Modern clients (2026-07-28): every request is a POST of its own and stands for itself. What
//! comes back is that request's; the client takes a request back by closing its response.
//!
//! Follows <https://modelcontextprotocol.io/specification/2026-07-28/basic/transports/streamable-http>.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, StatusCode};
use tokio::io::{DuplexStream, ReadHalf, WriteHalf};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::answer::{self, Accepts, KEEP_ALIVE, QUIET};
use super::callers::Caller;
use super::routes::Item;
use super::session::{hello, serve, write_line};
use super::{Asking, Endpoint};
use crate::endpoint::frame::{self, Frame};
use crate::endpoint::{Line, LineReader};
use crate::failure::Failure;
use crate::mcp::era::{LEGACY_VERSIONS, MODERN_VERSIONS, is_legacy_version, is_modern_version};
use crate::mcp::{self, Kind, Message, RequestId, header};

const PIPE: usize = 64 * 1024;
const WRITE_LIMIT: Duration = Duration::from_secs(30);

/// Whether a message is a modern client's: it says so itself or by its header.
pub(super) fn is_meant(headers: &HeaderMap, message: &Message) -> bool {
    if message.meta_protocol_version().is_some() {
        return true;
    }
    let Some(version) = headers.get(header::MCP_PROTOCOL_VERSION) else { return false };
    let is_legacy = version.to_str().is_ok_and(is_legacy_version);
    let is_bound = headers.contains_key(header::MCP_SESSION_ID) || message.method() == Some("initialize");
    !is_legacy && !is_bound
}

/// One request.
pub(super) async fn post(endpoint: &Endpoint, asking: Asking, message: Message) -> Response {
    if let Err(response) = check(&asking.headers, &message) {
        return *response;
    }
    let Some(id) = message.request_id().cloned() else { return not_a_request(&message) };
    let accepts = Accepts::of(&asking.headers);
    if !accepts.json && !accepts.events {
        return answer::reject(StatusCode::NOT_ACCEPTABLE, "Accept application/json and text/event-stream.");
    }
    let mut pipe = match asking.caller.held(&asking.server, &message) {
        Some(pipe) => pipe,
        None => match Pipe::open(endpoint, &asking).await {
            Ok(pipe) => pipe,
            Err(failure) => return answer::failed(&failure, Some(&id)),
        },
    };
    let sent = timeout(WRITE_LIMIT, write_line(&mut pipe.write, message.line())).await;
    let mut exchange = Exchange {
        id,
        ends: [asking.caller.revoked.clone(), endpoint.host.shutdown().clone()],
        pipe: matches!(sent, Ok(Ok(()))).then_some(pipe),
        caller: asking.caller,
        server: asking.server,
        _permit: asking.permit,
    };
    if !accepts.events {
        return loop {
            match exchange.next().await {
                Some(Item::Answer(line)) => break answered(line),
                Some(Item::Other(_)) => {}
                None => break gone(&exchange.id),
            }
        };
    }
    if !accepts.json {
        return stream(None, exchange);
    }
    match timeout(QUIET, exchange.next()).await {
        Ok(Some(Item::Answer(line))) => answered(line),
        Ok(Some(other @ Item::Other(_))) => stream(Some(other), exchange),
        Ok(None) => gone(&exchange.id),
        Err(_) => stream(None, exchange),
    }
}

/// The client's end of a session, which ends when this does.
pub(super) struct Pipe {
    frames: LineReader<ReadHalf<DuplexStream>>,
    write: WriteHalf<DuplexStream>,
}

impl Pipe {
    async fn open(endpoint: &Endpoint, asking: &Asking) -> Result<Self, Failure> {
        let connection = endpoint.connect(asking).await?;
        let host = &endpoint.host;
        let (near, far) = tokio::io::duplex(PIPE);
        serve(host, host.session_deps().for_one_request(), connection, hello(&asking.server), far);
        Ok(Self::of(near))
    }

    pub(super) fn of(near: DuplexStream) -> Self {
        let (read, write) = tokio::io::split(near);
        Self { frames: LineReader::new(read, frame::LINE_CAP), write }
    }
}

/// One request and what comes back. Dropping it takes the request back.
struct Exchange {
    id: RequestId,
    ends: [CancellationToken; 2],
    /// None once the answer was given.
    pipe: Option<Pipe>,
    caller: Arc<Caller>,
    server: String,
    _permit: OwnedSemaphorePermit,
}

impl Exchange {
    /// The next message; the answer is the last. Cancel safe.
    async fn next(&mut self) -> Option<Item> {
        let [revoked, shutdown] = self.ends.clone();
        while let Some(pipe) = &mut self.pipe {
            let line = tokio::select! {
                biased;
                () = revoked.cancelled() => return None,
                () = shutdown.cancelled() => return None,
                line = pipe.frames.next() => line,
            };
            let line = match line {
                Ok(Some(Line::Full(line))) => line,
                Ok(Some(Line::Piece { .. })) => continue,
                Ok(None) | Err(_) => return None,
            };
            let Ok(Frame::Message(line)) = Frame::parse(line) else { continue };
            let Ok(message) = Message::parse(line) else { continue };
            match message.kind() {
                Kind::Response { id, .. } if id.as_ref() == Some(&self.id) => {
                    if let Some(pipe) = self.pipe.take() {
                        self.caller.hold(&self.server, &message, pipe);
                    }
                    return Some(Item::Answer(message.line().clone()));
                }
                Kind::Response { .. } => {}
                // Servers of this era ask nothing; a client must not be sent a request here.
                Kind::Request { .. } | Kind::Batch => tracing::debug!("a request of the server was dropped"),
                Kind::Notification => return Some(Item::Other(message.line().clone())),
            }
        }
        None
    }
}

fn stream(first: Option<Item>, exchange: Exchange) -> Response {
    answer::of_chunks(stream::unfold((first, exchange), |(first, mut exchange)| async move {
        let chunk: Bytes = match first {
            Some(item) => answer::event(item.line()),
            None => match timeout(QUIET, exchange.next()).await {
                Ok(item) => answer::event(item?.line()),
                Err(_) => KEEP_ALIVE,
            },
        };
        Some((Ok::<_, Infallible>(chunk), (None, exchange)))
    }))
}

/// The answer with the status that its error code asks for.
fn answered(line: Bytes) -> Response {
    let message = Message::parse(line.clone()).ok();
    let code = message.as_ref().and_then(|message| message.raw_at(&["error", "code"]));
    let status = match code {
        Some("-32601") => StatusCode::NOT_FOUND,
        Some("-32020" | "-32021" | "-32022") => StatusCode::BAD_REQUEST,
        _ => StatusCode::OK,
    };
    answer::json(status, line)
}

/// Headers and body must say the same, and in a version that we speak.
fn check(headers: &HeaderMap, message: &Message) -> Result<(), Box<Response>> {
    let id = message.request_id();
    let mismatch = |why: &str| {
        Box::new(answer::refuse(
            StatusCode::BAD_REQUEST,
            id,
            mcp::HEADER_MISMATCH,
            &format!("Header mismatch: {why}"),
        ))
    };
    let said = message.meta_protocol_version();
    let version = headers.get(header::MCP_PROTOCOL_VERSION).and_then(|value| value.to_str().ok());
    let Some(version) = version else { return Err(mismatch("MCP-Protocol-Version is missing")) };
    if said.is_some_and(|said| said != version) {
        return Err(mismatch("MCP-Protocol-Version is not the version in the body"));
    }
    if !is_modern_version(version) {
        return Err(Box::new(unsupported(id, version)));
    }
    if message.method().is_some() {
        header::check_modern(headers, message).map_err(|error| mismatch(&error.to_string()))?;
    }
    Ok(())
}

fn unsupported(id: Option<&RequestId>, version: &str) -> Response {
    let supported: Vec<&str> =
        MODERN_VERSIONS.iter().rev().chain(LEGACY_VERSIONS.iter().rev()).copied().collect();
    let data = serde_json::json!({ "supported": supported, "requested": version }).to_string();
    let text = "Unsupported protocol version";
    let line = mcp::error_response(id, mcp::UNSUPPORTED_PROTOCOL_VERSION, text, Some(&data));
    answer::json(StatusCode::BAD_REQUEST, line)
}

/// This era has no notifications from clients, save one that only other transports need.
fn not_a_request(message: &Message) -> Response {
    if message.method() == Some("notifications/cancelled") {
        return answer::accepted();
    }
    answer::reject(StatusCode::BAD_REQUEST, "In this protocol version every POST is one request.")
}

fn gone(id: &RequestId) -> Response {
    let why = "The request ended without an answer. It may or may not have run.";
    answer::refuse(StatusCode::BAD_GATEWAY, Some(id), mcp::BRIDGE_ERROR, why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    const CALL: &str = r#"{"id":1,"method":"tools/call","params":{"name":"a","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}"#;

    fn message(text: &str) -> Message {
        Message::parse(Bytes::copy_from_slice(text.as_bytes())).expect("a message")
    }

    fn headers(list: &[(&'static str, &'static str)]) -> HeaderMap {
        list.iter()
            .map(|(name, value)| ((*name).parse().expect("a name"), HeaderValue::from_static(value)))
            .collect()
    }

    #[test]
    fn a_client_is_modern_by_its_message_or_its_header() {
        let version = |version| headers(&[("mcp-protocol-version", version)]);
        let plain = message(r#"{"id":1,"method":"tools/list"}"#);
        assert!(is_meant(&HeaderMap::new(), &message(CALL)));
        assert!(is_meant(&version("2026-07-28"), &plain) && is_meant(&version("2099-01-01"), &plain));
        assert!(!is_meant(&version("2025-06-18"), &plain) && !is_meant(&HeaderMap::new(), &plain));
        let initialize = message(r#"{"id":1,"method":"initialize"}"#);
        assert!(!is_meant(&version("2099-01-01"), &initialize), "a legacy client offers what it likes");
    }

    #[tokio::test]
    async fn headers_must_say_what_the_body_says() {
        let call = message(CALL);
        let good = [("mcp-protocol-version", "2026-07-28"), ("mcp-method", "tools/call"), ("mcp-name", "a")];
        assert!(check(&headers(&good), &call).is_ok());
        for (at, code) in [(0, "-32020"), (1, "-32020"), (2, "-32020")] {
            let missing: Vec<_> =
                good.iter().enumerate().filter(|(n, _)| *n != at).map(|(_, pair)| *pair).collect();
            assert_eq!(refusal(&missing, &call).await, code, "without {}", good[at].0);
            let mut wrong = good;
            wrong[at].1 = "2025-11-25";
            assert_eq!(refusal(&wrong, &call).await, code, "wrong {}", good[at].0);
        }
        let later = message(&CALL.replace("2026-07-28", "2099-01-01"));
        let mut wrong = good;
        wrong[0].1 = "2099-01-01";
        assert_eq!(refusal(&wrong, &later).await, "-32022");
    }

    async fn refusal(list: &[(&'static str, &'static str)], call: &Message) -> String {
        let response = *check(&headers(list), call).expect_err("refused");
        assert_eq!(response.status(), StatusCode::BAD_REQUEST);
        let body = axum::body::to_bytes(response.into_body(), 10_000).await.expect("a body");
        let answer = Message::parse(body).expect("a message");
        answer.raw_at(&["error", "code"]).expect("a code").to_owned()
    }
}
