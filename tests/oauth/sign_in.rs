//! Sign-ins that work, and those that end otherwise.

use std::sync::Arc;
use std::time::Duration;

use demo_server::{ClientAuth, Discovery, OAuthConfig, ResourceMetadata, StaticClient, TokenFault};
use drawbridge::host::account::{AccountState, Elsewhere, Error, OpenWith, Served, SignInRequest};
use drawbridge::oauth::{self, CallbackHost, Issuer};
use drawbridge::secret::ClientSecret;

use crate::support::{
    Fixture, by_client, by_person, client, param, person_allows, person_signs_in, state_where, visit,
};

#[tokio::test]
async fn a_person_signs_in_and_the_token_is_taken() {
    let fixture = Fixture::start().await;
    let (account, token) = fixture.signed_in().await;
    assert_eq!(fixture.call(Some(&token)).await.status(), 200);
    let state = state_where(&account, |state| matches!(state, AccountState::SignedIn { .. })).await;
    let AccountState::SignedIn { expires, scopes, unsaved, .. } = state else { unreachable!() };
    assert!(expires.is_some() && !unsaved);
    assert!(scopes.contains(&"mcp".to_owned()), "{scopes:?}");
    assert!(!fixture.store.holds(token.expose()), "an access token rests where a refresh token does");
    assert_eq!(fixture.demo.control().stats().registrations, 1);
    assert!(fixture.opened.urls().is_empty());
}

#[tokio::test]
async fn a_sign_in_that_a_program_asked_for_begins_on_our_own_page() {
    let fixture = Fixture::start().await;
    let account = fixture.account();
    let sign_in = account.sign_in(by_client()).await.unwrap();
    let page = sign_in.url.expose().clone();
    assert_eq!(fixture.opened.urls(), std::slice::from_ref(&page));
    assert_eq!(page.host_str(), Some("127.0.0.1"));
    assert_ne!(page.origin(), fixture.demo.origin().origin());

    let shown = visit(&page).await;
    let policy = shown.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
    assert_eq!(shown.headers()["x-frame-options"], "DENY");
    let text = shown.text().await.unwrap();
    for part in ["demo", fixture.demo.origin().authority(), "mcp", "Claude &lt;Desktop&gt;"] {
        assert!(text.contains(part), "{part} is missing");
    }
    assert_eq!(fixture.demo.control().stats().authorize_pages, 0);

    // A GET of the steps, as a prefetch makes it, does nothing.
    assert_eq!(visit(&format!("{page}/continue").parse().unwrap()).await.status(), 404);
    let go = client().post(format!("{page}/continue")).send().await.unwrap();
    assert_eq!(go.status(), 303);
    let authorize = go.headers()["location"].to_str().unwrap().parse().unwrap();
    let redirect = person_allows(&authorize).await;
    let last = visit(&redirect).await;
    assert_eq!(last.headers()["referrer-policy"], "no-referrer");
    assert!(last.text().await.unwrap().contains("You are signed in"));
    sign_in.outcome().await.unwrap();
    assert!(account.access_token().await.unwrap().is_some());
}

#[tokio::test]
async fn cancel_on_our_page_ends_it_and_opens_nothing() {
    let fixture = Fixture::start().await;
    let account = fixture.account();
    let sign_in = account.sign_in(by_client()).await.unwrap();
    let cancel = format!("{}/cancel", sign_in.url.expose());
    assert!(client().post(cancel).send().await.unwrap().text().await.unwrap().contains("Cancelled"));
    assert!(matches!(*sign_in.outcome().await.unwrap_err(), oauth::Error::Cancelled));
    assert_eq!(fixture.demo.control().stats().authorize_pages, 0);
    state_where(&account, |state| matches!(state, AccountState::Failed { .. })).await;
}

#[tokio::test]
async fn a_second_wish_joins_the_sign_in_under_way() {
    let fixture = Fixture::start().await;
    let account = fixture.account();
    let (one, two) = tokio::join!(account.sign_in(by_client()), account.sign_in(by_client()));
    let (one, two) = (one.unwrap(), two.unwrap());
    assert_eq!(one.url, two.url);
    let three = account.sign_in(by_client()).await.unwrap();
    assert_eq!(one.url, three.url);
    assert_eq!(fixture.opened.urls().len(), 1, "a program that joins opens no second page");
    let again = SignInRequest { open: OpenWith::Host, ..by_person() };
    account.sign_in(again).await.unwrap();
    assert_eq!(fixture.opened.urls().len(), 2, "a person who asks again gets the page again");
    account.cancel_sign_in().await;
    for sign_in in [one, two, three] {
        assert!(matches!(*sign_in.outcome().await.unwrap_err(), oauth::Error::Cancelled));
    }
}

#[tokio::test]
async fn a_program_never_gets_the_authorization_servers_address() {
    let fixture = Fixture::start().await;
    let account = fixture.account();
    let (person, program) = tokio::join!(account.sign_in(by_person()), account.sign_in(by_client()));
    let (person, program) = (person.unwrap(), program.unwrap());
    assert_eq!(person.url.expose().origin(), fixture.demo.origin().origin());
    assert!(program.url.expose().path().starts_with("/sign-in/"));
    assert_eq!(account.sign_in(by_client()).await.unwrap().url, program.url);
    person_signs_in(person).await;
    program.outcome().await.unwrap();
}

#[tokio::test]
async fn a_look_at_an_account_renews_nothing() {
    let fixture = Fixture::start().await;
    assert!(matches!(fixture.account().look().await, Ok(AccountState::Unknown)));
    drop(fixture.signed_in().await);
    assert!(matches!(fixture.account().look().await, Ok(AccountState::SignedIn { .. })));
    assert_eq!(fixture.refreshes(), 0);
    fixture.store.lock(true);
    assert!(matches!(fixture.account().look().await, Err(Error::Vault(_))));
}

#[tokio::test]
async fn the_listener_ends_with_the_sign_in() {
    let fixture = Fixture::start().await;
    let account = fixture.account();
    let sign_in = account.sign_in(by_person()).await.unwrap();
    let redirect = person_allows(sign_in.url.expose()).await;
    visit(&redirect).await;
    sign_in.outcome().await.unwrap();
    let port = redirect.port().unwrap();
    // The last page is on its way out; then the port is free again.
    let free = async {
        while tokio::net::TcpListener::bind(("127.0.0.1", port)).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), free).await.expect("the listener lives on");
}

#[tokio::test]
async fn a_pasted_redirect_does_what_the_browser_would() {
    let fixture = Fixture::start().await;
    let account = fixture.account();
    assert!(matches!(
        account.sign_in_redirect("http://127.0.0.1/callback?code=a").await,
        Err(Error::NoSignIn)
    ));
    let sign_in = account.sign_in(by_person()).await.unwrap();
    let redirect = person_allows(sign_in.url.expose()).await;
    for (pasted, expected) in [
        ("nonsense", "NotARedirect"),
        ("http://127.0.0.1:1/other?code=a&state=b", "NotARedirect"),
        ("http://127.0.0.1:1/callback?code=a&state=b", "StateMismatch"),
    ] {
        let Err(Error::OAuth(error)) = account.sign_in_redirect(pasted).await else { panic!("{pasted}") };
        assert_eq!(format!("{error:?}"), expected);
    }
    account.sign_in_redirect(&format!(" {redirect}\n")).await.unwrap();
    sign_in.outcome().await.unwrap();
    assert!(account.access_token().await.unwrap().is_some());
}

#[tokio::test]
async fn a_no_is_told_plainly() {
    let fixture = Fixture::start().await;
    let account = fixture.account();
    let sign_in = account.sign_in(by_person()).await.unwrap();
    let redirect = demo_server::deny_with_form(sign_in.url.expose()).await.unwrap();
    assert!(visit(&redirect).await.text().await.unwrap().contains("did not work"));
    let error = sign_in.outcome().await.unwrap_err();
    assert!(matches!(&*error, oauth::Error::Denied { code, .. } if code == "access_denied"), "{error:?}");
    assert_eq!(fixture.demo.control().stats().grant("authorization_code"), 0);
}

#[tokio::test]
async fn nobody_comes_back_and_an_old_registration_is_not_trusted_again() {
    let mut fixture = Fixture::start().await;
    let (account, _) = fixture.signed_in().await;
    account.sign_out().await.unwrap();
    fixture.deps.limits.sign_in = Duration::ZERO;
    let impatient = fixture.account();
    let sign_in = impatient.sign_in(by_person()).await.unwrap();
    assert!(matches!(*sign_in.outcome().await.unwrap_err(), oauth::Error::TimedOut { .. }));
    assert_eq!(fixture.demo.control().stats().registrations, 1);
    fixture.deps.limits.sign_in = Duration::from_secs(60);
    fixture.demo.control().forget_clients();
    let account = fixture.account();
    person_signs_in(account.sign_in(by_person()).await.unwrap()).await;
    assert_eq!(fixture.demo.control().stats().registrations, 2);
}

#[tokio::test]
async fn a_client_the_server_forgot_registers_again_once_and_by_itself() {
    let fixture = Fixture::start().await;
    let (account, _) = fixture.signed_in().await;
    account.sign_out().await.unwrap();
    let invalid_client = || TokenFault::Error { error: "invalid_client".to_owned() };
    let sign_in = account.sign_in(by_person()).await.unwrap();
    let redirect = person_allows(sign_in.url.expose()).await;
    fixture.demo.control().token_endpoint_fault(invalid_client());
    let round_again = visit(&redirect).await;
    assert_eq!(round_again.status(), 303);
    let authorize = round_again.headers()["location"].to_str().unwrap().parse().unwrap();
    assert_eq!(fixture.demo.control().stats().registrations, 2);
    let redirect = person_allows(&authorize).await;
    visit(&redirect).await;
    sign_in.outcome().await.unwrap();

    // A registration made just now is not made again.
    account.sign_out().await.unwrap();
    fixture.demo.control().token_endpoint_fault(invalid_client());
    fixture.demo.control().token_endpoint_fault(invalid_client());
    let sign_in = account.sign_in(by_person()).await.unwrap();
    let round_again = visit(&person_allows(sign_in.url.expose()).await).await;
    let authorize = round_again.headers()["location"].to_str().unwrap().parse().unwrap();
    visit(&person_allows(&authorize).await).await;
    assert!(
        matches!(&*sign_in.outcome().await.unwrap_err(), oauth::Error::TokenRefused { code, .. } if code == "invalid_client")
    );
    assert_eq!(fixture.demo.control().stats().registrations, 3);
}

#[tokio::test]
async fn a_registration_is_used_again_and_its_taken_port_brings_a_new_one() {
    let fixture = Fixture::start().await;
    let (account, _) = fixture.signed_in().await;
    let again = account.sign_in(by_person()).await.unwrap();
    let port_of =
        |url: &url::Url| param(url, "redirect_uri").unwrap().parse::<url::Url>().unwrap().port().unwrap();
    let port = port_of(again.url.expose());
    person_signs_in(again).await;
    assert_eq!(fixture.demo.control().stats().registrations, 1);
    account.sign_out().await.unwrap();
    let taken = loop {
        // The listener of the last sign-in closes when its page has been sent.
        match tokio::net::TcpListener::bind(("127.0.0.1", port)).await {
            Ok(taken) => break taken,
            Err(_) => tokio::task::yield_now().await,
        }
    };
    let sign_in = account.sign_in(by_person()).await.unwrap();
    assert_ne!(port_of(sign_in.url.expose()), port);
    person_signs_in(sign_in).await;
    assert_eq!(fixture.demo.control().stats().registrations, 2);
    drop(taken);
}

#[tokio::test]
async fn every_way_to_publish_metadata_is_found() {
    for in_challenge in [true, false] {
        for (at_path, at_root) in [(true, true), (true, false), (false, true), (false, false)] {
            for discovery in [Discovery::OAuth, Discovery::OpenId, Discovery::Both] {
                let resource_metadata = ResourceMetadata { in_challenge, at_path, at_root };
                let config = OAuthConfig { discovery, resource_metadata, ..OAuthConfig::default() };
                let fixture = Fixture::new(config).await;
                let challenge = fixture.challenge().await;
                let account = fixture.account();
                let sign_in = account
                    .sign_in(SignInRequest { challenge, ..by_person() })
                    .await
                    .unwrap_or_else(|error| panic!("{resource_metadata:?} {discovery:?}: {error}"));
                assert_eq!(param(sign_in.url.expose(), "scope").as_deref(), Some("mcp offline_access"));
                account.cancel_sign_in().await;
            }
        }
    }
}

#[tokio::test]
async fn a_client_with_a_secret_keeps_it_over_a_restart() {
    for client_auth in [ClientAuth::SecretBasic, ClientAuth::SecretPost] {
        let fixture = Fixture::new(OAuthConfig { client_auth, ..OAuthConfig::default() }).await;
        let (account, first) = fixture.signed_in().await;
        drop(account);
        let again = fixture.account().access_token().await.unwrap().unwrap();
        assert!(!again.same_as(&first));
        assert_eq!(fixture.call(Some(&again)).await.status(), 200, "{client_auth:?}");
        fixture.account().sign_out().await.unwrap();
    }
}

#[tokio::test]
async fn a_client_given_in_the_options_is_not_registered() {
    let redirect = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let clients = vec![StaticClient {
        id: "given".to_owned(),
        secret: Some("s3cret".to_owned()),
        auth: ClientAuth::SecretBasic,
        redirect_uris: vec![format!("http://localhost:{}/callback", redirect.port())],
    }];
    let config =
        OAuthConfig { clients, registration: false, strict_redirect_port: true, ..OAuthConfig::default() };
    let mut fixture = Fixture::new(config).await;
    let error = fixture.account().sign_in(by_person()).await.unwrap_err();
    assert!(
        matches!(&error, Error::OAuth(error) if matches!(**error, oauth::Error::NoRegistration { .. })),
        "{error}"
    );
    fixture.spec.oauth.client_id = Some("given".to_owned());
    fixture.spec.oauth.client_secret = Some(ClientSecret::new("s3cret"));
    fixture.spec.oauth.callback_port = Some(redirect.port());
    fixture.spec.oauth.callback_host = CallbackHost::Localhost;
    let account = fixture.account();
    person_signs_in(account.sign_in(by_person()).await.unwrap()).await;
    assert!(account.access_token().await.unwrap().is_some());
    assert_eq!(fixture.demo.control().stats().registrations, 0);

    // The same client with another authorization server is an error, not a try.
    let other = Fixture::start().await;
    fixture.spec.server_url = other.demo.url();
    let error = fixture.account().sign_in(by_person()).await.unwrap_err();
    assert!(
        matches!(&error, Error::OAuth(error) if matches!(**error, oauth::Error::ForeignCredentials { .. })),
        "{error}"
    );
}

#[tokio::test]
async fn an_issuer_that_serves_another_site_is_pointed_out_before_anything_opens() {
    let mut fixture = Fixture::start().await;
    let server = Elsewhere {
        server_name: "honest".to_owned(),
        server_url: "https://mcp.honest.example/mcp".parse().unwrap(),
        issuer: Issuer::new(fixture.demo.control().issuer()),
    };
    for (entry, warns) in [("other", true), ("e1", false)] {
        let entry = entry.to_owned().try_into().unwrap();
        let served = Arc::new(vec![Served { entry, server: server.clone() }]);
        let (_sender, receiver) = tokio::sync::watch::channel(served);
        fixture.deps.served = receiver;
        let account = fixture.account();
        let sign_in = account.sign_in(by_person()).await.unwrap();
        let is_ours = sign_in.url.expose().path().starts_with("/sign-in/");
        assert_eq!(is_ours, warns, "the entry's own sign-in is no news");
        if warns {
            let page = visit(sign_in.url.expose()).await.text().await.unwrap();
            assert!(page.contains("signs you in to honest at mcp.honest.example already"), "{page}");
        }
        account.cancel_sign_in().await;
    }
}
