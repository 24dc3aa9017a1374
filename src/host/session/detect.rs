//! Which era a server is of.
//!
//! Follows "Backward Compatibility" of the transports page: an unknown server is asked with a
//! modern request first, and the body of a refusal is read before `initialize` is tried. A 401 or
//! 403 is no evidence of an era, and neither is trouble.

use std::sync::Arc;
use std::time::Duration;

use serde_json::value::RawValue;
use tokio::time::timeout;

use crate::host::snapshot::Generation;
use crate::mcp::era;
use crate::mcp::translate::handshake;
use crate::mcp::translate::meta::Client;
use crate::mcp::{Message, RequestId};
use crate::registry::TransportChoice;
use crate::upstream;

use super::ask::ask;
use super::context::Context;
use super::open::{HandshakeError, OpenError};

const PROBE_LIMIT: Duration = Duration::from_secs(5);
/// Error codes that only a modern server sends.
const MODERN_CODES: [&str; 3] = ["-32020", "-32021", "-32022"];

/// What a server turned out to be.
pub(super) enum Found {
    /// One to be spoken to with `initialize`.
    Legacy(Certainty),
    /// A modern one, and what it says of itself.
    Modern(Discovered),
}

/// Whether there was evidence, or only no other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Certainty {
    /// It answered as only such a server does.
    Sure,
    /// It did not answer, or the answer is an old one: `initialize` will tell.
    Assumed,
}

/// A server's answer to `server/discover`.
pub(super) struct Discovered {
    /// What was known when it was asked.
    pub(super) asked: Generation,
    pub(super) result: Box<RawValue>,
}

/// What is known of a server's era for a legacy client, or is now found out.
pub(super) async fn era_for_legacy(
    context: &Arc<Context>,
    initialize: &Message,
) -> Result<Found, HandshakeError> {
    if context.is_known_as_legacy_for(&handshake::version_for(initialize)) {
        return Ok(Found::Legacy(Certainty::Assumed));
    }
    probe(context, initialize).await
}

/// Asks a server for its era. One that answers as a modern server does, and does not list the
/// client's own version as well, counts as modern here; one that refuses our modern version is
/// spoken to in an older one that it lists.
pub(super) async fn probe(context: &Arc<Context>, initialize: &Message) -> Result<Found, HandshakeError> {
    let (asked, answer, versions) = match ask_for_era(context, &Client::of_initialize(initialize)).await? {
        Evidence::Modern { asked, answer, versions } => (asked, answer, versions),
        Evidence::Legacy(certainty) => return Ok(Found::Legacy(certainty)),
    };
    if initialize.string_at(&["params", "protocolVersion"]).is_some_and(|own| versions.contains(&own)) {
        return Ok(Found::Legacy(Certainty::Sure));
    }
    match answer.raw_at(&["result"]).and_then(|result| RawValue::from_string(result.to_owned()).ok()) {
        Some(result) => Ok(Found::Modern(Discovered { asked, result })),
        None if versions.iter().any(|version| era::is_legacy_version(version)) => {
            Ok(Found::Legacy(Certainty::Sure))
        }
        None => Err(HandshakeError::Open(OpenError::Rejected(as_answer_to(initialize, &answer)))),
    }
}

/// Whether a modern client has to be introduced with `initialize`, because the server knows no
/// other way.
pub(super) async fn is_legacy_for_modern(
    context: &Arc<Context>,
    client: &Client,
) -> Result<bool, HandshakeError> {
    if context.connection.entry.transport == TransportChoice::Sse {
        return Ok(true);
    }
    match context.is_known_as_modern() {
        Some(is_modern) => Ok(!is_modern),
        None => Ok(matches!(ask_for_era(context, client).await?, Evidence::Legacy(_))),
    }
}

enum Evidence {
    Modern {
        asked: Generation,
        answer: Message,
        /// The versions that it names.
        versions: Vec<String>,
    },
    Legacy(Certainty),
}

async fn ask_for_era(context: &Arc<Context>, client: &Client) -> Result<Evidence, HandshakeError> {
    let asked = context.snapshot.generation();
    let transport = super::transport::Transport::Http(context.streamable_http());
    let request = handshake::discover(&context.questions.next_id(), client);
    let answered = timeout(PROBE_LIMIT, ask(context, &transport, &request)).await;
    let answer = match answered.map(|answer| answer.map_err(HandshakeError::of)) {
        Err(_) => return Ok(Evidence::Legacy(Certainty::Assumed)),
        Ok(Ok((_, answer))) => answer,
        Ok(Err(HandshakeError::Upstream(error))) => {
            return evidence_of(&error).map(Evidence::Legacy).ok_or(HandshakeError::Upstream(error));
        }
        Ok(Err(error)) => return Err(error),
    };
    let versions = listed_versions(&answer);
    if !is_modern(&answer, &versions) {
        return Ok(Evidence::Legacy(Certainty::Sure));
    }
    let speaks_legacy_too = versions.iter().any(|version| era::is_legacy_version(version));
    context.note_discover(asked, answer.raw_at(&["result"]), speaks_legacy_too);
    Ok(Evidence::Modern { asked, answer, versions })
}

/// The versions that a server names, in a result or in an error.
fn listed_versions(answer: &Message) -> Vec<String> {
    let listed = [["result", "supportedVersions"].as_slice(), &["error", "data", "supported"]];
    let listed = listed.iter().find_map(|path| answer.raw_at(path));
    listed.and_then(|raw| serde_json::from_str(raw).ok()).unwrap_or_default()
}

fn is_modern(answer: &Message, versions: &[String]) -> bool {
    let modern_error = answer.raw_at(&["error", "code"]).is_some_and(|code| MODERN_CODES.contains(&code));
    let names_legacy = versions.iter().any(|version| era::is_legacy_version(version));
    versions.iter().any(|version| era::is_modern_version(version)) || (modern_error && !names_legacy)
}

/// The server's own error, as the answer to the client's `initialize`.
fn as_answer_to(initialize: &Message, answer: &Message) -> Message {
    let error = answer.raw_at(&["error"]).unwrap_or("{}");
    let id = initialize.request_id().map_or("null", RequestId::as_raw);
    let line = format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{error}}}"#);
    Message::parse(line.into()).expect("a response made of JSON values")
}

/// What a failure says of the server's era; `None` where it is about the server's health or our
/// credentials, so that `initialize` would fare no better.
pub(super) fn evidence_of(error: &upstream::Error) -> Option<Certainty> {
    match error {
        upstream::Error::Status { status, .. } => match status.as_u16() {
            408 | 425 | 429 | 502 | 503 | 504 => None,
            // Old servers fall over what they do not know; so do new ones at times.
            500.. => Some(Certainty::Assumed),
            _ => Some(Certainty::Sure),
        },
        upstream::Error::SessionGone => Some(Certainty::Sure),
        upstream::Error::Cut { .. } | upstream::Error::InvalidJson => Some(Certainty::Assumed),
        upstream::Error::Unauthorized { .. }
        | upstream::Error::Unreachable(_)
        | upstream::Error::NotMcp { .. }
        | upstream::Error::TooLarge
        | upstream::Error::Authorize(_)
        | upstream::Error::Redirect { .. }
        | upstream::Error::NoEndpoint
        | upstream::Error::SinkClosed => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::StatusCode;

    fn judged(answer: &'static str) -> bool {
        let answer = Message::parse(bytes::Bytes::from_static(answer.as_bytes())).expect(answer);
        is_modern(&answer, &listed_versions(&answer))
    }

    #[test]
    fn answers_tell_the_eras_apart() {
        for (answer, modern) in [
            (r#"{"id":1,"result":{"supportedVersions":["2026-07-28"]}}"#, true),
            (r#"{"id":1,"result":{"supportedVersions":["2026-07-28","2025-11-25"]}}"#, true),
            (r#"{"id":1,"result":{"supportedVersions":["2025-11-25"]}}"#, false),
            (r#"{"id":1,"result":{"supportedVersions":["2099-01-01"]}}"#, false),
            (r#"{"id":1,"result":{}}"#, false),
            (r#"{"id":1,"error":{"code":-32022,"message":"m","data":{"supported":["2099-01-01"]}}}"#, true),
            (r#"{"id":1,"error":{"code":-32022,"message":"m","data":{"supported":["2025-11-25"]}}}"#, false),
            (
                r#"{"id":1,"error":{"code":-32022,"message":"m","data":{"supported":["2099-01-01","2025-06-18"]}}}"#,
                false,
            ),
            (r#"{"id":1,"error":{"code":-32021,"message":"m"}}"#, true),
            (r#"{"id":1,"error":{"code":-32004,"message":"m","data":{"supported":["2026-07-28"]}}}"#, true),
            (r#"{"id":1,"error":{"code":-32601,"message":"Method not found"}}"#, false),
            (r#"{"id":1,"error":{"code":-32000,"message":"not initialized"}}"#, false),
        ] {
            assert_eq!(judged(answer), modern, "{answer}");
        }
    }

    #[test]
    fn trouble_is_no_evidence() {
        let status = |code| {
            let status = StatusCode::from_u16(code).expect("a status");
            evidence_of(&upstream::Error::Status { status, retry_after: None, body_message: None })
        };
        for code in [400, 404, 405, 406, 415, 422] {
            assert_eq!(status(code), Some(Certainty::Sure), "{code}");
        }
        for code in [408, 429, 502, 503, 504] {
            assert_eq!(status(code), None, "{code}");
        }
        assert_eq!(status(500), Some(Certainty::Assumed));
        for status in [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN] {
            assert_eq!(evidence_of(&upstream::Error::Unauthorized { status, challenge: Vec::new() }), None);
        }
        assert_eq!(evidence_of(&upstream::Error::Cut { may_have_run: true }), Some(Certainty::Assumed));
    }
}
