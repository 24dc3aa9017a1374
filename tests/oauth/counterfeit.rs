//! Servers whose metadata lies, is odd, or is not there.

use drawbridge::host::account::Error;
use serde_json::{Value, json};
use url::Url;

use crate::fake::Fake;
use crate::support::{Fixture, by_person, param};

/// Honest metadata but for these changes; what a person's sign-in there opens.
async fn sign_in(change: impl Fn(&str, &mut Value, &mut Value)) -> (Fake, Result<Url, Error>) {
    let fixture = Fixture::start().await;
    let fake = Fake::start(json!({}), change).await;
    let sign_in = fake.account(&fixture.deps).sign_in(by_person()).await;
    (fake, sign_in.map(|sign_in| sign_in.url.expose().clone()))
}

#[tokio::test]
async fn an_honest_server_is_the_measure() {
    let (honest, url) = sign_in(|_, _, _| {}).await;
    assert!(url.unwrap().as_str().starts_with(&format!("{}/authorize?", honest.origin)));
}

#[tokio::test]
async fn an_unusual_sign_in_begins_on_our_page_even_for_a_person() {
    let (_, unlisted) = sign_in(|_, _, server| {
        server["protected_resources"] = json!(["https://honest.example/mcp"]);
    })
    .await;
    let path = unlisted.unwrap().path().to_owned();
    assert!(path.starts_with("/sign-in/"), "the authorization server's page was opened at once");
    let (_, listed) = sign_in(|origin, _, server| {
        server["protected_resources"] = json!([format!("{origin}/mcp")]);
    })
    .await;
    assert_eq!(listed.unwrap().path(), "/authorize");
}

#[tokio::test]
async fn metadata_that_lies_is_refused_before_anything_opens() {
    type Change = fn(&str, &mut Value, &mut Value);
    let table: &[(&str, Change, &str)] = &[
        (
            "another resource",
            |_, resource, _| resource["resource"] = "https://honest.example/mcp".into(),
            "ResourceMismatch",
        ),
        (
            "another path",
            |origin, resource, _| resource["resource"] = format!("{origin}/other").into(),
            "ResourceMismatch",
        ),
        ("no resource", |_, resource, _| resource["resource"] = Value::Null, "InvalidMetadata"),
        (
            "another issuer",
            |_, _, server| server["issuer"] = "https://honest.example".into(),
            "IssuerMismatch",
        ),
        (
            "issuer with a slash",
            |origin, _, server| server["issuer"] = format!("{origin}/").into(),
            "IssuerMismatch",
        ),
        ("no issuer", |_, _, server| server["issuer"] = Value::Null, "InvalidMetadata"),
        (
            "javascript",
            |_, _, server| server["authorization_endpoint"] = "javascript:alert(1)".into(),
            "UnsafeEndpoint",
        ),
        (
            "file",
            |_, _, server| server["authorization_endpoint"] = "file:///etc/passwd".into(),
            "UnsafeEndpoint",
        ),
        ("flag", |_, _, server| server["authorization_endpoint"] = "--flag".into(), "UnsafeEndpoint"),
        (
            "shell",
            |_, _, server| server["authorization_endpoint"] = "$(touch /tmp/x)".into(),
            "UnsafeEndpoint",
        ),
        (
            "newline",
            |origin, _, server| server["authorization_endpoint"] = format!("{origin}/a\nb").into(),
            "UnsafeEndpoint",
        ),
        (
            "http elsewhere",
            |_, _, server| server["token_endpoint"] = "http://as.example/token".into(),
            "UnsafeEndpoint",
        ),
        (
            "link-local",
            |_, _, server| server["token_endpoint"] = "https://169.254.169.254/token".into(),
            "ForbiddenAddress",
        ),
        ("no token endpoint", |_, _, server| server["token_endpoint"] = Value::Null, "InvalidMetadata"),
        (
            "plain PKCE",
            |_, _, server| server["code_challenge_methods_supported"] = json!(["plain"]),
            "NoPkce",
        ),
        ("no PKCE", |_, _, server| server["code_challenge_methods_supported"] = Value::Null, "NoPkce"),
        (
            "no PKCE in 2025-03-26",
            |_, resource, server| {
                *resource = 404.into();
                server["code_challenge_methods_supported"] = Value::Null;
            },
            "NoPkce",
        ),
        (
            "unsafe issuer",
            |_, resource, _| resource["authorization_servers"] = json!(["file:///x"]),
            "UnsafeEndpoint",
        ),
        ("no metadata", |_, _, server| *server = 404.into(), "NoMetadata"),
        ("trouble at the resource", |_, resource, _| *resource = 503.into(), "Network"),
        ("trouble at the issuer", |_, _, server| *server = 500.into(), "Network"),
    ];
    for (name, change, expected) in table {
        match sign_in(change).await.1 {
            Err(Error::OAuth(error)) => {
                assert!(format!("{error:?}").contains(expected), "{name}: {error:?}");
            }
            other => panic!("{name}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_server_of_2025_03_26_is_its_own_authorization_server() {
    // Some servers answer every path with their web page.
    for nothing in [json!(404), json!("<!doctype html><p>app")] {
        let silent = nothing.clone();
        let (old, url) = sign_in(move |_, resource, server| {
            *resource = silent.clone();
            *server = silent.clone();
        })
        .await;
        let url = url.unwrap();
        assert!(url.as_str().starts_with(&format!("{}/authorize?", old.origin)), "{nothing}");
        assert_eq!(param(&url, "code_challenge_method").as_deref(), Some("S256"));
        let (_, with_slash) = sign_in(move |origin, resource, server| {
            *resource = nothing.clone();
            server["issuer"] = format!("{origin}/").into();
            server["authorization_endpoint"] = format!("{origin}/sign-in-here").into();
        })
        .await;
        assert_eq!(with_slash.unwrap().path(), "/sign-in-here");
    }
}
