//! What is to be given back, as it rests in the vault.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use url::Url;

use super::GivenUp;
use crate::host::account::record::{seconds, time};
use crate::net::{AddressClass, ConnectionSettings};
use crate::oauth::registration::StoredRegistration;
use crate::secret::{AccessToken, RefreshToken};

#[derive(Serialize, Deserialize)]
struct Stored {
    since: u64,
    endpoint: Url,
    registration: StoredRegistration,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    access_token: Option<String>,
    dialling: Dialling,
}

/// How the server is reached, but for a client certificate: that is asked for by servers, hardly by those who sign in
/// for them, and its key has no business here.
#[derive(Serialize, Deserialize)]
struct Dialling {
    class: AddressClass,
    #[serde(default)]
    allow_private: bool,
    #[serde(default)]
    allow_http: bool,
    #[serde(default)]
    use_env_proxy: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    proxy: Option<Url>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ca: Option<String>,
}

/// The text to store.
pub(super) fn text(all: &[&GivenUp]) -> SecretString {
    let stored: Vec<_> = all.iter().map(|given_up| Stored::from(*given_up)).collect();
    serde_json::to_string(&stored).expect("text and numbers always serialize").into()
}

/// Reads it; what is of another version is worth nothing.
pub(super) fn parse(text: &SecretString) -> Vec<GivenUp> {
    let stored: Vec<Stored> = serde_json::from_str(text.expose_secret()).unwrap_or_default();
    stored.into_iter().filter_map(Stored::restore).collect()
}

impl From<&GivenUp> for Stored {
    fn from(given_up: &GivenUp) -> Self {
        let ConnectionSettings { proxy, use_env_proxy, ca, client_cert: _, class, allow_private, allow_http } =
            &given_up.settings;
        Self {
            since: seconds(given_up.since),
            endpoint: given_up.endpoint.clone(),
            registration: StoredRegistration::from(&given_up.registration),
            refresh_token: given_up.refresh.as_ref().map(|token| token.expose().to_owned()),
            access_token: given_up.access.as_ref().map(|token| token.expose().to_owned()),
            dialling: Dialling {
                class: *class,
                allow_private: *allow_private,
                allow_http: *allow_http,
                use_env_proxy: *use_env_proxy,
                proxy: proxy.clone(),
                ca: ca.as_ref().map(|pem| STANDARD.encode(pem)),
            },
        }
    }
}

impl Stored {
    fn restore(self) -> Option<GivenUp> {
        let Dialling { class, allow_private, allow_http, use_env_proxy, proxy, ca } = self.dialling;
        let ca = match ca {
            Some(pem) => Some(Arc::from(STANDARD.decode(pem).ok()?)),
            None => None,
        };
        Some(GivenUp {
            since: time(self.since),
            endpoint: self.endpoint,
            registration: self.registration.restore()?,
            settings: ConnectionSettings {
                proxy,
                use_env_proxy,
                ca,
                client_cert: None,
                class,
                allow_private,
                allow_http,
            },
            refresh: self.refresh_token.map(RefreshToken::new),
            access: self.access_token.map(AccessToken::new),
        })
    }
}
