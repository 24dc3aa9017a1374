//! Registrations at rest: in the vault, by server entry and issuer.

use base64::Engine;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{ClientKind, ClientRegistration, RedirectUri};
use crate::oauth::client_auth::{AuthMethod, ClientAuth};
use crate::oauth::signing_key::{Algorithm, SigningKey};
use crate::oauth::{CallbackHost, Error, Issuer};
use crate::secret::{self, ClientSecret, ItemName, PrivateKey, Vault};

/// Purposes of items: a registration, and the issuer that a client from the options worked with.
const CLIENT: &str = "client";
const GIVEN: &str = "given";

/// The registrations of one server entry, in the vault. Each entry registers for itself: a consent given to one
/// server's client is then never silently good for another server.
#[derive(Clone)]
pub struct Registrations {
    vault: Vault,
    entry: String,
}

impl Registrations {
    /// Those of this entry.
    pub fn new(vault: Vault, entry: impl Into<String>) -> Self {
        Self { vault, entry: entry.into() }
    }

    /// The stored registration with this issuer.
    ///
    /// # Errors
    /// Those of the vault; a damaged item counts as none.
    pub async fn load(&self, issuer: &Issuer) -> Result<Option<ClientRegistration>, secret::Error> {
        let stored = self.vault.read(&self.item(CLIENT, issuer.as_str())).await?;
        let registration = stored.and_then(|text| StoredRegistration::parse(&text)?.restore());
        Ok(registration.filter(|registration| registration.issuer == *issuer))
    }

    /// Stores a registration under its issuer.
    ///
    /// # Errors
    /// Those of the vault.
    pub async fn save(&self, registration: &ClientRegistration) -> Result<(), secret::Error> {
        let text = StoredRegistration::from(registration).text();
        self.write(CLIENT, registration.issuer.as_str(), text).await
    }

    /// Forgets the registration with this issuer.
    ///
    /// # Errors
    /// Those of the vault.
    pub async fn forget(&self, issuer: &Issuer) -> Result<(), secret::Error> {
        self.vault.delete(&self.item(CLIENT, issuer.as_str())).await
    }

    /// Checks that a client id from the options meets the issuer it was first used with.
    ///
    /// # Errors
    /// [`Error::ForeignCredentials`], or [`Error::NotSaved`] where the vault does not answer.
    pub async fn check_given(&self, client_id: &str, issuer: &Issuer) -> Result<(), Error> {
        let bound = self.vault.read(&self.item(GIVEN, client_id)).await.map_err(Error::NotSaved)?;
        match bound {
            Some(bound) if bound.expose_secret() != issuer.as_str() => Err(Error::ForeignCredentials {
                expected: Issuer::new(bound.expose_secret()).to_string(),
                found: issuer.to_string(),
            }),
            Some(_) | None => Ok(()),
        }
    }

    /// Remembers the issuer a client id from the options worked with.
    ///
    /// # Errors
    /// Those of the vault.
    pub async fn bind_given(&self, client_id: &str, issuer: &Issuer) -> Result<(), secret::Error> {
        self.write(GIVEN, client_id, SecretString::from(issuer.as_str())).await
    }

    /// Forgets all of them, and with whom clients from the options worked: the server is gone, or another one.
    ///
    /// # Errors
    /// Those of the vault; what could not be deleted is still on the list then.
    pub async fn forget_all(&self) -> Result<(), secret::Error> {
        let list = self.vault.read(&self.list()).await?;
        for (purpose, label) in listed(list.as_ref().map(ExposeSecret::expose_secret)) {
            self.vault.delete(&ItemName::new(&purpose, &self.entry, &label)).await?;
        }
        self.vault.delete(&self.list()).await
    }

    /// Puts an item on the list of all, then stores it.
    async fn write(&self, purpose: &str, key: &str, text: SecretString) -> Result<(), secret::Error> {
        let new = (purpose.to_owned(), label(key));
        let add = move |known: Option<&str>| {
            let mut all = listed(known);
            if all.contains(&new) {
                return None;
            }
            all.push(new);
            Some(serde_json::to_string(&all).expect("text always serializes").into())
        };
        self.vault.change(&self.list(), add).await?;
        self.vault.write(&self.item(purpose, key), text).await
    }

    fn item(&self, purpose: &str, key: &str) -> ItemName {
        ItemName::new(purpose, &self.entry, &label(key))
    }

    fn list(&self) -> ItemName {
        ItemName::new("clients", &self.entry, "all")
    }
}

/// What stands for an issuer or a client id in the name of an item.
fn label(key: &str) -> String {
    let digest = Sha256::digest(key.as_bytes());
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(&digest[..12])
}

/// The purposes and labels on a list.
fn listed(list: Option<&str>) -> Vec<(String, String)> {
    list.and_then(|list| serde_json::from_str(list).ok()).unwrap_or_default()
}

/// A registration as it rests in the vault.
#[derive(Serialize, Deserialize)]
pub(crate) struct StoredRegistration {
    issuer: String,
    client_id: String,
    kind: ClientKind,
    auth: AuthMethod,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    client_secret: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    private_key: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key_alg: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    secret_expires_at: Option<u64>,
    #[serde(default)]
    localhost: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    port: Option<u16>,
}

impl From<&ClientRegistration> for StoredRegistration {
    fn from(registration: &ClientRegistration) -> Self {
        let (client_secret, key) = match &registration.auth {
            ClientAuth::None => (None, None),
            ClientAuth::SecretBasic(secret) | ClientAuth::SecretPost(secret) => (Some(secret), None),
            ClientAuth::PrivateKeyJwt(key) => (None, Some(key)),
        };
        Self {
            issuer: registration.issuer.as_str().to_owned(),
            client_id: registration.client_id.clone(),
            kind: registration.kind,
            auth: registration.auth.method(),
            client_secret: client_secret.map(|secret| secret.expose().to_owned()),
            private_key: key.map(|key| key.source().expose().to_owned()),
            key_alg: key.map(|key| key.algorithm().name().to_owned()),
            secret_expires_at: registration.secret_expires_at,
            localhost: registration.redirect.is_some_and(|redirect| redirect.host == CallbackHost::Localhost),
            port: registration.redirect.map(|redirect| redirect.port),
        }
    }
}

impl StoredRegistration {
    fn parse(text: &SecretString) -> Option<Self> {
        serde_json::from_str(text.expose_secret()).ok()
    }

    fn text(&self) -> SecretString {
        serde_json::to_string(self).unwrap_or_default().into()
    }

    /// Back to the working form.
    pub(crate) fn restore(self) -> Option<ClientRegistration> {
        let secret = self.client_secret.map(ClientSecret::new);
        let auth = match self.auth {
            AuthMethod::None => ClientAuth::None,
            AuthMethod::ClientSecretBasic => ClientAuth::SecretBasic(secret?),
            AuthMethod::ClientSecretPost => ClientAuth::SecretPost(secret?),
            AuthMethod::PrivateKeyJwt => {
                let algorithm = self.key_alg.as_deref().and_then(Algorithm::named);
                ClientAuth::PrivateKeyJwt(
                    SigningKey::parse(PrivateKey::new(self.private_key?), algorithm).ok()?,
                )
            }
        };
        let host = if self.localhost { CallbackHost::Localhost } else { CallbackHost::Ipv4 };
        Some(ClientRegistration {
            issuer: Issuer::new(self.issuer),
            client_id: self.client_id,
            auth,
            secret_expires_at: self.secret_expires_at,
            redirect: self.port.map(|port| RedirectUri { host, port }),
            kind: self.kind,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registration(auth: ClientAuth) -> ClientRegistration {
        ClientRegistration {
            issuer: Issuer::new("https://as.example"),
            client_id: "c".to_owned(),
            auth,
            secret_expires_at: Some(7),
            redirect: Some(RedirectUri { host: CallbackHost::Localhost, port: 4000 }),
            kind: ClientKind::Dynamic,
        }
    }

    #[tokio::test]
    async fn registrations_are_kept_by_entry_and_issuer() {
        let (vault, _control) = Vault::memory("h");
        let registration = registration(ClientAuth::SecretBasic(ClientSecret::new("s")));
        let ours = Registrations::new(vault.clone(), "entry");
        ours.save(&registration).await.unwrap();
        let loaded = ours.load(&registration.issuer).await.unwrap().unwrap();
        assert_eq!((loaded.client_id.as_str(), loaded.redirect), ("c", registration.redirect));
        assert_eq!((loaded.kind, loaded.secret_expires_at), (ClientKind::Dynamic, Some(7)));
        assert!(matches!(loaded.auth, ClientAuth::SecretBasic(secret) if secret.expose() == "s"));
        assert!(ours.load(&Issuer::new("https://as.example/")).await.unwrap().is_none());
        assert!(Registrations::new(vault, "other").load(&registration.issuer).await.unwrap().is_none());
        ours.forget(&registration.issuer).await.unwrap();
        assert!(ours.load(&registration.issuer).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn all_are_forgotten_at_once_and_those_of_others_stay() {
        let (vault, control) = Vault::memory("h");
        let (ours, others) = (Registrations::new(vault.clone(), "e"), Registrations::new(vault, "e.1"));
        for issuer in ["https://a.example", "https://b.example", "https://a.example"] {
            let auth = ClientAuth::SecretPost(ClientSecret::new("marked"));
            ours.save(&ClientRegistration { issuer: Issuer::new(issuer), ..registration(auth) })
                .await
                .unwrap();
        }
        ours.bind_given("c", &Issuer::new("https://c.example")).await.unwrap();
        others.save(&registration(ClientAuth::None)).await.unwrap();
        control.fail_deletes(true);
        ours.forget_all().await.unwrap_err();
        control.fail_deletes(false);
        ours.forget_all().await.unwrap();
        assert!(!control.holds("marked"));
        assert!(control.names().iter().all(|name| name.contains("/e.1/")), "{:?}", control.names());
    }

    #[test]
    fn every_way_to_authenticate_comes_back_as_it_was() {
        let pem = include_str!("../../../tests/fixtures/keys/rsa-pkcs8.pem");
        let key = SigningKey::parse(PrivateKey::new(pem), Some(Algorithm::Ps256)).unwrap();
        let secret = || ClientSecret::new("s");
        for auth in [
            ClientAuth::None,
            ClientAuth::SecretBasic(secret()),
            ClientAuth::SecretPost(secret()),
            ClientAuth::PrivateKeyJwt(key),
        ] {
            let before = ClientRegistration { redirect: None, ..registration(auth) };
            let text = StoredRegistration::from(&before).text();
            let after = StoredRegistration::parse(&text).unwrap().restore().unwrap();
            assert_eq!(format!("{before:?}"), format!("{after:?}"));
        }
    }

    #[tokio::test]
    async fn given_credentials_stay_with_their_first_issuer() {
        let ours = Registrations::new(Vault::memory("h").0, "entry");
        let (first, other) = (Issuer::new("https://a.example"), Issuer::new("https://b.example"));
        ours.check_given("c", &first).await.unwrap();
        ours.bind_given("c", &first).await.unwrap();
        ours.check_given("c", &first).await.unwrap();
        assert!(matches!(ours.check_given("c", &other).await, Err(Error::ForeignCredentials { .. })));
        ours.check_given("another", &other).await.unwrap();
    }
}
