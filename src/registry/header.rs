//! Which request headers a person may set for a server.

use http::{HeaderName, HeaderValue};

/// Why a header cannot be set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidHeader {
    /// Not a header name at all.
    #[error("a header is written `Name: value`")]
    NotAName,
    /// A header that belongs to the protocol.
    #[error("the header {name} is Drawbridge's own and cannot be set")]
    Reserved {
        /// Its name.
        name: HeaderName,
    },
    /// A value that would be more than one line, or holds control characters.
    #[error("the value of the header {name} is not one line of text")]
    NotOneLine {
        /// Its name.
        name: HeaderName,
    },
}

/// Headers that say how a message travels, which is not a person's affair.
const RESERVED: [&str; 8] =
    ["host", "content-length", "transfer-encoding", "connection", "keep-alive", "te", "trailer", "upgrade"];
const RESERVED_PREFIXES: [&str; 2] = ["mcp-", "proxy-"];

/// Reads a header's name.
///
/// # Errors
/// [`InvalidHeader::NotAName`] or [`InvalidHeader::Reserved`].
pub fn name(text: &str) -> Result<HeaderName, InvalidHeader> {
    let name = HeaderName::try_from(text.trim()).map_err(|_| InvalidHeader::NotAName)?;
    let is_reserved = RESERVED.contains(&name.as_str())
        || RESERVED_PREFIXES.iter().any(|prefix| name.as_str().starts_with(prefix));
    if is_reserved { Err(InvalidHeader::Reserved { name }) } else { Ok(name) }
}

/// Reads a header's value, which is then never printed.
///
/// # Errors
/// [`InvalidHeader::NotOneLine`].
pub fn value(name: &HeaderName, text: &str) -> Result<HeaderValue, InvalidHeader> {
    let mut value =
        HeaderValue::from_str(text).map_err(|_| InvalidHeader::NotOneLine { name: name.clone() })?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn protocol_headers_are_refused_whatever_their_case() {
        for refused in
            ["Host", "content-LENGTH", "Transfer-Encoding", "MCP-Session-Id", "mcp-x", "Proxy-Authorization"]
        {
            assert!(matches!(name(refused), Err(InvalidHeader::Reserved { .. })), "{refused}");
        }
        for allowed in ["Authorization", "X-API-Key", "Hostess", "x-mcp-client"] {
            assert!(name(allowed).is_ok(), "{allowed}");
        }
        assert_eq!(name("a b"), Err(InvalidHeader::NotAName));
    }

    #[test]
    fn values_are_one_line_and_never_printed() {
        let name = name("X-Key").expect("a name");
        for bad in ["a\nb", "a\r\nHost: evil", "a\0b", "\u{7f}"] {
            assert!(value(&name, bad).is_err(), "{bad:?}");
        }
        let shown = format!("{:?}", value(&name, "marked").expect("a value"));
        assert!(!shown.contains("marked"));
    }
}
