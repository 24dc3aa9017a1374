//! Transports to remote MCP servers.
//!
//! [`StreamableHttp`] speaks every revision of that transport, [`HttpSse`] the one of
//! 2024-11-05. Both carry messages as bytes and know no protocol beyond HTTP: which era a server
//! is of, what a 401 leads to and what is tried again is the session's business. Credentials come
//! from an [`Authorizer`], asked anew for every HTTP request; transports never see a token.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use tokio::sync::mpsc;
use url::Url;

use crate::mcp::{Message, RequestId};
use crate::net::{ConnectionSettings, Network};

mod answer;
mod backoff;
mod error;
mod exchange;
mod follow;
mod http_sse;
mod sse;
mod streamable_http;

pub use backoff::Backoff;
pub use error::Error;
pub use http_sse::HttpSse;
pub use sse::data_of_events;
pub use streamable_http::StreamableHttp;

/// Where a transport's credentials come from.
pub trait Authorizer: Send + Sync {
    /// The headers for one HTTP request. Asked before every one, redirected ones included.
    fn headers<'a>(
        &'a self,
        method: &'a Method,
        url: &'a Url,
    ) -> BoxFuture<'a, Result<HeaderMap, AuthorizeError>>;

    /// Told of the head of every answer.
    fn observe(&self, response: ResponseHead<'_>);
}

/// The head of an answer.
#[derive(Debug, Clone, Copy)]
pub struct ResponseHead<'a> {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: &'a HeaderMap,
}

/// Why there are no credentials for a request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthorizeError {
    /// Somebody has to sign in first.
    #[error("the account is signed out")]
    SignedOut,
    /// The credentials cannot be had just now; the sentence says why.
    #[error("{0}")]
    Unavailable(String),
}

/// The server's side of a transport: where it is and how to get there.
#[derive(Clone)]
pub struct Upstream {
    /// Dials.
    pub network: Network,
    /// The MCP endpoint.
    pub url: Url,
    /// How to connect.
    pub settings: ConnectionSettings,
    /// Where credentials come from.
    pub authorizer: Arc<dyn Authorizer>,
    /// Sizes and times.
    pub limits: Limits,
}

/// Sizes and times of a transport; the design's defaults.
#[derive(Debug, Clone)]
pub struct Limits {
    /// The largest message, on its own or in an SSE event.
    pub message_bytes: usize,
    /// The first wait before a stream is opened again, where the server names none.
    pub first_retry: Duration,
    /// The longest of these waits.
    pub last_retry: Duration,
    /// How often in a row resuming a request's stream may fail.
    pub resume_failures: u32,
    /// How long ending an upstream session may take.
    pub goodbye: Duration,
    /// How long an HTTP+SSE server may take to name its endpoint.
    pub endpoint: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_bytes: 64 * 1024 * 1024,
            first_retry: Duration::from_millis(500),
            last_retry: Duration::from_secs(30),
            resume_failures: 6,
            goodbye: Duration::from_secs(3),
            endpoint: Duration::from_secs(30),
        }
    }
}

/// A message from the server.
#[derive(Debug, Clone)]
pub struct Incoming {
    /// The message.
    pub message: Message,
    /// The request on whose answer it came; `None` on a stream of its own.
    pub for_request: Option<RequestId>,
    /// The id of the SSE event that carried it.
    pub event_id: Option<Arc<str>>,
}

/// Where messages from the server go. Bounded: a full sink holds up its own stream and no other.
pub type Sink = mpsc::Sender<Incoming>;

/// What became of a posted message.
#[derive(Debug)]
pub struct Posted {
    /// The status of the answer.
    pub status: StatusCode,
    /// The upstream session that the answer to `initialize` opened.
    pub session: Option<SessionId>,
    /// Whether all that was asked has been answered, into the sink.
    pub answered: bool,
    /// Whether the server took the message without a word (202, 204 or an empty answer).
    pub accepted: bool,
}

/// How listening ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListenEnd {
    /// The server offers no stream of its own.
    NotOffered,
    /// Nobody takes the messages any more.
    SinkClosed,
}

/// The id of an upstream session, which is as good as a password there.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionId(HeaderValue);

impl SessionId {
    /// Takes an id as a server gave it; `None` if it is not visible ASCII.
    pub fn new(text: &str) -> Option<Self> {
        let visible = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        let mut value = HeaderValue::from_str(text).ok().filter(|_| visible)?;
        value.set_sensitive(true);
        Some(Self(value))
    }

    /// The id itself: for the request header and for sealed resume state.
    pub fn expose(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }

    pub(crate) fn header(&self) -> HeaderValue {
        self.0.clone()
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests;
