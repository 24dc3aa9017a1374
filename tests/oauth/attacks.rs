//! Counterfeit servers, foreign callbacks and talkative logs.

use std::io::Write;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::Request;
use axum::response::{Html, IntoResponse};
use demo_server::OAuthConfig;
use drawbridge::host::account::{AccountHandle, Error};
use drawbridge::oauth::{self, ResourceOption};
use drawbridge::secret::Vault;
use serde_json::{Value, json};
use url::Url;

use crate::support::{Fixture, Opened, by_person, client, param, person_allows, spec, visit};

#[tokio::test]
async fn a_callback_with_a_wrong_state_changes_nothing() {
    let fixture = Fixture::start().await;
    let account = fixture.account();
    let sign_in = account.sign_in(by_person()).await.unwrap();
    let redirect = person_allows(sign_in.url.expose()).await;
    for query in ["code=x&state=wrong", "error=access_denied&state=wrong", "error=access_denied", ""] {
        let mut foreign = redirect.clone();
        foreign.set_query(Some(query));
        assert_eq!(visit(&foreign).await.status(), 400, "{query}");
    }
    assert_eq!(visit(&redirect).await.status(), 200);
    sign_in.outcome().await.unwrap();
}

#[tokio::test]
async fn a_callback_works_once() {
    let fixture = Fixture::start().await;
    let account = fixture.account();
    let sign_in = account.sign_in(by_person()).await.unwrap();
    let redirect = person_allows(sign_in.url.expose()).await;
    let (one, two) =
        tokio::join!(client().get(redirect.clone()).send(), client().get(redirect.clone()).send());
    let good = [one, two]
        .into_iter()
        .filter(|answer| answer.as_ref().is_ok_and(|page| page.status() == 200))
        .count();
    assert_eq!(good, 1);
    sign_in.outcome().await.unwrap();
    assert_eq!(fixture.demo.control().stats().grant("authorization_code"), 1);
}

#[tokio::test]
async fn the_listener_answers_only_to_its_own_name() {
    let fixture = Fixture::start().await;
    let account = fixture.account();
    let sign_in = account.sign_in(by_person()).await.unwrap();
    let redirect = person_allows(sign_in.url.expose()).await;
    for (name, value) in [("host", "evil.example"), ("host", "127.0.0.1"), ("origin", "https://evil.example")]
    {
        let answer = client().get(redirect.clone()).header(name, value).send().await.unwrap();
        assert_eq!(answer.status(), 403, "{name}: {value}");
    }
    assert_eq!(client().post(redirect.clone()).send().await.unwrap().status(), 404);
    assert_eq!(visit(&redirect).await.status(), 200);
    sign_in.outcome().await.unwrap();
}

#[tokio::test]
async fn a_code_of_another_issuer_is_never_redeemed() {
    let fixture = Fixture::start().await;
    fixture.demo.control().set_callback_iss(Some("https://honest.example"));
    let account = fixture.account();
    let sign_in = account.sign_in(by_person()).await.unwrap();
    visit(&person_allows(sign_in.url.expose()).await).await;
    assert!(matches!(*sign_in.outcome().await.unwrap_err(), oauth::Error::WrongResponder { .. }));
    assert_eq!(fixture.demo.control().stats().grant("authorization_code"), 0);
}

#[tokio::test]
async fn without_pkce_nobody_is_sent_anywhere() {
    let fixture = Fixture::new(OAuthConfig { announce_pkce: false, ..OAuthConfig::default() }).await;
    let error = fixture.account().sign_in(by_person()).await.unwrap_err();
    assert!(
        matches!(&error, Error::OAuth(error) if matches!(**error, oauth::Error::NoPkce { .. })),
        "{error}"
    );
}

#[tokio::test]
async fn a_request_carries_resource_pkce_and_state() {
    let fixture = Fixture::start().await;
    let account = fixture.account();
    let sign_in = account.sign_in(by_person()).await.unwrap();
    let url = sign_in.url.expose();
    assert_eq!(param(url, "resource").as_deref(), Some(fixture.demo.url().as_str()));
    assert_eq!(param(url, "code_challenge_method").as_deref(), Some("S256"));
    assert_eq!(param(url, "response_type").as_deref(), Some("code"));
    assert!(param(url, "state").is_some_and(|state| state.len() >= 43));
    account.cancel_sign_in().await;
}

/// A server whose metadata is as the test wants it.
struct Counterfeit {
    origin: String,
    resource: Value,
    server: Value,
}

impl Counterfeit {
    /// Honest metadata, but for these changes.
    async fn start(change: impl Fn(&str, &mut Value, &mut Value)) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let mut resource = json!({"resource": format!("{origin}/mcp"), "authorization_servers": [origin]});
        let mut server = json!({
            "issuer": origin,
            "authorization_endpoint": format!("{origin}/authorize"),
            "token_endpoint": format!("{origin}/token"),
            "registration_endpoint": format!("{origin}/register"),
            "code_challenge_methods_supported": ["S256"],
        });
        change(&origin, &mut resource, &mut server);
        let documents = Arc::new((resource.clone(), server.clone()));
        let answer = move |request: Request| async move {
            let path = request.uri().path();
            if path.starts_with("/.well-known/oauth-protected-resource") {
                documents_or_page(&documents.0)
            } else if path.starts_with("/.well-known/") {
                documents_or_page(&documents.1)
            } else if path == "/register" {
                axum::Json(json!({"client_id": "c"})).into_response()
            } else {
                Html("<p>hello").into_response()
            }
        };
        tokio::spawn(async move { axum::serve(listener, Router::new().fallback(answer)).await });
        Self { origin, resource, server }
    }

    async fn sign_in(&self) -> Result<Url, Error> {
        let fixture = Fixture::start().await;
        let mut deps = fixture.deps.clone();
        let opened = Opened::default();
        deps.opener = Arc::new(opened.clone());
        deps.vault = Vault::memory("other").0;
        let server = Url::parse(&format!("{}/mcp", self.origin)).unwrap();
        let account = AccountHandle::spawn(spec(server), deps);
        let sign_in = account.sign_in(by_person()).await?;
        Ok(sign_in.url.expose().clone())
    }
}

/// A string stands for a web page with status 200, a number for a status.
fn documents_or_page(document: &Value) -> axum::response::Response {
    match document {
        Value::Number(status) => {
            let status = u16::try_from(status.as_u64().unwrap()).unwrap();
            http::StatusCode::from_u16(status).unwrap().into_response()
        }
        Value::String(page) => Html(page.clone()).into_response(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => {
            axum::Json(document.clone()).into_response()
        }
    }
}

#[tokio::test]
async fn an_honest_server_is_the_measure() {
    let honest = Counterfeit::start(|_, _, _| {}).await;
    let url = honest.sign_in().await.unwrap();
    assert!(
        url.as_str().starts_with(&format!("{}/authorize?", honest.origin)),
        "{:?} {:?}",
        honest.resource,
        honest.server
    );
}

#[tokio::test]
async fn an_unusual_sign_in_begins_on_our_page_even_for_a_person() {
    let unlisted = Counterfeit::start(|_, _, server| {
        server["protected_resources"] = json!(["https://honest.example/mcp"]);
    })
    .await;
    let url = unlisted.sign_in().await.unwrap();
    assert!(url.path().starts_with("/sign-in/"), "the authorization server's page was opened at once");
    let listed = Counterfeit::start(|origin, _, server| {
        server["protected_resources"] = json!([format!("{origin}/mcp")]);
    })
    .await;
    assert_eq!(listed.sign_in().await.unwrap().path(), "/authorize");
}

#[tokio::test]
async fn the_resource_is_what_the_options_say() {
    let mut fixture = Fixture::start().await;
    for (option, expected) in [
        (ResourceOption::None, None),
        (ResourceOption::Given("urn:x".to_owned()), Some("urn:x".to_owned())),
        (ResourceOption::FromMetadata, Some(fixture.demo.url().to_string())),
    ] {
        fixture.spec.oauth.resource = option;
        let account = fixture.account();
        let sign_in = account.sign_in(by_person()).await.unwrap();
        assert_eq!(param(sign_in.url.expose(), "resource"), expected);
    }
}

#[tokio::test]
async fn the_issuer_of_the_options_is_the_only_one() {
    let mut fixture = Fixture::start().await;
    fixture.spec.oauth.issuer = Some("https://other.example".to_owned());
    let error = fixture.account().sign_in(by_person()).await.unwrap_err();
    let Error::OAuth(error) = error else { panic!("{error}") };
    assert!(matches!(*error, oauth::Error::NoAuthorizationServer { .. }), "{error}");
    fixture.spec.oauth.issuer = Some(fixture.demo.control().issuer());
    fixture.account().sign_in(by_person()).await.unwrap();
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
        let counterfeit = Counterfeit::start(change).await;
        match counterfeit.sign_in().await {
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
        let old = Counterfeit::start(move |_, resource, server| {
            *resource = silent.clone();
            *server = silent.clone();
        })
        .await;
        let url = old.sign_in().await.unwrap();
        assert!(url.as_str().starts_with(&format!("{}/authorize?", old.origin)), "{nothing}");
        assert_eq!(param(&url, "code_challenge_method").as_deref(), Some("S256"));
        let with_slash = Counterfeit::start(move |origin, resource, server| {
            *resource = nothing.clone();
            server["issuer"] = format!("{origin}/").into();
            server["authorization_endpoint"] = format!("{origin}/sign-in-here").into();
        })
        .await;
        let url = with_slash.sign_in().await.unwrap();
        assert_eq!(url.path(), "/sign-in-here");
    }
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The only subscriber of this process; what other tests log meanwhile does no harm.
#[tokio::test]
async fn the_loudest_log_holds_no_secret() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    tracing::subscriber::set_global_default(subscriber).unwrap();
    let config = OAuthConfig { client_auth: demo_server::ClientAuth::SecretPost, ..OAuthConfig::default() };
    let fixture = Fixture::new(config).await;
    let account = fixture.account();
    let sign_in = account.sign_in(by_person()).await.unwrap();
    let authorize = sign_in.url.expose().clone();
    let shown = format!("{sign_in:?}");
    let redirect = person_allows(&authorize).await;
    account.sign_in_redirect(redirect.as_str()).await.unwrap();
    sign_in.outcome().await.unwrap();
    let first = account.access_token().await.unwrap().unwrap();
    fixture.let_time_pass(std::time::Duration::from_secs(300));
    let second = account.access_token().await.unwrap().unwrap();
    account.sign_out().await.unwrap();

    let ours = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let ours: String = ours.lines().filter(|line| line.contains("drawbridge")).collect::<Vec<_>>().join("\n");
    assert!(ours.contains("signed in") && ours.contains("renewed"), "the log is empty: {ours}");
    let secrets = [
        first.expose().to_owned(),
        second.expose().to_owned(),
        param(&redirect, "code").unwrap(),
        param(&redirect, "state").unwrap(),
        param(&authorize, "code_challenge").unwrap(),
    ];
    for secret in secrets {
        assert!(!ours.contains(&secret) && !shown.contains(&secret), "{secret} was printed");
    }
}
