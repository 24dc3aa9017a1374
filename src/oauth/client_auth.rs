//! How a client shows who it is at the token endpoint: not at all, with a secret (RFC 6749 §2.3), or with a token it
//! signs (RFC 7523 §2.2).

use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use url::form_urlencoded;

use super::discovery::AuthorizationServer;
use super::signing_key::SigningKey;
use super::{Issuer, OAuthOptions, random_text};
use crate::secret::ClientSecret;

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// How long a signed token is good; clocks differ.
const ASSERTION_LIFETIME: Duration = Duration::from_secs(120);

/// `token_endpoint_auth_method` with what it needs.
#[derive(Debug, Clone)]
pub enum ClientAuth {
    /// A public client: `client_id` in the body.
    None,
    /// HTTP Basic.
    SecretBasic(ClientSecret),
    /// Both in the body.
    SecretPost(ClientSecret),
    /// A token signed with this key.
    PrivateKeyJwt(SigningKey),
}

/// The names of RFC 7591 §2, as far as we speak them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum AuthMethod {
    None,
    ClientSecretBasic,
    ClientSecretPost,
    PrivateKeyJwt,
}

impl AuthMethod {
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "none" => Some(Self::None),
            "client_secret_basic" => Some(Self::ClientSecretBasic),
            "client_secret_post" => Some(Self::ClientSecretPost),
            "private_key_jwt" => Some(Self::PrivateKeyJwt),
            _ => None,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::ClientSecretBasic => "client_secret_basic",
            Self::ClientSecretPost => "client_secret_post",
            Self::PrivateKeyJwt => "private_key_jwt",
        }
    }

    /// For a client with a secret whose method nobody said: Basic, the default of RFC 8414 and 7591, unless the
    /// server lists methods without it.
    pub(super) fn with_secret(supported: Option<&[String]>) -> Self {
        let lists = |method| supported.is_some_and(|methods| lists(methods, method));
        if !lists(Self::ClientSecretBasic) && lists(Self::ClientSecretPost) {
            Self::ClientSecretPost
        } else {
            Self::ClientSecretBasic
        }
    }

    /// What to ask for when registering: public where that is possible, since a secret on a desktop protects little;
    /// else with the key, where there is one.
    pub(super) fn to_ask_for(supported: Option<&[String]>, has_key: bool) -> Self {
        match supported {
            Some(methods) if has_key && lists(methods, Self::PrivateKeyJwt) => Self::PrivateKeyJwt,
            Some(methods) if !lists(methods, Self::None) => Self::with_secret(supported),
            Some(_) | None => Self::None,
        }
    }
}

fn lists(methods: &[String], method: AuthMethod) -> bool {
    methods.iter().any(|name| name == method.name())
}

/// What goes with one request.
pub(super) struct Shown {
    /// The value of `Authorization`.
    pub(super) header: Option<HeaderValue>,
    /// Fields of the form.
    pub(super) fields: Vec<(&'static str, String)>,
}

impl ClientAuth {
    /// For a client from the options: with the key where there is one and the server does not want a secret instead,
    /// with the secret where there is one.
    pub(super) fn given(options: &OAuthOptions, server: &AuthorizationServer) -> Self {
        let methods = server.token_auth_methods.as_deref();
        let takes_keys = methods.is_none_or(|methods| lists(methods, AuthMethod::PrivateKeyJwt));
        match (&options.private_key, &options.client_secret) {
            (Some(key), secret) if takes_keys || secret.is_none() => {
                Self::PrivateKeyJwt(key.clone().accepted_by(server.token_auth_algorithms.as_deref()))
            }
            (_, Some(secret)) => match AuthMethod::with_secret(methods) {
                AuthMethod::ClientSecretPost => Self::SecretPost(secret.clone()),
                AuthMethod::None | AuthMethod::ClientSecretBasic | AuthMethod::PrivateKeyJwt => {
                    Self::SecretBasic(secret.clone())
                }
            },
            (_, None) => Self::None,
        }
    }

    /// The same way with the secret or key that the options hold now.
    pub(super) fn with_current(&self, options: &OAuthOptions) -> Self {
        match (self, &options.private_key, &options.client_secret) {
            (Self::PrivateKeyJwt(before), Some(key), _) => {
                let algorithm = before.algorithm().name().to_owned();
                Self::PrivateKeyJwt(key.clone().accepted_by(Some(&[algorithm])))
            }
            (Self::SecretPost(_), _, Some(secret)) => Self::SecretPost(secret.clone()),
            (_, _, Some(secret)) => Self::SecretBasic(secret.clone()),
            (_, Some(key), None) => Self::PrivateKeyJwt(key.clone()),
            (_, None, None) => Self::None,
        }
    }

    pub(super) fn method(&self) -> AuthMethod {
        match self {
            Self::None => AuthMethod::None,
            Self::SecretBasic(_) => AuthMethod::ClientSecretBasic,
            Self::SecretPost(_) => AuthMethod::ClientSecretPost,
            Self::PrivateKeyJwt(_) => AuthMethod::PrivateKeyJwt,
        }
    }

    /// What to send so that this authorization server knows who asks; an unnamed client sends nothing.
    pub(super) fn show(&self, client_id: &str, issuer: &Issuer) -> Shown {
        let id = ("client_id", client_id.to_owned());
        match self {
            Self::None if client_id.is_empty() => Shown { header: None, fields: Vec::new() },
            Self::None => Shown { header: None, fields: vec![id] },
            // Servers made with the Python SDK look for the client in the form first; RFC 6749 §3.2.1 lets it be there.
            Self::SecretBasic(secret) => {
                Shown { header: Some(basic(client_id, secret.expose())), fields: vec![id] }
            }
            Self::SecretPost(secret) => {
                let secret = ("client_secret", secret.expose().to_owned());
                Shown { header: None, fields: vec![id, secret] }
            }
            Self::PrivateKeyJwt(key) => {
                let fields = vec![
                    id,
                    ("client_assertion_type", ASSERTION_TYPE.to_owned()),
                    ("client_assertion", assertion(key, client_id, issuer)),
                ];
                Shown { header: None, fields }
            }
        }
    }
}

/// RFC 7523 §3. The audience is the issuer and nothing else: an endpoint's address could be another server's, which
/// would then show our token to the first.
fn assertion(key: &SigningKey, client_id: &str, issuer: &Issuer) -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let claims = json!({
        "iss": client_id,
        "sub": client_id,
        "aud": issuer.as_str(),
        "jti": random_text(),
        "iat": now.as_secs(),
        "exp": (now + ASSERTION_LIFETIME).as_secs(),
    });
    key.sign(Map::from_iter([("typ".to_owned(), Value::from("JWT"))]), &claims)
}

/// RFC 6749 §2.3.1: both parts form-encoded before base64.
fn basic(client_id: &str, secret: &str) -> HeaderValue {
    let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let pair = format!("{}:{}", encoded(client_id), encoded(secret));
    let mut value = HeaderValue::from_str(&format!("Basic {}", STANDARD.encode(pair)))
        .expect("base64 is a valid header value");
    value.set_sensitive(true);
    value
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::*;
    use crate::oauth::discovery::tests::server;
    use crate::secret::PrivateKey;

    fn key() -> SigningKey {
        let pem = include_str!("../../tests/fixtures/keys/p256-pkcs8.pem");
        SigningKey::parse(PrivateKey::new(pem), None).unwrap()
    }

    #[test]
    fn basic_credentials_are_form_encoded_first() {
        let value = basic("a:b", "s p/ä");
        let text = value.to_str().unwrap().strip_prefix("Basic ").unwrap();
        assert_eq!(STANDARD.decode(text).unwrap(), b"a%3Ab:s+p%2F%C3%A4");
        assert!(value.is_sensitive());
    }

    #[test]
    fn a_client_with_basic_credentials_names_itself_in_the_form_too() {
        let auth = ClientAuth::SecretBasic(ClientSecret::new("s"));
        let shown = auth.show("c", &Issuer::new("https://as.example"));
        assert!(shown.header.is_some());
        assert_eq!(shown.fields, [("client_id", "c".to_owned())], "and its secret only once");
    }

    #[test]
    fn a_signed_token_is_for_the_issuer_short_lived_and_new_each_time() {
        let issuer = Issuer::new("https://as.example/tenant/");
        let claims = |shown: Shown| -> Value {
            assert!(shown.header.is_none());
            let (_, token) = shown.fields.into_iter().find(|(name, _)| *name == "client_assertion").unwrap();
            let payload = token.split('.').nth(1).unwrap();
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
        };
        let auth = ClientAuth::PrivateKeyJwt(key());
        let (one, two) = (claims(auth.show("c", &issuer)), claims(auth.show("c", &issuer)));
        assert_eq!((&one["iss"], &one["sub"]), (&json!("c"), &json!("c")));
        assert_eq!(one["aud"], "https://as.example/tenant/");
        assert_eq!(one["exp"].as_u64().unwrap() - one["iat"].as_u64().unwrap(), 120);
        assert_ne!(one["jti"], two["jti"]);
    }

    #[test]
    fn the_options_and_the_server_decide_how_a_given_client_authenticates() {
        use AuthMethod::{
            ClientSecretBasic as Basic, ClientSecretPost as Post, None as Public, PrivateKeyJwt as Key,
        };
        let table: &[(bool, bool, Option<&[&str]>, AuthMethod)] = &[
            (false, false, None, Public),
            (true, false, None, Basic),
            (true, false, Some(&["client_secret_post"]), Post),
            (true, false, Some(&["client_secret_post", "client_secret_basic"]), Basic),
            (true, false, Some(&["none"]), Basic),
            (false, true, None, Key),
            (false, true, Some(&["client_secret_basic"]), Key),
            (true, true, None, Key),
            (true, true, Some(&["private_key_jwt", "client_secret_basic"]), Key),
            (true, true, Some(&["client_secret_post"]), Post),
        ];
        for (secret, has_key, methods, expected) in table {
            let options = OAuthOptions {
                client_secret: secret.then(|| ClientSecret::new("s")),
                private_key: has_key.then(key),
                ..OAuthOptions::default()
            };
            assert_eq!(ClientAuth::given(&options, &server(*methods)).method(), *expected, "{methods:?}");
        }
    }

    #[test]
    fn a_replaced_secret_is_used_in_the_same_way() {
        use AuthMethod::{
            ClientSecretBasic as Basic, ClientSecretPost as Post, None as Public, PrivateKeyJwt as Key,
        };
        let old = || ClientSecret::new("old");
        let table = [
            (ClientAuth::SecretPost(old()), true, false, Post),
            (ClientAuth::SecretBasic(old()), true, true, Basic),
            (ClientAuth::SecretBasic(old()), false, true, Key),
            (ClientAuth::PrivateKeyJwt(key()), true, true, Key),
            (ClientAuth::None, true, false, Basic),
            (ClientAuth::SecretBasic(old()), false, false, Public),
        ];
        for (before, secret, has_key, expected) in table {
            let options = OAuthOptions {
                client_secret: secret.then(|| ClientSecret::new("new")),
                private_key: has_key.then(key),
                ..OAuthOptions::default()
            };
            let now = before.with_current(&options);
            assert_eq!(now.method(), expected);
            if let ClientAuth::SecretBasic(secret) | ClientAuth::SecretPost(secret) = now {
                assert_eq!(secret.expose(), "new");
            }
        }
    }

    #[test]
    fn we_ask_to_be_a_public_client_where_that_is_possible() {
        let table: &[(Option<&[&str]>, bool, &str)] = &[
            (None, false, "none"),
            (None, true, "none"),
            (Some(&["client_secret_post", "none"]), false, "none"),
            (Some(&["client_secret_post"]), false, "client_secret_post"),
            (Some(&["client_secret_post", "client_secret_basic"]), false, "client_secret_basic"),
            (Some(&["private_key_jwt"]), false, "client_secret_basic"),
            (Some(&["private_key_jwt", "none"]), true, "private_key_jwt"),
        ];
        for (methods, has_key, expected) in table {
            let methods = server(*methods).token_auth_methods;
            assert_eq!(AuthMethod::to_ask_for(methods.as_deref(), *has_key).name(), *expected);
        }
    }
}
