//! Reading private keys from the texts people have them in.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::error::KeyRejected;
use ring::rand::SystemRandom;
use ring::rsa::{KeyPairComponents, PublicKeyComponents};
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair,
    RsaKeyPair,
};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use secrecy::zeroize::Zeroizing;
use serde::Deserialize;

use super::{Algorithm, InvalidKey, KeyPair};

/// `id-ecPublicKey` with the curves P-256 and P-384 (RFC 5480 §2.1), in DER.
const EC_P256: &[u8] =
    b"\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07";
const EC_P384: &[u8] = b"\x30\x10\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x22";

pub(super) struct Read {
    pub(super) pair: KeyPair,
    pub(super) algorithm: Option<Algorithm>,
    pub(super) kid: Option<String>,
}

pub(super) fn key(text: &str) -> Result<Read, InvalidKey> {
    if text.trim_start().starts_with('{') {
        return jwk(text);
    }
    if text.contains("BEGIN ENCRYPTED PRIVATE KEY") || text.contains("Proc-Type: 4,ENCRYPTED") {
        return Err(InvalidKey::Encrypted);
    }
    let der = PrivateKeyDer::from_pem_slice(text.as_bytes()).map_err(|_| InvalidKey::Unreadable)?;
    let pair = match &der {
        PrivateKeyDer::Pkcs1(key) => {
            KeyPair::Rsa(RsaKeyPair::from_der(key.secret_pkcs1_der()).map_err(rejected)?)
        }
        PrivateKeyDer::Sec1(key) => sec1(key.secret_sec1_der())?,
        PrivateKeyDer::Pkcs8(key) => pkcs8(key.secret_pkcs8_der())?,
        _ => return Err(InvalidKey::Unreadable),
    };
    Ok(Read { pair, algorithm: None, kid: None })
}

/// Its kind stands inside; the one that takes it is the right one.
fn pkcs8(der: &[u8]) -> Result<KeyPair, InvalidKey> {
    let random = SystemRandom::new();
    let curve = |algorithm| EcdsaKeyPair::from_pkcs8(algorithm, der, &random);
    if let Ok(pair) = curve(&ECDSA_P256_SHA256_FIXED_SIGNING) {
        return Ok(KeyPair::P256(pair));
    }
    if let Ok(pair) = curve(&ECDSA_P384_SHA384_FIXED_SIGNING) {
        return Ok(KeyPair::P384(pair));
    }
    if let Ok(pair) = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der) {
        return Ok(KeyPair::Ed25519(pair));
    }
    RsaKeyPair::from_pkcs8(der).map(KeyPair::Rsa).map_err(rejected)
}

/// What `openssl ecparam -genkey` writes: the same key without the frame of PKCS #8.
fn sec1(der: &[u8]) -> Result<KeyPair, InvalidKey> {
    let framed = |curve: &[u8]| {
        let key = tagged(0x04, der);
        let content = Zeroizing::new([b"\x02\x01\x00", curve, &key].concat());
        tagged(0x30, &content)
    };
    pkcs8(&framed(EC_P256)).or_else(|_| pkcs8(&framed(EC_P384)))
}

/// A DER value: tag, length, content.
fn tagged(tag: u8, content: &[u8]) -> Zeroizing<Vec<u8>> {
    let [.., high, low] = content.len().to_be_bytes();
    let length: &[u8] = match content.len() {
        0..=0x7f => &[low],
        0x80..=0xff => &[0x81, low],
        _ => &[0x82, high, low],
    };
    Zeroizing::new([&[tag], length, content].concat())
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    crv: Option<String>,
    alg: Option<String>,
    kid: Option<String>,
    n: Option<String>,
    e: Option<String>,
    d: Option<String>,
    p: Option<String>,
    q: Option<String>,
    dp: Option<String>,
    dq: Option<String>,
    qi: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

/// RFC 7517, RFC 7518 §6, RFC 8037.
fn jwk(text: &str) -> Result<Read, InvalidKey> {
    let jwk: Jwk = serde_json::from_str(text).map_err(|_| InvalidKey::Unreadable)?;
    let bytes = |member: &Option<String>| {
        let text = member.as_ref().ok_or(InvalidKey::Unreadable)?;
        URL_SAFE_NO_PAD.decode(text).map(Zeroizing::new).map_err(|_| InvalidKey::Unreadable)
    };
    let pair = match (jwk.kty.as_str(), jwk.crv.as_deref()) {
        ("EC", Some(curve @ ("P-256" | "P-384"))) => {
            let point = [&[0x04][..], &bytes(&jwk.x)?, &bytes(&jwk.y)?].concat();
            let on = |algorithm, secret: &[u8]| {
                EcdsaKeyPair::from_private_key_and_public_key(algorithm, secret, &point, &SystemRandom::new())
                    .map_err(rejected)
            };
            let secret = bytes(&jwk.d)?;
            match curve {
                "P-256" => KeyPair::P256(on(&ECDSA_P256_SHA256_FIXED_SIGNING, &secret)?),
                _ => KeyPair::P384(on(&ECDSA_P384_SHA384_FIXED_SIGNING, &secret)?),
            }
        }
        ("OKP", Some("Ed25519")) => KeyPair::Ed25519(
            Ed25519KeyPair::from_seed_and_public_key(&bytes(&jwk.d)?, &bytes(&jwk.x)?).map_err(rejected)?,
        ),
        ("RSA", _) => {
            let [n, e, d, p, q, dp, dq, qi] =
                [&jwk.n, &jwk.e, &jwk.d, &jwk.p, &jwk.q, &jwk.dp, &jwk.dq, &jwk.qi].map(bytes);
            KeyPair::Rsa(
                RsaKeyPair::from_components(&KeyPairComponents {
                    public_key: PublicKeyComponents { n: &n?[..], e: &e?[..] },
                    d: &d?[..],
                    p: &p?[..],
                    q: &q?[..],
                    dP: &dp?[..],
                    dQ: &dq?[..],
                    qInv: &qi?[..],
                })
                .map_err(rejected)?,
            )
        }
        _ => return Err(InvalidKey::Unreadable),
    };
    let algorithm = match jwk.alg.as_deref() {
        Some(name) => Some(Algorithm::named(name).ok_or(InvalidKey::UnknownAlgorithm)?),
        None => None,
    };
    Ok(Read { pair, algorithm, kid: jwk.kid })
}

/// What exactly is wrong with a secret is not for error messages.
fn rejected(_: KeyRejected) -> InvalidKey {
    InvalidKey::Rejected
}
