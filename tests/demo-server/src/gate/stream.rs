//! What happens to response streams on their way out: raw messages are pushed in between, open
//! streams are cut, and a stream of one answer becomes a JSON document.

use std::sync::Arc;

use axum::body::{Body, BodyDataStream};
use axum::response::Response;
use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt as _, stream};
use http::HeaderValue;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use tokio::sync::{broadcast, watch};

use crate::gate::peek::Message;
use crate::gate::script::event;
use crate::shared::Shared;
use crate::stats::Open;

type Chunk = Result<Bytes, axum::Error>;

/// Lets pushed messages into an open stream, between rmcp's own events.
pub(crate) fn merge_pushes(shared: &Arc<Shared>, response: Response) -> Response {
    if !is_stream(&response) {
        return response;
    }
    let merged = Merged {
        pushes: shared.push.subscribe(),
        cut: shared.cut.subscribe(),
        _open: Open::new(shared, |stats| &mut stats.open_streams),
        events: None,
    };
    response.map(|body| {
        let merged = Merged { events: Some(body.into_data_stream()), ..merged };
        Body::from_stream(stream::unfold(merged, Merged::next))
    })
}

struct Merged {
    events: Option<BodyDataStream>,
    pushes: broadcast::Receiver<Bytes>,
    cut: watch::Receiver<u64>,
    _open: Open,
}

impl Merged {
    async fn next(mut self) -> Option<(Chunk, Self)> {
        loop {
            tokio::select! {
                chunk = self.events.as_mut()?.next() => return Some((chunk?, self)),
                pushed = self.pushes.recv() => match pushed {
                    Ok(message) => return Some((Ok(event(&message)), self)),
                    Err(broadcast::error::RecvError::Lagged(_)) => {}
                    Err(broadcast::error::RecvError::Closed) => return None,
                },
                _ = self.cut.changed() => return None,
            }
        }
    }
}

/// Turns a stream that begins with the answer into that answer as JSON. A stream that begins with
/// anything else stays one, as the transport allows.
pub(crate) async fn collapse(response: Response) -> Response {
    if !is_stream(&response) {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let mut chunks = body.into_data_stream();
    let mut read = BytesMut::new();
    while let Some(Ok(chunk)) = chunks.next().await {
        read.extend_from_slice(&chunk);
        match first_message(&read) {
            Some(message) if Message::peek(message.as_bytes()).method.is_none() => {
                parts.headers.remove(CONTENT_LENGTH);
                let json = HeaderValue::from_static("application/json");
                parts.headers.insert(CONTENT_TYPE, json);
                return Response::from_parts(parts, Body::from(message));
            }
            Some(_) => break,
            None => {}
        }
    }
    let start = stream::once(async move { Ok(read.freeze()) });
    Response::from_parts(parts, Body::from_stream(start.chain(chunks)))
}

fn is_stream(response: &Response) -> bool {
    response.headers().get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"))
}

/// The data of the first complete event that has any.
fn first_message(read: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(read).ok()?;
    let complete = &text[..text.rfind("\n\n")?];
    complete.split("\n\n").find_map(|event| {
        let data: Vec<&str> = event
            .lines()
            .filter_map(|line| line.strip_prefix("data:"))
            .map(|data| data.strip_prefix(' ').unwrap_or(data))
            .collect();
        Some(data.join("\n")).filter(|data| !data.is_empty())
    })
}
