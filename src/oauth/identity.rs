//! Who signed in, from the id_token alone (OpenID Connect Core §3.1.3.7). It is shown to people and compared with
//! itself; nothing is allowed or denied on its word.

use std::fmt;
use std::time::{Duration, SystemTime};

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};

use super::{Issuer, jwt};
use crate::redact::plain;

/// How far the clocks of an authorization server and of this computer may differ.
const LEEWAY: Duration = Duration::from_secs(5 * 60);
/// The longest claim that is shown.
const MAX_CLAIM: usize = 200;

/// Somebody, in the words of an authorization server, made fit to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Who says so.
    pub issuer: Issuer,
    /// `sub`: the same person has the same with the same issuer.
    pub subject: String,
    /// `email`
    pub email: Option<String>,
    /// `preferred_username`
    pub username: Option<String>,
    /// `name`
    pub name: Option<String>,
}

impl Identity {
    /// What people recognize the account by.
    pub fn shown(&self) -> &str {
        let best = self.email.as_deref().or(self.username.as_deref()).or(self.name.as_deref());
        best.unwrap_or(&self.subject)
    }

    /// Whether it surely is somebody else.
    pub fn is_other_than(&self, other: &Self) -> bool {
        self.issuer == other.issuer && self.subject != other.subject
    }
}

/// An id_token as it came; it names a person and is not for logs.
#[derive(Clone)]
pub struct IdToken(SecretString);

impl fmt::Debug for IdToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdToken[redacted]")
    }
}

/// What an id_token must agree with.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    /// The issuer whose token endpoint it came from.
    pub issuer: &'a Issuer,
    /// Who it was given to.
    pub client_id: &'a str,
    /// What the authorization request said, if it said it.
    pub nonce: Option<&'a str>,
    /// The time.
    pub now: SystemTime,
}

impl IdToken {
    /// Takes it as it came.
    pub fn new(text: &str) -> Self {
        Self(SecretString::from(text))
    }

    /// Who it names.
    ///
    /// # Errors
    /// What is wrong with it; then it names nobody.
    pub fn identity(&self, expected: Expected<'_>) -> Result<Identity, &'static str> {
        let claims = jwt::claims(self.0.expose_secret()).ok_or("it is not a JWT")?;
        let text = |name: &str| claims.get(name).and_then(Value::as_str);
        if text("iss") != Some(expected.issuer.as_str()) {
            return Err("it is of another issuer");
        }
        let audience = jwt::texts(&claims, "aud");
        if !audience.contains(&expected.client_id) {
            return Err("it is for another client");
        }
        match text("azp") {
            Some(party) if party != expected.client_id => return Err("it was issued to another client"),
            None if audience.len() > 1 => return Err("it does not say to whom it was issued"),
            Some(_) | None => {}
        }
        let now = expected.now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let end = claims.get("exp").and_then(super::token::seconds).ok_or("it has no end")?;
        if Duration::from_secs(end).saturating_add(LEEWAY) <= now {
            return Err("it has ended");
        }
        if expected.nonce.is_some_and(|nonce| !text("nonce").is_some_and(|found| super::same(found, nonce))) {
            return Err("it belongs to another sign-in");
        }
        let subject = claim(&claims, "sub").ok_or("it names nobody")?;
        Ok(Identity {
            issuer: expected.issuer.clone(),
            subject,
            email: claim(&claims, "email"),
            username: claim(&claims, "preferred_username"),
            name: claim(&claims, "name"),
        })
    }
}

fn claim(claims: &Map<String, Value>, name: &str) -> Option<String> {
    Some(plain(claims.get(name)?.as_str()?, MAX_CLAIM)).filter(|text| !text.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(change: Value, nonce: Option<&str>) -> Result<Identity, &'static str> {
        let mut claims = json!({
            "iss": "https://as.example", "aud": "c", "sub": "1", "exp": 1000, "email": "a@b.example",
            "preferred_username": "ab", "name": "A\u{202e} B",
        });
        let (Value::Object(claims), Value::Object(change)) = (&mut claims, change) else { unreachable!() };
        claims.extend(change);
        claims.retain(|_, value| !value.is_null());
        let expected = Expected {
            issuer: &Issuer::new("https://as.example"),
            client_id: "c",
            nonce,
            now: SystemTime::UNIX_EPOCH + Duration::from_secs(900),
        };
        IdToken::new(&jwt::unsigned(&Value::Object(claims.clone()))).identity(expected)
    }

    #[test]
    fn a_good_token_names_somebody() {
        let identity = read(json!({}), None).unwrap();
        assert_eq!((identity.subject.as_str(), identity.shown()), ("1", "a@b.example"));
        assert!(!identity.name.as_deref().unwrap().contains('\u{202e}'));
        for (gone, shown) in
            [(json!({"email": null}), "ab"), (json!({"email": 1, "preferred_username": ""}), "A")]
        {
            assert!(read(gone, None).unwrap().shown().starts_with(shown));
        }
        assert!(read(json!({"nonce": "n"}), Some("n")).is_ok());
        assert!(read(json!({"aud": ["x", "c"], "azp": "c"}), None).is_ok());
        assert!(read(json!({"exp": 700}), None).is_ok(), "clocks differ");
    }

    #[test]
    fn a_token_that_does_not_fit_names_nobody() {
        for (change, nonce) in [
            (json!({"iss": "https://other.example"}), None),
            (json!({"iss": "https://as.example/"}), None),
            (json!({"iss": null}), None),
            (json!({"aud": "x"}), None),
            (json!({"aud": null}), None),
            (json!({"aud": ["x", "c"]}), None),
            (json!({"azp": "x"}), None),
            (json!({"exp": null}), None),
            (json!({"exp": 500}), None),
            (json!({"sub": null}), None),
            (json!({"sub": ""}), None),
            (json!({}), Some("n")),
            (json!({"nonce": "m"}), Some("n")),
        ] {
            assert!(read(change.clone(), nonce).is_err(), "{change}");
        }
        let none = IdToken::new("opaque");
        let issuer = Issuer::new("i");
        let expected = Expected { issuer: &issuer, client_id: "c", nonce: None, now: SystemTime::now() };
        assert!(none.identity(expected).is_err());
        assert_eq!(format!("{none:?}"), "IdToken[redacted]");
    }

    #[test]
    fn only_the_same_issuer_can_tell_people_apart() {
        let one = read(json!({}), None).unwrap();
        let two = read(json!({"sub": "2"}), None).unwrap();
        let elsewhere = Identity { issuer: Issuer::new("https://x.example"), ..two.clone() };
        assert!(one.is_other_than(&two) && !one.is_other_than(&one) && !one.is_other_than(&elsewhere));
    }
}
