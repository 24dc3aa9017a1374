//! Says who signed in (OpenID Connect Core §2).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jsonwebtoken::{EncodingKey, Header};
use serde_json::json;

use crate::users;

const LIFETIME: Duration = Duration::from_secs(300);
/// Clients take the token over TLS from the endpoint itself and need not check its signature.
const KEY: &[u8] = b"a-demo-secret-that-everybody-knows";

/// The id_token for a user, to this client.
pub(crate) fn mint(issuer: &str, client_id: &str, user: &str, nonce: Option<&str>) -> Option<String> {
    let user = users::find(user)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut claims = json!({
        "iss": issuer,
        "aud": client_id,
        "sub": format!("user-{}", user.name),
        "email": user.email,
        "preferred_username": user.name,
        "name": user.display_name,
        "iat": now.as_secs(),
        "exp": (now + LIFETIME).as_secs(),
    });
    if let Some(nonce) = nonce {
        claims["nonce"] = json!(nonce);
    }
    jsonwebtoken::encode(&Header::default(), &claims, &EncodingKey::from_secret(KEY)).ok()
}
