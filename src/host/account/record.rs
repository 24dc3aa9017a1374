//! An account's tokens as they rest in the vault.

use std::time::{Duration, SystemTime};

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use url::Url;

use super::SignedOut;
use crate::oauth::Issuer;
use crate::oauth::dpop::DpopKey;
use crate::oauth::identity::Identity;
use crate::oauth::login::Former;
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
    SignedOut {
        /// Why it has none now.
        why: SignedOut,
        /// Whose they were.
        former: Option<Former>,
    },
}

#[derive(Serialize, Deserialize)]
struct Stored {
    version: u32,
    /// The origin the access tokens are for.
    server: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    signed_out: Option<StoredWhy>,
    /// Who signed in an account that is signed out now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    issuer: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    identity: Option<StoredIdentity>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tokens: Option<StoredTokens>,
}

#[derive(Serialize, Deserialize, Clone, Copy)]
#[serde(rename_all = "snake_case")]
enum StoredWhy {
    Expired,
    ClientForgotten,
    Moved,
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
    #[serde(default, skip_serializing_if = "Option::is_none")]
    dpop_key: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    accepted_sites: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct StoredIdentity {
    issuer: String,
    sub: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    preferred_username: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
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
                issuer: None,
                identity: tokens.identity.as_ref().map(StoredIdentity::from),
                tokens: Some(StoredTokens::from(&**tokens)),
            },
            Self::SignedOut { why, former } => Stored {
                version: VERSION,
                server,
                signed_out: stored_why(*why),
                issuer: former.as_ref().map(|former| former.issuer.as_str().to_owned()),
                identity: former
                    .as_ref()
                    .and_then(|former| former.identity.as_ref())
                    .map(StoredIdentity::from),
                tokens: None,
            },
        };
        serde_json::to_string(&stored).expect("text and numbers always serialize").into()
    }

    /// Reads what was stored, if it is ours and for this server.
    pub(super) fn parse(text: &SecretString, server: &Url) -> Option<Self> {
        let stored: Stored = serde_json::from_str(text.expose_secret()).ok()?;
        if stored.version != VERSION || stored.server != server.origin().ascii_serialization() {
            return None;
        }
        let identity = stored.identity.map(StoredIdentity::restore);
        let why = match (stored.tokens, stored.signed_out) {
            (Some(tokens), _) => {
                return tokens.restore(identity).map(|tokens| Self::Tokens(Box::new(tokens)));
            }
            (None, Some(StoredWhy::Expired)) => SignedOut::Expired,
            (None, Some(StoredWhy::ClientForgotten)) => SignedOut::ClientForgotten,
            (None, Some(StoredWhy::Moved)) => SignedOut::Moved,
            (None, None) => return None,
        };
        let former = stored.issuer.map(|issuer| Former { issuer: Issuer::new(issuer), identity });
        Some(Self::SignedOut { why, former })
    }
}

fn stored_why(why: SignedOut) -> Option<StoredWhy> {
    match why {
        SignedOut::Expired | SignedOut::Refused => Some(StoredWhy::Expired),
        SignedOut::ClientForgotten => Some(StoredWhy::ClientForgotten),
        SignedOut::Moved => Some(StoredWhy::Moved),
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
            dpop_key: tokens.dpop.as_ref().map(|key| key.stored().expose_secret().to_owned()),
            accepted_sites: tokens.accepted_sites.clone(),
        }
    }
}

impl StoredTokens {
    fn restore(self, identity: Option<Identity>) -> Option<TokenSet> {
        // Bound tokens are nothing without their key, and never go out without it.
        let dpop = match self.dpop_key {
            Some(key) => Some(DpopKey::restore(&key.into())?),
            None => None,
        };
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
            identity,
            dpop,
            accepted_sites: self.accepted_sites,
        })
    }
}

impl From<&Identity> for StoredIdentity {
    fn from(identity: &Identity) -> Self {
        Self {
            issuer: identity.issuer.as_str().to_owned(),
            sub: identity.subject.clone(),
            email: identity.email.clone(),
            preferred_username: identity.username.clone(),
            name: identity.name.clone(),
        }
    }
}

impl StoredIdentity {
    fn restore(self) -> Identity {
        Identity {
            issuer: Issuer::new(self.issuer),
            subject: self.sub,
            email: self.email,
            username: self.preferred_username,
            name: self.name,
        }
    }
}

pub(super) fn seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

pub(super) fn time(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds)).unwrap_or(SystemTime::UNIX_EPOCH)
}
