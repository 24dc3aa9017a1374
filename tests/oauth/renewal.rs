//! Tokens over time: one refresh for everybody, nothing lost, nothing sent twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use demo_server::{OAuthConfig, RefreshTokens, TokenFault};
use drawbridge::host::account::{AccountState, Clock, Error, Retry, SignedOut};
use http::StatusCode;

use crate::support::{Fixture, by_person, person_signs_in, refusal, state_where};

const LIFETIME: Duration = Duration::from_secs(300);

#[tokio::test]
async fn fifty_callers_make_one_refresh() {
    let fixture = Fixture::start().await;
    let (account, first) = fixture.signed_in().await;
    fixture.let_time_pass(LIFETIME);
    let calls = (0..50).map(|_| account.access_token());
    let tokens = futures_util::future::join_all(calls).await;
    assert_eq!(fixture.refreshes(), 1);
    let second = tokens[0].as_ref().unwrap().as_ref().unwrap();
    assert!(!second.same_as(&first));
    for token in &tokens {
        assert!(token.as_ref().unwrap().as_ref().unwrap().same_as(second));
    }
}

#[tokio::test]
async fn fifty_refusals_make_one_refresh_and_a_refused_new_token_none() {
    let fixture = Fixture::start().await;
    let (account, first) = fixture.signed_in().await;
    fixture.demo.control().revoke_access_tokens();
    let refused =
        (0..50).map(|_| account.refused(refusal(Some(&first), StatusCode::UNAUTHORIZED, Vec::new())));
    for retry in futures_util::future::join_all(refused).await {
        assert_eq!(retry.unwrap(), Retry::WithNewToken);
    }
    assert_eq!(fixture.refreshes(), 1);
    let second = account.access_token().await.unwrap().unwrap();
    assert_eq!(fixture.call(Some(&second)).await.status(), 200);
    // Late news about the old token costs nothing.
    let late = account.refused(refusal(Some(&first), StatusCode::UNAUTHORIZED, Vec::new())).await.unwrap();
    assert_eq!(late, Retry::WithNewToken);
    let again = account.refused(refusal(Some(&second), StatusCode::UNAUTHORIZED, Vec::new())).await.unwrap();
    assert_eq!(again, Retry::SignInNeeded);
    assert_eq!(fixture.refreshes(), 1);
    state_where(&account, |state| matches!(state, AccountState::SignedOut { why: SignedOut::Refused })).await;
}

#[tokio::test]
async fn a_token_is_renewed_ahead_of_its_end_and_not_before() {
    let fixture = Fixture::start().await;
    let (account, _) = fixture.signed_in().await;
    // A tenth of 300 s is less than a minute.
    fixture.let_time_pass(LIFETIME - Duration::from_secs(40));
    account.access_token().await.unwrap();
    assert_eq!(fixture.refreshes(), 0);
    fixture.let_time_pass(Duration::from_secs(15));
    account.access_token().await.unwrap();
    assert_eq!(fixture.refreshes(), 1);
}

#[tokio::test]
async fn a_rotated_refresh_token_survives_a_restart() {
    let fixture = Fixture::start().await;
    let (account, _) = fixture.signed_in().await;
    for round in 1..=3 {
        fixture.let_time_pass(LIFETIME);
        account.access_token().await.unwrap().unwrap();
        assert_eq!(fixture.refreshes(), round);
    }
    drop(account);
    let token = fixture.account().access_token().await.unwrap().unwrap();
    assert_eq!(fixture.call(Some(&token)).await.status(), 200);
}

#[tokio::test]
async fn a_rotated_token_that_cannot_be_saved_is_used_kept_and_saved_later() {
    let fixture = Fixture::start().await;
    let (account, _) = fixture.signed_in().await;
    fixture.store.fail_writes(true);
    fixture.let_time_pass(LIFETIME);
    let token = account.access_token().await.unwrap().unwrap();
    assert_eq!(fixture.call(Some(&token)).await.status(), 200);
    state_where(&account, |state| matches!(state, AccountState::SignedIn { unsaved: true, .. })).await;
    // The old one is never sent again: the demo would end the account for it.
    fixture.let_time_pass(LIFETIME);
    let token = account.access_token().await.unwrap().unwrap();
    assert_eq!(fixture.call(Some(&token)).await.status(), 200);
    fixture.store.fail_writes(false);
    state_where(&account, |state| matches!(state, AccountState::SignedIn { unsaved: false, .. })).await;
    drop(account);
    assert!(fixture.account().access_token().await.unwrap().is_some());
}

#[tokio::test]
async fn an_ended_sign_in_is_told_once_and_remembered() {
    let fixture = Fixture::start().await;
    let (account, token) = fixture.signed_in().await;
    fixture.demo.control().revoke_refresh_tokens();
    fixture.let_time_pass(LIFETIME);
    for _ in 0..3 {
        assert!(matches!(account.access_token().await, Err(Error::SignedOut { why: SignedOut::Expired })));
    }
    assert_eq!(fixture.refreshes(), 1);
    let retry = account.refused(refusal(Some(&token), StatusCode::UNAUTHORIZED, Vec::new())).await.unwrap();
    assert_eq!(retry, Retry::SignInNeeded);
    drop(account);
    let account = fixture.account();
    assert!(matches!(account.access_token().await, Err(Error::SignedOut { why: SignedOut::Expired })));
    person_signs_in(account.sign_in(by_person()).await.unwrap()).await;
    assert!(account.access_token().await.unwrap().is_some());
}

#[tokio::test]
async fn trouble_at_the_token_endpoint_loses_nothing_and_is_not_hammered() {
    for fault in [
        TokenFault::Status { code: 503, retry_after: None },
        TokenFault::Status { code: 429, retry_after: Some(0) },
        TokenFault::NotJson,
        TokenFault::Error { error: "temporarily_unavailable".to_owned() },
    ] {
        let mut fixture = Fixture::start().await;
        let (account, _) = fixture.signed_in().await;
        drop(account);
        fixture.deps.limits.retry_first = Duration::from_secs(3600);
        fixture.deps.limits.retry_last = Duration::from_secs(3600);
        let account = fixture.account();
        fixture.demo.control().token_endpoint_fault(fault.clone());
        for _ in 0..5 {
            let error = account.access_token().await.unwrap_err();
            assert!(matches!(error, Error::OAuth(_)), "{fault:?}: {error:?}");
        }
        assert_eq!(fixture.refreshes(), 1, "{fault:?}");
        state_where(&account, |state| matches!(state, AccountState::Failed { .. })).await;
        // Another Host run, another try: the refresh token is still there and still good.
        drop(account);
        assert!(fixture.account().access_token().await.unwrap().is_some(), "{fault:?}");
    }
}

#[tokio::test]
async fn after_the_pause_the_next_caller_tries_again() {
    let mut fixture = Fixture::start().await;
    drop(fixture.signed_in().await);
    fixture.deps.limits.retry_first = Duration::ZERO;
    fixture.deps.limits.retry_last = Duration::ZERO;
    let account = fixture.account();
    fixture.demo.control().token_endpoint_fault(TokenFault::Status { code: 500, retry_after: None });
    account.access_token().await.unwrap_err();
    assert!(account.access_token().await.unwrap().is_some());
    state_where(&account, |state| matches!(state, AccountState::SignedIn { .. })).await;
}

#[tokio::test]
async fn a_token_that_is_still_alive_serves_while_renewal_fails() {
    let fixture = Fixture::start().await;
    let (account, first) = fixture.signed_in().await;
    fixture.let_time_pass(LIFETIME - Duration::from_secs(20));
    fixture.demo.control().token_endpoint_fault(TokenFault::Status { code: 503, retry_after: Some(3000) });
    let token = account.access_token().await.unwrap().unwrap();
    assert!(token.same_as(&first));
    assert_eq!(fixture.refreshes(), 1);
}

#[tokio::test]
async fn a_client_forgotten_at_a_refresh_means_a_new_registration() {
    let fixture = Fixture::start().await;
    let (account, _) = fixture.signed_in().await;
    fixture.let_time_pass(LIFETIME);
    let forgotten = TokenFault::Error { error: "invalid_client".to_owned() };
    fixture.demo.control().token_endpoint_fault(forgotten);
    let why = SignedOut::ClientForgotten;
    assert!(matches!(account.access_token().await, Err(Error::SignedOut { why: seen }) if seen == why));
    person_signs_in(account.sign_in(by_person()).await.unwrap()).await;
    assert_eq!(fixture.demo.control().stats().registrations, 2);
    assert!(account.access_token().await.unwrap().is_some());
}

#[tokio::test]
async fn without_a_refresh_token_the_access_token_is_kept_over_a_restart() {
    let config = OAuthConfig { refresh_tokens: RefreshTokens::Never, ..OAuthConfig::default() };
    let fixture = Fixture::new(config).await;
    let (account, first) = fixture.signed_in().await;
    drop(account);
    let account = fixture.account();
    assert!(account.access_token().await.unwrap().unwrap().same_as(&first));
    fixture.let_time_pass(LIFETIME);
    assert!(matches!(account.access_token().await, Err(Error::SignedOut { why: SignedOut::Expired })));
    assert!(!fixture.store.holds(first.expose()));
}

#[tokio::test]
async fn a_locked_vault_is_an_error_and_no_sign_out() {
    let fixture = Fixture::start().await;
    drop(fixture.signed_in().await);
    fixture.store.lock(true);
    let account = fixture.account();
    assert!(matches!(account.access_token().await, Err(Error::Vault(_))));
    state_where(&account, |state| matches!(state, AccountState::Failed { .. })).await;
    // Nor can anybody sign in over tokens that are only out of sight.
    assert!(matches!(account.sign_in(by_person()).await, Err(Error::Vault(_))));
    fixture.store.lock(false);
    assert!(account.access_token().await.unwrap().is_some());
    state_where(&account, |state| matches!(state, AccountState::SignedIn { .. })).await;
}

#[tokio::test]
async fn a_vault_that_answers_again_is_no_failure_any_more() {
    let fixture = Fixture::start().await;
    let account = fixture.account();
    fixture.store.lock(true);
    assert!(matches!(account.access_token().await, Err(Error::Vault(_))));
    fixture.store.lock(false);
    assert!(matches!(account.look().await.unwrap(), AccountState::Unknown));
    state_where(&account, |state| matches!(state, AccountState::Unknown)).await;
}

#[tokio::test]
async fn nobody_signed_in_is_no_error() {
    let fixture = Fixture::start().await;
    let account = fixture.account();
    assert!(account.access_token().await.unwrap().is_none());
    assert!(matches!(*account.state().borrow(), AccountState::Unknown));
    let challenge = fixture.challenge().await;
    let retry = account.refused(refusal(None, StatusCode::UNAUTHORIZED, challenge)).await.unwrap();
    assert_eq!(retry, Retry::SignInNeeded);
    let never = SignedOut::NeverSignedIn;
    state_where(&account, |state| matches!(state, AccountState::SignedOut { why } if *why == never)).await;
    let forbidden = account.refused(refusal(None, StatusCode::FORBIDDEN, Vec::new())).await.unwrap();
    assert_eq!(forbidden, Retry::Forbidden);
}

#[tokio::test]
async fn tokens_of_another_origin_are_not_used() {
    let mut fixture = Fixture::start().await;
    drop(fixture.signed_in().await);
    let other = Fixture::start().await;
    fixture.spec.server_url = other.demo.url();
    assert!(fixture.account().access_token().await.unwrap().is_none());
    assert_eq!(fixture.refreshes(), 0);
}

#[tokio::test]
async fn a_clock_set_back_makes_no_dead_token_live() {
    let mut fixture = Fixture::start().await;
    let (wall, steady) = (Arc::new(AtomicU64::new(1 << 40)), Arc::<AtomicU64>::default());
    let (wall_now, steady_now) = (wall.clone(), steady.clone());
    fixture.deps.clock = Clock::from_fns(
        move || {
            let moved = wall_now.load(Ordering::Relaxed);
            SystemTime::now() + Duration::from_secs(moved) - Duration::from_secs(1 << 40)
        },
        move || Duration::from_secs(steady_now.load(Ordering::Relaxed)),
    );
    let (account, first) = fixture.signed_in().await;
    // The computer runs for longer than the token lives, and somebody sets its clock back meanwhile.
    steady.store(LIFETIME.as_secs(), Ordering::Relaxed);
    wall.store((1 << 40) - 24 * 3600, Ordering::Relaxed);
    let second = account.access_token().await.unwrap().unwrap();
    assert!(!second.same_as(&first));
    assert_eq!(fixture.refreshes(), 1);
    // It slept for a night: the steady clock stood still.
    wall.store((1 << 40) - 16 * 3600, Ordering::Relaxed);
    assert!(!account.access_token().await.unwrap().unwrap().same_as(&second));
    assert_eq!(fixture.refreshes(), 2);
}
