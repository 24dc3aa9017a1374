//! What authorization servers answer, read with patience for what they really send: tokens (RFC 6749 §5.1) and refusals
//! (§5.2).

use std::time::Duration;

use http::StatusCode;
use serde_json::{Map, Value};

use crate::net::{self, SmallResponse};
use crate::oauth::Error;
use crate::oauth::identity::IdToken;
use crate::oauth::scope::Scopes;
use crate::redact::plain;
use crate::secret::{AccessToken, RefreshToken};

/// Lifetimes beyond this are a slip of somebody's units.
const MAX_LIFETIME: u64 = 10 * 365 * 24 * 3600;

/// What the token endpoint answered.
#[derive(Debug)]
pub struct TokenResponse {
    /// The access token.
    pub access: AccessToken,
    /// The refresh token.
    pub refresh: Option<RefreshToken>,
    /// How long the access token lives.
    pub expires_in: Option<Duration>,
    /// What was granted, where it says so.
    pub scopes: Option<Scopes>,
    /// Who signed in.
    pub id_token: Option<IdToken>,
}

/// The error body of RFC 6749 §5.2 and RFC 7591 §3.2.2, made safe to show.
pub(in crate::oauth) struct ErrorBody {
    pub(in crate::oauth) code: String,
    pub(in crate::oauth) description: Option<String>,
}

impl ErrorBody {
    pub(in crate::oauth) fn parse(body: &[u8]) -> Option<Self> {
        let document: Map<String, Value> = serde_json::from_slice(body).ok()?;
        Self::of(&document)
    }

    fn of(document: &Map<String, Value>) -> Option<Self> {
        let text =
            |key: &str, max| Some(plain(document.get(key)?.as_str()?, max)).filter(|text| !text.is_empty());
        Some(Self { code: text("error", 60)?, description: text("error_description", 200) })
    }
}

pub(super) fn failure(answer: &SmallResponse) -> Error {
    let status = answer.status;
    if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
        return Error::Unavailable {
            status: status.as_u16(),
            retry_after: net::retry_after(&answer.headers),
        };
    }
    match ErrorBody::parse(&answer.body) {
        Some(body) => refusal(body),
        None => Error::TokenRefused { code: format!("http_{}", status.as_u16()), description: None },
    }
}

/// Two codes say "not now" whatever status carries them.
fn refusal(body: ErrorBody) -> Error {
    match body.code.as_str() {
        "temporarily_unavailable" | "server_error" => {
            Error::Unavailable { status: StatusCode::SERVICE_UNAVAILABLE.as_u16(), retry_after: None }
        }
        _ => Error::TokenRefused { code: body.code, description: body.description },
    }
}

/// `token_type`, as far as we use it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TokenType {
    Bearer,
    Dpop,
}

impl TokenType {
    /// Whether an answer holds such a token. One that is not bound is no use where a bound one is wanted, and one
    /// that is bound to a key we did not show is no use anywhere.
    fn check(self, named: Option<&str>) -> Result<(), Error> {
        let (name, why) = match self {
            Self::Bearer => ("bearer", "it is not a bearer token"),
            Self::Dpop => ("dpop", "the token is not bound to our key (DPoP), as the server wants it"),
        };
        let fits = named.is_some_and(|named| named.eq_ignore_ascii_case(name));
        if fits { Ok(()) } else { Err(Error::InvalidTokenResponse { why }) }
    }
}

pub(super) fn read_tokens(body: &[u8], kind: TokenType) -> Result<TokenResponse, Error> {
    let invalid = |why| Error::InvalidTokenResponse { why };
    let document: Map<String, Value> = serde_json::from_slice(body).map_err(|_| invalid("it is not JSON"))?;
    let text = |key: &str| document.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
    let Some(access) = text("access_token") else {
        // GitHub and others refuse with status 200.
        return Err(ErrorBody::of(&document).map_or_else(|| invalid("it has no access token"), refusal));
    };
    kind.check(text("token_type"))?;
    // It will be a header value; a line break in it would be another header.
    if !access.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(invalid("the access token holds characters that no token has"));
    }
    Ok(TokenResponse {
        access: AccessToken::new(access),
        refresh: text("refresh_token").map(RefreshToken::new),
        expires_in: document
            .get("expires_in")
            .and_then(seconds)
            .filter(|lifetime| *lifetime > 0)
            .map(|lifetime| Duration::from_secs(lifetime.min(MAX_LIFETIME))),
        scopes: text("scope").map(Scopes::parse),
        id_token: text("id_token").map(IdToken::new),
    })
}

/// Whole seconds from a number or a text with a number.
pub(in crate::oauth) fn seconds(value: &Value) -> Option<u64> {
    let number = match value {
        Value::String(text) => text.trim().parse::<f64>().ok()?,
        Value::Number(number) => number.as_f64()?,
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
    };
    // Saturates; not-a-number becomes 0.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturating is what we want")]
    (number >= 0.0).then_some(number as u64)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::HeaderMap;

    use super::*;

    fn answer(status: u16, body: &str) -> SmallResponse {
        SmallResponse {
            status: StatusCode::from_u16(status).unwrap(),
            headers: HeaderMap::new(),
            body: Bytes::copy_from_slice(body.as_bytes()),
        }
    }

    #[test]
    fn lifetimes_come_in_many_shapes() {
        for (shape, expected) in [
            (r#","expires_in":3600"#, Some(3600)),
            (r#","expires_in":"3600""#, Some(3600)),
            (r#","expires_in":3599.9"#, Some(3599)),
            (r#","expires_in":1e30"#, Some(MAX_LIFETIME)),
            (r#","expires_in":0"#, None),
            (r#","expires_in":-1"#, None),
            (r#","expires_in":null"#, None),
            (r#","expires_in":"soon""#, None),
            ("", None),
        ] {
            let body = format!(r#"{{"access_token":"a","token_type":"bearer"{shape}}}"#);
            let tokens = read_tokens(body.as_bytes(), TokenType::Bearer).unwrap();
            assert_eq!(tokens.expires_in.map(|lifetime| lifetime.as_secs()), expected, "{shape}");
        }
    }

    #[test]
    fn only_bearer_tokens_that_fit_a_header_are_taken() {
        for (body, ok) in [
            (r#"{"access_token":"a","token_type":"Bearer"}"#, true),
            (r#"{"access_token":"a","token_type":"BEARER","scope":""}"#, true),
            (r#"{"access_token":"a","token_type":"DPoP"}"#, false),
            (r#"{"access_token":"a"}"#, false),
            (r#"{"access_token":"","token_type":"Bearer"}"#, false),
            (r#"{"access_token":"a\r\nX-Evil: 1","token_type":"Bearer"}"#, false),
            (r#"{"access_token":"a b","token_type":"Bearer"}"#, false),
            (r#"{"token_type":"Bearer"}"#, false),
            ("<html>", false),
        ] {
            assert_eq!(read_tokens(body.as_bytes(), TokenType::Bearer).is_ok(), ok, "{body}");
        }
    }

    #[test]
    fn where_a_bound_token_is_wanted_no_other_is_taken() {
        for (named, ok) in [("DPoP", true), ("dpop", true), ("Bearer", false), ("", false)] {
            let body = format!(r#"{{"access_token":"a","token_type":"{named}"}}"#);
            assert_eq!(read_tokens(body.as_bytes(), TokenType::Dpop).is_ok(), ok, "{named}");
        }
    }

    #[test]
    fn refusals_and_trouble_are_told_apart() {
        for (status, body, expected) in [
            (400, r#"{"error":"invalid_grant"}"#, Some("invalid_grant")),
            (401, r#"{"error":"invalid_client","error_description":"x"}"#, Some("invalid_client")),
            (400, "<html>", Some("http_400")),
            (302, "", Some("http_302")),
            (500, r#"{"error":"invalid_grant"}"#, None),
            (429, "", None),
            (400, r#"{"error":"temporarily_unavailable"}"#, None),
        ] {
            let error = failure(&answer(status, body));
            match expected {
                Some(code) => assert!(error.refused_with(code) && !error.is_transient(), "{status} {body}"),
                None => assert!(error.is_transient(), "{status} {body}"),
            }
        }
        let with_200 = read_tokens(br#"{"error":"bad_verification_code"}"#, TokenType::Bearer).unwrap_err();
        assert!(with_200.refused_with("bad_verification_code"));
    }

    #[test]
    fn an_error_description_cannot_draw_on_the_terminal() {
        let body = r#"{"error":"x\u001b[31m","error_description":"a\u001b]0;t\u0007\nb\u202ec"}"#;
        let text = failure(&answer(400, body)).to_string();
        assert!(!text.contains('\u{1b}') && !text.contains('\n') && !text.contains('\u{202e}'), "{text:?}");
    }
}
