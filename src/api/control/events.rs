//! `GET /control/v1/events`: the whole status, now and whenever something about it changes, one
//! JSON object on each line, so that no window has to poll.

use std::convert::Infallible;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use futures_util::stream;

use super::line;
use crate::api::types::StatusView;
use crate::host::{Busy, HostHandle, StatusChanges};

pub(super) async fn tell(State(host): State<HostHandle>) -> Response {
    host.settled().await;
    // Whoever looks at the Host needs it.
    let busy = host.activity().other();
    let told = Told { changes: host.changes(), host, last: None, _busy: busy };
    let mut response = Body::from_stream(stream::unfold(told, Told::next)).into_response();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    response
}

struct Told {
    host: HostHandle,
    changes: StatusChanges,
    last: Option<StatusView>,
    _busy: Busy,
}

impl Told {
    async fn next(mut self) -> Option<(Result<Bytes, Infallible>, Self)> {
        loop {
            if self.last.is_some() {
                self.changes.next().await?;
            }
            let status = self.host.status().await;
            if self.last.as_ref() != Some(&status) {
                let bytes = line(&status);
                self.last = Some(status);
                return Some((Ok(bytes), self));
            }
        }
    }
}
