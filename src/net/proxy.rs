//! Which proxy a request goes through: the one its server names, else the Host's, else the environment's.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use url::{Host, Url};

use super::address::HostKind;
use super::{AddressClass, ConnectionSettings};

/// `HTTPS_PROXY` and its kin, as read once.
#[derive(Clone, Default)]
pub struct EnvProxies {
    https: Option<Url>,
    http: Option<Url>,
    bypass: Vec<Bypass>,
}

/// The proxy for pages in a window, which dials by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageProxy {
    /// Its address.
    pub url: Url,
    /// What is reached without it: addresses, networks, and names with all below them; each perhaps with a port.
    pub direct: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Bypass {
    Everything,
    Net(IpNet),
    /// A domain and everything below it, perhaps on one port only.
    Domain(String, Option<u16>),
}

const THIS_COMPUTER: [&str; 3] = ["localhost", "127.0.0.0/8", "::1"];

impl EnvProxies {
    /// Reads this process's environment.
    pub fn from_env() -> Self {
        Self::from_vars(|name| std::env::var(name).ok())
    }

    /// Reads the variables through `var`; lower-case spellings count too.
    pub fn from_vars(var: impl Fn(&str) -> Option<String>) -> Self {
        let either = |name: &str| {
            var(name).or_else(|| var(&name.to_ascii_lowercase())).filter(|v| !v.trim().is_empty())
        };
        // A CGI program gets the header `Proxy:` as HTTP_PROXY, so there it is not believed ("httpoxy").
        let http =
            var("http_proxy").or_else(|| var("HTTP_PROXY").filter(|_| var("REQUEST_METHOD").is_none()));
        let all = either("ALL_PROXY");
        let bypass = either("NO_PROXY").unwrap_or_default();
        Self {
            https: either("HTTPS_PROXY").or_else(|| all.clone()).and_then(|text| parse_proxy(&text)),
            http: http.filter(|v| !v.trim().is_empty()).or(all).and_then(|text| parse_proxy(&text)),
            bypass: bypass.split([',', ' ']).filter_map(parse_bypass).collect(),
        }
    }

    fn of(&self, url: &Url) -> Option<&Url> {
        if url.scheme() == "https" { self.https.as_ref() } else { self.http.as_ref() }
    }

    /// Whether `NO_PROXY` names it.
    fn bypasses(&self, url: &Url) -> bool {
        self.bypass.iter().any(|rule| rule.covers(url))
    }
}

/// The proxy for a request; this computer is never reached through one. `NO_PROXY` keeps from the Host's as from the
/// environment's.
pub(super) fn choose(
    url: &Url,
    settings: &ConnectionSettings,
    hosts: Option<&Url>,
    env: &EnvProxies,
) -> Option<Url> {
    if HostKind::of(url) == HostKind::Class(AddressClass::Loopback) {
        return None;
    }
    match &settings.proxy {
        Some(proxy) => Some(proxy.clone()),
        None if settings.use_env_proxy && !env.bypasses(url) => hosts.or_else(|| env.of(url)).cloned(),
        None => None,
    }
}

/// The proxy for pages that belong to a server; `None` leaves them to the system's.
pub(super) fn choose_for_pages(
    settings: &ConnectionSettings,
    hosts: Option<&Url>,
    env: &EnvProxies,
) -> Option<PageProxy> {
    let (url, bypass) = match &settings.proxy {
        Some(own) => (own, &[][..]),
        None => (hosts.filter(|_| settings.use_env_proxy)?, env.bypass.as_slice()),
    };
    if bypass.contains(&Bypass::Everything) {
        return None;
    }
    let named = bypass.iter().map(ToString::to_string);
    Some(PageProxy {
        url: url.clone(),
        direct: THIS_COMPUTER.map(str::to_owned).into_iter().chain(named).collect(),
    })
}

fn parse_proxy(text: &str) -> Option<Url> {
    let text = text.trim();
    let url = if text.contains("://") { Url::parse(text) } else { Url::parse(&format!("http://{text}")) };
    url.ok().filter(|url| url.has_host())
}

fn parse_bypass(text: &str) -> Option<Bypass> {
    let text = text.trim();
    if text.is_empty() {
        return None;
    }
    if text == "*" {
        return Some(Bypass::Everything);
    }
    let address = text.trim_start_matches('[').trim_end_matches(']');
    if let Some(net) = text.parse().ok().or_else(|| address.parse::<IpAddr>().ok().map(IpNet::from)) {
        return Some(Bypass::Net(net));
    }
    let (name, port) = match text.rsplit_once(':') {
        Some((name, port)) => (name, Some(port.parse().ok()?)),
        None => (text, None),
    };
    let name = name.trim_start_matches('*').trim_start_matches('.').to_ascii_lowercase();
    (!name.is_empty()).then_some(Bypass::Domain(name, port))
}

impl Bypass {
    fn covers(&self, url: &Url) -> bool {
        match (self, url.host()) {
            (Self::Everything, _) => true,
            (Self::Net(net), Some(Host::Ipv4(address))) => net.contains(&IpAddr::V4(address)),
            (Self::Net(net), Some(Host::Ipv6(address))) => net.contains(&IpAddr::V6(address)),
            (Self::Domain(domain, port), Some(Host::Domain(name))) => {
                let name = name.strip_suffix('.').unwrap_or(name);
                let below = name
                    .strip_suffix(domain.as_str())
                    .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
                below && port.is_none_or(|port| url.port_or_known_default() == Some(port))
            }
            (Self::Domain(domain, port), Some(Host::Ipv4(address))) => {
                *domain == address.to_string() && *port == url.port_or_known_default()
            }
            (Self::Net(_) | Self::Domain(..), _) => false,
        }
    }
}

impl fmt::Display for Bypass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everything => f.write_str("*"),
            Self::Net(net) => net.fmt(f),
            Self::Domain(name, None) => f.write_str(name),
            Self::Domain(name, Some(port)) => write!(f, "{name}:{port}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(vars: &[(&str, &str)]) -> EnvProxies {
        let vars: Vec<(String, String)> = vars.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
        EnvProxies::from_vars(move |name| {
            vars.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone())
        })
    }

    fn chosen(url: &str, settings: &ConnectionSettings, env: &EnvProxies) -> Option<String> {
        chosen_beside(None, url, settings, env)
    }

    fn chosen_beside(
        hosts: Option<&str>,
        url: &str,
        settings: &ConnectionSettings,
        env: &EnvProxies,
    ) -> Option<String> {
        let hosts = hosts.map(|proxy| Url::parse(proxy).expect(proxy));
        choose(&Url::parse(url).expect(url), settings, hosts.as_ref(), env).map(|proxy| proxy.to_string())
    }

    #[test]
    fn the_environment_counts_only_where_it_is_asked_for() {
        let env = env(&[("HTTPS_PROXY", "proxy.example:3128"), ("NO_PROXY", "intra.example")]);
        let asked = ConnectionSettings { use_env_proxy: true, ..Default::default() };
        assert_eq!(chosen("https://a.example/", &asked, &env).as_deref(), Some("http://proxy.example:3128/"));
        assert_eq!(chosen("https://a.example/", &ConnectionSettings::default(), &env), None);
        assert_eq!(chosen("http://a.example/", &asked, &env), None);
    }

    #[test]
    fn a_named_proxy_wins_but_never_for_this_computer() {
        let proxy = Url::parse("socks5h://10.0.0.1:1080").expect("url");
        let settings = ConnectionSettings { proxy: Some(proxy), use_env_proxy: true, ..Default::default() };
        let env = env(&[("ALL_PROXY", "http://other.example"), ("NO_PROXY", "*")]);
        assert_eq!(chosen("https://a.example/", &settings, &env).as_deref(), Some("socks5h://10.0.0.1:1080"));
        for url in ["http://127.0.0.1:1/", "http://localhost:1/", "http://[::1]:1/"] {
            assert_eq!(chosen(url, &settings, &env), None, "{url}");
        }
    }

    #[test]
    fn the_hosts_proxy_stands_between_a_servers_and_the_environments() {
        let env = env(&[("ALL_PROXY", "http://env.example"), ("NO_PROXY", "intra.example")]);
        let asked = ConnectionSettings { use_env_proxy: true, ..Default::default() };
        let own = Url::parse("http://own.example").expect("url");
        let own = ConnectionSettings { proxy: Some(own), ..Default::default() };
        let hosts = "http://hosts.example/";
        for (settings, url, expected) in [
            (&asked, "https://a.example/", Some(hosts)),
            (&asked, "http://a.example/", Some(hosts)),
            (&own, "https://a.example/", Some("http://own.example/")),
            (&asked, "https://x.intra.example/", None),
            (&asked, "http://127.0.0.1:1/", None),
            (&asked, "https://localhost/", None),
            (&ConnectionSettings::default(), "https://a.example/", None),
        ] {
            assert_eq!(chosen_beside(Some(hosts), url, settings, &env).as_deref(), expected, "{url}");
        }
        assert_eq!(chosen("https://a.example/", &asked, &env).as_deref(), Some("http://env.example/"));
    }

    #[test]
    fn pages_go_the_way_of_their_server() {
        let env = env(&[
            ("ALL_PROXY", "http://env.example"),
            ("NO_PROXY", ".intra.example, build.example:8443, 10.0.0.0/8, [fd00::1]"),
        ]);
        let hosts = Url::parse("http://hosts.example").expect("url");
        let own = Url::parse("socks5h://own.example:1080").expect("url");
        let with_own = ConnectionSettings { proxy: Some(own.clone()), ..Default::default() };
        let without = ConnectionSettings { use_env_proxy: true, ..Default::default() };
        let direct = |more: &[&str]| [&THIS_COMPUTER, more].concat().into_iter().map(str::to_owned).collect();
        let expected = PageProxy { url: own, direct: direct(&[]) };
        assert_eq!(choose_for_pages(&with_own, Some(&hosts), &env), Some(expected));
        let named = ["intra.example", "build.example:8443", "10.0.0.0/8", "fd00::1/128"];
        let expected = PageProxy { url: hosts.clone(), direct: direct(&named) };
        assert_eq!(choose_for_pages(&without, Some(&hosts), &env), Some(expected));
        assert_eq!(choose_for_pages(&without, None, &env), None);
        assert_eq!(choose_for_pages(&ConnectionSettings::default(), Some(&hosts), &env), None);
    }

    #[test]
    fn no_page_has_a_proxy_where_nothing_has() {
        let env = env(&[("NO_PROXY", "*")]);
        let asked = ConnectionSettings { use_env_proxy: true, ..Default::default() };
        let hosts = Url::parse("http://hosts.example").expect("url");
        assert_eq!(choose_for_pages(&asked, Some(&hosts), &env), None);
    }

    #[test]
    fn no_proxy_is_read_as_everyone_reads_it() {
        let asked = ConnectionSettings { use_env_proxy: true, ..Default::default() };
        for (rule, url, direct) in [
            ("example.com", "https://example.com/", true),
            ("example.com", "https://a.example.com/", true),
            (".example.com", "https://a.example.com/", true),
            ("*.example.com", "https://a.example.com./", true),
            ("example.com", "https://badexample.com/", false),
            ("example.com:8443", "https://example.com:8443/", true),
            ("example.com:8443", "https://example.com/", false),
            ("a, EXAMPLE.com", "https://example.com/", true),
            ("10.0.0.0/8", "https://10.1.2.3/", true),
            ("10.0.0.0/8", "https://11.1.2.3/", false),
            ("10.1.2.3", "https://10.1.2.3/", true),
            ("[fd00::1]", "https://[fd00::1]/", true),
            ("*", "https://example.com/", true),
            ("", "https://example.com/", false),
        ] {
            let env = env(&[("https_proxy", "http://proxy.example"), ("no_proxy", rule)]);
            assert_eq!(chosen(url, &asked, &env).is_none(), direct, "{rule} {url}");
        }
    }

    #[test]
    fn http_proxy_is_not_believed_in_a_cgi_program() {
        let asked = ConnectionSettings { use_env_proxy: true, allow_http: true, ..Default::default() };
        let cgi = env(&[("HTTP_PROXY", "evil.example"), ("REQUEST_METHOD", "GET")]);
        assert_eq!(chosen("http://a.example/", &asked, &cgi), None);
        let shell = env(&[("HTTP_PROXY", "good.example")]);
        assert!(chosen("http://a.example/", &asked, &shell).is_some());
    }
}
