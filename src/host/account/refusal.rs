//! A request that the server refused, and what to do about it.

use http::{HeaderValue, StatusCode};

use crate::oauth::scope::Scopes;
use crate::secret::AccessToken;

/// What a server refused, and how.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// The token that went with the request.
    pub used: Option<AccessToken>,
    /// 401 or 403.
    pub status: StatusCode,
    /// Its `WWW-Authenticate` headers.
    pub challenge: Vec<HeaderValue>,
    /// What the request was for.
    pub operation: Operation,
}

/// What a request is for. More permission is asked for a few times for each, and then no more.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Operation {
    /// The method; empty for a stream of the server's own.
    pub method: String,
    /// The tool, prompt or resource.
    pub name: Option<String>,
}

/// What to do about a refused request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Retry {
    /// Ask for the token again and send it once more.
    WithNewToken,
    /// Send it once more: the server wanted another nonce in the proof, which is known now (RFC 9449 §9).
    WithNonce,
    /// Somebody must sign in.
    SignInNeeded,
    /// Somebody must sign in and allow more than before.
    MorePermissionNeeded,
    /// It takes these scopes, and the entry's own `--scope` leaves them out.
    LeftOut(Scopes),
    /// The server forbids it to this account; signing in would not help.
    Forbidden,
}
