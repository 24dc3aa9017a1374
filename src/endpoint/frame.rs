//! What travels between shim and Host once the connection is upgraded: lines with a one-byte
//! tag, a message as it came or a control word of ours.

use bytes::{BufMut, Bytes, BytesMut};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::failure::Failure;

/// The version of this protocol; shim and Host must agree on it.
pub const PROTOCOL: u32 = 1;
/// The token of the HTTP `Upgrade` header.
pub const UPGRADE: &str = "drawbridge";
/// The path that is upgraded.
pub const PATH: &str = "/stream";
/// The longest message, in bytes.
pub const MESSAGE_CAP: usize = 64 * 1024 * 1024;
/// The longest line: a message and its tag.
pub const LINE_CAP: usize = MESSAGE_CAP + 1;

const MESSAGE_TAG: u8 = b'M';
const CONTROL_TAG: u8 = b'C';

/// One line between shim and Host.
#[derive(Debug)]
pub enum Frame {
    /// A JSON-RPC message on one line.
    Message(Bytes),
    /// A word between shim and Host.
    Control(Control),
}

/// What shim and Host tell each other.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Control {
    /// Shim to Host, first.
    Hello(Hello),
    /// Host to shim: the session is open.
    Welcome,
    /// Host to shim: there will be no session; every request gets this answer.
    Refused {
        /// Why.
        failure: Failure,
    },
    /// Host to shim, before a request's first byte goes upstream.
    Dispatched {
        /// The request's id as raw JSON.
        id: Box<RawValue>,
    },
    /// Host to shim: what a later Host needs to go on with this session.
    Resume {
        /// Opaque to the shim.
        state: String,
    },
}

/// How a shim opens its session.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Hello {
    /// [`PROTOCOL`] of the shim.
    pub protocol: u32,
    /// The shim's release.
    pub version: String,
    /// A server's name, `name@account`, or a URL.
    pub target: String,
    /// The server options given to this connection, as the control API spells them.
    pub options: Box<RawValue>,
    /// The resume state of the Host before this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resume: Option<String>,
    /// The client's `initialize` request, where it was sent to a Host before this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initialize: Option<Box<RawValue>>,
    /// Whether that request was answered.
    #[serde(default)]
    pub initialized: bool,
    /// Whether everything is to stay as it is: nothing that the server says is kept, and nobody is asked to sign in.
    #[serde(default)]
    pub only_looks: bool,
}

/// Why a line is no frame.
#[derive(Debug, thiserror::Error)]
#[error("the other end of the local socket sent a line that is no frame")]
pub struct NotAFrame;

impl Frame {
    /// Reads one line.
    ///
    /// # Errors
    /// [`NotAFrame`] for an unknown tag or control word.
    pub fn parse(line: Bytes) -> Result<Self, NotAFrame> {
        match line.first() {
            Some(&MESSAGE_TAG) => Ok(Self::Message(line.slice(1..))),
            Some(&CONTROL_TAG) => {
                serde_json::from_slice(&line[1..]).map(Self::Control).map_err(|_| NotAFrame)
            }
            _ => Err(NotAFrame),
        }
    }
}

/// Appends a message to what is about to be written.
pub fn put_message(buffer: &mut BytesMut, message: &[u8]) {
    buffer.reserve(message.len() + 2);
    buffer.put_u8(MESSAGE_TAG);
    buffer.put_slice(message);
    buffer.put_u8(b'\n');
}

/// Appends a control word to what is about to be written.
pub fn put_control(buffer: &mut BytesMut, control: &Control) {
    let text = serde_json::to_vec(control).expect("control words are plain JSON");
    buffer.reserve(text.len() + 2);
    buffer.put_u8(CONTROL_TAG);
    buffer.put_slice(&text);
    buffer.put_u8(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_is_parsed() {
        let mut buffer = BytesMut::new();
        put_message(&mut buffer, br#"{"id":1}"#);
        let id = RawValue::from_string("12345678901234567890".into()).expect("JSON");
        put_control(&mut buffer, &Control::Dispatched { id });
        let text = buffer.freeze();
        let lines: Vec<Bytes> = text.split(|byte| *byte == b'\n').map(|line| text.slice_ref(line)).collect();
        assert!(
            matches!(Frame::parse(lines[0].clone()), Ok(Frame::Message(bytes)) if bytes == br#"{"id":1}"#[..])
        );
        let Ok(Frame::Control(Control::Dispatched { id })) = Frame::parse(lines[1].clone()) else {
            panic!("not read back")
        };
        assert_eq!(id.get(), "12345678901234567890");
        assert!(Frame::parse(Bytes::from_static(b"X")).is_err());
        assert!(Frame::parse(Bytes::new()).is_err());
    }
}
