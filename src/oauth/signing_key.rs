//! Private keys and the JSON web tokens they sign (RFC 7515, RFC 7518): what a client shows in place of a secret
//! (RFC 7523). A key is read from PEM (PKCS #8, PKCS #1, SEC 1) or from a JWK.

mod read;

use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::rsa::PublicKeyComponents;
use ring::signature::{self, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RsaEncoding, RsaKeyPair};
use serde_json::{Map, Value, json};

use crate::secret::PrivateKey;

/// The algorithms of RFC 7518 §3.1 and RFC 8037 that we sign with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is the algorithm of that name")]
pub enum Algorithm {
    Rs256,
    Rs384,
    Rs512,
    Ps256,
    Ps384,
    Ps512,
    Es256,
    Es384,
    EdDsa,
}

/// All of them with their names; of those that fit a key, the first is its usual one.
const ALGORITHMS: [(&str, Algorithm); 9] = [
    ("RS256", Algorithm::Rs256),
    ("RS384", Algorithm::Rs384),
    ("RS512", Algorithm::Rs512),
    ("PS256", Algorithm::Ps256),
    ("PS384", Algorithm::Ps384),
    ("PS512", Algorithm::Ps512),
    ("ES256", Algorithm::Es256),
    ("ES384", Algorithm::Es384),
    ("EdDSA", Algorithm::EdDsa),
];

impl Algorithm {
    /// The algorithm of that name.
    pub fn named(name: &str) -> Option<Self> {
        ALGORITHMS.iter().find(|(known, _)| *known == name).map(|(_, algorithm)| *algorithm)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::EdDsa => "EdDSA",
        }
    }
}

/// Why a key cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKey {
    /// Neither PEM nor JWK, or of a kind we do not have.
    #[error("the private key is neither PEM nor a private JWK of a kind that can be used")]
    Unreadable,
    /// It needs a passphrase.
    #[error("the private key is encrypted; give it without a passphrase")]
    Encrypted,
    /// The key is damaged, or an RSA key is too short.
    #[error("the private key is damaged or too short")]
    Rejected,
    /// The algorithm is for another kind of key.
    #[error("the key algorithm does not fit the private key")]
    WrongAlgorithm,
    /// An algorithm we do not have.
    #[error("the key algorithm is none of RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384 and EdDSA")]
    UnknownAlgorithm,
}

/// A key that signs, with the algorithm it signs with. Prints neither.
#[derive(Clone)]
pub struct SigningKey {
    source: PrivateKey,
    pair: Arc<KeyPair>,
    algorithm: Algorithm,
    /// Whether the algorithm was chosen by whoever gave the key.
    is_chosen: bool,
    kid: Option<String>,
}

enum KeyPair {
    Rsa(RsaKeyPair),
    P256(EcdsaKeyPair),
    P384(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl KeyPair {
    fn fits(&self, algorithm: Algorithm) -> bool {
        use Algorithm::{EdDsa, Es256, Es384, Ps256, Ps384, Ps512, Rs256, Rs384, Rs512};
        match self {
            Self::Rsa(_) => matches!(algorithm, Rs256 | Rs384 | Rs512 | Ps256 | Ps384 | Ps512),
            Self::P256(_) => algorithm == Es256,
            Self::P384(_) => algorithm == Es384,
            Self::Ed25519(_) => algorithm == EdDsa,
        }
    }

    fn usual_algorithm(&self) -> Algorithm {
        match self {
            Self::Rsa(_) => Algorithm::Rs256,
            Self::P256(_) => Algorithm::Es256,
            Self::P384(_) => Algorithm::Es384,
            Self::Ed25519(_) => Algorithm::EdDsa,
        }
    }
}

impl SigningKey {
    /// Reads a key. Without an algorithm it signs with the one its JWK names, else the usual one of its kind.
    ///
    /// # Errors
    /// [`InvalidKey`]
    pub fn parse(source: PrivateKey, algorithm: Option<Algorithm>) -> Result<Self, InvalidKey> {
        let read = read::key(source.expose())?;
        let chosen = algorithm.or(read.algorithm);
        let algorithm = chosen.unwrap_or_else(|| read.pair.usual_algorithm());
        if !read.pair.fits(algorithm) {
            return Err(InvalidKey::WrongAlgorithm);
        }
        let is_chosen = chosen.is_some();
        Ok(Self { source, pair: Arc::new(read.pair), algorithm, is_chosen, kid: read.kid })
    }

    /// The text it was read from, for the store.
    pub fn source(&self) -> &PrivateKey {
        &self.source
    }

    /// What it signs with.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The same key with an algorithm that the other side takes, unless one was chosen.
    #[must_use]
    pub fn accepted_by(mut self, supported: Option<&[String]>) -> Self {
        let supported = supported.unwrap_or_default();
        let lists = |algorithm: Algorithm| supported.iter().any(|name| name == algorithm.name());
        if !self.is_chosen && !lists(self.algorithm) {
            let fitting = ALGORITHMS.iter().map(|(_, algorithm)| *algorithm);
            let mut accepted = fitting.filter(|algorithm| self.pair.fits(*algorithm) && lists(*algorithm));
            self.algorithm = accepted.next().unwrap_or(self.algorithm);
        }
        self
    }

    /// Signs claims; `alg` and, where there is one, `kid` are added to the header.
    pub fn sign(&self, mut header: Map<String, Value>, claims: &Value) -> String {
        header.insert("alg".into(), self.algorithm.name().into());
        if let Some(kid) = &self.kid {
            header.insert("kid".into(), kid.as_str().into());
        }
        let part = |value: &str| URL_SAFE_NO_PAD.encode(value);
        let message = format!("{}.{}", part(&Value::from(header).to_string()), part(&claims.to_string()));
        let signature = URL_SAFE_NO_PAD.encode(self.signature(message.as_bytes()));
        format!("{message}.{signature}")
    }

    fn signature(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        let signed = match &*self.pair {
            KeyPair::Rsa(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(self.rsa_encoding(), &random, message, &mut signature).map(|()| signature)
            }
            KeyPair::P256(pair) | KeyPair::P384(pair) => {
                pair.sign(&random, message).map(|signature| signature.as_ref().to_vec())
            }
            KeyPair::Ed25519(pair) => Ok(pair.sign(message).as_ref().to_vec()),
        };
        signed.expect("a key that was checked signs any text")
    }

    fn rsa_encoding(&self) -> &'static dyn RsaEncoding {
        match self.algorithm {
            Algorithm::Rs384 => &signature::RSA_PKCS1_SHA384,
            Algorithm::Rs512 => &signature::RSA_PKCS1_SHA512,
            Algorithm::Ps256 => &signature::RSA_PSS_SHA256,
            Algorithm::Ps384 => &signature::RSA_PSS_SHA384,
            Algorithm::Ps512 => &signature::RSA_PSS_SHA512,
            Algorithm::Rs256 | Algorithm::Es256 | Algorithm::Es384 | Algorithm::EdDsa => {
                &signature::RSA_PKCS1_SHA256
            }
        }
    }

    /// The public half as a JWK (RFC 7517).
    pub fn public_jwk(&self) -> Value {
        let text = |bytes: &[u8]| Value::from(URL_SAFE_NO_PAD.encode(bytes));
        // An uncompressed point: a byte that says so, then both coordinates.
        let point = |curve: &str, point: &[u8]| {
            let (x, y) = point[1..].split_at(point.len() / 2);
            json!({ "kty": "EC", "crv": curve, "x": text(x), "y": text(y) })
        };
        let mut jwk = match &*self.pair {
            KeyPair::Rsa(pair) => {
                let public = PublicKeyComponents::<Vec<u8>>::from(pair.public());
                json!({ "kty": "RSA", "n": text(&public.n), "e": text(&public.e) })
            }
            KeyPair::P256(pair) => point("P-256", pair.public_key().as_ref()),
            KeyPair::P384(pair) => point("P-384", pair.public_key().as_ref()),
            KeyPair::Ed25519(pair) => {
                json!({ "kty": "OKP", "crv": "Ed25519", "x": text(pair.public_key().as_ref()) })
            }
        };
        jwk["alg"] = self.algorithm.name().into();
        jwk["use"] = "sig".into();
        if let Some(kid) = &self.kid {
            jwk["kid"] = kid.as_str().into();
        }
        jwk
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({}, [redacted])", self.algorithm.name())
    }
}

#[cfg(test)]
mod tests;
