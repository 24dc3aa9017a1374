//! Claims of a JSON Web Token that came straight from a token endpoint over TLS, whose word they are (OpenID Connect
//! Core §3.1.3.7, 6). No signature is checked here.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

/// Longer than any token.
const MAX_LENGTH: usize = 64 * 1024;

/// The claims; `None` for what is no signed JWT.
pub(super) fn claims(token: &str) -> Option<Map<String, Value>> {
    let mut parts = token.split('.');
    let (Some(header), Some(payload), Some(_), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return None;
    };
    if token.len() > MAX_LENGTH || object(header)?.get("alg").is_none() {
        return None;
    }
    object(payload)
}

/// A claim that is one text or a list of texts, as `aud` is.
pub(super) fn texts<'a>(claims: &'a Map<String, Value>, name: &str) -> Vec<&'a str> {
    match claims.get(name) {
        Some(Value::String(text)) => vec![text],
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).collect(),
        Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_)) | None => Vec::new(),
    }
}

fn object(part: &str) -> Option<Map<String, Value>> {
    let bytes = URL_SAFE_NO_PAD.decode(part.trim_end_matches('=')).ok()?;
    serde_json::from_slice(&bytes).ok()
}

/// A token with these claims and no signature worth anything.
#[cfg(test)]
pub(super) fn unsigned(claims: &Value) -> String {
    let encode = |text: String| URL_SAFE_NO_PAD.encode(text);
    format!("{}.{}.{}", encode(r#"{"alg":"ES256"}"#.to_owned()), encode(claims.to_string()), "c2ln")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn claims_are_read_from_tokens_that_have_some() {
        let claims = claims(&unsigned(&json!({"sub": "a", "aud": ["x", 1, "y"]}))).unwrap();
        assert_eq!(texts(&claims, "sub"), ["a"]);
        assert_eq!(texts(&claims, "aud"), ["x", "y"]);
        assert!(texts(&claims, "none").is_empty());
    }

    #[test]
    fn what_is_no_jwt_has_no_claims() {
        let good = unsigned(&json!({}));
        for token in ["", "opaque", "a.b.c", "..", &good.replace('.', "-"), &format!("{good}.x"), "e30.e30.x"]
        {
            assert!(claims(token).is_none(), "{token}");
        }
    }
}
