//! One JSON-RPC message: its bytes and its envelope.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::json;

/// A request id as the peer spelled it. Two ids are equal when they mean the same JSON value of
/// the same spelling; escapes in strings do not count.
#[derive(Clone)]
pub struct RequestId {
    raw: Arc<str>,
    /// The decoded string, where its spelling has escapes.
    decoded: Option<Arc<str>>,
}

impl RequestId {
    /// Takes the raw JSON text of an id.
    pub fn from_raw(raw: &str) -> Self {
        let escaped = raw.starts_with('"') && raw.contains('\\');
        let decoded = escaped.then(|| json::string(raw)).flatten();
        let decoded = decoded.and_then(|text| serde_json::to_string(&text).ok());
        Self { raw: raw.into(), decoded: decoded.map(Into::into) }
    }

    /// The id's JSON text, quotes included.
    pub fn as_raw(&self) -> &str {
        &self.raw
    }

    fn canonical(&self) -> &str {
        self.decoded.as_deref().unwrap_or(&self.raw)
    }
}

impl PartialEq for RequestId {
    fn eq(&self, other: &Self) -> bool {
        self.canonical() == other.canonical()
    }
}

impl Eq for RequestId {}

impl Hash for RequestId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.canonical().hash(state);
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.raw)
    }
}

/// What a message is, by its envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// Wants an answer.
    Request {
        /// The id its answer carries.
        id: RequestId,
    },
    /// Wants none.
    Notification,
    /// Answers a request.
    Response {
        /// `None` where the peer could not tell which request failed (`"id": null`).
        id: Option<RequestId>,
        /// Whether it carries an `error` rather than a `result`.
        is_error: bool,
    },
    /// Several messages in an array (2025-03-26 only).
    Batch,
}

/// Why bytes are no message.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not JSON, or not UTF-8.
    #[error("the message is not JSON")]
    NotJson,
    /// JSON, but neither request, notification, response nor batch.
    #[error("the message is no JSON-RPC request, notification or response")]
    NotJsonRpc {
        /// The id, where one could be read.
        id: Option<RequestId>,
    },
}

/// One JSON-RPC message: the line as it came, without its line break, and what it is.
#[derive(Debug, Clone)]
pub struct Message {
    line: Bytes,
    kind: Kind,
    method: Option<Box<str>>,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, default, deserialize_with = "json::present")]
    id: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "json::present")]
    method: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "json::present")]
    result: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "json::present")]
    error: Option<&'a RawValue>,
}

impl Message {
    /// Reads the envelope of one message; line breaks between tokens are taken out.
    ///
    /// # Errors
    /// [`Error`] when the bytes are no JSON-RPC message.
    pub fn parse(line: Bytes) -> Result<Self, Error> {
        // The envelope's reader skips what it does not need without looking at its bytes.
        std::str::from_utf8(&line).map_err(|_| Error::NotJson)?;
        let first = line.iter().find(|byte| !byte.is_ascii_whitespace());
        let (kind, method) = if first == Some(&b'[') {
            serde_json::from_slice::<Vec<&RawValue>>(&line).map_err(|_| Error::NotJson)?;
            (Kind::Batch, None)
        } else {
            read_envelope(&line)?
        };
        // Only now: a line break inside a string or number is no JSON, and must not become some.
        Ok(Self { line: json::compact(line), kind, method })
    }

    /// The message on one line, as it came.
    pub fn line(&self) -> &Bytes {
        &self.line
    }

    /// What it is.
    pub fn kind(&self) -> &Kind {
        &self.kind
    }

    /// The method of a request or notification.
    pub fn method(&self) -> Option<&str> {
        self.method.as_deref()
    }

    /// The id of a request.
    pub fn request_id(&self) -> Option<&RequestId> {
        match &self.kind {
            Kind::Request { id } => Some(id),
            Kind::Notification | Kind::Response { .. } | Kind::Batch => None,
        }
    }

    /// The raw text at `path`, from the message's root: `&["params", "name"]`.
    pub fn raw_at(&self, path: &[&str]) -> Option<&str> {
        json::member_at(self.text(), path)
    }

    /// The string at `path`.
    pub fn string_at(&self, path: &[&str]) -> Option<String> {
        self.raw_at(path).and_then(json::string).map(Into::into)
    }

    /// The protocol version a modern request names in its `_meta`.
    pub fn meta_protocol_version(&self) -> Option<String> {
        self.string_at(&["params", "_meta", "io.modelcontextprotocol/protocolVersion"])
    }

    /// The messages of a batch; a single message is its own only element.
    pub fn split(self) -> Vec<Result<Message, Error>> {
        if self.kind != Kind::Batch {
            return vec![Ok(self)];
        }
        let elements = json::elements(self.text()).unwrap_or_default();
        elements
            .into_iter()
            .map(|element| Message::parse(self.line.slice_ref(element.get().as_bytes())))
            .collect()
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.line).expect("a parsed message is UTF-8")
    }
}

fn read_envelope(line: &[u8]) -> Result<(Kind, Option<Box<str>>), Error> {
    let envelope: Envelope<'_> = match serde_json::from_slice(line) {
        Ok(envelope) => envelope,
        Err(_) => return Err(not_an_envelope(line)),
    };
    let id = envelope.id.map(RawValue::get).filter(|raw| *raw != "null").map(RequestId::from_raw);
    let method = envelope.method.and_then(|raw| json::string(raw.get()));
    let kind = match (&method, envelope.result, envelope.error) {
        (Some(_), ..) => match id {
            Some(id) => Kind::Request { id },
            None => Kind::Notification,
        },
        (None, Some(_), None) => Kind::Response { id, is_error: false },
        (None, _, Some(_)) => Kind::Response { id, is_error: true },
        (None, None, None) => return Err(Error::NotJsonRpc { id }),
    };
    Ok((kind, method.map(|name| name.into_owned().into_boxed_str())))
}

fn not_an_envelope(line: &[u8]) -> Error {
    match serde_json::from_slice::<&RawValue>(line) {
        Ok(raw) => Error::NotJsonRpc { id: json::member(raw.get(), "id").map(RequestId::from_raw) },
        Err(_) => Error::NotJson,
    }
}

/// An error response on one line. `data` is raw JSON.
pub fn error_response(id: Option<&RequestId>, code: i64, message: &str, data: Option<&str>) -> Bytes {
    let id = id.map_or("null", RequestId::as_raw);
    let message = serde_json::to_string(message).unwrap_or_else(|_| "\"\"".into());
    let data = data.map(|data| format!(",\"data\":{data}")).unwrap_or_default();
    format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":{code},"message":{message}{data}}}}}"#).into()
}

/// A result response on one line. `result` is raw JSON.
pub fn result_response(id: &RequestId, result: &str) -> Bytes {
    format!(r#"{{"jsonrpc":"2.0","id":{},"result":{result}}}"#, id.as_raw()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind_of(text: &str) -> Kind {
        Message::parse(Bytes::copy_from_slice(text.as_bytes())).expect(text).kind().clone()
    }

    fn id(raw: &str) -> RequestId {
        RequestId::from_raw(raw)
    }

    #[test]
    fn envelopes_are_told_apart() {
        assert_eq!(kind_of(r#"{"id":1,"method":"ping"}"#), Kind::Request { id: id("1") });
        assert_eq!(kind_of(r#"{"method":"a/b","params":null}"#), Kind::Notification);
        assert_eq!(kind_of(r#"{"id":null,"method":"x"}"#), Kind::Notification);
        let answer = Kind::Response { id: Some(id("\"a\"")), is_error: false };
        assert_eq!(kind_of(r#"{"result":null,"id":"a"}"#), answer);
        assert_eq!(kind_of(r#"{"id":null,"error":{}}"#), Kind::Response { id: None, is_error: true });
        assert_eq!(kind_of(r#" [{"id":1,"method":"ping"}]"#), Kind::Batch);
    }

    #[test]
    fn what_is_no_message_says_so_and_keeps_the_id_it_can_read() {
        let parse = |text: &'static str| Message::parse(Bytes::from_static(text.as_bytes()));
        assert!(matches!(parse("{\"id\":1,"), Err(Error::NotJson)));
        assert!(matches!(parse("\u{1}"), Err(Error::NotJson)));
        assert!(matches!(parse("{\"id\":1\n2,\"method\":\"m\"}"), Err(Error::NotJson)));
        assert!(matches!(parse("{\"id\":1,\"method\":\"m\",\"params\":\"a\nb\"}"), Err(Error::NotJson)));
        assert!(matches!(parse("42"), Err(Error::NotJsonRpc { id: None })));
        assert!(
            matches!(parse(r#"{"id":7}"#), Err(Error::NotJsonRpc { id: Some(found) }) if found == id("7"))
        );
        assert!(matches!(parse(r#"{"id":7,"method":5}"#), Err(Error::NotJsonRpc { id: Some(_) })));
    }

    #[test]
    fn bytes_that_are_no_text_are_no_message_wherever_they_stand() {
        for line in [
            &b"{\"id\":1,\"method\":\"m\",\"params\":\"\xff\"}"[..],
            b"{\"id\":1,\"result\":{},\"x\":\"\xc3\"}",
            b"[{\"a\":\"\xff\"}]",
        ] {
            assert!(matches!(Message::parse(Bytes::copy_from_slice(line)), Err(Error::NotJson)));
        }
    }

    #[test]
    fn ids_compare_by_meaning_of_strings_and_spelling_of_numbers() {
        assert_eq!(id(r#""a\u0062""#), id(r#""ab""#));
        assert_ne!(id("1"), id("\"1\""));
        assert_ne!(id("9007199254740993"), id("9007199254740992"));
    }

    #[test]
    fn deep_nesting_is_no_obstacle() {
        let depth = 100_000;
        let text =
            format!("{{\"id\":1,\"method\":\"m\",\"params\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
        assert_eq!(kind_of(&text), Kind::Request { id: id("1") });
    }

    #[test]
    fn a_batch_splits_into_its_own_bytes() {
        let batch = Message::parse(Bytes::from_static(br#"[ {"id":1.0,"method":"a"} ,{"method":"b"}, 5]"#));
        let parts = batch.expect("a batch").split();
        assert_eq!(parts.len(), 3);
        let lines: Vec<_> = parts.iter().flatten().map(|part| part.line().clone()).collect();
        assert_eq!(lines, [&br#"{"id":1.0,"method":"a"}"#[..], &br#"{"method":"b"}"#[..]]);
    }
}
