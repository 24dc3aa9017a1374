//! OAuth for MCP servers, by the authorization pages of the 2026-07-28 specification and, for older servers, of
//! 2025-03-26.
//!
//! [`discovery`] finds who signs in for a server, [`registration`] makes us known there, [`login`] walks one person
//! through it with the help of [`loopback`], [`token`] talks to the token endpoint and [`client_auth`] shows it who asks. Owning an account's tokens over
//! time is the host's work (`host::account`). Nothing in here logs a token, code, state or verifier.

pub mod audience;
pub mod authorization;
pub mod browser;
pub mod challenge;
mod client;
pub mod client_auth;
pub mod discovery;
mod doubt;
pub mod dpop;
pub mod endpoint;
mod error;
pub mod grant;
pub mod identity;
mod jwt;
pub mod known_as;
pub mod login;
pub mod loopback;
mod page;
pub mod registration;
pub mod scope;
pub mod signing_key;
pub mod token;
mod warning;
pub mod window;

use std::fmt;

pub use error::Error;
use subtle::ConstantTimeEq;

use self::grant::Grant;
use self::signing_key::SigningKey;
use crate::secret::ClientSecret;

/// What the registry entry of a server says about OAuth, secrets resolved.
#[derive(Debug, Clone, Default)]
pub struct OAuthOptions {
    /// How tokens are got.
    pub grant: Grant,
    /// A client registered beforehand.
    pub client_id: Option<String>,
    /// Its secret.
    pub client_secret: Option<ClientSecret>,
    /// A key it signs with in place of a secret.
    pub private_key: Option<SigningKey>,
    /// A client id metadata document of the user's own.
    pub client_metadata_url: Option<String>,
    /// Replaces the selection of scopes; an empty one asks for none.
    pub scope: Option<String>,
    /// What is sent as `resource`.
    pub resource: ResourceOption,
    /// The only issuer that may be used.
    pub issuer: Option<String>,
    /// The port the redirect URI was registered with.
    pub callback_port: Option<u16>,
    /// The host the redirect URI was registered with.
    pub callback_host: CallbackHost,
}

/// What is sent as the `resource` parameter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum ResourceOption {
    /// What the resource metadata says, else the server's URL.
    #[default]
    FromMetadata,
    /// This text.
    Given(String),
    /// Nothing, for authorization servers that choke on it.
    None,
}

/// The host part of our redirect URI.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum CallbackHost {
    /// `127.0.0.1`, as RFC 8252 §8.3 wants it.
    #[default]
    Ipv4,
    /// `localhost`, for authorization servers that know no other; then both loopback addresses are held.
    Localhost,
}

impl CallbackHost {
    /// As it stands in a URL.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ipv4 => "127.0.0.1",
            Self::Localhost => "localhost",
        }
    }

    /// The other name of this computer.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Ipv4 => Self::Localhost,
            Self::Localhost => Self::Ipv4,
        }
    }
}

/// An authorization server's name for itself, byte for byte; equal only to the same bytes.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Issuer(String);

impl Issuer {
    /// Takes the text as it came from validated metadata or from our own store.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&crate::redact::plain(&self.0, 200))
    }
}

impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Random text for URLs, from 32 bytes of the system's generator.
pub(crate) fn random_text() -> String {
    use base64::Engine;
    use rand::Rng;
    let bytes: [u8; 32] = rand::rng().random();
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
}

/// Compares without telling by its time where two texts differ.
pub(crate) fn same(left: &str, right: &str) -> bool {
    left.as_bytes().ct_eq(right.as_bytes()).into()
}
