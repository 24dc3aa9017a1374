//! HTTP headers of the Streamable HTTP transport, and how values are written into them
//! (<https://modelcontextprotocol.io/specification/2026-07-28/basic/transports/streamable-http#request-metadata>).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::Message;

/// Names the upstream session (legacy).
pub const MCP_SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");
/// Names the protocol version of a request.
pub const MCP_PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
/// Mirrors the method of a request (modern).
pub const MCP_METHOD: HeaderName = HeaderName::from_static("mcp-method");
/// Mirrors `params.name` or `params.uri` (modern).
pub const MCP_NAME: HeaderName = HeaderName::from_static("mcp-name");
/// Names the last event seen of a stream that is resumed (legacy).
pub const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

const SENTINEL: (&str, &str) = ("=?base64?", "?=");

/// The headers that mirror a modern message's body, save `Mcp-Param-*`, which need the tool's schema.
pub fn modern_headers(message: &Message) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if let Some(version) = message.meta_protocol_version() {
        headers.insert(MCP_PROTOCOL_VERSION, encode_value(&version));
    }
    let Some(method) = message.method() else { return headers };
    headers.insert(MCP_METHOD, encode_value(method));
    let source = match method {
        "tools/call" | "prompts/get" => "name",
        "resources/read" => "uri",
        _ => return headers,
    };
    if let Some(name) = message.string_at(&["params", source]) {
        headers.insert(MCP_NAME, encode_value(&name));
    }
    headers
}

/// Why headers do not go with their body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{header} {what}")]
pub struct Mismatch {
    header: &'static str,
    what: &'static str,
}

/// Checks the headers that mirror a modern message's method and name. The version is the
/// caller's to check, and `Mcp-Param-*` are written anew from the tool's schema.
///
/// # Errors
/// [`Mismatch`] for a header that is missing, unreadable or of another value.
pub fn check_modern(headers: &HeaderMap, message: &Message) -> Result<(), Mismatch> {
    let wanted = modern_headers(message);
    for (name, header) in [(MCP_METHOD, "Mcp-Method"), (MCP_NAME, "Mcp-Name")] {
        let mut given = headers.get_all(&name).iter();
        let (value, further) = (given.next(), given.next());
        let mismatch = |what| Err(Mismatch { header, what });
        match (wanted.get(&name), value) {
            (None, None) => {}
            // A method without a name has none to compare with.
            (None, Some(_)) => {}
            (Some(_), None) => return mismatch("is missing"),
            (Some(_), Some(_)) if further.is_some() => return mismatch("is there twice"),
            (Some(wanted), Some(value)) => match (decode_value(wanted), decode_value(value)) {
                (Some(wanted), Some(value)) if wanted == value => {}
                (_, None) => return mismatch("has a value that cannot be read"),
                (_, Some(_)) => return mismatch("is not what the body says"),
            },
        }
    }
    Ok(())
}

/// Reads a value that was written by [`encode_value`] or plainly; `None` where it is neither.
pub fn decode_value(value: &HeaderValue) -> Option<String> {
    let text = value.to_str().ok()?;
    let encoded = text.strip_prefix(SENTINEL.0).and_then(|rest| rest.strip_suffix(SENTINEL.1));
    match encoded {
        Some(encoded) => String::from_utf8(BASE64.decode(encoded).ok()?).ok(),
        None => Some(text.to_owned()),
    }
}

/// Writes a value as the specification's "Value Encoding" wants it: plain where that is safe,
/// else `=?base64?…?=`.
pub fn encode_value(value: &str) -> HeaderValue {
    let encoded = || format!("{}{}{}", SENTINEL.0, BASE64.encode(value), SENTINEL.1);
    let text = if is_plain(value) { value.to_owned() } else { encoded() };
    HeaderValue::try_from(text).expect("visible ASCII and inner blanks make a header value")
}

fn is_plain(value: &str) -> bool {
    let visible = value.bytes().all(|byte| matches!(byte, 0x20..=0x7e | b'\t'));
    let padded = value.starts_with([' ', '\t']) || value.ends_with([' ', '\t']);
    let looks_encoded = value.starts_with(SENTINEL.0) && value.ends_with(SENTINEL.1);
    visible && !padded && !looks_encoded
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    #[test]
    fn the_examples_of_the_specification_hold() {
        for (value, header) in [
            ("us-west1", "us-west1"),
            ("Hello, 世界", "=?base64?SGVsbG8sIOS4lueVjA==?="),
            (" padded ", "=?base64?IHBhZGRlZCA=?="),
            ("line1\nline2", "=?base64?bGluZTEKbGluZTI=?="),
            ("=?base64?literal?=", "=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?="),
        ] {
            assert_eq!(encode_value(value), header);
        }
    }

    #[test]
    fn a_modern_call_mirrors_version_method_and_name() {
        let line = br#"{"id":1,"method":"tools/call","params":{"name":"a b","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}"#;
        let message = Message::parse(Bytes::from_static(line)).expect("a message");
        let headers = modern_headers(&message);
        assert_eq!(headers[MCP_PROTOCOL_VERSION], "2026-07-28");
        assert_eq!(headers[MCP_METHOD], "tools/call");
        assert_eq!(headers[MCP_NAME], "a b");
    }

    #[test]
    fn values_are_read_as_they_were_written() {
        for value in ["a", "a b", "Hello, 世界", " padded ", "=?base64?literal?=", ""] {
            assert_eq!(decode_value(&encode_value(value)).as_deref(), Some(value));
        }
        for unreadable in ["=?base64?!?=", "=?base64?/w==?="] {
            assert_eq!(decode_value(&HeaderValue::from_static(unreadable)), None, "{unreadable}");
        }
    }

    #[test]
    fn mirrored_headers_are_compared_by_what_they_mean() {
        let line = br#"{"id":1,"method":"prompts/get","params":{"name":"ab"}}"#;
        let message = Message::parse(Bytes::from_static(line)).expect("a message");
        let check = |method: &'static str, names: &[&'static str]| {
            let mut headers = HeaderMap::from_iter([(MCP_METHOD, HeaderValue::from_static(method))]);
            for name in names {
                headers.append(MCP_NAME, HeaderValue::from_static(name));
            }
            check_modern(&headers, &message).map_err(|error| error.to_string())
        };
        assert_eq!(check("prompts/get", &["ab"]), Ok(()));
        assert_eq!(check("prompts/get", &["=?base64?YWI=?="]), Ok(()));
        assert_eq!(check("Prompts/Get", &["ab"]), Err("Mcp-Method is not what the body says".into()));
        assert_eq!(check("prompts/get", &[]), Err("Mcp-Name is missing".into()));
        assert_eq!(check("prompts/get", &["ab", "x"]), Err("Mcp-Name is there twice".into()));
        assert_eq!(
            check("prompts/get", &["=?base64?!?="]),
            Err("Mcp-Name has a value that cannot be read".into())
        );
    }
}
