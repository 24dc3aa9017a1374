//! Faults in the answer: the request has run, but its answer does not arrive whole.

use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};
use http_body_util::BodyExt as _;

use crate::fault::Fault;
use crate::shared::Shared;

/// Spoils an answer. The service has finished with it by then, so the request surely ran.
pub(crate) async fn apply(shared: &Arc<Shared>, fault: &Fault, response: Response) -> Response {
    let (mut parts, body) = response.into_parts();
    let whole = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let (half, rest) = cut(&whole);
    parts.headers.remove(CONTENT_LENGTH);
    let body = match fault {
        Fault::DropMidBody => break_after(half),
        Fault::StallMidBody => stall_between(shared.clone(), half, rest),
        Fault::TruncatedSse => {
            parts.headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
            Body::from(b"event: message\ndata: {\"jsonrpc\":\"2.0\",\"id\":".to_vec())
        }
        Fault::InvalidJson => {
            parts.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            Body::from("{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"oops\"")
        }
        Fault::Stall | Fault::Status { .. } | Fault::NotMcp | Fault::CheckUnavailable => Body::from(whole),
    };
    Response::from_parts(parts, body)
}

/// An answer that breaks before its body.
pub(crate) fn broken(status: StatusCode) -> Response {
    let mut response = Response::new(break_after(Bytes::from_static(b"{")));
    *response.status_mut() = status;
    response
}

fn cut(whole: &Bytes) -> (Bytes, Bytes) {
    let middle = whole.len() / 2;
    (whole.slice(..middle), whole.slice(middle..))
}

/// A body that fails after its first part; hyper then closes the connection.
fn break_after(first: Bytes) -> Body {
    let start = stream::once(async move { Ok::<_, std::io::Error>(first) });
    // The pause lets hyper flush the first part; without it the client would see no answer at all.
    let end = stream::once(async {
        for _ in 0..3 {
            tokio::task::yield_now().await;
        }
        Err(std::io::Error::other("dropped on request"))
    });
    Body::from_stream(start.chain(end))
}

fn stall_between(shared: Arc<Shared>, first: Bytes, rest: Bytes) -> Body {
    let start = stream::once(async move { Ok::<_, std::io::Error>(first) });
    let end = stream::once(async move {
        shared.stalled().await;
        Ok(rest)
    });
    Body::from_stream(start.chain(end))
}
