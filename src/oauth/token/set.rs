//! The tokens of one account.

use std::time::SystemTime;

use url::Url;

use super::TokenResponse;
use crate::oauth::Issuer;
use crate::oauth::discovery::Discovered;
use crate::oauth::dpop::DpopKey;
use crate::oauth::identity::Identity;
use crate::oauth::registration::ClientRegistration;
use crate::oauth::scope::Scopes;
use crate::secret::{AccessToken, RefreshToken};

/// The tokens of one account, with all that is needed to use, renew and return them: they go to nobody else than who
/// is named in here.
#[derive(Debug, Clone)]
pub struct TokenSet {
    /// Who issued them.
    pub issuer: Issuer,
    /// Where they are renewed.
    pub token_endpoint: Url,
    /// Where they are given back.
    pub revocation_endpoint: Option<Url>,
    /// The client they were issued to.
    pub registration: ClientRegistration,
    /// The access token, where there is one at hand.
    pub access: Option<AccessToken>,
    /// The refresh token, where the server gave one.
    pub refresh: Option<RefreshToken>,
    /// What was granted, or asked for where the server did not say.
    pub scopes: Scopes,
    /// What was asked for.
    pub requested: Scopes,
    /// The `resource` they are for.
    pub resource: Option<String>,
    /// When the access token was issued.
    pub issued_at: SystemTime,
    /// When the access token ends, by the wall clock.
    pub expires_at: Option<SystemTime>,
    /// Who signed in, where an id_token says so.
    pub identity: Option<Identity>,
    /// The key the tokens are bound to.
    pub dpop: Option<DpopKey>,
    /// Other sites the access token may be meant for: the person was asked.
    pub accepted_sites: Vec<String>,
}

impl TokenSet {
    /// What a server issued to that client, bound to that key. Who signed in is for the caller to find out.
    pub(in crate::oauth) fn issued(
        answer: TokenResponse,
        discovered: &Discovered,
        registration: &ClientRegistration,
        dpop: Option<&DpopKey>,
        now: SystemTime,
    ) -> Self {
        let Discovered { server, resource, scopes, .. } = discovered;
        Self {
            issuer: server.issuer.clone(),
            token_endpoint: server.token_endpoint.clone(),
            revocation_endpoint: server.revocation_endpoint.clone(),
            registration: registration.clone(),
            access: Some(answer.access),
            refresh: answer.refresh,
            scopes: answer.scopes.unwrap_or_else(|| scopes.clone()),
            requested: scopes.clone(),
            resource: resource.clone(),
            issued_at: now,
            expires_at: answer.expires_in.map(|lifetime| now + lifetime),
            identity: None,
            dpop: dpop.cloned(),
            accepted_sites: Vec::new(),
        }
    }

    /// Takes over what a refresh brought; a refresh token that did not come stays.
    pub fn renewed(&self, answer: TokenResponse, now: SystemTime) -> Self {
        Self {
            access: Some(answer.access),
            refresh: answer.refresh.or_else(|| self.refresh.clone()),
            scopes: answer.scopes.unwrap_or_else(|| self.scopes.clone()),
            issued_at: now,
            expires_at: answer.expires_in.map(|lifetime| now + lifetime),
            ..self.clone()
        }
    }
}
