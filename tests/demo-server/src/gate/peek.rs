//! The few members of a JSON-RPC message that the gate needs; the rest stays as it came.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

/// What a body says about itself; all empty where it is not JSON-RPC.
#[derive(Debug, Default)]
pub(crate) struct Message {
    /// The id, as it was written.
    pub(crate) id: Option<String>,
    pub(crate) method: Option<String>,
    pub(crate) params: Params,
}

/// The parameters that decide about era and scopes.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Params {
    pub(crate) name: Option<String>,
    pub(crate) arguments: serde_json::Map<String, serde_json::Value>,
    #[serde(rename = "protocolVersion")]
    pub(crate) protocol_version: Option<String>,
    #[serde(rename = "_meta")]
    pub(crate) meta: serde_json::Map<String, serde_json::Value>,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    method: Option<Cow<'a, str>>,
    #[serde(borrow)]
    params: Option<&'a RawValue>,
}

impl Message {
    pub(crate) fn peek(body: &[u8]) -> Self {
        let Ok(envelope) = serde_json::from_slice::<Envelope<'_>>(body) else {
            return Message::default();
        };
        let params = envelope.params.and_then(|raw| serde_json::from_str(raw.get()).ok());
        Message {
            id: envelope.id.map(|id| id.get().to_owned()),
            method: envelope.method.map(Cow::into_owned),
            params: params.unwrap_or_default(),
        }
    }

    /// Whether it asks for an answer.
    pub(crate) fn is_request(&self) -> bool {
        self.id.is_some() && self.method.is_some()
    }

    pub(crate) fn is(&self, method: &str) -> bool {
        self.method.as_deref() == Some(method)
    }

    /// The protocol version in `_meta`.
    pub(crate) fn meta_version(&self) -> Option<&str> {
        self.params.meta.get("io.modelcontextprotocol/protocolVersion")?.as_str()
    }
}
