//! Answers: the head at once, the body as it comes.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::RETRY_AFTER;
use http::{HeaderMap, StatusCode};
use tokio::sync::watch;

use super::Error;
use super::pool::Lease;
use crate::redact::SafeUrl;

/// The head of an answer, and its body as it comes.
pub struct Response {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    url: SafeUrl,
    body: reqwest::Response,
    _lease: Lease,
    /// Of a stream: told when it has to be opened anew.
    redialled: Option<watch::Receiver<()>>,
}

impl Response {
    pub(super) fn new(
        mut body: reqwest::Response,
        url: SafeUrl,
        lease: Lease,
        redialled: Option<watch::Receiver<()>>,
    ) -> Self {
        let headers = std::mem::take(body.headers_mut());
        Self { status: body.status(), headers, url, body, _lease: lease, redialled }
    }

    /// The next piece of the body; `None` at its end.
    ///
    /// # Errors
    /// [`Error::Reset`] or [`Error::TimedOut`] when the connection broke before the end.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, Error> {
        let chunk = tokio::select! {
            () = redialled(&mut self.redialled) => {
                return Err(Error::Reset { url: self.url.clone(), sent: true });
            }
            chunk = self.body.chunk() => chunk,
        };
        chunk.map_err(|error| {
            let error = error.without_url();
            tracing::debug!(url = %self.url, ?error, "body broke off");
            Error::of_body(&error, self.url.clone())
        })
    }

    /// Reads the body to its end.
    ///
    /// # Errors
    /// [`Error::TooLarge`] beyond `limit` bytes, and what [`chunk`](Self::chunk) returns.
    pub async fn read(&mut self, limit: usize) -> Result<Bytes, Error> {
        let too_large = Error::TooLarge { url: self.url.clone(), limit };
        if self.body.content_length().is_some_and(|length| length > limit as u64) {
            return Err(too_large);
        }
        let Some(first) = self.chunk().await? else { return Ok(Bytes::new()) };
        let Some(second) = self.chunk().await? else {
            return if first.len() > limit { Err(too_large) } else { Ok(first) };
        };
        let mut whole = BytesMut::from(first);
        let mut next = Some(second);
        while let Some(piece) = next {
            if whole.len() + piece.len() > limit {
                return Err(too_large);
            }
            whole.extend_from_slice(&piece);
            next = self.chunk().await?;
        }
        Ok(whole.freeze())
    }

    /// The address that answered.
    pub fn url(&self) -> &SafeUrl {
        &self.url
    }
}

async fn redialled(told: &mut Option<watch::Receiver<()>>) {
    if let Some(told) = told
        && told.changed().await.is_ok()
    {
        return;
    }
    std::future::pending().await
}

/// A whole answer.
#[derive(Debug, Clone)]
pub struct SmallResponse {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

/// The seconds a `Retry-After` header names. Dates are rare and depend on two clocks.
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}
