//! Answers written by the test, byte for byte.

use axum::body::Body;
use axum::response::Response;
use bytes::{Bytes, BytesMut};
use http::HeaderValue;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};

use crate::fault::Script;
use crate::gate::peek::Message;

impl Script {
    /// The whole JSON-RPC message.
    pub(crate) fn message(&self, to: &Message) -> Bytes {
        let id = self.id.as_deref().or(to.id.as_deref()).unwrap_or("null");
        let mut message = BytesMut::new();
        message.extend_from_slice(b"{\"jsonrpc\":\"2.0\",\"id\":");
        message.extend_from_slice(id.as_bytes());
        message.extend_from_slice(format!(",\"{}\":", self.member).as_bytes());
        message.extend_from_slice(&self.raw);
        message.extend_from_slice(b"}");
        message.freeze()
    }

    /// The answer as an HTTP response.
    pub(crate) fn response(&self, to: &Message) -> Response {
        self.replace(Response::new(Body::empty()), to)
    }

    /// Puts the answer into a response in place of its body.
    pub(crate) fn replace(&self, response: Response, to: &Message) -> Response {
        let (mut parts, _) = response.into_parts();
        let message = self.message(to);
        let (kind, body) = match self.as_sse {
            true => ("text/event-stream", event(&message)),
            false => ("application/json", message),
        };
        parts.headers.remove(CONTENT_LENGTH);
        parts.headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        Response::from_parts(parts, Body::from(body))
    }
}

/// A message as a server-sent event; each line of it becomes a `data` line.
pub(crate) fn event(message: &[u8]) -> Bytes {
    let mut event = BytesMut::from(&b"event: message\n"[..]);
    for line in message.split(|byte| *byte == b'\n') {
        event.extend_from_slice(b"data: ");
        event.extend_from_slice(line);
        event.extend_from_slice(b"\n");
    }
    event.extend_from_slice(b"\n");
    event.freeze()
}
