//! Servers and accounts as they are shown: nothing here may hold a secret.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use super::account::{AccountState, Identity};
use super::failures;
use super::reach::{Attempt, Attempts};
use crate::api::types::{
    AccountStateView, AccountView, IdpView, OAuthView, PersonView, ReachView, ResourceOption, ServerView,
    SubjectView,
};
use crate::redact::SafeUrl;
use crate::registry::{AccountLabel, OAuthEntry, ServerEntry, ServerName};

/// One server; `state` tells how its accounts stand, `further` which are not stored yet.
pub(super) fn of_server(
    entry: &ServerEntry,
    further: impl IntoIterator<Item = AccountLabel>,
    attempts: Option<&Attempts>,
    state: impl Fn(&AccountLabel) -> AccountStateView,
) -> ServerView {
    let stored = entry.accounts.iter().map(|account| account.label.clone());
    let accounts = stored.chain(further).map(|label| AccountView {
        state: state(&label),
        keeps_profile: entry.kept_profiles.contains(&label),
        label,
    });
    ServerView {
        name: entry.name.clone(),
        url: shown(&entry.url),
        transport: entry.transport,
        class: entry.class,
        sign_in: entry.sign_in,
        headers: entry.headers.clone(),
        bearer: entry.bearer,
        oauth: of_oauth(&entry.oauth),
        allow_http: entry.allow_http,
        allow_private: entry.allow_private,
        ca: entry.ca.clone(),
        client_cert: entry.client_cert.clone(),
        proxy: entry.proxy.as_ref().map(|proxy| SafeUrl::from(proxy).to_string()),
        tools: entry.tools.clone(),
        default_account: entry.default_account(),
        reach: attempts.map(of_attempts).unwrap_or_default(),
        accounts: accounts.collect(),
    }
}

/// How an account stands.
pub(super) fn of_account(server: &ServerName, state: &AccountState) -> AccountStateView {
    match state {
        AccountState::Unknown => AccountStateView::Unknown,
        AccountState::SignedIn { expires, renewed, issuer: _, scopes, identity, unsaved: _, ending: _ } => {
            AccountStateView::SignedIn {
                expires: expires.and_then(seconds),
                renewed: seconds(*renewed),
                scopes: scopes.clone(),
                identity: identity.as_ref().map(|identity| identity.shown().to_owned()),
                person: identity.as_ref().map(of_person),
            }
        }
        AccountState::SigningIn { facts, in_browser } => AccountStateView::SigningIn {
            host: facts.as_ref().map(|facts| facts.sign_in_host.clone()),
            in_browser: *in_browser,
        },
        AccountState::SignedOut { why } => {
            AccountStateView::SignedOut { why: why.to_string(), lapsed: why.is_lapse() }
        }
        AccountState::Failed { error } => {
            AccountStateView::Failed { failure: failures::of_account(server.as_str(), error) }
        }
    }
}

fn of_person(identity: &Identity) -> PersonView {
    PersonView {
        issuer: identity.issuer.as_str().to_owned(),
        subject: identity.subject.clone(),
        email: identity.email.clone(),
        username: identity.username.clone(),
        name: identity.name.clone(),
    }
}

/// What is known is shown until it is known better: a server that is tried again and again does not flicker.
fn of_attempts(attempts: &Attempts) -> ReachView {
    match &attempts.last {
        None if attempts.under_way > 0 => ReachView::Connecting,
        None => ReachView::Unknown,
        Some(Attempt::Worked) => ReachView::Reached,
        Some(Attempt::Failed { failure, since }) => {
            ReachView::Failed { failure: failure.clone(), since: seconds(*since) }
        }
    }
}

fn seconds(at: SystemTime) -> Option<u64> {
    at.duration_since(UNIX_EPOCH).ok().map(|since| since.as_secs())
}

fn of_oauth(oauth: &OAuthEntry) -> OAuthView {
    let given = oauth.resource.clone().map(ResourceOption::Given);
    OAuthView {
        client_id: oauth.client_id.clone(),
        has_client_secret: oauth.has_client_secret,
        has_private_key: oauth.has_private_key,
        key_alg: oauth.key_alg.clone(),
        client_metadata_url: oauth.client_metadata_url.clone(),
        grant: oauth.grant,
        assertion: of_subject(oauth.has_assertion, oauth.assertion_file.as_ref()),
        idp: IdpView {
            issuer: oauth.idp.issuer.clone(),
            token_endpoint: oauth.idp.token_endpoint.clone(),
            client_id: oauth.idp.client_id.clone(),
            has_client_secret: oauth.idp.has_client_secret,
            id_token: of_subject(oauth.idp.has_id_token, oauth.idp.id_token_file.as_ref()),
        },
        scope: oauth.scope.clone(),
        resource: given.or(oauth.no_resource.then_some(ResourceOption::Omitted)),
        issuer: oauth.issuer.clone(),
        callback_port: oauth.callback_port,
        callback_host: oauth.callback_host,
    }
}

fn of_subject(is_stored: bool, file: Option<&PathBuf>) -> SubjectView {
    match file {
        Some(file) => SubjectView::File(file.clone()),
        None if is_stored => SubjectView::Stored,
        None => SubjectView::None,
    }
}

/// A query may hold a key, so all that is said of it is that it is there.
fn shown(url: &url::Url) -> String {
    let query = if url.query().is_some() { "?…" } else { "" };
    format!("{}{query}", SafeUrl::from(url))
}
