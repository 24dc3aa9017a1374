//! Proof of possession (RFC 9449): checks proofs, and makes clients use nonces.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, HeaderValue, Method};
use jsonwebtoken::jwk::AlgorithmParameters;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use crate::config::Dpop;
use crate::oauth::settings;
use crate::oauth::store::random;
use crate::shared::Shared;

/// How far a proof's time may be off.
const LEEWAY: Duration = Duration::from_secs(60);

/// Why a proof is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// It is missing, wrong or used before.
    Proof(&'static str),
    /// It lacks the newest nonce.
    Nonce,
}

#[derive(Deserialize)]
struct Claims {
    jti: String,
    htm: String,
    htu: String,
    iat: u64,
    ath: Option<String>,
    nonce: Option<String>,
}

/// Checks the proof of a request for `path`; the thumbprint of its key.
pub(crate) fn check(
    shared: &Shared,
    headers: &HeaderMap,
    method: &Method,
    path: &str,
    token: Option<&str>,
) -> Result<String, Refused> {
    let mut proofs = headers.get_all("dpop").iter();
    let (Some(proof), None) = (proofs.next(), proofs.next()) else {
        return Err(Refused::Proof("there must be one proof"));
    };
    let proof = proof.to_str().map_err(|_| Refused::Proof("the proof is no text"))?;
    let (claims, thumbprint) = read(proof).ok_or(Refused::Proof("the proof does not verify"))?;
    let address = format!("{}{path}", shared.origin);
    if claims.htm != method.as_str() || claims.htu != address {
        return Err(Refused::Proof("the proof is for another request"));
    }
    if claims.ath != token.map(digest) {
        return Err(Refused::Proof("the proof is for another token"));
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    if now.abs_diff(Duration::from_secs(claims.iat)) > LEEWAY {
        return Err(Refused::Proof("the proof is old"));
    }
    let mut store = crate::lock(&shared.oauth);
    let is_newest = claims.nonce.is_some() && claims.nonce == store.dpop_nonce;
    if settings(shared).dpop == Dpop::RequiredWithNonces && !is_newest {
        return Err(Refused::Nonce);
    }
    if !store.proofs.insert(claims.jti) {
        return Err(Refused::Proof("the proof was used before"));
    }
    Ok(thumbprint)
}

/// The nonce to use, as a header.
pub(crate) fn nonce(shared: &Shared) -> Option<HeaderValue> {
    let mut store = crate::lock(&shared.oauth);
    HeaderValue::from_str(store.dpop_nonce.get_or_insert_with(|| random("demo-nonce-"))).ok()
}

fn read(proof: &str) -> Option<(Claims, String)> {
    let header = jsonwebtoken::decode_header(proof).ok()?;
    let jwk =
        header.jwk.filter(|_| header.typ.as_deref() == Some("dpop+jwt") && header.alg == Algorithm::ES256)?;
    let AlgorithmParameters::EllipticCurve(point) = &jwk.algorithm else { return None };
    let canonical = format!(r#"{{"crv":"P-256","kty":"EC","x":"{}","y":"{}"}}"#, point.x, point.y);
    let mut validation = Validation::new(Algorithm::ES256);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    let key = DecodingKey::from_jwk(&jwk).ok()?;
    let claims = jsonwebtoken::decode::<Claims>(proof, &key, &validation).ok()?.claims;
    Some((claims, digest(&canonical)))
}

fn digest(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(text))
}
