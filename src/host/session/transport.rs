//! How messages travel upstream, whichever transport the server speaks.

use http::{HeaderMap, StatusCode};

use crate::mcp::{Message, header};
use crate::upstream::{self, HttpSse, Posted, Sink, StreamableHttp};

/// How a message travels upstream.
pub(super) enum Transport {
    Http(StreamableHttp),
    Sse(HttpSse),
}

impl Transport {
    /// Sends one message; what comes back goes to `sink`.
    pub(super) async fn post(&self, message: Message, sink: Sink) -> Result<Posted, upstream::Error> {
        self.post_with(message, HeaderMap::new(), sink).await
    }

    /// Sends one message with headers besides those that follow from it.
    pub(super) async fn post_with(
        &self,
        message: Message,
        extra: HeaderMap,
        sink: Sink,
    ) -> Result<Posted, upstream::Error> {
        match self {
            Self::Http(http) => {
                let mut headers = extra;
                if message.meta_protocol_version().is_some() {
                    headers.extend(header::modern_headers(&message));
                }
                http.post(message, headers, sink).await
            }
            Self::Sse(sse) => {
                sse.post(message, HeaderMap::new()).await?;
                Ok(Posted { status: StatusCode::ACCEPTED, session: None, answered: false, accepted: true })
            }
        }
    }

    /// Returns once what the server asks meanwhile has a way here.
    pub(super) async fn is_heard(&self) {
        match self {
            Self::Http(http) => http.stream_settled().await,
            Self::Sse(_) => {}
        }
    }

    /// Whether answers come on the response to the POST itself.
    pub(super) fn answers_posts(&self) -> bool {
        matches!(self, Self::Http(_))
    }

    /// Resolves when the connection has ended for good.
    pub(super) async fn closed(&self) {
        match self {
            Self::Http(_) => std::future::pending().await,
            Self::Sse(sse) => {
                let why = sse.closed().await;
                tracing::debug!(%why, "the event stream ended");
            }
        }
    }

    /// Whether the server has to be told of the end.
    pub(super) fn has_session(&self) -> bool {
        match self {
            Self::Http(http) => http.session().is_some(),
            Self::Sse(_) => false,
        }
    }

    /// Ends the upstream session.
    pub(super) async fn delete(&self) {
        if let Self::Http(http) = self {
            let _ = http.delete().await;
        }
    }
}
