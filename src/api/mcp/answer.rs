//! Answers over HTTP: one JSON object, a stream of events, or why not.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use bytes::{BufMut as _, Bytes, BytesMut};
use futures_util::{Stream, stream};
use http::header::{ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::routes::Item;
use crate::failure::Failure;
use crate::mcp::{self, RequestId};

/// After this much silence a stream says that it is still there.
pub(super) const QUIET: Duration = Duration::from_secs(15);

const JSON: &str = "application/json";
const EVENTS: &str = "text/event-stream";
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// What kinds of answer a client takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Accepts {
    pub(super) json: bool,
    pub(super) events: bool,
}

impl Accepts {
    /// Reads the `Accept` headers; a client without one takes anything.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let values = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
        let kinds: Vec<String> = values
            .flat_map(|value| value.split(','))
            .filter_map(|range| range.split(';').next())
            .map(|kind| kind.trim().to_ascii_lowercase())
            .collect();
        let takes = |kind: &str, group: &str| {
            kinds.is_empty() || kinds.iter().any(|range| range == kind || range == group || range == "*/*")
        };
        Self { json: takes(JSON, "application/*"), events: takes(EVENTS, "text/*") }
    }
}

/// Whether a body is JSON, by its `Content-Type`.
pub(super) fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case(JSON))
}

/// One JSON object.
pub(super) fn json(status: StatusCode, line: Bytes) -> Response {
    (status, [(CONTENT_TYPE, HeaderValue::from_static(JSON))], line).into_response()
}

/// A stream of events that ends with `items`; `first` goes before them. `keep` lives as long.
pub(super) fn events<K: Send + 'static>(
    first: Option<Item>,
    items: mpsc::Receiver<Item>,
    keep: K,
) -> Response {
    of_chunks(stream::unfold((first, items, keep), |(first, mut items, keep)| async move {
        let item = match first {
            Some(item) => Some(item),
            None => {
                tokio::select! {
                    item = items.recv() => item,
                    () = sleep_until(Instant::now() + QUIET) => return Some((Ok(KEEP_ALIVE), (None, items, keep))),
                }
            }
        };
        item.map(|item| (Ok(event(item.line())), (None, items, keep)))
    }))
}

/// A stream of events that were written before.
pub(super) fn of_chunks(chunks: impl Stream<Item = Result<Bytes, Infallible>> + Send + 'static) -> Response {
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static(EVENTS)),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (X_ACCEL_BUFFERING, HeaderValue::from_static("no")),
    ];
    (headers, Body::from_stream(chunks)).into_response()
}

/// A comment, which clients pass over.
pub(super) const KEEP_ALIVE: Bytes = Bytes::from_static(b": still here\n\n");

/// One message, which has no line breaks, as an event.
pub(super) fn event(line: &Bytes) -> Bytes {
    let mut text = BytesMut::with_capacity(line.len() + 24);
    text.put_slice(b"event: message\ndata: ");
    text.put_slice(line);
    text.put_slice(b"\n\n");
    text.freeze()
}

/// Taken, and nothing to say.
pub(super) fn accepted() -> Response {
    StatusCode::ACCEPTED.into_response()
}

/// A refusal with its reason as a JSON-RPC error; `id` where it is about one request.
pub(super) fn refuse(status: StatusCode, id: Option<&RequestId>, code: i64, why: &str) -> Response {
    json(status, mcp::error_response(id, code, why, None))
}

/// A refusal of the whole HTTP request.
pub(super) fn reject(status: StatusCode, why: &str) -> Response {
    refuse(status, None, mcp::INVALID_REQUEST, why)
}

/// A failure as the answer to a request.
pub(super) fn failed(failure: &Failure, id: Option<&RequestId>) -> Response {
    match id {
        Some(id) => json(StatusCode::OK, failure.response(id)),
        None => refuse(StatusCode::BAD_GATEWAY, None, mcp::BRIDGE_ERROR, &failure.text()),
    }
}

/// No token, or none that works. There is no authorization server to be pointed to.
pub(super) fn unauthorized() -> Response {
    let headers = [(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))];
    (StatusCode::UNAUTHORIZED, headers).into_response()
}

/// Too much at once.
pub(super) fn slow_down(wait: Duration, why: &str) -> Response {
    let mut response = reject(StatusCode::TOO_MANY_REQUESTS, why);
    let seconds = wait.as_millis().div_ceil(1000).max(1).to_string();
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::try_from(seconds).expect("digits make a header"));
    response
}

/// A method that this path does not have.
pub(super) fn no_such_method() -> Response {
    let mut response = reject(StatusCode::METHOD_NOT_ALLOWED, "Use POST, GET or DELETE here.");
    response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST, GET, DELETE"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepts(values: &[&'static str]) -> (bool, bool) {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(ACCEPT, HeaderValue::from_static(value));
        }
        let Accepts { json, events } = Accepts::of(&headers);
        (json, events)
    }

    #[test]
    fn accept_headers_are_read_as_http_means_them() {
        assert_eq!(accepts(&[]), (true, true));
        assert_eq!(accepts(&["application/json, text/event-stream"]), (true, true));
        assert_eq!(accepts(&["application/json", "Text/Event-Stream;q=0.5"]), (true, true));
        assert_eq!(accepts(&["*/*;q=0.1"]), (true, true));
        assert_eq!(accepts(&["text/*"]), (false, true));
        assert_eq!(accepts(&["application/json"]), (true, false));
        assert_eq!(accepts(&["text/html"]), (false, false));
    }

    #[test]
    fn a_message_becomes_one_event() {
        let line = Bytes::from_static(br#"{"a":"data: x\n\n"}"#);
        assert_eq!(event(&line), &b"event: message\ndata: {\"a\":\"data: x\\n\\n\"}\n\n"[..]);
    }

    #[test]
    fn a_wait_is_given_in_whole_seconds_and_is_never_none() {
        for (millis, seconds) in [(0, "1"), (10, "1"), (1000, "1"), (1001, "2")] {
            let response = slow_down(Duration::from_millis(millis), "Too fast.");
            assert_eq!(response.headers()[RETRY_AFTER], seconds);
        }
    }
}
