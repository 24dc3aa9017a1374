//! What a shim keeps so that the next Host can go on with the upstream session: sealed, so that
//! nobody but a Host of this user's reads or forges it, and bound to the connection it is for.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use serde::{Deserialize, Serialize};

use crate::upstream::SessionId;

const NONCE: usize = 24;

/// An upstream session, as a later Host needs it.
#[derive(Debug, Clone)]
pub(super) struct Resume {
    pub(super) session: Option<SessionId>,
    pub(super) protocol_version: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Sealed {
    session: String,
    protocol_version: Option<String>,
}

/// Seals and opens resume states.
#[derive(Clone)]
pub struct Sealer {
    cipher: XChaCha20Poly1305,
}

impl std::fmt::Debug for Sealer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Sealer([redacted])")
    }
}

impl Sealer {
    /// Seals with the home's own key.
    pub fn new(key: &[u8; 32]) -> Self {
        Self { cipher: XChaCha20Poly1305::new(&Key::from(*key)) }
    }

    /// Seals a state for the connection of that key.
    pub(super) fn seal(&self, resume: &Resume, connection: &str) -> Option<String> {
        let session = resume.session.as_ref()?.expose().to_owned();
        let text = serde_json::to_vec(&Sealed { session, protocol_version: resume.protocol_version.clone() })
            .ok()?;
        let nonce: [u8; NONCE] = rand::random();
        let payload = Payload { msg: &text, aad: connection.as_bytes() };
        let sealed = self.cipher.encrypt(&XNonce::from(nonce), payload).ok()?;
        Some(BASE64.encode([&nonce[..], &sealed].concat()))
    }

    /// Opens a state that was sealed for the same connection; anything else is no state.
    pub(super) fn open(&self, state: &str, connection: &str) -> Option<Resume> {
        let bytes = BASE64.decode(state).ok()?;
        let (nonce, sealed) = bytes.split_first_chunk::<NONCE>()?;
        let payload = Payload { msg: sealed, aad: connection.as_bytes() };
        let text = self.cipher.decrypt(&XNonce::from(*nonce), payload).ok()?;
        let Sealed { session, protocol_version } = serde_json::from_slice(&text).ok()?;
        Some(Resume { session: SessionId::new(&session), protocol_version })
    }
}

impl Resume {
    /// The state of a session that the server named.
    pub(super) fn of(session: SessionId, protocol_version: Option<String>) -> Self {
        Self { session: Some(session), protocol_version }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_opens_for_its_own_connection_and_key_only() {
        let sealer = Sealer::new(&[7; 32]);
        let session = SessionId::new("secret-session").expect("a session id");
        let state = sealer.seal(&Resume::of(session, Some("2025-06-18".into())), "a.b").expect("sealed");
        assert!(!state.contains("secret"));
        let opened = sealer.open(&state, "a.b").expect("opened");
        assert_eq!(opened.session.expect("a session").expose(), "secret-session");
        assert_eq!(opened.protocol_version.as_deref(), Some("2025-06-18"));

        assert!(sealer.open(&state, "a.c").is_none());
        assert!(Sealer::new(&[8; 32]).open(&state, "a.b").is_none());
        let mut forged = state.clone().into_bytes();
        forged[40] ^= 1;
        assert!(sealer.open(&String::from_utf8_lossy(&forged), "a.b").is_none());
        assert!(sealer.open("", "a.b").is_none());
    }
}
