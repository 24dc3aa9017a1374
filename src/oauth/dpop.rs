//! Proof of possession (RFC 9449): a key that access and refresh tokens are bound to, and a fresh proof of it with
//! every request. Used only where the server asks for it; such a token never goes out as `Bearer`.
//!
//! A server may want a nonce in the proofs. The newest one of each origin is kept beside the key, which is why the
//! answers to requests are shown to it.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use url::Url;

use super::challenge::Challenge;
use super::discovery::Discovered;
use super::{Error, random_text};
use crate::secret::AccessToken;

/// The header a proof goes in.
pub const HEADER: HeaderName = HeaderName::from_static("dpop");
/// The header a server gives its nonce in.
const NONCE_HEADER: HeaderName = HeaderName::from_static("dpop-nonce");
/// The error code of an answer that only wants another nonce.
pub const USE_NONCE: &str = "use_dpop_nonce";
/// The one algorithm we sign with.
const ALGORITHM: &str = "ES256";
/// Origins whose nonces are kept: the resource and its authorization server, which may have several hosts.
const MOST_ORIGINS: usize = 16;
/// Longer than any nonce.
const MAX_NONCE: usize = 1024;

/// A key that tokens are bound to. Clones are the same key.
#[derive(Clone)]
pub struct DpopKey(Arc<Inner>);

struct Inner {
    pair: EcdsaKeyPair,
    stored: SecretString,
    jwk: Value,
    thumbprint: String,
    nonces: Mutex<HashMap<String, String>>,
}

impl fmt::Debug for DpopKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DpopKey[redacted]")
    }
}

impl DpopKey {
    /// A new key.
    pub fn generate() -> Self {
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random);
        let pkcs8 = pkcs8.expect("the system's generator works");
        Self::of_pkcs8(pkcs8.as_ref()).expect("a key that was just made")
    }

    /// A key as [`stored`](Self::stored) gave it.
    pub fn restore(stored: &SecretString) -> Option<Self> {
        Self::of_pkcs8(&URL_SAFE_NO_PAD.decode(stored.expose_secret()).ok()?)
    }

    /// The key as text, for the vault.
    pub fn stored(&self) -> &SecretString {
        &self.0.stored
    }

    /// Its name by RFC 7638, for `dpop_jkt`.
    pub fn thumbprint(&self) -> &str {
        &self.0.thumbprint
    }

    /// A proof for one request (RFC 9449 §4.2), with the nonce that its origin gave last.
    pub fn proof(
        &self,
        method: &Method,
        url: &Url,
        token: Option<&AccessToken>,
        now: SystemTime,
    ) -> HeaderValue {
        let header = json!({ "typ": "dpop+jwt", "alg": ALGORITHM, "jwk": self.0.jwk });
        let mut claims = json!({
            "jti": random_text(),
            "htm": method.as_str(),
            "htu": without_query(url),
            "iat": now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs()),
        });
        if let Some(token) = token {
            claims["ath"] = URL_SAFE_NO_PAD.encode(Sha256::digest(token.expose())).into();
        }
        if let Some(nonce) = self.nonces().get(&origin(url)) {
            claims["nonce"] = nonce.as_str().into();
        }
        let encode = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
        let signed = format!("{}.{}", encode(&header), encode(&claims));
        let signature = self.0.pair.sign(&SystemRandom::new(), signed.as_bytes());
        let signature = URL_SAFE_NO_PAD.encode(signature.expect("the system's generator works"));
        HeaderValue::try_from(format!("{signed}.{signature}")).expect("base64 and dots")
    }

    /// Takes the nonce out of an answer; whether there was a new one.
    pub fn learn_nonce(&self, url: &Url, answer: &HeaderMap) -> bool {
        let nonce = answer.get(NONCE_HEADER).and_then(|nonce| nonce.to_str().ok());
        let Some(nonce) = nonce.filter(|nonce| !nonce.is_empty() && nonce.len() <= MAX_NONCE) else {
            return false;
        };
        let (mut nonces, origin) = (self.nonces(), origin(url));
        if nonces.len() >= MOST_ORIGINS && !nonces.contains_key(&origin) {
            return false;
        }
        nonces.insert(origin, nonce.to_owned()).as_deref() != Some(nonce)
    }

    fn of_pkcs8(pkcs8: &[u8]) -> Option<Self> {
        let pair =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8, &SystemRandom::new()).ok()?;
        // SEC 1: 4, then 32 bytes of x, then 32 of y.
        let (x, y) = pair.public_key().as_ref().get(1..65)?.split_at(32);
        let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
        // RFC 7638: these members in this order, without spaces.
        let canonical = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
        Some(Self(Arc::new(Inner {
            pair,
            stored: URL_SAFE_NO_PAD.encode(pkcs8).into(),
            jwk: json!({ "kty": "EC", "crv": "P-256", "x": x, "y": y }),
            thumbprint: URL_SAFE_NO_PAD.encode(Sha256::digest(canonical)),
            nonces: Mutex::default(),
        })))
    }

    fn nonces(&self) -> std::sync::MutexGuard<'_, HashMap<String, String>> {
        self.0.nonces.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A new key where the server wants its tokens bound: its challenge is a DPoP one, or its metadata says so.
///
/// # Errors
/// [`Error::NoDpop`] where it or its authorization server takes no signature of ours.
pub fn key_for(challenge: Option<&Challenge>, discovered: &Discovered) -> Result<Option<DpopKey>, Error> {
    let challenged = challenge.filter(|challenge| challenge.is("DPoP"));
    let metadata = discovered.resource_metadata.as_ref();
    if challenged.is_none() && !metadata.is_some_and(|metadata| metadata.dpop_bound_access_tokens_required) {
        return Ok(None);
    }
    let lists = |algorithms: &Vec<String>| algorithms.iter().any(|name| name == ALGORITHM);
    let fits = discovered.server.dpop_signing_algs.as_ref().is_none_or(lists)
        && metadata.and_then(|metadata| metadata.dpop_signing_algs.as_ref()).is_none_or(lists)
        && challenged
            .and_then(|challenge| challenge.param("algs"))
            .is_none_or(|algorithms| algorithms.split_ascii_whitespace().any(|name| name == ALGORITHM));
    if fits {
        Ok(Some(DpopKey::generate()))
    } else {
        Err(Error::NoDpop { issuer: discovered.server.issuer.to_string() })
    }
}

fn origin(url: &Url) -> String {
    url.origin().ascii_serialization()
}

/// RFC 9449 §4.2: without query and fragment.
fn without_query(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.set_fragment(None);
    url.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};

    fn decoded(part: &str) -> Value {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
    }

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn a_proof_is_signed_by_the_key_it_shows_and_names_the_request() {
        let key = DpopKey::generate();
        let address = url("https://mcp.example:8443/a/b?c=d#e");
        let token = AccessToken::new("at");
        let proof = key.proof(&Method::POST, &address, Some(&token), SystemTime::UNIX_EPOCH);
        let parts: Vec<_> = proof.to_str().unwrap().split('.').collect();
        let (header, claims) = (decoded(parts[0]), decoded(parts[1]));
        assert_eq!((&header["typ"], &header["alg"]), (&json!("dpop+jwt"), &json!("ES256")));
        assert!(header["jwk"].get("d").is_none());
        let mut point = vec![4];
        for coordinate in ["x", "y"] {
            point.extend(URL_SAFE_NO_PAD.decode(header["jwk"][coordinate].as_str().unwrap()).unwrap());
        }
        let signature = URL_SAFE_NO_PAD.decode(parts[2]).unwrap();
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
            .verify(format!("{}.{}", parts[0], parts[1]).as_bytes(), &signature)
            .unwrap();
        assert_eq!(claims["htm"], "POST");
        assert_eq!(claims["htu"], "https://mcp.example:8443/a/b");
        assert_eq!(claims["iat"], 0);
        // The digest of "at".
        assert_eq!(claims["ath"], URL_SAFE_NO_PAD.encode(Sha256::digest("at")));
        assert!(claims.get("nonce").is_none());
        let second = key.proof(&Method::POST, &address, None, SystemTime::UNIX_EPOCH);
        let second = decoded(second.to_str().unwrap().split('.').nth(1).unwrap());
        assert_ne!(second["jti"], claims["jti"]);
        assert!(second.get("ath").is_none());
    }

    #[test]
    fn a_nonce_is_for_its_own_origin_and_the_newest_counts() {
        let key = DpopKey::generate();
        let (resource, server) = (url("https://mcp.example/x"), url("https://as.example/token"));
        let nonce =
            |text: &'static str| HeaderMap::from_iter([(NONCE_HEADER, HeaderValue::from_static(text))]);
        assert!(key.learn_nonce(&resource, &nonce("n1")));
        assert!(!key.learn_nonce(&resource, &nonce("n1")), "it is no news");
        assert!(key.learn_nonce(&resource, &nonce("n2")));
        assert!(!key.learn_nonce(&resource, &HeaderMap::new()));
        let shown = |url: &Url| {
            let proof = key.proof(&Method::GET, url, None, SystemTime::now());
            decoded(proof.to_str().unwrap().split('.').nth(1).unwrap())["nonce"].clone()
        };
        assert_eq!(shown(&resource), "n2");
        assert_eq!(shown(&server), Value::Null);
    }

    #[test]
    fn a_key_survives_the_vault_and_prints_nothing() {
        let key = DpopKey::generate();
        let again = DpopKey::restore(key.stored()).unwrap();
        assert_eq!(again.thumbprint(), key.thumbprint());
        assert_eq!(format!("{key:?}"), "DpopKey[redacted]");
        assert!(DpopKey::restore(&"nonsense".into()).is_none());
        assert_ne!(DpopKey::generate().thumbprint(), key.thumbprint());
    }
}
