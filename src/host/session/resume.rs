//! What a shim keeps so that the next Host can go on with the upstream session: sealed, so that
//! nobody but a Host of this user's reads or forges it, and bound to the connection it is for.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use serde::{Deserialize, Serialize};

use crate::upstream::SessionId;

use super::wishes::Wishes;

const NONCE: usize = 24;

/// What a later Host needs to go on.
#[derive(Debug, Clone, Default)]
pub(super) struct Kept {
    /// The upstream session, where the server named one.
    pub(super) upstream: Option<Resume>,
    /// What the server was told for as long as it lasts.
    pub(super) wishes: Wishes,
}

/// An upstream session, as a later Host needs it.
#[derive(Debug, Clone)]
pub(super) struct Resume {
    pub(super) session: SessionId,
    pub(super) protocol_version: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Sealed {
    #[serde(default)]
    session: Option<String>,
    #[serde(default)]
    protocol_version: Option<String>,
    #[serde(default)]
    wishes: Wishes,
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

    /// Seals a state for the connection of that key; `None` where there is nothing to keep.
    pub(super) fn seal(&self, kept: &Kept, connection: &str) -> Option<String> {
        if kept.upstream.is_none() && kept.wishes.is_empty() {
            return None;
        }
        let upstream = kept.upstream.as_ref();
        let sealed = Sealed {
            session: upstream.map(|upstream| upstream.session.expose().to_owned()),
            protocol_version: upstream.and_then(|upstream| upstream.protocol_version.clone()),
            wishes: kept.wishes.clone(),
        };
        let text = serde_json::to_vec(&sealed).ok()?;
        let nonce: [u8; NONCE] = rand::random();
        let payload = Payload { msg: &text, aad: connection.as_bytes() };
        let sealed = self.cipher.encrypt(&XNonce::from(nonce), payload).ok()?;
        Some(BASE64.encode([&nonce[..], &sealed].concat()))
    }

    /// Opens a state that was sealed for the same connection; anything else is no state.
    pub(super) fn open(&self, state: &str, connection: &str) -> Option<Kept> {
        let bytes = BASE64.decode(state).ok()?;
        let (nonce, sealed) = bytes.split_first_chunk::<NONCE>()?;
        let payload = Payload { msg: sealed, aad: connection.as_bytes() };
        let text = self.cipher.decrypt(&XNonce::from(*nonce), payload).ok()?;
        let Sealed { session, protocol_version, wishes } = serde_json::from_slice(&text).ok()?;
        let session = session.and_then(|session| SessionId::new(&session));
        Some(Kept { upstream: session.map(|session| Resume { session, protocol_version }), wishes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::session::wishes::Wish;

    #[test]
    fn a_state_opens_for_its_own_connection_and_key_only() {
        let sealer = Sealer::new(&[7; 32]);
        let session = SessionId::new("secret-session").expect("a session id");
        let upstream = Resume { session, protocol_version: Some("2025-06-18".into()) };
        let mut wishes = Wishes::default();
        wishes.note(Wish::Subscribe("demo://welcome".into()));
        let kept = Kept { upstream: Some(upstream), wishes: wishes.clone() };
        let state = sealer.seal(&kept, "a.b").expect("sealed");
        assert!(!state.contains("secret"));
        let opened = sealer.open(&state, "a.b").expect("opened");
        let upstream = opened.upstream.expect("a session");
        assert_eq!(upstream.session.expose(), "secret-session");
        assert_eq!(upstream.protocol_version.as_deref(), Some("2025-06-18"));
        assert_eq!(opened.wishes, wishes);

        assert!(sealer.open(&state, "a.c").is_none());
        assert!(Sealer::new(&[8; 32]).open(&state, "a.b").is_none());
        let mut forged = state.clone().into_bytes();
        forged[40] ^= 1;
        assert!(sealer.open(&String::from_utf8_lossy(&forged), "a.b").is_none());
        assert!(sealer.open("", "a.b").is_none());
        assert!(sealer.seal(&Kept::default(), "a.b").is_none(), "nothing to keep");
    }
}
