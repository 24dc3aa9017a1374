//! Name resolution that vets every address at every dial, so that a name cannot move to where
//! its server has no business (DNS rebinding).

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use futures_util::future::BoxFuture;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::address::is_localhost;
use super::{AddressClass, Error};
use crate::redact::SafeUrl;

/// Where addresses of names come from.
pub trait Lookup: Send + Sync {
    /// All addresses of a name.
    fn lookup(&self, name: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>>;
}

/// The system's resolver, `/etc/hosts` included.
pub struct SystemLookup;

impl Lookup for SystemLookup {
    fn lookup(&self, name: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name, 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }
}

/// Why a name was not dialled.
#[derive(Debug, Clone, Copy, thiserror::Error)]
pub(super) enum DialError {
    #[error("the name could not be looked up")]
    NotFound,
    #[error("the name leads to an address that is not allowed")]
    Forbidden { found: Option<AddressClass> },
}

impl DialError {
    pub(super) fn at(self, url: SafeUrl) -> Error {
        match self {
            Self::NotFound => Error::Dns { url },
            Self::Forbidden { found } => Error::ForbiddenAddress { url, found },
        }
    }
}

/// The resolver of one pool of connections.
pub(super) struct Guard {
    pub(super) lookup: Arc<dyn Lookup>,
    /// The least public class that may be dialled.
    pub(super) least: AddressClass,
    /// The proxy's host, which the user chose and may lie anywhere.
    pub(super) proxy_host: Option<String>,
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let name = name.as_str().to_owned();
        let exempt = self.proxy_host.as_deref().is_some_and(|host| host.eq_ignore_ascii_case(&name));
        let least = self.least;
        let lookup = Arc::clone(&self.lookup);
        Box::pin(async move {
            let addresses = if exempt {
                resolve(&*lookup, name).await?
            } else if is_localhost(&name) {
                localhost(least)?
            } else {
                vet(resolve(&*lookup, name).await?, least)?
            };
            let addresses: Addrs = Box::new(addresses.into_iter().map(|address| SocketAddr::new(address, 0)));
            Ok(addresses)
        })
    }
}

/// The addresses of a name, unvetted.
pub(super) async fn resolve(lookup: &dyn Lookup, name: String) -> Result<Vec<IpAddr>, DialError> {
    match lookup.lookup(name).await {
        Ok(addresses) if !addresses.is_empty() => Ok(addresses),
        Ok(_) | Err(_) => Err(DialError::NotFound),
    }
}

/// `localhost` needs no resolver and must not depend on one (RFC 6761, 6.3).
fn localhost(least: AddressClass) -> Result<Vec<IpAddr>, DialError> {
    if least.may_dial(AddressClass::Loopback) {
        Ok(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()])
    } else {
        Err(DialError::Forbidden { found: Some(AddressClass::Loopback) })
    }
}

/// Keeps the addresses that may be dialled. No name but `localhost` leads to this computer.
pub(super) fn vet(addresses: Vec<IpAddr>, least: AddressClass) -> Result<Vec<IpAddr>, DialError> {
    let least = least.max(AddressClass::Private);
    let found = addresses.iter().filter_map(|address| AddressClass::of_ip(*address)).max();
    let allowed: Vec<IpAddr> = addresses
        .into_iter()
        .filter(|address| AddressClass::of_ip(*address).is_some_and(|class| least.may_dial(class)))
        .collect();
    if allowed.is_empty() { Err(DialError::Forbidden { found }) } else { Ok(allowed) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(texts: &[&str]) -> Vec<IpAddr> {
        texts.iter().map(|text| text.parse().expect(text)).collect()
    }

    #[test]
    fn only_allowed_addresses_of_a_name_are_dialled() {
        let mixed = || addresses(&["127.0.0.1", "169.254.169.254", "10.0.0.1", "1.1.1.1", "fe80::1"]);
        let kept = |least| vet(mixed(), least).expect("some are allowed");
        assert_eq!(kept(AddressClass::Public), addresses(&["1.1.1.1"]));
        assert_eq!(kept(AddressClass::Private), addresses(&["10.0.0.1", "1.1.1.1"]));
        assert_eq!(kept(AddressClass::Loopback), addresses(&["10.0.0.1", "1.1.1.1"]));
    }

    #[test]
    fn a_refusal_names_the_most_public_class_it_met() {
        let found = |texts: &[&str], least| match vet(addresses(texts), least) {
            Err(DialError::Forbidden { found }) => found,
            other => panic!("not refused: {other:?}"),
        };
        assert_eq!(found(&["10.0.0.1", "127.0.0.1"], AddressClass::Public), Some(AddressClass::Private));
        assert_eq!(found(&["127.0.0.1"], AddressClass::Loopback), Some(AddressClass::Loopback));
        assert_eq!(found(&["169.254.1.1"], AddressClass::Private), None);
    }

    #[test]
    fn localhost_is_for_loopback_servers() {
        assert!(localhost(AddressClass::Loopback).is_ok());
        assert!(localhost(AddressClass::Private).is_err());
    }
}
