//! The proxy that the person sets for all servers without one of their own. It stands in the settings for everybody
//! to read, so it holds no login; and like the environment's it is the person's own choice of how this computer
//! reaches the network, so a change of it drops nobody's secrets.

use serde::{Deserialize, Serialize};
use url::Url;

use super::{Error, HostHandle};
use crate::redact::SafeUrl;

/// The address of a proxy, without user name and password.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HostProxy(Url);

impl HostProxy {
    /// Reads an address.
    ///
    /// # Errors
    /// [`Error::Proxy`], [`Error::ProxyLogin`]
    pub fn parse(text: &str) -> Result<Self, Error> {
        let proxy = address(text.trim())?;
        if has_login(&proxy) {
            return Err(Error::ProxyLogin);
        }
        Ok(Self(proxy))
    }

    /// The address.
    pub fn url(&self) -> &Url {
        &self.0
    }
}

impl TryFrom<String> for HostProxy {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        Self::parse(&text)
    }
}

impl From<HostProxy> for String {
    fn from(proxy: HostProxy) -> Self {
        proxy.0.into()
    }
}

/// The address of a proxy, perhaps with a login.
///
/// # Errors
/// [`Error::Proxy`]
pub(super) fn address(text: &str) -> Result<Url, Error> {
    let proxy = Url::parse(text).map_err(|_| Error::Proxy("the proxy is not an address"))?;
    if !matches!(proxy.scheme(), "http" | "https" | "socks5" | "socks5h") || !proxy.has_host() {
        return Err(Error::Proxy("the proxy's address begins with http, https or socks5"));
    }
    Ok(proxy)
}

/// Whether an address holds a user name or password.
pub(super) fn has_login(proxy: &Url) -> bool {
    !proxy.username().is_empty() || proxy.password().is_some()
}

impl HostHandle {
    /// Has all servers without a proxy of their own reached through this one, or as the environment says. It is kept,
    /// and counts for every request from now on.
    ///
    /// # Errors
    /// As [`HostProxy::parse`], or [`Error::Settings`] when it cannot be kept; all is as it was then.
    pub fn set_proxy(&self, proxy: Option<&str>) -> Result<(), Error> {
        let proxy = proxy.map(HostProxy::parse).transpose()?;
        let file = &self.inner.settings;
        let kept = proxy.clone();
        let _only_writer = file
            .change(|settings| settings.proxy = kept)
            .map_err(|why| Error::Settings { path: file.path().to_owned(), why })?;
        let url = proxy.map(|HostProxy(url)| url);
        tracing::info!(proxy = ?url.as_ref().map(SafeUrl::from), "the proxy for all servers was set");
        self.inner.network.set_proxy(url);
        Ok(())
    }

    /// The proxy for all servers without one of their own, as it is shown.
    pub(super) fn proxy(&self) -> Option<String> {
        self.inner.network.proxy().borrow().as_ref().map(|url| SafeUrl::from(url).to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_for_all_is_an_address_without_a_login() {
        for text in
            ["http://p.example:3128", " https://p.example ", "socks5://10.0.0.1", "socks5h://[fd00::1]:1080"]
        {
            let read = HostProxy::parse(text).expect(text);
            assert_eq!(HostProxy::try_from(String::from(read.clone())).expect(text), read);
        }
        for (text, why) in [
            ("", "not an address"),
            ("p.example:3128", "begins with"),
            ("ftp://p.example", "begins with"),
            ("socks5:nowhere", "begins with"),
            ("http://", "not an address"),
            ("http://me@p.example", "no user name"),
            ("http://:marked@p.example", "no user name"),
        ] {
            let said = HostProxy::parse(text).expect_err(text).to_string();
            assert!(said.contains(why) && !said.contains("marked"), "{text}: {said}");
        }
    }
}
