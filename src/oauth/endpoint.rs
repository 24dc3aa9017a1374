//! Addresses that another party names: which of them may be opened or posted to, and whose site they are.

use url::{Host, Url};

use super::Error;
use crate::net::{AddressClass, ConnectionSettings, Network};

/// Longer than any real endpoint.
const MAX_LENGTH: usize = 4_096;

/// Reads an address from metadata or a challenge and checks it before anything is done with it.
///
/// # Errors
/// [`Error::UnsafeEndpoint`] for anything but https (http on a loopback address is fine for a loopback server), and
/// what [`Network::check`] refuses.
pub fn parse(
    what: &'static str,
    raw: &str,
    network: &Network,
    settings: &ConnectionSettings,
) -> Result<Url, Error> {
    let unsafe_endpoint = |why| Error::UnsafeEndpoint { what, why };
    // The parser drops newlines and tabs and trims spaces; what it would repair is refused.
    if raw.is_empty() || raw.len() > MAX_LENGTH {
        return Err(unsafe_endpoint("it is empty or too long"));
    }
    if raw.chars().any(|letter| letter.is_control() || letter.is_whitespace() || letter == '\\') {
        return Err(unsafe_endpoint("it holds characters that no address has"));
    }
    let url = Url::parse(raw).map_err(|_| unsafe_endpoint("it is no URL"))?;
    let local = settings.class == AddressClass::Loopback && is_loopback(&url);
    match url.scheme() {
        "https" => {}
        "http" if local => {}
        "http" => return Err(unsafe_endpoint("it is not encrypted")),
        _ => return Err(unsafe_endpoint("it is not https")),
    }
    if url.fragment().is_some() {
        return Err(unsafe_endpoint("it has a fragment"));
    }
    network.check(&url, settings)?;
    Ok(url)
}

/// Whether the host is a loopback literal or `localhost`.
pub fn is_loopback(url: &Url) -> bool {
    AddressClass::of_host(url) == Some(AddressClass::Loopback)
}

/// The site (registrable domain) of a URL, or its whole host where there is none.
pub fn site(url: &Url) -> String {
    match url.host() {
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.').to_ascii_lowercase();
            psl::domain_str(&name).map(str::to_owned).unwrap_or(name)
        }
        Some(address) => address.to_string(),
        None => String::new(),
    }
}

/// Whether two URLs are of one site. Loopback is exempt, so that development stays easy.
pub fn same_site(left: &Url, right: &Url) -> bool {
    (is_loopback(left) && is_loopback(right)) || site(left) == site(right)
}

/// `host` or `host:port`, as people are shown it.
pub fn shown_host(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::Limits;

    fn settings(class: AddressClass) -> ConnectionSettings {
        ConnectionSettings { class, ..ConnectionSettings::default() }
    }

    #[tokio::test]
    async fn only_addresses_a_browser_may_be_sent_to_pass() {
        let network = Network::new(Limits::default());
        let refused = [
            "javascript:alert(1)",
            "file:///etc/passwd",
            "data:text/html,x",
            "--flag",
            "-a",
            "$(touch /tmp/x)",
            "`id`",
            "https://as.example/a\nb",
            "https://as.example/\t",
            " https://as.example/",
            "https:\\\\as.example\\",
            "https://user:pw@as.example/",
            "https://as.example/#x",
            "http://as.example/authorize",
            "http://127.0.0.1:8080/authorize",
            "https://127.0.0.1/authorize",
            "https://10.0.0.1/authorize",
            "https://169.254.169.254/latest",
            "https://[::ffff:169.254.169.254]/",
            "/authorize",
            "as.example/authorize",
            "",
        ];
        for raw in refused {
            let answer = parse("authorization endpoint", raw, &network, &settings(AddressClass::Public));
            assert!(answer.is_err(), "{raw}");
        }
        for raw in ["https://as.example/authorize?tenant=a", "https://as.example:8443/$(id)"] {
            let answer = parse("authorization endpoint", raw, &network, &settings(AddressClass::Public));
            assert_eq!(answer.unwrap().as_str(), raw);
        }
    }

    #[tokio::test]
    async fn http_is_for_loopback_servers_on_loopback_alone() {
        let network = Network::new(Limits::default());
        let parse = |raw, settings: &ConnectionSettings| parse("token endpoint", raw, &network, settings);
        let loopback = settings(AddressClass::Loopback);
        assert!(parse("http://127.0.0.1:9/token", &loopback).is_ok());
        assert!(parse("http://localhost:9/token", &loopback).is_ok());
        assert!(parse("http://as.example/token", &loopback).is_err());
        let lax = ConnectionSettings { allow_http: true, ..settings(AddressClass::Private) };
        assert!(parse("http://10.0.0.1/token", &lax).is_err());
    }

    #[test]
    fn sites_follow_the_public_suffix_list() {
        let same =
            |left: &str, right: &str| same_site(&Url::parse(left).unwrap(), &Url::parse(right).unwrap());
        assert!(same("https://mcp.linear.app/x", "https://linear.app/"));
        assert!(!same("https://a.github.io/", "https://b.github.io/"));
        assert!(!same("https://a.co.uk/", "https://b.co.uk/"));
        assert!(same("http://127.0.0.1:1/", "http://localhost:2/"));
        assert!(!same("http://127.0.0.1:1/", "https://a.example/"));
        assert!(same("https://A.example./", "https://a.example/"));
    }
}
