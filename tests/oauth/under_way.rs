//! Tokens that are on their way when something else happens: saved or given back, never lost.

use std::time::Duration;

use demo_server::TokenFault;
use drawbridge::host::account::{AccountHandle, Error, SignedOut};
use drawbridge::oauth;
use drawbridge::oauth::grant::Grant;

use crate::slow::{Slow, pasted};
use crate::support::{Fixture, by_person};

const LIFETIME: Duration = Duration::from_secs(300);

#[tokio::test]
async fn a_new_refresh_token_is_saved_before_anybody_gets_the_access_token() {
    let fixture = Fixture::start().await;
    let server = Slow::at("refresh_token").await;
    let account = server.signed_in(&fixture).await;
    assert!(fixture.store.holds("rt1") && !fixture.store.holds("at1"));
    fixture.let_time_pass(LIFETIME);
    server.go_on.notify_one();
    let token = account.access_token().await.unwrap().unwrap();
    assert!(fixture.store.holds("rt2") && !fixture.store.holds("rt1"), "not saved before it was handed out");
    assert_eq!(token.expose(), "at2");
}

#[tokio::test]
async fn a_refresh_that_ends_after_the_sign_out_is_given_back() {
    let fixture = Fixture::start().await;
    let mut server = Slow::at("refresh_token").await;
    let account = server.signed_in(&fixture).await;
    fixture.let_time_pass(LIFETIME);
    let waiting = account.clone();
    let call = tokio::spawn(async move { waiting.access_token().await });
    server.asked.notified().await;
    account.sign_out().await.unwrap();
    assert!(matches!(call.await.unwrap(), Err(Error::SignedOut { why: SignedOut::ByPerson })));
    server.go_on.notify_one();
    server.gets_back(&["rt1", "at1", "rt2", "at2"]).await;
    assert!(!fixture.store.names().iter().any(|name| name.contains("account/")));
    assert!(account.access_token().await.unwrap().is_none());
}

#[tokio::test]
async fn a_refresh_under_way_is_saved_when_the_host_stops() {
    let fixture = Fixture::start().await;
    let (account, _) = fixture.signed_in().await;
    fixture.let_time_pass(LIFETIME);
    fixture.demo.control().token_endpoint_fault(TokenFault::Stall);
    let waiting = account.clone();
    let call = tokio::spawn(async move { waiting.access_token().await });
    fixture.demo.control().wait_for(|stats| stats.grant("refresh_token") == 1).await;
    fixture.deps.shutdown.cancel();
    fixture.demo.control().release_stalled();
    fixture.deps.tasks.close();
    fixture.deps.tasks.wait().await;
    call.await.unwrap().ok();
    let mut fresh = fixture.deps.clone();
    fresh.shutdown = tokio_util::sync::CancellationToken::new();
    fresh.tasks = tokio_util::task::TaskTracker::new();
    let account = drawbridge::host::account::AccountHandle::spawn(fixture.spec.clone(), fresh);
    assert!(account.access_token().await.unwrap().is_some(), "the rotated token was lost");
}

#[tokio::test]
async fn tokens_that_come_after_a_cancel_are_given_back() {
    let fixture = Fixture::start().await;
    let mut server = Slow::at("authorization_code").await;
    let account = AccountHandle::spawn(server.spec(), fixture.deps.clone());
    let sign_in = account.sign_in(by_person()).await.unwrap();
    let (returning, redirect) = (account.clone(), pasted(&sign_in));
    let returned = tokio::spawn(async move { returning.sign_in_redirect(&redirect).await });
    server.asked.notified().await;
    account.cancel_sign_in().await;
    server.go_on.notify_one();
    server.gets_back(&["rt1", "at1"]).await;
    assert!(matches!(*sign_in.outcome().await.unwrap_err(), oauth::Error::Cancelled));
    assert!(returned.await.unwrap().is_err());
    assert!(account.access_token().await.unwrap().is_none() && !fixture.store.holds("rt1"));
}

#[tokio::test]
async fn tokens_that_come_while_the_host_stops_are_given_back() {
    let fixture = Fixture::start().await;
    let mut server = Slow::at("authorization_code").await;
    let account = AccountHandle::spawn(server.spec(), fixture.deps.clone());
    let sign_in = account.sign_in(by_person()).await.unwrap();
    let (returning, redirect) = (account.clone(), pasted(&sign_in));
    let returned = tokio::spawn(async move { returning.sign_in_redirect(&redirect).await });
    server.asked.notified().await;
    fixture.deps.shutdown.cancel();
    server.go_on.notify_one();
    server.gets_back(&["rt1", "at1"]).await;
    assert!(returned.await.unwrap().is_err());
}

#[tokio::test]
async fn a_code_that_was_entered_after_a_cancel_leaves_no_tokens_behind() {
    let fixture = Fixture::start().await;
    let mut server = Slow::at("urn:ietf:params:oauth:grant-type:device_code").await;
    let mut spec = server.spec();
    spec.oauth.grant = Grant::Device;
    let account = AccountHandle::spawn(spec, fixture.deps.clone());
    let sign_in = account.sign_in(by_person()).await.unwrap();
    server.asked.notified().await;
    account.cancel_sign_in().await;
    server.go_on.notify_one();
    server.gets_back(&["rt1", "at1"]).await;
    assert!(matches!(*sign_in.outcome().await.unwrap_err(), oauth::Error::Cancelled));
}

#[tokio::test]
async fn tokens_of_a_client_that_cannot_be_bound_to_its_issuer_are_given_back() {
    let fixture = Fixture::start().await;
    let mut server = Slow::at("authorization_code").await;
    let mut spec = server.spec();
    spec.oauth.client_id = Some("given".to_owned());
    let account = AccountHandle::spawn(spec, fixture.deps.clone());
    let sign_in = account.sign_in(by_person()).await.unwrap();
    let (returning, redirect) = (account.clone(), pasted(&sign_in));
    let returned = tokio::spawn(async move { returning.sign_in_redirect(&redirect).await });
    server.asked.notified().await;
    fixture.store.fail_writes(true);
    server.go_on.notify_one();
    server.gets_back(&["rt1", "at1"]).await;
    assert!(matches!(*sign_in.outcome().await.unwrap_err(), oauth::Error::NotSaved(_)));
    assert!(returned.await.unwrap().is_err());
}
