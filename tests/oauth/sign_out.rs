//! Signing out: what is open ends, the tokens are forgotten here, and given back to who issued them, sooner or later.

use std::time::Duration;

use drawbridge::host::account::{AccountState, GivingBack, SignedOut};
use serde_json::json;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::fake::Fake;
use crate::support::{Fixture, by_person, network, person_signs_in, state_where};

#[tokio::test]
async fn signing_out_forgets_at_once_and_gives_the_tokens_back() {
    let fixture = Fixture::start().await;
    let (account, token) = fixture.signed_in().await;
    account.sign_out().await.unwrap();
    assert_eq!(fixture.demo.control().stats().revocations, 2);
    assert!(
        !fixture.store.names().iter().any(|name| name.contains("account/")),
        "{:?}",
        fixture.store.names()
    );
    assert_eq!(fixture.call(Some(&token)).await.status(), 401);
    assert!(account.access_token().await.unwrap().is_none(), "nobody in particular");
    let why = SignedOut::ByPerson;
    state_where(&account, |state| matches!(state, AccountState::SignedOut { why: seen } if *seen == why))
        .await;
}

#[tokio::test]
async fn what_is_open_in_its_name_ends_before_its_tokens_and_a_new_sign_in_begins_after_them() {
    let mut fixture = Fixture::start().await;
    fixture.deps.limits.goodbye = Duration::from_secs(3600);
    let (account, token) = fixture.signed_in().await;
    let (session, another) = (account.session(), account.session());
    let leaving = account.clone();
    let signing_out = tokio::spawn(async move { leaving.sign_out().await });
    state_where(&account, AccountState::is_ending).await;
    let again = account.clone();
    let signing_in = tokio::spawn(async move { again.sign_in(by_person()).await });
    drop(session);
    assert_eq!(fixture.call(Some(&token)).await.status(), 200, "it still holds");
    assert_eq!(account.access_token().await.unwrap().unwrap().expose(), token.expose());
    assert_eq!(fixture.demo.control().stats().revocations, 0);
    drop(another);
    signing_out.await.unwrap().unwrap();
    assert_eq!(fixture.demo.control().stats().revocations, 2);
    person_signs_in(signing_in.await.unwrap().unwrap()).await;
    assert_eq!(fixture.call(account.access_token().await.unwrap().as_ref()).await.status(), 200);
}

#[tokio::test]
async fn a_session_that_does_not_end_holds_no_sign_out_up() {
    let mut fixture = Fixture::start().await;
    fixture.deps.limits.goodbye = Duration::ZERO;
    let (account, token) = fixture.signed_in().await;
    let _session = account.session();
    account.sign_out().await.unwrap();
    assert_eq!(fixture.call(Some(&token)).await.status(), 401);
}

#[tokio::test]
async fn a_sign_out_that_waits_for_sessions_is_done_when_the_host_ends() {
    let mut fixture = Fixture::start().await;
    fixture.deps.limits.goodbye = Duration::from_secs(3600);
    let (account, _token) = fixture.signed_in().await;
    let session = account.session();
    let leaving = account.clone();
    let _signing_out = tokio::spawn(async move { leaving.sign_out().await });
    state_where(&account, AccountState::is_ending).await;
    fixture.deps.shutdown.cancel();
    drop(session);
    account.ended().await;
    assert!(!fixture.store.names().iter().any(|name| name.contains("account/")));
}

#[tokio::test]
async fn signing_out_after_a_restart_gives_back_what_was_never_read() {
    let fixture = Fixture::start().await;
    drop(fixture.signed_in().await);
    fixture.account().sign_out().await.unwrap();
    assert_eq!(fixture.demo.control().stats().revocations, 1);
    assert!(!fixture.store.names().iter().any(|name| name.contains("account/")));
}

#[tokio::test]
async fn tokens_that_cannot_be_given_back_now_are_given_back_later() {
    let mut fixture = Fixture::start().await;
    let tokens =
        json!({"access_token": "the-access", "token_type": "Bearer", "refresh_token": "the-refresh"});
    let fake = Fake::start(tokens, |_, _, _| {}).await;
    let account = fake.signed_in(&fixture.deps).await;
    fake.break_revocation(true);
    account.sign_out().await.unwrap();
    let kept = |name: &String| name.contains("give-back/");
    assert!(!fixture.store.names().iter().any(|name| name.contains("account/")), "it is forgotten at once");
    while !fixture.store.names().iter().any(kept) {
        tokio::task::yield_now().await;
    }
    assert!(fixture.store.holds("the-refresh") && fixture.store.holds("the-access"));

    // The next Host offers them again.
    fake.break_revocation(false);
    let before = fake.received("/revoke").len();
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    fixture.deps.giving_back = GivingBack::spawn(network(), fixture.deps.vault.clone(), &tasks, stop);
    while fixture.store.names().iter().any(kept) {
        tokio::task::yield_now().await;
    }
    let given_back = fake.received("/revoke").split_off(before);
    for token in ["the-refresh", "the-access"] {
        assert!(given_back.iter().any(|form| form.contains(&format!("token={token}&"))), "{given_back:?}");
    }
    assert!(!fixture.store.holds("the-refresh"));
}

#[tokio::test]
async fn tokens_to_be_given_back_outlive_a_vault_that_is_locked_at_the_start() {
    let mut fixture = Fixture::start().await;
    let tokens =
        |refresh: &str| json!({"access_token": "a", "token_type": "Bearer", "refresh_token": refresh});
    let fake = Fake::start(tokens("the-first"), |_, _, _| {}).await;
    fake.break_revocation(true);
    fake.signed_in(&fixture.deps).await.sign_out().await.unwrap();
    while !fixture.store.holds("the-first") {
        tokio::task::yield_now().await;
    }
    fake.give(tokens("the-second"));
    drop(fake.signed_in(&fixture.deps).await);

    fixture.store.lock(true);
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    fixture.deps.giving_back = GivingBack::spawn(network(), fixture.deps.vault.clone(), &tasks, stop);
    let account = fake.account(&fixture.deps);
    account.look().await.unwrap_err();
    fixture.store.lock(false);
    account.sign_out().await.unwrap();
    while !fixture.store.holds("the-second") {
        tokio::task::yield_now().await;
    }
    assert!(fixture.store.holds("the-first"));
}
