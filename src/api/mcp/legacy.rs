//! Legacy clients (2025-03-26 to 2025-11-25): a session that `initialize` opens, messages by
//! POST, the server's own stream by GET, the end by DELETE. A session's messages are not kept for
//! a client that lost its stream, so events have no ids.

use std::time::Duration;

use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use http::{HeaderMap, HeaderValue, StatusCode};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::answer::{self, Accepts, QUIET};
use super::callers::{Caller, TooMany};
use super::routes::{Asked, Item};
use super::session::{LANE, Open};
use super::{Asking, Endpoint};
use crate::mcp::era::is_legacy_version;
use crate::mcp::{self, Kind, Message, header};

/// The one version with batches.
const WITH_BATCHES: &str = "2025-03-26";
/// More than the start budget of any session.
const INITIALIZE_LIMIT: Duration = Duration::from_secs(60);
/// A client that opens its stream again may be faster than the news that the old one is gone.
const LISTENER_LEAVES: Duration = Duration::from_millis(500);

/// A message by POST.
pub(super) async fn post(endpoint: &Endpoint, asking: Asking, message: Message) -> Response {
    let accepts = Accepts::of(&asking.headers);
    if !accepts.json && !accepts.events {
        return answer::reject(StatusCode::NOT_ACCEPTABLE, "Accept application/json and text/event-stream.");
    }
    let session_id = match session_id(&asking.headers) {
        Ok(session_id) => session_id,
        Err(response) => return *response,
    };
    if message.method() == Some("initialize") && message.request_id().is_some() && session_id.is_none() {
        return initialize(endpoint, asking, message).await;
    }
    match find(&asking, session_id.as_deref()) {
        Ok(open) => send(asking, accepts, &open, message).await,
        Err(response) => *response,
    }
}

/// The server's own stream.
pub(super) async fn get(asking: Asking) -> Response {
    if !Accepts::of(&asking.headers).events {
        return answer::reject(StatusCode::NOT_ACCEPTABLE, "Accept text/event-stream.");
    }
    let open = match session_id(&asking.headers).and_then(|id| find(&asking, id.as_deref())) {
        Ok(open) => open,
        Err(response) => return *response,
    };
    let (lane, items) = mpsc::channel(LANE);
    let opened = match open.listen(lane.clone()).await {
        Ok(Err(other)) => match timeout(LISTENER_LEAVES, other.closed()).await {
            Ok(()) => open.listen(lane).await,
            Err(_) => Ok(Err(other)),
        },
        opened => opened,
    };
    match opened {
        Ok(Ok(())) => answer::events(None, items, open.use_now()),
        Ok(Err(_)) => answer::reject(StatusCode::CONFLICT, "This session's stream is open already."),
        Err(_) => unknown_session(),
    }
}

/// The end of a session.
pub(super) fn delete(asking: &Asking) -> Response {
    let id = match session_id(&asking.headers) {
        Ok(id) => id,
        Err(response) => return *response,
    };
    match find(asking, id.as_deref()) {
        Ok(open) => {
            open.close();
            asking.caller.forget(&id.unwrap_or_default());
            let mut response = Response::default();
            *response.status_mut() = StatusCode::NO_CONTENT;
            response
        }
        Err(response) => *response,
    }
}

/// Opens a session. Its id is told only with the server's own word that it is open.
async fn initialize(endpoint: &Endpoint, asking: Asking, message: Message) -> Response {
    let id = message.request_id();
    let Some(asked) = Asked::of(&message) else { return unknown_session() };
    if let Err(TooMany) = asking.caller.make_room(endpoint.limits.sessions) {
        return answer::slow_down(QUIET, "This client has too many sessions in use.");
    }
    let connection = match endpoint.connect(&asking).await {
        Ok(connection) => connection,
        Err(failure) => return answer::failed(&failure, id),
    };
    let Caller { revoked, .. } = &*asking.caller;
    let idle = Duration::from_secs(endpoint.limits.idle_seconds);
    let open = Open::start(&endpoint.host, connection, asking.server.clone(), revoked, idle);
    let unless_it_opens = open.close_on_drop();
    let _in_use = open.use_now();
    let (lane, mut items) = mpsc::channel(LANE);
    let Ok(Ok(())) = open.post(&message, vec![asked], Some((lane, false))).await else {
        return unknown_session();
    };
    let line = match timeout(INITIALIZE_LIMIT, items.recv()).await {
        Ok(Some(item)) => item.line().clone(),
        Ok(None) | Err(_) => return unknown_session(),
    };
    let version =
        Message::parse(line.clone()).ok().and_then(|answer| answer.string_at(&["result", "protocolVersion"]));
    let Some(version) = version else { return answer::json(StatusCode::OK, line) };
    let _ = open.version.set(version);
    let session_id = BASE64.encode(rand::random::<[u8; 32]>());
    let mut shown = HeaderValue::try_from(session_id.as_str()).expect("base64 makes a header");
    shown.set_sensitive(true);
    asking.caller.keep(session_id, open.clone());
    unless_it_opens.disarm();
    let mut response = answer::json(StatusCode::OK, line);
    response.headers_mut().insert(header::MCP_SESSION_ID, shown);
    response
}

async fn send(asking: Asking, accepts: Accepts, open: &std::sync::Arc<Open>, message: Message) -> Response {
    let is_batch = *message.kind() == Kind::Batch;
    let parts = match parts_of(&message, open) {
        Ok(parts) => parts,
        Err(response) => return *response,
    };
    if let Err(wait) = asking.caller.count(parts.len().saturating_sub(1)) {
        return answer::slow_down(wait, "This client asks too fast.");
    }
    if parts.iter().any(|part| part.method() == Some("initialize")) {
        return answer::reject(StatusCode::BAD_REQUEST, "This session is initialized already.");
    }
    let asked: Vec<Asked> = parts.iter().filter_map(Asked::of).collect();
    if asked.is_empty() {
        return match open.post(&message, asked, None).await {
            Ok(_) => answer::accepted(),
            Err(_) => unknown_session(),
        };
    }
    let in_use = open.use_now();
    let (lane, items) = mpsc::channel(LANE);
    match open.post(&message, asked, Some((lane, accepts.events))).await {
        Ok(Ok(())) => answer(accepts, is_batch, items, (in_use, asking.permit)).await,
        Ok(Err(_)) => {
            let why = "A request with this id is still being answered.";
            answer::refuse(StatusCode::BAD_REQUEST, message.request_id(), mcp::INVALID_REQUEST, why)
        }
        Err(_) => unknown_session(),
    }
}

/// The messages of one POST; a batch has several, where there are batches.
fn parts_of(message: &Message, open: &Open) -> Result<Vec<Message>, Box<Response>> {
    let invalid = |why| Box::new(answer::reject(StatusCode::BAD_REQUEST, why));
    if *message.kind() == Kind::Batch && open.version.get().is_none_or(|version| version != WITH_BATCHES) {
        return Err(invalid("This protocol version has no batches."));
    }
    let parts: Result<Vec<_>, _> = message.clone().split().into_iter().collect();
    let parts = parts.map_err(|_| invalid("The batch holds something that is no message."))?;
    if parts.is_empty() {
        return Err(invalid("The batch is empty."));
    }
    Ok(parts)
}

/// One JSON object, if the answer is the first thing that comes, else a stream.
async fn answer<K: Send + 'static>(
    accepts: Accepts,
    is_batch: bool,
    mut items: mpsc::Receiver<Item>,
    keep: K,
) -> Response {
    if !accepts.events {
        return answers_alone(is_batch, items).await;
    }
    if is_batch || !accepts.json {
        return answer::events(None, items, keep);
    }
    match timeout(QUIET, items.recv()).await {
        Ok(Some(Item::Answer(line))) => answer::json(StatusCode::OK, line),
        Ok(Some(other @ Item::Other(_))) => answer::events(Some(other), items, keep),
        Ok(None) | Err(_) => answer::events(None, items, keep),
    }
}

/// For a client that reads no streams: nothing before the last answer.
async fn answers_alone(is_batch: bool, mut items: mpsc::Receiver<Item>) -> Response {
    let mut lines = Vec::new();
    while let Some(item) = items.recv().await {
        lines.push(item.line().clone());
    }
    match lines.pop() {
        Some(line) if !is_batch => answer::json(StatusCode::OK, line),
        Some(last) => {
            lines.push(last);
            answer::json(StatusCode::OK, [b"[", lines.join(&b","[..]).as_slice(), b"]"].concat().into())
        }
        None => answer::accepted(),
    }
}

fn session_id(headers: &HeaderMap) -> Result<Option<String>, Box<Response>> {
    let invalid = |why| Box::new(answer::reject(StatusCode::BAD_REQUEST, why));
    let version = headers.get(header::MCP_PROTOCOL_VERSION).map(|value| value.to_str().unwrap_or_default());
    let session = headers.get(header::MCP_SESSION_ID).map(|value| value.to_str().unwrap_or_default());
    if version.is_some_and(|version| !is_legacy_version(version)) {
        return Err(invalid("This MCP-Protocol-Version is not supported."));
    }
    Ok(session.map(str::to_owned))
}

fn find(asking: &Asking, id: Option<&str>) -> Result<std::sync::Arc<Open>, Box<Response>> {
    let missing = "The header Mcp-Session-Id is missing. Send initialize first.";
    let id = id.ok_or_else(|| Box::new(answer::reject(StatusCode::BAD_REQUEST, missing)))?;
    asking.caller.session(id, &asking.server).ok_or_else(|| Box::new(unknown_session()))
}

fn unknown_session() -> Response {
    answer::reject(StatusCode::NOT_FOUND, "There is no such session. Send initialize again.")
}
