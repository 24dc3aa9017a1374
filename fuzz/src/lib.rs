//! What is fuzzed, and what must hold for any bytes at all. `fuzz_targets/` feeds these to cargo-fuzz, and
//! `tests/fuzz_corpora.rs` replays the corpora through them.

use std::sync::LazyLock;

use bytes::Bytes;
use drawbridge::mcp::Message;
use drawbridge::net::{AddressClass, ConnectionSettings, Limits, Network};
use drawbridge::oauth::Issuer;
use drawbridge::oauth::authorization::read_response;
use drawbridge::oauth::challenge;
use drawbridge::oauth::discovery::{self, AuthorizationServer};
use drawbridge::oauth::endpoint;
use drawbridge::upstream::data_of_events;
use http::HeaderValue;
use tokio::runtime::Runtime;
use url::{Url, form_urlencoded};

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| tokio::runtime::Builder::new_current_thread().build().expect("a runtime"));
static SETTINGS: LazyLock<ConnectionSettings> =
    LazyLock::new(|| ConnectionSettings { class: AddressClass::Public, ..ConnectionSettings::default() });

fn network() -> Network {
    let _inside = RUNTIME.enter();
    Network::new(Limits::default())
}

fn server_url() -> Url {
    Url::parse("https://mcp.example/mcp").expect("a URL")
}

/// Lines of the input are `WWW-Authenticate` headers.
pub fn challenge(bytes: &[u8]) {
    let headers: Vec<_> =
        bytes.split(|byte| *byte == b'\n').filter_map(|line| HeaderValue::from_bytes(line).ok()).collect();
    let found = challenge::parse(&headers);
    assert!(found.len() <= 16);
    for challenge in &found {
        assert!(!challenge.scheme.is_empty());
        for (name, _) in &challenge.params {
            assert!(!name.is_empty() && name.to_ascii_lowercase() == *name);
        }
    }
    if let Some(ours) = challenge::for_tokens(&found) {
        assert!(ours.is("Bearer") || ours.is("DPoP"));
        assert!(ours.scope().is_none_or(|scope| !scope.trim().is_empty()));
    }
}

/// The input is a document at a well-known address of the resource.
pub fn resource_metadata(bytes: &[u8]) {
    let read = discovery::read_resource_metadata(&server_url(), bytes);
    match read {
        Ok(Some(metadata)) => {
            let named = Url::parse(&metadata.resource).expect("only an address is accepted");
            assert_eq!(named.origin(), server_url().origin(), "another server's resource");
        }
        Ok(None) => {}
        Err(error) => shown(&error),
    }
}

/// The input is a document at a well-known address of the authorization server.
pub fn server_metadata(bytes: &[u8]) {
    let read = discovery::read_server_metadata(&network(), &SETTINGS, &server_url(), bytes);
    match read {
        Ok(Some(server)) => endpoints_are_safe(&server),
        Ok(None) => {}
        Err(error) => shown(&error),
    }
}

fn endpoints_are_safe(server: &AuthorizationServer) {
    let optional = [
        &server.authorization_endpoint,
        &server.device_authorization_endpoint,
        &server.registration_endpoint,
        &server.revocation_endpoint,
    ];
    for url in optional.into_iter().flatten().chain([&server.token_endpoint]) {
        assert_eq!(url.scheme(), "https");
        assert!(url.username().is_empty() && url.password().is_none() && url.fragment().is_none());
        assert!(!endpoint::is_loopback(url), "{url}");
    }
}

/// The input is the query a browser came back with. Only one that knows the state can bring a code.
pub fn callback(bytes: &[u8]) {
    const STATE: &str = "x1CWeZ0fTCDgkPqwoXkn9CH";
    let query = String::from_utf8_lossy(bytes);
    let issuer = Issuer::new("https://as.example");
    if !query.contains("state") {
        assert!(read_response(&query, STATE, &issuer, false).is_err(), "a code without the state");
    }
    let query = format!("{query}&state={STATE}");
    match read_response(&query, STATE, &issuer, true) {
        Ok(code) => {
            let has = |name: &str, value: &str| {
                form_urlencoded::parse(query.as_bytes())
                    .filter(|pair| pair.0 == name && pair.1 == value)
                    .count()
                    == 1
            };
            assert!(has("code", code.expose()) && has("iss", issuer.as_str()));
        }
        Err(error) => shown(&error),
    }
}

/// The first byte says how the rest is cut into pieces, which must not matter.
pub fn sse(bytes: &[u8]) {
    let Some((length, body)) = bytes.split_first() else { return };
    let whole = events(vec![Bytes::copy_from_slice(body)]);
    let pieces = body.chunks(usize::from(*length).max(1)).map(Bytes::copy_from_slice).collect();
    assert_eq!(whole, events(pieces));
}

fn events(chunks: Vec<Bytes>) -> Vec<Bytes> {
    RUNTIME.block_on(data_of_events(chunks, 1 << 20))
}

/// What is read as a message is passed on as it came.
pub fn envelope(bytes: &[u8]) {
    let Ok(message) = Message::parse(Bytes::copy_from_slice(bytes)) else { return };
    let line = message.line();
    assert!(!line.contains(&b'\n') && !line.contains(&b'\r'), "it would be two lines on stdio");
    let again = Message::parse(Bytes::copy_from_slice(line)).expect("still a message");
    assert_eq!(message.kind(), again.kind());
    assert_eq!(message.method(), again.method());
    assert_eq!(line, again.line());
}

/// Words of another party that a terminal or page would obey are gone from what people are shown.
fn shown(error: &impl std::fmt::Display) {
    let text = error.to_string();
    assert!(!text.chars().any(char::is_control), "{text:?}");
}
