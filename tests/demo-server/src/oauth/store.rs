//! What the authorization server remembers: clients, pending sign-ins, codes and tokens.
//!
//! All tokens that descend from one authorization are a *family*. A code or a refresh token that
//! is used twice ends its family (RFC 6749 4.1.2, OAuth 2.1 4.3.1).

use std::collections::{BTreeSet, HashMap};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use tokio::time::Instant;

use crate::config::{ClientAuth, StaticClient};

/// A registered client.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) secret: Option<String>,
    pub(crate) auth: ClientAuth,
    pub(crate) redirect_uris: Vec<String>,
}

/// A sign-in whose form is open.
#[derive(Debug, Clone)]
pub(crate) struct Pending {
    pub(crate) client_id: String,
    pub(crate) client_name: String,
    pub(crate) redirect_uri: String,
    pub(crate) state: Option<String>,
    pub(crate) challenge: String,
    pub(crate) resource: String,
    pub(crate) scopes: BTreeSet<String>,
    /// What the id_token repeats.
    pub(crate) nonce: Option<String>,
    pub(crate) expires_at: Instant,
}

/// What was granted, and to whom.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Grant {
    pub(crate) user: String,
    pub(crate) client_id: String,
    pub(crate) scopes: BTreeSet<String>,
    pub(crate) resource: String,
    pub(crate) family: u64,
    /// The key its tokens are bound to.
    #[serde(skip)]
    pub(crate) key: Option<String>,
    #[serde(skip)]
    pub(crate) expires_at: Instant,
}

/// An authorization code.
#[derive(Debug, Clone)]
pub(crate) struct Code {
    pub(crate) grant: Grant,
    pub(crate) redirect_uri: String,
    pub(crate) challenge: String,
    pub(crate) nonce: Option<String>,
    pub(crate) used: bool,
}

/// A refresh token; used ones are kept to notice reuse.
#[derive(Debug, Clone)]
pub(crate) struct Refresh {
    pub(crate) grant: Grant,
    pub(crate) used: bool,
}

/// The authorization server's memory.
#[derive(Debug, Default)]
pub(crate) struct Store {
    /// Counts up when the issuer is swapped.
    pub(crate) generation: u32,
    /// What is said in `iss` of the callback in place of the issuer.
    pub(crate) callback_iss: Option<String>,
    /// The nonce that proofs must carry, once one was given.
    pub(crate) dpop_nonce: Option<String>,
    /// The proofs that were used.
    pub(crate) proofs: BTreeSet<String>,
    static_clients: Vec<StaticClient>,
    clients: HashMap<String, Client>,
    pending: HashMap<String, Pending>,
    codes: HashMap<String, Code>,
    access: HashMap<String, Grant>,
    refresh: HashMap<String, Refresh>,
    /// Browsers by their cookie, with the name of the user.
    browsers: HashMap<String, &'static str>,
    families: u64,
}

impl Store {
    pub(crate) fn new(static_clients: Vec<StaticClient>) -> Self {
        Store { static_clients, ..Store::default() }
    }

    /// Becomes another authorization server, which knows nobody.
    pub(crate) fn swap(&mut self) {
        *self = Store {
            generation: self.generation + 1,
            static_clients: std::mem::take(&mut self.static_clients),
            ..Store::default()
        };
    }

    pub(crate) fn client(&self, id: &str) -> Option<Client> {
        let fixed = || self.static_clients.iter().find(|client| client.id == id).map(from_static);
        self.clients.get(id).cloned().or_else(fixed)
    }

    pub(crate) fn add_client(&mut self, client: Client) {
        self.clients.insert(client.id.clone(), client);
    }

    pub(crate) fn forget_clients(&mut self) {
        self.clients.clear();
        self.pending.clear();
    }

    pub(crate) fn add_browser(&mut self, id: String, user: &'static str) {
        self.browsers.insert(id, user);
    }

    pub(crate) fn browser(&self, id: &str) -> Option<&'static str> {
        self.browsers.get(id).copied()
    }

    pub(crate) fn add_pending(&mut self, pending: Pending) -> String {
        let id = random("demo-form-");
        self.pending.insert(id.clone(), pending);
        id
    }

    pub(crate) fn pending(&self, id: &str) -> Option<&Pending> {
        self.pending.get(id)
    }

    pub(crate) fn finish_pending(&mut self, id: &str) -> Option<Pending> {
        self.pending.remove(id)
    }

    pub(crate) fn add_code(&mut self, pending: Pending, user: &str, expires_at: Instant) -> String {
        self.families += 1;
        let grant = Grant {
            user: user.to_owned(),
            client_id: pending.client_id,
            scopes: pending.scopes,
            resource: pending.resource,
            family: self.families,
            key: None,
            expires_at,
        };
        let Pending { redirect_uri, challenge, nonce, .. } = pending;
        let code = random("demo-code-");
        self.codes.insert(code.clone(), Code { grant, redirect_uri, challenge, nonce, used: false });
        code
    }

    pub(crate) fn code(&mut self, code: &str) -> Option<&mut Code> {
        self.codes.get_mut(code)
    }

    pub(crate) fn add_access_token(&mut self, grant: Grant) -> String {
        let token = random("demo-access-");
        self.access.insert(token.clone(), grant);
        token
    }

    pub(crate) fn access_token(&self, token: &str) -> Option<&Grant> {
        self.access.get(token)
    }

    pub(crate) fn add_refresh_token(&mut self, grant: Grant) -> String {
        let token = random("demo-refresh-");
        self.refresh.insert(token.clone(), Refresh { grant, used: false });
        token
    }

    pub(crate) fn refresh_token(&mut self, token: &str) -> Option<&mut Refresh> {
        self.refresh.get_mut(token)
    }

    /// Ends all tokens that descend from one authorization.
    pub(crate) fn revoke_family(&mut self, family: u64) {
        self.access.retain(|_, grant| grant.family != family);
        self.refresh.retain(|_, refresh| refresh.grant.family != family);
    }

    /// Ends one access token, or with a refresh token its family (RFC 7009 2.1).
    pub(crate) fn revoke(&mut self, token: &str, client_id: &str) {
        if let Some(refresh) = self.refresh.get(token) {
            if refresh.grant.client_id == client_id {
                self.revoke_family(refresh.grant.family);
            }
        } else if self.access.get(token).is_some_and(|grant| grant.client_id == client_id) {
            self.access.remove(token);
        }
    }

    /// Ends all tokens of a user, or of everybody.
    pub(crate) fn revoke_user(&mut self, user: Option<&str>) {
        let keep = |grant: &Grant| user.is_some_and(|user| grant.user != user);
        self.access.retain(|_, grant| keep(grant));
        self.refresh.retain(|_, refresh| keep(&refresh.grant));
    }

    pub(crate) fn revoke_refresh_tokens(&mut self) {
        self.refresh.clear();
    }

    pub(crate) fn revoke_access_tokens(&mut self) {
        self.access.clear();
    }

    pub(crate) fn expire_access_tokens(&mut self, now: Instant) {
        for grant in self.access.values_mut() {
            grant.expires_at = now;
        }
    }

    /// The grants behind the access tokens that are still good.
    pub(crate) fn live_grants(&self, now: Instant) -> Vec<Grant> {
        self.access.values().filter(|grant| grant.expires_at > now).cloned().collect()
    }
}

/// A value nobody guesses.
pub(crate) fn random(prefix: &str) -> String {
    format!("{prefix}{}", URL_SAFE_NO_PAD.encode(rand::random::<[u8; 24]>()))
}

fn from_static(client: &StaticClient) -> Client {
    Client {
        id: client.id.clone(),
        name: client.id.clone(),
        secret: client.secret.clone(),
        auth: client.auth,
        redirect_uris: client.redirect_uris.clone(),
    }
}
