//! How connections of one server are made: proxy, certificates, and which addresses it may use.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use url::{Origin, Url};

use super::AddressClass;
use crate::redact::SafeUrl;

/// What a server entry says about its connections. Two equal settings share connections.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ConnectionSettings {
    /// The proxy to use, with its user name and password where it wants them.
    pub proxy: Option<Url>,
    /// Whether `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` count where no proxy is named.
    pub use_env_proxy: bool,
    /// Further authorities to trust, as PEM.
    pub ca: Option<Arc<[u8]>>,
    /// The certificate to show to the server.
    pub client_cert: Option<Arc<ClientCert>>,
    /// The class the server was added with.
    pub class: AddressClass,
    /// Whether a public server's addresses may be private all the same.
    pub allow_private: bool,
    /// Whether unencrypted http is allowed beyond this computer.
    pub allow_http: bool,
}

impl ConnectionSettings {
    /// The least public class that may be dialled.
    pub(super) fn least_class(&self) -> AddressClass {
        let opened = self.class == AddressClass::Public && self.allow_private;
        if opened { AddressClass::Private } else { self.class }
    }
}

// Asked for on every request: the certificates are told apart by `Eq`, which first compares
// their pointers, and stay out of the hash.
impl Hash for ConnectionSettings {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.proxy.hash(state);
        self.ca.as_ref().map(|pem| pem.len()).hash(state);
        self.client_cert.as_ref().map(|cert| cert.digest).hash(state);
        (self.use_env_proxy, self.class, self.allow_private, self.allow_http).hash(state);
    }
}

impl fmt::Debug for ConnectionSettings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ConnectionSettings")
            .field("proxy", &self.proxy.as_ref().map(SafeUrl::from))
            .field("use_env_proxy", &self.use_env_proxy)
            .field("ca", &self.ca.is_some())
            .field("client_cert", &self.client_cert.is_some())
            .field("class", &self.class)
            .field("allow_private", &self.allow_private)
            .field("allow_http", &self.allow_http)
            .finish()
    }
}

/// A client certificate and its private key, both PEM.
pub struct ClientCert {
    shown_to: Vec<Origin>,
    pub(super) chain: Vec<u8>,
    pub(super) key: SecretString,
    digest: [u8; 32],
}

impl ClientCert {
    /// Takes the certificate chain and its key; they are read when first used. Other origins than these, which the
    /// user named, never see it: it says who the user is.
    pub fn new(chain: impl Into<Vec<u8>>, key: SecretString, shown_to: Vec<Origin>) -> Self {
        let chain = chain.into();
        let mut digest = Sha256::new();
        digest.update((chain.len() as u64).to_be_bytes());
        digest.update(&chain);
        digest.update(key.expose_secret());
        Self { shown_to, digest: digest.finalize().into(), chain, key }
    }

    /// Whether this origin may see it.
    pub(super) fn is_for(&self, origin: &Origin) -> bool {
        self.shown_to.contains(origin)
    }
}

impl PartialEq for ClientCert {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest && self.shown_to == other.shown_to
    }
}

impl Eq for ClientCert {}

impl Hash for ClientCert {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.digest.hash(state);
    }
}

impl fmt::Debug for ClientCert {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ClientCert([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_proxy_password_and_no_key() {
        let settings = ConnectionSettings {
            proxy: Some(Url::parse("http://me:marked@proxy.example:3128").expect("url")),
            client_cert: Some(Arc::new(ClientCert::new("chain", SecretString::from("marked"), vec![]))),
            ..Default::default()
        };
        let shown = format!("{settings:?}");
        assert!(shown.contains("proxy.example:3128") && !shown.contains("marked"), "{shown}");
    }

    #[test]
    fn certificates_are_equal_by_content() {
        let cert = |chain: &str, key: &str| ClientCert::new(chain, SecretString::from(key), vec![]);
        assert_eq!(cert("a", "b"), cert("a", "b"));
        assert_ne!(cert("a", "b"), cert("a", "c"));
        assert_ne!(cert("a", "bc"), cert("ab", "c"));
    }

    #[test]
    fn allow_private_opens_private_networks_but_not_this_computer() {
        let of = |class, allow_private| {
            ConnectionSettings { class, allow_private, ..Default::default() }.least_class()
        };
        assert_eq!(of(AddressClass::Public, false), AddressClass::Public);
        assert_eq!(of(AddressClass::Public, true), AddressClass::Private);
        assert_eq!(of(AddressClass::Private, true), AddressClass::Private);
        assert_eq!(of(AddressClass::Loopback, false), AddressClass::Loopback);
    }
}
