//! Who may connect at all: Host and Origin (against DNS rebinding), rate, and size.

use axum::body::{Body, Bytes};
use axum::response::{IntoResponse, Response};
use http::header::{HOST, ORIGIN};
use http::uri::Authority;
use http::{HeaderMap, StatusCode};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};

use crate::gate::later;
use crate::shared::Shared;

const LOOPBACK_NAMES: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// Refuses requests from web pages of other origins.
pub(crate) fn check_origin(shared: &Shared, headers: &HeaderMap) -> Result<(), Box<Response>> {
    let Some(origin) = headers.get(ORIGIN) else {
        return Ok(());
    };
    let allowed = shared.config.limits.origins.iter().any(|allowed| allowed.as_bytes() == origin);
    if allowed { Ok(()) } else { Err(refuse(StatusCode::FORBIDDEN, "origin not allowed")) }
}

/// Refuses requests that name a host this server does not go by.
pub(crate) fn check_host(shared: &Shared, headers: &HeaderMap) -> Result<(), Box<Response>> {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let authority = host.and_then(|host| host.parse::<Authority>().ok());
    let known = authority.is_some_and(|authority| {
        let host = authority.host();
        let named = shared.config.limits.hosts.iter().any(|allowed| allowed == host);
        let public = shared.config.public_origin.as_ref().and_then(|origin| origin.host_str());
        named || public == Some(host) || LOOPBACK_NAMES.contains(&host)
    });
    if known { Ok(()) } else { Err(refuse(StatusCode::FORBIDDEN, "host not allowed")) }
}

/// Counts a request against the rate limit.
pub(crate) fn check_rate(shared: &Shared) -> Result<(), Box<Response>> {
    let Some((most, period)) = shared.config.limits.rate else {
        return Ok(());
    };
    let now = shared.clock.now();
    let mut rate = crate::lock(&shared.rate);
    let (start, seen) = match *rate {
        Some((start, seen)) if now < start + period => (start, seen),
        Some(_) | None => (now, 0),
    };
    *rate = Some((start, seen.saturating_add(1)));
    if seen < most {
        return Ok(());
    }
    let wait = (start + period).duration_since(now).as_secs_f64().ceil();
    Err(Box::new(later(StatusCode::TOO_MANY_REQUESTS, Some(wait as u64))))
}

/// Reads a body, up to the limit.
pub(crate) async fn read(shared: &Shared, body: Body) -> Result<Bytes, Box<Response>> {
    match Limited::new(body, shared.config.limits.request_bytes).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => {
            Err(refuse(StatusCode::PAYLOAD_TOO_LARGE, "request too large"))
        }
        Err(_) => Err(refuse(StatusCode::BAD_REQUEST, "request cut short")),
    }
}

fn refuse(status: StatusCode, why: &'static str) -> Box<Response> {
    Box::new((status, why).into_response())
}
