//! Whom an access token is meant for, as far as it says so. A bad server that borrows an honest sign-in gets a token
//! for the honest server; this is where that shows (security rule 1).

use url::Url;

use super::{endpoint, jwt};
use crate::secret::AccessToken;

/// The sites a JWT names as its audience, if this server's is not among them. Empty for a token that says nothing,
/// or names what is no site.
pub fn foreign_sites(token: &AccessToken, server: &Url, resource: Option<&str>) -> Vec<String> {
    let Some(claims) = jwt::claims(token.expose()) else { return Vec::new() };
    let audience = jwt::texts(&claims, "aud");
    if audience.iter().any(|name| Some(*name) == resource) {
        return Vec::new();
    }
    let sites: Vec<_> = audience.iter().filter_map(|name| web_address(name)).collect();
    if sites.iter().any(|named| endpoint::same_site(named, server)) {
        return Vec::new();
    }
    let mut hosts: Vec<_> = sites.iter().map(endpoint::shown_host).collect();
    hosts.sort_unstable();
    hosts.dedup();
    hosts
}

fn web_address(name: &str) -> Option<Url> {
    let url = Url::parse(name).ok()?;
    (matches!(url.scheme(), "https" | "http") && url.has_host()).then_some(url)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn a_token_for_other_sites_alone_is_noticed() {
        let server = Url::parse("https://mcp.linear.example/mcp").unwrap();
        let table: &[(Value, &[&str])] = &[
            (json!({}), &[]),
            (json!({"aud": "client-id"}), &[]),
            (json!({"aud": "api://default"}), &[]),
            (json!({"aud": "https://mcp.linear.example/mcp"}), &[]),
            (json!({"aud": "https://api.linear.example"}), &[]),
            (json!({"aud": ["https://linear.example", "https://as.example/userinfo"]}), &[]),
            (json!({"aud": "urn:the-resource"}), &[]),
            (json!({"aud": "https://api.honest.example/"}), &["api.honest.example"]),
            (
                json!({"aud": ["client", "https://b.example:8443", "https://a.example", "https://a.example/x"]}),
                &["a.example", "b.example:8443"],
            ),
        ];
        for (claims, expected) in table {
            let token = AccessToken::new(jwt::unsigned(claims));
            assert_eq!(foreign_sites(&token, &server, Some("urn:the-resource")), *expected, "{claims}");
        }
        let opaque = AccessToken::new("opaque");
        assert!(foreign_sites(&opaque, &server, None).is_empty());
    }
}
