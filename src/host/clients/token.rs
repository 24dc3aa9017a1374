//! The token of one local client, and the digest that is kept of it.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// Says whose tokens these are, to people and to programs that look for leaked secrets.
const PREFIX: &str = "dbl_";

/// 256 random bits that a local HTTP client shows.
#[derive(Clone)]
pub struct LocalToken(SecretString);

impl LocalToken {
    /// A new one.
    pub fn random() -> Self {
        let bits: [u8; 32] = rand::random();
        Self(format!("{PREFIX}{}", BASE64.encode(bits)).into())
    }

    /// The text itself, for the person who puts it into a client's settings.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// What the Host keeps.
    pub fn digest(&self) -> TokenDigest {
        TokenDigest::of(self.expose())
    }
}

impl fmt::Debug for LocalToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("LocalToken[redacted]")
    }
}

/// The SHA-256 digest of a token. No token can be found from it: there are too many to try.
#[derive(Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "specta", derive(specta::Type), specta(type = String))]
pub struct TokenDigest([u8; 32]);

impl TokenDigest {
    /// The digest of what a client showed.
    pub fn of(token: &str) -> Self {
        Self(Sha256::digest(token).into())
    }

    /// Compares in constant time.
    pub fn is_same(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl fmt::Debug for TokenDigest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("TokenDigest[redacted]")
    }
}

impl Serialize for TokenDigest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64.encode(self.0))
    }
}

impl<'de> Deserialize<'de> for TokenDigest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = BASE64.decode(text).ok().and_then(|bytes| bytes.try_into().ok());
        bytes.map(Self).ok_or_else(|| serde::de::Error::custom("not the digest of a token"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_differ_and_never_print() {
        let (one, other) = (LocalToken::random(), LocalToken::random());
        assert_ne!(one.expose(), other.expose());
        assert_eq!(one.expose().len(), PREFIX.len() + 43);
        assert!(!format!("{one:?} {:?}", one.digest()).contains(one.expose()));
        assert!(one.digest().is_same(&TokenDigest::of(one.expose())));
        assert!(!one.digest().is_same(&other.digest()));
    }

    #[test]
    fn a_digest_survives_its_file() {
        let digest = LocalToken::random().digest();
        let text = serde_json::to_string(&digest).expect("JSON");
        assert_eq!(serde_json::from_str::<TokenDigest>(&text).expect("a digest"), digest);
        assert!(serde_json::from_str::<TokenDigest>("\"YQ\"").is_err());
    }
}
