//! Protected resource metadata (RFC 9728): where it is, whether it is about this server, what it says.

use serde_json::{Map, Value};
use url::Url;

use super::document::{list, says, text};
use crate::oauth::{Error, ResourceOption};
use crate::redact::plain;

/// What RFC 9728 metadata says, as far as we use it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProtectedResourceMetadata {
    /// The resource identifier.
    pub resource: String,
    /// Issuers, best first.
    pub authorization_servers: Vec<String>,
    /// The scopes for basic use.
    pub scopes_supported: Option<Vec<String>>,
    /// Whether it takes only tokens that are bound to a key (RFC 9449).
    pub dpop_bound_access_tokens_required: bool,
    /// How proofs of that key may be signed.
    pub dpop_signing_algs: Option<Vec<String>>,
}

impl ProtectedResourceMetadata {
    /// Reads the document at `url`, which must be about the server or about what the options say.
    pub(super) fn read(
        url: &Url,
        document: &Map<String, Value>,
        server: &Url,
        wanted: &ResourceOption,
    ) -> Result<Self, Error> {
        let resource = text(document, "resource")
            .ok_or_else(|| Error::InvalidMetadata { url: url.into(), why: "it names no resource" })?;
        let given = *wanted == ResourceOption::Given(resource.to_owned());
        if !given && !covers(resource, server) {
            return Err(Error::ResourceMismatch { server: server.into(), named: plain(resource, 200) });
        }
        Ok(Self {
            resource: resource.to_owned(),
            authorization_servers: list(document, "authorization_servers").unwrap_or_default(),
            scopes_supported: list(document, "scopes_supported"),
            dpop_bound_access_tokens_required: says(document, "dpop_bound_access_tokens_required"),
            dpop_signing_algs: list(document, "dpop_signing_alg_values_supported"),
        })
    }
}

/// RFC 9728 §3.1: the well-known text goes between host and path; then the root.
pub fn resource_metadata_urls(server: &Url) -> Vec<Url> {
    const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";
    let at = |path: &str, query: Option<&str>| {
        let mut url = server.clone();
        url.set_fragment(None);
        url.set_path(&format!("{WELL_KNOWN}{path}"));
        url.set_query(query);
        url
    };
    let path = server.path();
    let mut urls = Vec::new();
    if path != "/" {
        urls.push(at(path, server.query()));
        urls.push(at(path.trim_end_matches('/'), server.query()));
    }
    urls.push(at("", None));
    urls.dedup();
    urls
}

/// Whether a resource identifier names this server or something that contains it: same origin, whole path segments.
fn covers(resource: &str, server: &Url) -> bool {
    let Ok(named) = Url::parse(resource) else { return false };
    if named.origin() != server.origin() || !named.origin().is_tuple() || named.fragment().is_some() {
        return false;
    }
    if !named.username().is_empty() || named.password().is_some() {
        return false;
    }
    if named.query().is_some() && named.query() != server.query() {
        return false;
    }
    let prefix = named.path().trim_end_matches('/');
    server.path().strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The server's URL as a resource identifier: without fragment, without a lone final slash.
pub fn canonical(server: &Url) -> String {
    let mut url = server.clone();
    url.set_fragment(None);
    let text = String::from(url);
    if server.path() == "/" && server.query().is_none() {
        text.trim_end_matches('/').to_owned()
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    fn texts(urls: &[Url]) -> Vec<&str> {
        urls.iter().map(Url::as_str).collect()
    }

    #[test]
    fn resource_metadata_is_looked_for_at_the_path_then_at_the_root() {
        let table: &[(&str, &[&str])] = &[
            ("https://h", &["https://h/.well-known/oauth-protected-resource"]),
            (
                "https://h/public/mcp",
                &[
                    "https://h/.well-known/oauth-protected-resource/public/mcp",
                    "https://h/.well-known/oauth-protected-resource",
                ],
            ),
            (
                "https://h:8443/mcp/?t=1#f",
                &[
                    "https://h:8443/.well-known/oauth-protected-resource/mcp/?t=1",
                    "https://h:8443/.well-known/oauth-protected-resource/mcp?t=1",
                    "https://h:8443/.well-known/oauth-protected-resource",
                ],
            ),
        ];
        for (server, expected) in table {
            assert_eq!(texts(&resource_metadata_urls(&url(server))), *expected);
        }
    }

    #[test]
    fn a_resource_covers_its_server_and_nothing_else() {
        let table = [
            ("https://h/mcp", "https://h/mcp", true),
            ("https://h", "https://h/mcp", true),
            ("https://h/", "https://h/mcp", true),
            ("https://H/mcp", "https://h/mcp", true),
            ("https://h:443/mcp", "https://h/mcp", true),
            ("https://h/mcp/", "https://h/mcp", true),
            ("https://h/mcp", "https://h/mcp/a", true),
            ("https://h/mc", "https://h/mcp", false),
            ("https://h/mcp/a", "https://h/mcp", false),
            ("https://h.evil/mcp", "https://h/mcp", false),
            ("https://h:8443/mcp", "https://h/mcp", false),
            ("http://h/mcp", "https://h/mcp", false),
            ("https://h/mcp#f", "https://h/mcp", false),
            ("https://u@h/mcp", "https://h/mcp", false),
            ("https://h/mcp?t=1", "https://h/mcp", false),
            ("https://h/mcp?t=1", "https://h/mcp?t=1", true),
            ("h/mcp", "https://h/mcp", false),
            ("urn:x", "https://h/mcp", false),
        ];
        for (resource, server, expected) in table {
            assert_eq!(covers(resource, &url(server)), expected, "{resource} {server}");
        }
    }

    #[test]
    fn the_canonical_uri_has_no_lone_slash() {
        for (server, expected) in [
            ("https://h/", "https://h"),
            ("https://h", "https://h"),
            ("https://h:8443/mcp#f", "https://h:8443/mcp"),
            ("https://h/mcp/", "https://h/mcp/"),
            ("https://h/?t=/", "https://h/?t=/"),
        ] {
            assert_eq!(canonical(&url(server)), expected);
        }
    }
}
