//! Why a message did not get through, and whether it may have run all the same.

use std::time::Duration;

use http::{HeaderValue, StatusCode};

use super::AuthorizeError;
use crate::mcp::Message;
use crate::net;
use crate::redact::{SafeUrl, plain};

/// How much of a server's error message is shown.
const SHOWN: usize = 300;

/// Why a message did not get through.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The server wants credentials, or others. The message has not run.
    #[error("the server wants {}", if *status == StatusCode::UNAUTHORIZED { "a sign-in" } else { "more permission" })]
    Unauthorized {
        /// 401 or 403.
        status: StatusCode,
        /// The `WWW-Authenticate` headers, as they came.
        challenge: Vec<HeaderValue>,
    },
    /// The server has forgotten the session that the message named. The message has not run.
    #[error("the server has ended the session")]
    SessionGone,
    /// The exchange failed below MCP.
    #[error(transparent)]
    Unreachable(#[from] net::Error),
    /// The server answered with an error status, or with an error that names no request.
    #[error("the server answered with status {}{}", status.as_u16(), quote(body_message.as_deref()))]
    Status {
        /// The status.
        status: StatusCode,
        /// How long to wait, where the server said so.
        retry_after: Option<Duration>,
        /// The JSON-RPC error in the body, if that is what the body was.
        body_message: Option<Box<Message>>,
    },
    /// What answered does not speak MCP.
    #[error("what answers there is not an MCP server{}", content(content_type.as_deref()))]
    NotMcp {
        /// What it said it sent.
        content_type: Option<String>,
    },
    /// The answer is not JSON.
    #[error("the server's answer is not valid JSON")]
    InvalidJson,
    /// The answer is larger than the limit.
    #[error("the server's answer is too large")]
    TooLarge,
    /// The answer ended before the response was there, and could not be resumed.
    #[error("the connection ended before the answer was complete")]
    Cut {
        /// Whether the request may have run.
        may_have_run: bool,
    },
    /// There were no credentials to send.
    #[error(transparent)]
    Authorize(#[from] AuthorizeError),
    /// The server points elsewhere; MCP messages do not follow.
    #[error("the server redirects to {to}")]
    Redirect {
        /// Where to.
        to: SafeUrl,
    },
    /// An HTTP+SSE server named no endpoint, or none that messages may go to.
    #[error("the server names no address of its own for messages")]
    NoEndpoint,
    /// Nobody takes the messages any more.
    #[error("the session ended while a message was under way")]
    SinkClosed,
}

impl Error {
    /// Whether the server may have acted on the message.
    pub fn may_have_run(&self) -> bool {
        match self {
            Self::Unreachable(error) => error.may_have_run(),
            Self::Cut { may_have_run } => *may_have_run,
            // Proxies answer in a server's stead: any 5xx may hide a request that ran.
            Self::Status { status, .. } => status.is_server_error() || *status == StatusCode::REQUEST_TIMEOUT,
            Self::NotMcp { .. } | Self::InvalidJson | Self::TooLarge | Self::SinkClosed => true,
            Self::Unauthorized { .. }
            | Self::SessionGone
            | Self::Authorize(_)
            | Self::Redirect { .. }
            | Self::NoEndpoint => false,
        }
    }

    /// Whether the answer looks like that of a web server without MCP at this address.
    pub fn is_of_no_mcp_server(&self) -> bool {
        matches!(self, Self::Status { status, body_message: None, .. }
            if matches!(status.as_u16(), 404 | 405 | 410 | 501))
    }

    /// How long the server asks to be left alone.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } | Self::Unreachable(net::Error::Status { retry_after, .. }) => {
                *retry_after
            }
            Self::Unreachable(_)
            | Self::Unauthorized { .. }
            | Self::SessionGone
            | Self::NotMcp { .. }
            | Self::InvalidJson
            | Self::TooLarge
            | Self::Cut { .. }
            | Self::Authorize(_)
            | Self::Redirect { .. }
            | Self::NoEndpoint
            | Self::SinkClosed => None,
        }
    }

    /// Reads a failure of [`net::Response::read`] and its kin.
    pub(super) fn of_body(error: net::Error) -> Self {
        if matches!(error, net::Error::TooLarge { .. }) { Self::TooLarge } else { Self::Unreachable(error) }
    }
}

fn quote(message: Option<&Message>) -> String {
    let text = message.and_then(|message| message.string_at(&["error", "message"]));
    match text.map(|text| plain(&text, SHOWN)) {
        Some(text) if !text.is_empty() => format!(": {text}"),
        Some(_) | None => String::new(),
    }
}

fn content(content_type: Option<&str>) -> String {
    content_type.map(|name| format!(" (it sent {})", plain(name, 60))).unwrap_or_default()
}
