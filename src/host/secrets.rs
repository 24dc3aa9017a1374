//! The secrets of one server's options, kept as one item of the vault so that they change at once.

use std::collections::BTreeMap;

use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::{Map, Value};

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
        self.headers.is_empty()
            && self.bearer.is_none()
            && self.client_secret.is_none()
            && self.private_key.is_none()
            && self.proxy.is_none()
    }

    /// Whether the other ones are the same, in constant time for each value.
    pub(super) fn same_as(&self, other: &Self) -> bool {
        let same_headers = self.headers.len() == other.headers.len()
            && self
                .headers
                .iter()
                .all(|(name, value)| other.headers.get(name).is_some_and(|other| value.same_as(other)));
        same_headers
            && same(&self.client_secret, &other.client_secret, ClientSecret::same_as)
            && same(&self.private_key, &other.private_key, PrivateKey::same_as)
            && same(&self.bearer, &other.bearer, StaticSecret::same_as)
            && same(&self.proxy, &other.proxy, StaticSecret::same_as)
    }

    /// The text that is stored; also what a digest is made of.
    pub(super) fn to_json(&self) -> SecretString {
        let mut all = Map::new();
        let headers: Map<String, Value> =
            self.headers.iter().map(|(name, value)| (name.clone(), value.expose().into())).collect();
        all.insert("headers".into(), headers.into());
        let others = [
            ("bearer", self.bearer.as_ref().map(StaticSecret::expose)),
            ("client_secret", self.client_secret.as_ref().map(ClientSecret::expose)),
            ("private_key", self.private_key.as_ref().map(PrivateKey::expose)),
            ("proxy", self.proxy.as_ref().map(StaticSecret::expose)),
        ];
        all.extend(others.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?.into()))));
        Value::Object(all).to_string().into()
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
    proxy: Option<String>,
}

fn same<T>(one: &Option<T>, other: &Option<T>, is_same: impl Fn(&T, &T) -> bool) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => is_same(one, other),
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
        secrets.write(&vault, &id).await.expect("written");
        let again = ServerSecrets::read(&vault, &id).await.expect("read");
        assert!(again.same_as(&secrets));
        secrets.headers.insert("x-key".into(), StaticSecret::new("other"));
        assert!(!again.same_as(&secrets));
        assert!(!again.same_as(&ServerSecrets::default()));
        ServerSecrets::default().write(&vault, &id).await.expect("deleted");
        assert!(!control.holds("one") && control.names().is_empty());
        assert!(ServerSecrets::read(&vault, &id).await.expect("none").is_empty());
    }
}
