//! What is unusual about a sign-in, so that it begins on our own page whoever asked (security rule 1).

use url::Url;

use super::discovery::Discovered;
use super::endpoint::{same_site, shown_host, site};
use super::login::LoginRequest;

/// All there is to say before a sign-in at this page, one sentence each.
pub(super) fn all(request: &LoginRequest, discovered: &Discovered, page: &Url) -> Vec<String> {
    let found = [
        another_issuer(request, discovered),
        serves_elsewhere(request, discovered),
        unlisted(request, discovered),
        page_elsewhere(discovered, page),
        more_scopes(request, discovered),
    ];
    found.into_iter().flatten().collect()
}

fn another_issuer(request: &LoginRequest, discovered: &Discovered) -> Option<String> {
    let before = &request.former.as_ref()?.issuer;
    let now = &discovered.server.issuer;
    (before != now).then(|| format!("The server has you sign in at {now} now; before, it was {before}."))
}

fn serves_elsewhere(request: &LoginRequest, discovered: &Discovered) -> Option<String> {
    let issuer = &discovered.server.issuer;
    let here = &request.server_url;
    let other = request
        .elsewhere
        .iter()
        .find(|other| other.issuer == *issuer && !same_site(&other.server_url, here))?;
    Some(format!(
        "{issuer} signs you in to {} at {} already. If {} does not belong to it, cancel: it could use your access \
         there.",
        other.server_name,
        shown_host(&other.server_url),
        shown_host(here)
    ))
}

fn unlisted(request: &LoginRequest, discovered: &Discovered) -> Option<String> {
    let server = &discovered.server;
    let listed = server.protected_resources.as_ref()?;
    let resource = discovered.resource.as_ref()?;
    (!listed.contains(resource)).then(|| {
        format!(
            "{} does not list {} among the servers it signs in for.",
            server.issuer,
            shown_host(&request.server_url)
        )
    })
}

fn page_elsewhere(discovered: &Discovered, page: &Url) -> Option<String> {
    let issuer = Url::parse(discovered.server.issuer.as_str()).ok()?;
    (!same_site(&issuer, page)).then(|| {
        format!("The sign-in page lies at {}, which is not where {} is.", site(page), shown_host(&issuer))
    })
}

fn more_scopes(request: &LoginRequest, discovered: &Discovered) -> Option<String> {
    let added = discovered.scopes.without(request.keep.as_ref()?).param()?;
    Some(format!("It asks for more than you allowed before: {}.", added.replace(' ', ", ")))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::discovery::tests::server;
    use super::super::login::{AskedBy, Elsewhere, Former};
    use super::super::scope::Scopes;
    use super::super::{Issuer, OAuthOptions};
    use super::*;
    use crate::net::ConnectionSettings;

    const AS: &str = "https://as.example";

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    fn request() -> LoginRequest {
        LoginRequest {
            server_name: "here".to_owned(),
            server_url: url("https://mcp.here.example/mcp"),
            settings: ConnectionSettings::default(),
            options: OAuthOptions::default(),
            challenge: None,
            keep: None,
            only_if_offered: false,
            asked_by: AskedBy::Person,
            former: None,
            elsewhere: Vec::new(),
            in_window: false,
            since: None,
            limit: Duration::ZERO,
        }
    }

    fn discovered() -> Discovered {
        let mut server = server(None);
        server.issuer = Issuer::new(AS);
        Discovered {
            resource: Some("https://mcp.here.example/mcp".to_owned()),
            resource_metadata: None,
            server,
            scopes: Scopes::parse("a b"),
        }
    }

    fn page() -> Url {
        url("https://as.example/authorize")
    }

    fn elsewhere(server: &str, issuer: &str) -> Vec<Elsewhere> {
        let (server_name, issuer) = ("other".to_owned(), Issuer::new(issuer));
        vec![Elsewhere { server_name, server_url: url(server), issuer }]
    }

    #[test]
    fn an_ordinary_sign_in_has_no_warning() {
        let mut usual = discovered();
        usual.server.protected_resources = Some(vec!["https://mcp.here.example/mcp".to_owned()]);
        let mut again = request();
        again.former = Some(Former { issuer: Issuer::new(AS), identity: None });
        again.keep = Some(Scopes::parse("a b c"));
        again.elsewhere = elsewhere("https://api.here.example/", AS);
        assert!(all(&again, &usual, &page()).is_empty());
        again.elsewhere = elsewhere("https://other.example/", "https://another.example");
        assert!(all(&again, &usual, &page()).is_empty());
    }

    #[test]
    fn whatever_is_unusual_is_said() {
        type Change = fn(&mut LoginRequest, &mut Discovered, &mut Url);
        let table: &[(Change, &str)] = &[
            (
                |request, _, _| request.elsewhere = elsewhere("https://honest.example/mcp", AS),
                "signs you in to other at honest.example already",
            ),
            (
                |request, _, _| {
                    request.former =
                        Some(Former { issuer: Issuer::new("https://old.example"), identity: None });
                },
                "before, it was https://old.example",
            ),
            (
                |_, found, _| found.server.protected_resources = Some(Vec::new()),
                "does not list mcp.here.example",
            ),
            (
                |_, _, page| *page = url("https://evil.example/authorize"),
                "lies at evil.example, which is not where as.example is",
            ),
            (|request, _, _| request.keep = Some(Scopes::parse("a")), "more than you allowed before: b."),
        ];
        for (change, expected) in table {
            let (mut request, mut discovered, mut page) = (request(), discovered(), page());
            change(&mut request, &mut discovered, &mut page);
            let found = all(&request, &discovered, &page);
            assert_eq!(found.len(), 1, "{found:?}");
            assert!(found[0].contains(expected), "{found:?}");
        }
    }
}
