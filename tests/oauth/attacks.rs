//! Foreign callbacks, what requests must carry, and talkative logs.

use std::io::Write;
use std::sync::{Arc, Mutex};

use demo_server::OAuthConfig;
use drawbridge::host::account::Error;
use drawbridge::oauth::{self, ResourceOption};

use crate::support::{Fixture, by_person, client, param, person_allows, visit};

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
