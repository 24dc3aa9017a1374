//! An account's tokens as they rest in the vault.

use std::time::{Duration, SystemTime};

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use url::Url;

use super::SignedOut;
use crate::oauth::Issuer;
use crate::oauth::registration::StoredRegistration;
use crate::oauth::scope::Scopes;
use crate::oauth::token::TokenSet;
use crate::secret::{AccessToken, RefreshToken};

const VERSION: u32 = 1;

/// What is stored for an account.
#[derive(Debug)]
pub(super) enum Record {
    /// Its tokens.
    Tokens(Box<TokenSet>),
    /// That it once had some.
    SignedOut(SignedOut),
}

#[derive(Serialize, Deserialize)]
struct Stored {
    version: u32,
    /// The origin the access tokens are for.
    server: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    signed_out: Option<StoredWhy>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tokens: Option<StoredTokens>,
}

#[derive(Serialize, Deserialize, Clone, Copy)]
#[serde(rename_all = "snake_case")]
enum StoredWhy {
    Expired,
    ClientForgotten,
}

#[derive(Serialize, Deserialize)]
struct StoredTokens {
    issuer: String,
    token_endpoint: Url,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    revocation_endpoint: Option<Url>,
    registration: StoredRegistration,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    access_token: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
    #[serde(default)]
    scope: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    requested_scope: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    resource: Option<String>,
    issued_at: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_at: Option<u64>,
}

impl Record {
    /// The text to store. An access token is in it only where no refresh token is.
    pub(super) fn text(&self, server: &Url) -> SecretString {
        let server = server.origin().ascii_serialization();
        let stored = match self {
            Self::Tokens(tokens) => Stored {
                version: VERSION,
                server,
                signed_out: None,
                tokens: Some(StoredTokens::from(&**tokens)),
            },
            Self::SignedOut(why) => {
                Stored { version: VERSION, server, signed_out: stored_why(*why), tokens: None }
            }
        };
        serde_json::to_string(&stored).expect("text and numbers always serialize").into()
    }

    /// Reads what was stored, if it is ours and for this server.
    pub(super) fn parse(text: &SecretString, server: &Url) -> Option<Self> {
        let stored: Stored = serde_json::from_str(text.expose_secret()).ok()?;
        if stored.version != VERSION || stored.server != server.origin().ascii_serialization() {
            return None;
        }
        match (stored.tokens, stored.signed_out) {
            (Some(tokens), _) => tokens.restore().map(|tokens| Self::Tokens(Box::new(tokens))),
            (None, Some(StoredWhy::Expired)) => Some(Self::SignedOut(SignedOut::Expired)),
            (None, Some(StoredWhy::ClientForgotten)) => Some(Self::SignedOut(SignedOut::ClientForgotten)),
            (None, None) => None,
        }
    }
}

fn stored_why(why: SignedOut) -> Option<StoredWhy> {
    match why {
        SignedOut::Expired | SignedOut::Refused => Some(StoredWhy::Expired),
        SignedOut::ClientForgotten => Some(StoredWhy::ClientForgotten),
        SignedOut::NeverSignedIn | SignedOut::ByPerson => None,
    }
}

impl From<&TokenSet> for StoredTokens {
    fn from(tokens: &TokenSet) -> Self {
        let kept_access = tokens.access.as_ref().filter(|_| tokens.refresh.is_none());
        Self {
            issuer: tokens.issuer.as_str().to_owned(),
            token_endpoint: tokens.token_endpoint.clone(),
            revocation_endpoint: tokens.revocation_endpoint.clone(),
            registration: StoredRegistration::from(&tokens.registration),
            access_token: kept_access.map(|token| token.expose().to_owned()),
            refresh_token: tokens.refresh.as_ref().map(|token| token.expose().to_owned()),
            scope: tokens.scopes.param().unwrap_or_default(),
            requested_scope: tokens.requested.param().unwrap_or_default(),
            resource: tokens.resource.clone(),
            issued_at: seconds(tokens.issued_at),
            expires_at: tokens.expires_at.map(seconds),
        }
    }
}

impl StoredTokens {
    fn restore(self) -> Option<TokenSet> {
        if self.access_token.is_none() && self.refresh_token.is_none() {
            return None;
        }
        Some(TokenSet {
            issuer: Issuer::new(self.issuer),
            token_endpoint: self.token_endpoint,
            revocation_endpoint: self.revocation_endpoint,
            registration: self.registration.restore()?,
            access: self.access_token.map(AccessToken::new),
            refresh: self.refresh_token.map(RefreshToken::new),
            scopes: Scopes::parse(&self.scope),
            requested: Scopes::parse(&self.requested_scope),
            resource: self.resource,
            issued_at: time(self.issued_at),
            expires_at: self.expires_at.map(time),
        })
    }
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn time(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds)).unwrap_or(SystemTime::UNIX_EPOCH)
}
