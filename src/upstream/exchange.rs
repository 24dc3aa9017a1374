//! One HTTP exchange of a transport: credentials, redirects, and statuses that refuse.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, LOCATION, WWW_AUTHENTICATE};
use http::{HeaderMap, Method, StatusCode};
use url::Url;

use super::answer::{Awaited, read_messages};
use super::{Error, ResponseHead, Upstream};
use crate::mcp::{Kind, Message};
use crate::net::{self, Lane, Response};
use crate::redact::SafeUrl;

/// Redirects of one message that are followed.
const REDIRECTS: usize = 3;
/// How much of an error's body is read.
const ERROR_BYTES: usize = 1024 * 1024;
/// How long reading the rest of an unwanted body may take; it only saves the connection.
const DRAIN: Duration = Duration::from_millis(500);

/// One HTTP request of a transport, credentials not yet added.
#[derive(Clone)]
pub(super) struct Outgoing {
    pub(super) lane: Lane,
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Upstream {
    /// Sends a request and follows up to three redirects, only where the method and the body
    /// stay what they are (307, 308) and only within the same origin. Also returns the URL that answered.
    pub(super) async fn exchange(&self, outgoing: Outgoing) -> Result<(Url, Response), Error> {
        let Outgoing { lane, method, mut url, headers, body } = outgoing;
        for _ in 0..=REDIRECTS {
            let mut all = headers.clone();
            all.extend(self.authorizer.headers(&method, &url).await?);
            let request = (method.clone(), url.clone(), all, body.clone());
            let response = self.send_once(lane, request).await?;
            if !response.status.is_redirection() || response.status == StatusCode::NOT_MODIFIED {
                return Ok((url, response));
            }
            url = redirect_target(&url, &response)?;
        }
        Err(Error::Redirect { to: (&url).into() })
    }

    async fn send_once(
        &self,
        lane: Lane,
        (method, url, headers, body): (Method, Url, HeaderMap, Bytes),
    ) -> Result<Response, Error> {
        let sent = self.network.exchange(lane, method, url, headers, body, &self.settings).await;
        let response = sent?;
        self.authorizer.observe(ResponseHead { status: response.status, headers: &response.headers });
        Ok(response)
    }
}

fn redirect_target(from: &Url, response: &Response) -> Result<Url, Error> {
    let location = response.headers.get(LOCATION).and_then(|value| value.to_str().ok());
    let Some(target) = location.and_then(|text| from.join(text).ok()) else {
        return Err(status_error(response, None));
    };
    let keeps_method =
        matches!(response.status, StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT);
    if keeps_method && target.origin() == from.origin() {
        Ok(target)
    } else {
        Err(Error::Redirect { to: SafeUrl::from(&target) })
    }
}

/// What a status other than success means, and the answer if the body holds one after all:
/// modern servers send JSON-RPC errors with statuses to match.
pub(super) async fn refusal(
    mut response: Response,
    names_session: bool,
    awaited: &Awaited,
) -> Result<Vec<Message>, Error> {
    let status = response.status;
    let challenge: Vec<_> = response.headers.get_all(WWW_AUTHENTICATE).iter().cloned().collect();
    if status == StatusCode::UNAUTHORIZED || (status == StatusCode::FORBIDDEN && !challenge.is_empty()) {
        discard(response).await;
        return Err(Error::Unauthorized { status, challenge });
    }
    let limit = tokio::time::timeout(Duration::from_secs(10), response.read(ERROR_BYTES)).await;
    let body = limit.ok().and_then(Result::ok).unwrap_or_default();
    let mentions_session = mentions_session(&body);
    let messages = read_messages(body).unwrap_or_default();
    let answer = messages.iter().find(|message| awaited.is_answered_by(message));
    let blames_session = match status {
        StatusCode::NOT_FOUND => answer.is_none_or(|answer| mentions_session && is_of_transport(answer)),
        StatusCode::BAD_REQUEST => mentions_session && answer.is_none_or(is_of_transport),
        _ => false,
    };
    if names_session && blames_session {
        return Err(Error::SessionGone);
    }
    let answers = answer.is_some();
    let wait = net::retry_after(&response.headers).is_some();
    if answers && !(wait && matches!(status.as_u16(), 429 | 503)) {
        return Ok(messages);
    }
    if status == StatusCode::FORBIDDEN {
        return Err(Error::Unauthorized { status, challenge });
    }
    Err(status_error(&response, messages.into_iter().find(is_error)))
}

/// An error status, with the JSON-RPC error that explains it.
pub(super) fn status_error(response: &Response, message: Option<Message>) -> Error {
    Error::Status {
        status: response.status,
        retry_after: net::retry_after(&response.headers),
        body_message: message.map(Box::new),
    }
}

pub(super) fn is_error(message: &Message) -> bool {
    matches!(message.kind(), Kind::Response { is_error: true, .. })
}

/// The codes that SDKs give errors of their transports; a tool's own words about sessions have others.
fn is_of_transport(message: &Message) -> bool {
    matches!(message.raw_at(&["error", "code"]), Some("-32000" | "-32001"))
}

/// The TypeScript SDK's servers answer 400 "No valid session ID provided", others 400 "Invalid session".
fn mentions_session(body: &[u8]) -> bool {
    const SIGNS: [&str; 6] =
        ["session id", "session-id", "sessionid", "invalid session", "session not found", "unknown session"];
    let text = String::from_utf8_lossy(body).to_ascii_lowercase();
    body.len() < 4096 && SIGNS.iter().any(|sign| text.contains(sign))
}

/// Reads a short body to its end, so that its connection can be used again.
pub(super) async fn discard(mut response: Response) {
    let _ = tokio::time::timeout(DRAIN, response.read(64 * 1024)).await;
}

/// The media type without its parameters, in small letters.
pub(super) fn media_type(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    let essence = text.split(';').next().unwrap_or_default().trim();
    (!essence.is_empty()).then(|| essence.to_ascii_lowercase())
}
