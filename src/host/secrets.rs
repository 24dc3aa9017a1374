//! The secrets of one server's options, kept as one item of the vault so that they change at once.

use std::collections::BTreeMap;

use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::{Map, Value};
use subtle::ConstantTimeEq as _;

use crate::registry::ServerId;
use crate::secret::{ClientSecret, Error, ItemName, PrivateKey, StaticSecret, Vault};

/// What the options of one server hold in secrets.
#[derive(Debug, Clone, Default)]
pub(super) struct ServerSecrets {
    /// Values of headers, by name in small letters.
    pub(super) headers: BTreeMap<String, StaticSecret>,
    /// A static bearer token.
    pub(super) bearer: Option<StaticSecret>,
    /// The secret of a client that was registered by hand.
    pub(super) client_secret: Option<ClientSecret>,
    /// The key that such a client signs with.
    pub(super) private_key: Option<PrivateKey>,
    /// What vouches for a workload.
    pub(super) assertion: Option<StaticSecret>,
    /// Our secret at the company's identity provider.
    pub(super) idp_client_secret: Option<ClientSecret>,
    /// The person's ID token from there.
    pub(super) idp_id_token: Option<StaticSecret>,
    /// The proxy's URL with user name and password.
    pub(super) proxy: Option<StaticSecret>,
}

impl ServerSecrets {
    /// Reads those of an entry; a vault that has none gives none.
    ///
    /// # Errors
    /// What the vault says.
    pub(super) async fn read(vault: &Vault, entry: &ServerId) -> Result<Self, Error> {
        let text = vault.read(&item(entry)).await?;
        Ok(text.map(|text| Self::from_json(&text)).unwrap_or_default())
    }

    /// Stores them, or deletes the item where there are none.
    ///
    /// # Errors
    /// What the vault says.
    pub(super) async fn write(&self, vault: &Vault, entry: &ServerId) -> Result<(), Error> {
        if self.is_empty() {
            Self::delete(vault, entry).await
        } else {
            vault.write(&item(entry), self.to_json()).await
        }
    }

    /// Deletes those of an entry.
    ///
    /// # Errors
    /// What the vault says.
    pub(super) async fn delete(vault: &Vault, entry: &ServerId) -> Result<(), Error> {
        vault.delete(&item(entry)).await
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.headers.is_empty() && self.texts().iter().all(|(_, text)| text.is_none())
    }

    /// Whether the other ones are the same, in constant time for each value.
    pub(super) fn same_as(&self, other: &Self) -> bool {
        let same_headers = self.headers.len() == other.headers.len()
            && self
                .headers
                .iter()
                .all(|(name, value)| other.headers.get(name).is_some_and(|other| value.same_as(other)));
        let texts = self.texts().into_iter().zip(other.texts());
        // Not cut short at the first that differs.
        texts.fold(same_headers, |all, ((_, one), (_, other))| all & same(one, other))
    }

    /// The text that is stored; also what a digest is made of.
    pub(super) fn to_json(&self) -> SecretString {
        let mut all = Map::new();
        let headers: Map<String, Value> =
            self.headers.iter().map(|(name, value)| (name.clone(), value.expose().into())).collect();
        all.insert("headers".into(), headers.into());
        let texts = self.texts().into_iter();
        all.extend(texts.filter_map(|(key, value)| Some((key.to_owned(), value?.into()))));
        Value::Object(all).to_string().into()
    }

    /// All but the headers, by the names they are stored under.
    fn texts(&self) -> [(&'static str, Option<&str>); 7] {
        [
            ("bearer", self.bearer.as_ref().map(StaticSecret::expose)),
            ("client_secret", self.client_secret.as_ref().map(ClientSecret::expose)),
            ("private_key", self.private_key.as_ref().map(PrivateKey::expose)),
            ("assertion", self.assertion.as_ref().map(StaticSecret::expose)),
            ("idp_client_secret", self.idp_client_secret.as_ref().map(ClientSecret::expose)),
            ("idp_id_token", self.idp_id_token.as_ref().map(StaticSecret::expose)),
            ("proxy", self.proxy.as_ref().map(StaticSecret::expose)),
        ]
    }

    fn from_json(text: &SecretString) -> Self {
        let Ok(stored) = serde_json::from_str::<Stored>(text.expose_secret()) else {
            tracing::warn!("the stored secrets of a server are unreadable");
            return Self::default();
        };
        Self {
            headers: stored
                .headers
                .into_iter()
                .map(|(name, value)| (name, StaticSecret::new(value)))
                .collect(),
            bearer: stored.bearer.map(StaticSecret::new),
            client_secret: stored.client_secret.map(ClientSecret::new),
            private_key: stored.private_key.map(PrivateKey::new),
            assertion: stored.assertion.map(StaticSecret::new),
            idp_client_secret: stored.idp_client_secret.map(ClientSecret::new),
            idp_id_token: stored.idp_id_token.map(StaticSecret::new),
            proxy: stored.proxy.map(StaticSecret::new),
        }
    }
}

/// How they are stored.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Stored {
    headers: BTreeMap<String, String>,
    bearer: Option<String>,
    client_secret: Option<String>,
    private_key: Option<String>,
    assertion: Option<String>,
    idp_client_secret: Option<String>,
    idp_id_token: Option<String>,
    proxy: Option<String>,
}

fn same(one: Option<&str>, other: Option<&str>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => one.as_bytes().ct_eq(other.as_bytes()).into(),
        (one, other) => one.is_none() && other.is_none(),
    }
}

fn item(entry: &ServerId) -> ItemName {
    ItemName::new("server", entry.as_str(), "options")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_written_is_read_and_deleted() {
        let (vault, control) = Vault::memory("home");
        let id = ServerId::random();
        let mut secrets = ServerSecrets::default();
        secrets.headers.insert("x-key".into(), StaticSecret::new("one"));
        secrets.client_secret = Some(ClientSecret::new("two"));
        secrets.private_key = Some(PrivateKey::new("three"));
        secrets.assertion = Some(StaticSecret::new("four"));
        secrets.idp_client_secret = Some(ClientSecret::new("five"));
        secrets.idp_id_token = Some(StaticSecret::new("six"));
        secrets.write(&vault, &id).await.expect("written");
        let again = ServerSecrets::read(&vault, &id).await.expect("read");
        assert!(again.same_as(&secrets));
        secrets.headers.insert("x-key".into(), StaticSecret::new("other"));
        assert!(!again.same_as(&secrets));
        assert!(!again.same_as(&ServerSecrets::default()));
        secrets.headers.insert("x-key".into(), StaticSecret::new("one"));
        secrets.idp_id_token = None;
        assert!(!again.same_as(&secrets));
        ServerSecrets::default().write(&vault, &id).await.expect("deleted");
        assert!(!control.holds("one") && control.names().is_empty());
        assert!(ServerSecrets::read(&vault, &id).await.expect("none").is_empty());
    }
}
