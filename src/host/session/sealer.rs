//! What leaves the Host and comes back: sealed with the home's own key, so that nobody but a Host of this home reads or
//! forges it, and bound to one connection (security rule 12).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};

const NONCE: usize = 24;

/// Seals with the home's own key.
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
    /// Seals with this key.
    pub fn new(key: &[u8; 32]) -> Self {
        Self { cipher: XChaCha20Poly1305::new(&Key::from(*key)) }
    }

    /// Seals for one connection alone, and what outlives changes of it for its account.
    pub(super) fn of(&self, connection: &str, account: &str) -> ConnectionSealer {
        ConnectionSealer {
            sealer: self.clone(),
            connection: connection.to_owned(),
            account: account.to_owned(),
        }
    }
}

/// Seals for one connection.
#[derive(Debug, Clone)]
pub(super) struct ConnectionSealer {
    sealer: Sealer,
    connection: String,
    account: String,
}

/// What a sealed text is for: one cannot be passed off as the other.
#[derive(Debug, Clone, Copy)]
pub(super) enum Purpose {
    /// Going on with a session: of one connection.
    Resume,
    /// Naming a request that is held: of one account, whose server may have moved since.
    Held,
}

impl ConnectionSealer {
    /// Seals a text; never the same way twice.
    pub(super) fn seal(&self, purpose: Purpose, text: &[u8]) -> Option<String> {
        let nonce: [u8; NONCE] = rand::random();
        let payload = Payload { msg: text, aad: &self.bound_to(purpose) };
        let sealed = self.sealer.cipher.encrypt(&XNonce::from(nonce), payload).ok()?;
        Some(BASE64.encode([&nonce[..], &sealed].concat()))
    }

    /// Opens what was sealed for the same connection and purpose; anything else is nothing.
    pub(super) fn open(&self, purpose: Purpose, sealed: &str) -> Option<Vec<u8>> {
        let bytes = BASE64.decode(sealed).ok()?;
        let (nonce, sealed) = bytes.split_first_chunk::<NONCE>()?;
        let payload = Payload { msg: sealed, aad: &self.bound_to(purpose) };
        self.sealer.cipher.decrypt(&XNonce::from(*nonce), payload).ok()
    }

    fn bound_to(&self, purpose: Purpose) -> Vec<u8> {
        match purpose {
            Purpose::Resume => format!("resume {}", self.connection),
            Purpose::Held => format!("held {}", self.account),
        }
        .into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_opens_for_its_own_connection_purpose_and_key_only() {
        let sealer = Sealer::new(&[7; 32]);
        let own = sealer.of("a.b url", "a.");
        let sealed = own.seal(Purpose::Resume, b"secret").expect("sealed");
        assert!(!sealed.contains("secret"));
        assert_eq!(own.open(Purpose::Resume, &sealed).as_deref(), Some(&b"secret"[..]));
        assert_ne!(own.seal(Purpose::Resume, b"secret"), Some(sealed.clone()));

        assert_eq!(own.open(Purpose::Held, &sealed), None);
        assert_eq!(sealer.of("a.c url", "a.").open(Purpose::Resume, &sealed), None);
        assert_eq!(Sealer::new(&[8; 32]).of("a.b url", "a.").open(Purpose::Resume, &sealed), None);
        let held = own.seal(Purpose::Held, b"").expect("sealed");
        assert!(sealer.of("a.b moved", "a.").open(Purpose::Held, &held).is_some(), "it is ours all the same");
        assert!(sealer.of("a.b url", "c.").open(Purpose::Held, &held).is_none());
        let mut forged = sealed.into_bytes();
        forged[40] ^= 1;
        assert_eq!(own.open(Purpose::Resume, &String::from_utf8_lossy(&forged)), None);
        assert_eq!(own.open(Purpose::Resume, ""), None);
    }
}
