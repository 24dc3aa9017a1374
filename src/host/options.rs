//! What server options do to an entry and its secrets.

use std::path::Path;

use secrecy::ExposeSecret as _;
use sha2::{Digest as _, Sha256};

mod grant;
#[cfg(test)]
mod tests;

use super::Error;
use super::controller::same_but_for_accounts;
use super::proxy;
use super::secrets::ServerSecrets;
use crate::api::types::{ResourceOption, ServerOptions, Unset};
use crate::oauth::registration::is_document_url;
use crate::oauth::signing_key::{Algorithm, InvalidKey, SigningKey};
use crate::registry::{OAuthEntry, ServerEntry, ServerName, ToolRules, header};
use crate::secret::{ClientSecret, PrivateKey, StaticSecret};

/// An entry and the secrets of its options.
#[derive(Debug, Clone)]
pub(super) struct Server {
    pub(super) entry: ServerEntry,
    pub(super) secrets: ServerSecrets,
}

impl Server {
    /// Sets what was given.
    pub(super) fn apply(&mut self, options: &ServerOptions) -> Result<(), Error> {
        let Self { entry, secrets } = self;
        for given in &options.headers {
            let name = header::name(&given.name)?;
            header::value(&name, given.secret.value.expose())?;
            secrets.headers.insert(name.to_string(), StaticSecret::new(given.secret.value.expose()));
        }
        if let Some(bearer) = &options.bearer {
            let name = http::header::AUTHORIZATION;
            header::value(&name, bearer.value.expose())?;
            secrets.bearer = Some(StaticSecret::new(bearer.value.expose()));
        }
        if let Some(secret) = &options.client_secret {
            secrets.client_secret = Some(ClientSecret::new(secret.value.expose()));
        }
        if let Some(key) = &options.private_key {
            secrets.private_key = Some(PrivateKey::new(key.value.expose()));
        }
        grant::apply(entry, secrets, options);
        if let Some(proxy) = &options.proxy {
            apply_proxy(entry, secrets, proxy.expose())?;
        }
        set(&mut entry.transport, options.transport);
        set(&mut entry.sign_in, options.sign_in);
        entry.allow_http |= options.allow_http;
        entry.allow_private |= options.allow_private;
        set_some(&mut entry.ca, options.ca.as_ref());
        set_some(&mut entry.client_cert, options.client_cert.as_ref());
        check_globs(options)?;
        entry.tools.add(&options.allow_tools, &options.deny_tools);
        entry.tools.pinned |= options.pin_tools;
        apply_oauth(&mut entry.oauth, options);
        self.settle()
    }

    /// Takes options back.
    pub(super) fn unset(&mut self, all: &[Unset]) -> Result<(), Error> {
        let Self { entry, secrets } = self;
        let default = OAuthEntry::default();
        for unset in all {
            match unset {
                Unset::Header(name) => drop(secrets.headers.remove(&name.to_ascii_lowercase())),
                Unset::Bearer => secrets.bearer = None,
                Unset::Transport => entry.transport = Default::default(),
                Unset::ClientId => entry.oauth.client_id = None,
                Unset::ClientSecret => secrets.client_secret = None,
                Unset::PrivateKey => secrets.private_key = None,
                Unset::KeyAlg => entry.oauth.key_alg = None,
                Unset::ClientMetadataUrl => entry.oauth.client_metadata_url = None,
                Unset::Grant => entry.oauth.grant = default.grant,
                Unset::Assertion => (entry.oauth.assertion_file, secrets.assertion) = (None, None),
                Unset::IdpIssuer => entry.oauth.idp.issuer = None,
                Unset::IdpTokenEndpoint => entry.oauth.idp.token_endpoint = None,
                Unset::IdpClientId => entry.oauth.idp.client_id = None,
                Unset::IdpClientSecret => secrets.idp_client_secret = None,
                Unset::IdpIdToken => (entry.oauth.idp.id_token_file, secrets.idp_id_token) = (None, None),
                Unset::Scope => entry.oauth.scope = None,
                Unset::Resource => (entry.oauth.resource, entry.oauth.no_resource) = (None, false),
                Unset::Issuer => entry.oauth.issuer = None,
                Unset::CallbackPort => entry.oauth.callback_port = None,
                Unset::CallbackHost => entry.oauth.callback_host = default.callback_host,
                Unset::SignIn => entry.sign_in = Default::default(),
                Unset::AllowHttp => entry.allow_http = false,
                Unset::AllowPrivate => entry.allow_private = false,
                Unset::Ca => entry.ca = None,
                Unset::ClientCert => entry.client_cert = None,
                Unset::Proxy => (entry.proxy, secrets.proxy) = (None, None),
                Unset::AllowTool(glob) => entry.tools.allow.retain(|known| known != glob),
                Unset::AllowTools => entry.tools.allow.clear(),
                Unset::DenyTool(glob) => entry.tools.deny.retain(|known| known != glob),
                Unset::DenyTools => entry.tools.deny.clear(),
                Unset::PinTools => entry.tools.pinned = false,
                Unset::KeepProfile(label) => entry.kept_profiles.retain(|known| known != label),
            }
        }
        self.settle()
    }

    /// The same server with nothing in the secret store.
    pub(super) fn without_secrets(mut self) -> Self {
        self.secrets = ServerSecrets::default();
        self.entry.oauth.assertion_file = None;
        self.entry.oauth.idp.id_token_file = None;
        self.settle_names();
        self
    }

    /// Whether a connection with the other's options may use this one's credentials. How to talk
    /// and where sign-in pages open makes no difference to where they go.
    pub(super) fn same_trust(&self, other: &Self) -> bool {
        self.secrets.same_as(&other.secrets) && trust(&self.entry) == trust(&other.entry)
    }

    /// Whether a session that was connected with this one may go on under the other.
    pub(super) fn serves_as(&self, other: &Self) -> bool {
        self.secrets.same_as(&other.secrets) && same_but_for_accounts(&self.entry, &other.entry)
    }

    /// The same server under another name.
    pub(super) fn renamed(&self, name: &ServerName) -> Self {
        let mut renamed = self.clone();
        renamed.entry.name = name.clone();
        renamed
    }

    /// A digest of everything that makes it a connection of its own; `salt` keeps it from being
    /// guessed.
    pub(super) fn digest(&self, salt: &str) -> String {
        let mut hash = Sha256::new();
        hash.update(salt);
        hash.update(serde_json::to_vec(&trust(&self.entry)).unwrap_or_default());
        hash.update(self.secrets.to_json().expose_secret());
        hex(&hash.finalize())
    }

    fn settle(&mut self) -> Result<(), Error> {
        if self.secrets.bearer.is_some() && self.secrets.headers.contains_key("authorization") {
            return Err(Error::Options("a bearer token and a header Authorization cannot both be given"));
        }
        if self.secrets.client_secret.is_some() && self.entry.oauth.client_id.is_none() {
            return Err(Error::Options("a client secret needs its client id"));
        }
        let url = &self.entry.oauth.client_metadata_url;
        if !url.as_deref().is_none_or(is_document_url) {
            return Err(Error::Options(
                "a client metadata document is named by an https address with a path",
            ));
        }
        self.settle_names();
        self.signing_key()?;
        self.grant()?;
        Ok(())
    }

    /// The key that the client signs with.
    pub(super) fn signing_key(&self) -> Result<Option<SigningKey>, Error> {
        let algorithm = match &self.entry.oauth.key_alg {
            Some(name) => Some(Algorithm::named(name).ok_or(InvalidKey::UnknownAlgorithm)?),
            None => None,
        };
        let key = self.secrets.private_key.clone();
        Ok(key.map(|key| SigningKey::parse(key, algorithm)).transpose()?)
    }

    fn settle_names(&mut self) {
        self.entry.headers = self.secrets.headers.keys().cloned().collect();
        self.entry.bearer = self.secrets.bearer.is_some();
        self.entry.oauth.has_client_secret = self.secrets.client_secret.is_some();
        self.entry.oauth.has_private_key = self.secrets.private_key.is_some();
        self.entry.oauth.has_assertion = self.secrets.assertion.is_some();
        self.entry.oauth.idp.has_client_secret = self.secrets.idp_client_secret.is_some();
        self.entry.oauth.idp.has_id_token = self.secrets.idp_id_token.is_some();
        self.entry.proxy_login = self.secrets.proxy.is_some();
    }
}

/// A digest of rules for tools.
pub(super) fn digest_of_rules(rules: &ToolRules) -> String {
    hex(&Sha256::digest(serde_json::to_vec(rules).unwrap_or_default()))
}

fn hex(hash: &[u8]) -> String {
    hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// Whether secrets given for `before` could go elsewhere, or over a less trusted way, in `after`.
pub(super) fn loosens(before: &ServerEntry, after: &ServerEntry) -> bool {
    let new = |before: &Option<std::path::PathBuf>, after: &Option<std::path::PathBuf>| {
        after.is_some() && before != after
    };
    before.url.origin() != after.url.origin()
        || (after.allow_http && !before.allow_http)
        || new(&before.ca, &after.ca)
        || (before.proxy != after.proxy)
}

/// What decides where credentials go, names and harmless choices left out.
fn trust(entry: &ServerEntry) -> ServerEntry {
    let mut trust = entry.clone();
    trust.transport = Default::default();
    trust.sign_in = Default::default();
    trust.oauth.callback_port = None;
    trust.oauth.callback_host = Default::default();
    trust.tools = Default::default();
    trust.accounts = Vec::new();
    trust.default_account = None;
    trust.kept_profiles = Default::default();
    trust
}

fn apply_proxy(entry: &mut ServerEntry, secrets: &mut ServerSecrets, text: &str) -> Result<(), Error> {
    let mut proxy = proxy::address(text)?;
    secrets.proxy = proxy::has_login(&proxy).then(|| StaticSecret::new(text));
    let cleared = proxy.set_username("").and_then(|()| proxy.set_password(None));
    cleared.map_err(|()| Error::Proxy("the proxy's address has a user name where none can be"))?;
    entry.proxy = Some(proxy);
    Ok(())
}

fn apply_oauth(oauth: &mut OAuthEntry, options: &ServerOptions) {
    set_some(&mut oauth.client_id, options.client_id.as_ref());
    set_some(&mut oauth.key_alg, options.key_alg.as_ref());
    set_some(&mut oauth.client_metadata_url, options.client_metadata_url.as_ref());
    set_some(&mut oauth.scope, options.scope.as_ref());
    set_some(&mut oauth.issuer, options.issuer.as_ref());
    set_some(&mut oauth.callback_port, options.callback_port.as_ref());
    set(&mut oauth.callback_host, options.callback_host);
    match &options.resource {
        Some(ResourceOption::Given(resource)) => {
            (oauth.resource, oauth.no_resource) = (Some(resource.clone()), false);
        }
        Some(ResourceOption::Omitted) => (oauth.resource, oauth.no_resource) = (None, true),
        None => {}
    }
}

fn set<T>(place: &mut T, given: Option<T>) {
    if let Some(given) = given {
        *place = given;
    }
}

fn set_some<T: Clone>(place: &mut Option<T>, given: Option<&T>) {
    if given.is_some() {
        *place = given.cloned();
    }
}

fn check_globs(options: &ServerOptions) -> Result<(), Error> {
    let mut globs = options.allow_tools.iter().chain(&options.deny_tools);
    if globs.any(String::is_empty) {
        return Err(Error::Options("a pattern of tool names is empty"));
    }
    Ok(())
}

/// Whether a file is named by an absolute path, as the Host's own folder means nothing.
pub(super) fn check_paths(options: &ServerOptions) -> Result<(), Error> {
    let mut files = options.ca.iter().chain(&options.client_cert);
    if files.all(|path: &std::path::PathBuf| Path::is_absolute(path)) {
        Ok(())
    } else {
        Err(Error::Options("files are named by absolute paths"))
    }
}
