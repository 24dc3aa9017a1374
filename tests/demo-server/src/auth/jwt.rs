//! JWT bearer tokens: signature, algorithm, issuer, audience and expiry.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};

use crate::auth::{Caller, Refusal};
use crate::config::{JwtConfig, JwtKey};

#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    sub: String,
    exp: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
}

/// Whether a token has the shape of a JWT.
pub(crate) fn looks_like(token: &str) -> bool {
    token.split('.').count() == 3
}

/// Who a token speaks for.
pub(crate) fn check(config: &JwtConfig, token: &str) -> Result<Caller, Refusal> {
    let mut validation = Validation::new(algorithm(&config.key));
    validation.leeway = 0;
    validation.set_issuer(&[&config.issuer]);
    validation.set_audience(&[&config.audience]);
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    let key =
        decoding_key(&config.key).map_err(|_| Refusal::Invalid("the server's JWT key does not load"))?;
    let claims = jsonwebtoken::decode::<Claims>(token, &key, &validation)
        .map_err(|error| Refusal::Invalid(describe(&error)))?
        .claims;
    let mut caller =
        Caller::known(&claims.sub, "jwt").ok_or(Refusal::Invalid("the JWT names an unknown user"))?;
    caller.scopes = claims.scope.map(|scope| crate::oauth::parse_scopes(&scope));
    Ok(caller)
}

/// Signs a token for a user, good for `lifetime`; a token for tests may also be born expired.
pub(crate) fn mint(
    config: &JwtConfig,
    user: &str,
    scope: Option<&str>,
    lifetime: Option<Duration>,
) -> anyhow::Result<String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
    let expires = lifetime.map_or(now.saturating_sub(Duration::from_secs(60)), |life| now + life);
    let claims = Claims {
        iss: config.issuer.clone(),
        aud: config.audience.clone(),
        sub: user.to_owned(),
        exp: expires.as_secs(),
        scope: scope.map(str::to_owned),
    };
    let header = Header::new(algorithm(&config.key));
    Ok(jsonwebtoken::encode(&header, &claims, &encoding_key(&config.key)?)?)
}

fn algorithm(key: &JwtKey) -> Algorithm {
    match key {
        JwtKey::Hs256(_) => Algorithm::HS256,
        JwtKey::Rs256 => Algorithm::RS256,
    }
}

fn decoding_key(key: &JwtKey) -> jsonwebtoken::errors::Result<DecodingKey> {
    match key {
        JwtKey::Hs256(secret) => Ok(DecodingKey::from_secret(secret.as_bytes())),
        JwtKey::Rs256 => DecodingKey::from_rsa_pem(include_bytes!("demo-rs256-public.pem")),
    }
}

fn encoding_key(key: &JwtKey) -> jsonwebtoken::errors::Result<EncodingKey> {
    match key {
        JwtKey::Hs256(secret) => Ok(EncodingKey::from_secret(secret.as_bytes())),
        JwtKey::Rs256 => EncodingKey::from_rsa_pem(include_bytes!("demo-rs256-private.pem")),
    }
}

fn describe(error: &jsonwebtoken::errors::Error) -> &'static str {
    let is = |kind: ErrorKind| *error.kind() == kind;
    if is(ErrorKind::ExpiredSignature) {
        "the JWT expired"
    } else if is(ErrorKind::InvalidIssuer) {
        "the JWT is from another issuer"
    } else if is(ErrorKind::InvalidAudience) {
        "the JWT is for another audience"
    } else if is(ErrorKind::InvalidAlgorithm) {
        "the JWT uses another algorithm"
    } else {
        "the JWT is not valid"
    }
}
