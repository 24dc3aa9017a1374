//! The secret types. `expose` is the only way to the text; each call says who needs it.

use std::fmt;
use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;

macro_rules! secret_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone)]
        pub struct $name(Arc<SecretString>);

        impl $name {
            /// Takes over the text; the caller's copy is the caller's to forget.
            pub fn new(text: impl Into<String>) -> Self {
                Self(Arc::new(SecretString::from(text.into())))
            }

            /// The text itself, for the request or the store that needs it.
            pub fn expose(&self) -> &str {
                self.0.expose_secret()
            }

            /// Compares in constant time.
            pub fn same_as(&self, other: &Self) -> bool {
                self.expose().as_bytes().ct_eq(other.expose().as_bytes()).into()
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "[redacted]"))
            }
        }
    };
}

secret_type!(
    /// A bearer token for a resource; lives in memory.
    AccessToken
);
secret_type!(
    /// The token that obtains new access tokens from its issuer.
    RefreshToken
);
secret_type!(
    /// The secret of a client registration.
    ClientSecret
);
secret_type!(
    /// The private key of a client, as PEM or JWK.
    PrivateKey
);
secret_type!(
    /// The PKCE verifier of one sign-in.
    PkceVerifier
);
secret_type!(
    /// The authorization code of one sign-in.
    AuthorizationCode
);
secret_type!(
    /// A header value or bearer token the user gave.
    StaticSecret
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_prints_nothing_of_itself() {
        let token = AccessToken::new("at-marked");
        assert_eq!(format!("{token:?}"), "AccessToken[redacted]");
        assert!(!format!("{:#?}", Some(&token)).contains("marked"));
        assert_eq!(token.expose(), "at-marked");
    }

    #[test]
    fn comparison_sees_length_and_content() {
        let token = AccessToken::new("abc");
        for (other, same) in [("abc", true), ("abd", false), ("ab", false), ("abcd", false), ("", false)] {
            assert_eq!(token.same_as(&AccessToken::new(other)), same, "{other}");
        }
    }
}
