//! Tokens that are bound to a key (RFC 9449).

use std::time::Duration;

use demo_server::{Dpop, OAuthConfig};
use drawbridge::host::account::{Error, Retry};
use drawbridge::oauth;
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::json;

use crate::fake::Fake;
use crate::support::{Fixture, by_person, param, refusal};

async fn bound(dpop: Dpop) -> Fixture {
    Fixture::new(OAuthConfig { dpop, ..OAuthConfig::default() }).await
}

#[tokio::test]
async fn tokens_are_bound_where_the_server_asks_for_it_and_nowhere_else() {
    for (dpop, expected) in [(Dpop::Off, false), (Dpop::Required, true), (Dpop::RequiredWithNonces, true)] {
        let fixture = bound(dpop).await;
        let (account, _) = fixture.signed_in().await;
        let credential = account.credential().await.unwrap().unwrap();
        assert_eq!(credential.key.is_some(), expected, "{dpop:?}");
    }
}

#[tokio::test]
async fn the_key_rests_beside_the_refresh_token_and_serves_after_a_restart() {
    let fixture = bound(Dpop::RequiredWithNonces).await;
    let (account, _) = fixture.signed_in().await;
    let key = account.credential().await.unwrap().unwrap().key.unwrap();
    drop(account);
    fixture.demo.control().change_dpop_nonce();
    let credential = fixture.account().credential().await.unwrap().unwrap();
    assert_eq!(credential.key.unwrap().thumbprint(), key.thumbprint());
    // The demo gives a bound token for a proof of the same key alone.
    assert!(fixture.refreshes() >= 1);
}

#[tokio::test]
async fn the_code_is_bound_too() {
    let fixture = bound(Dpop::Required).await;
    let sign_in = fixture.account().sign_in(by_person()).await.unwrap();
    assert_eq!(param(sign_in.url.expose(), "dpop_jkt").map(|name| name.len()), Some(43));
}

#[tokio::test]
async fn a_wish_for_a_nonce_is_no_refusal_of_the_token() {
    let fixture = bound(Dpop::Required).await;
    let (account, token) = fixture.signed_in().await;
    let asks = || vec![HeaderValue::from_static("DPoP error=\"use_dpop_nonce\"")];
    for _ in 0..5 {
        let retry = account.refused(refusal(Some(&token), StatusCode::UNAUTHORIZED, asks())).await.unwrap();
        assert_eq!(retry, Retry::WithNonce);
    }
    assert_eq!(fixture.refreshes(), 0);
    let mut answer = HeaderMap::new();
    answer.insert("dpop-nonce", HeaderValue::from_static("n-1"));
    account.observe(&fixture.demo.url(), &answer);
    let key = account.credential().await.unwrap().unwrap().key.unwrap();
    assert!(!key.learn_nonce(&fixture.demo.url(), &answer), "it is known already");
}

#[tokio::test]
async fn a_bearer_token_is_not_taken_for_a_bound_one() {
    let bearer = json!({"access_token": "a", "token_type": "Bearer"});
    let fake = Fake::start(bearer, |_, resource, _| {
        resource["dpop_bound_access_tokens_required"] = true.into();
    })
    .await;
    let fixture = Fixture::start().await;
    let account = fake.account(&fixture.deps);
    let sign_in = fake.begin(&account).await;
    fake.come_back(&sign_in).await;
    let error = sign_in.outcome().await.unwrap_err();
    assert!(matches!(&*error, oauth::Error::InvalidTokenResponse { .. }), "{error}");
}

#[tokio::test]
async fn a_bound_token_is_not_taken_where_nobody_asked_for_one() {
    let fake = Fake::start(json!({"access_token": "a", "token_type": "DPoP"}), |_, _, _| {}).await;
    let fixture = Fixture::start().await;
    let account = fake.account(&fixture.deps);
    let sign_in = fake.begin(&account).await;
    fake.come_back(&sign_in).await;
    assert!(matches!(*sign_in.outcome().await.unwrap_err(), oauth::Error::InvalidTokenResponse { .. }));
}

#[tokio::test]
async fn a_server_that_takes_no_signature_of_ours_is_told_apart() {
    let fixture = Fixture::start().await;
    for of_resource in [true, false] {
        let fake = Fake::start(json!({}), move |_, resource, server| {
            resource["dpop_bound_access_tokens_required"] = true.into();
            let algorithms = json!(["RS256", "EdDSA"]);
            let document = if of_resource { resource } else { server };
            document["dpop_signing_alg_values_supported"] = algorithms;
        })
        .await;
        let error = fake.account(&fixture.deps).sign_in(by_person()).await.unwrap_err();
        assert!(
            matches!(&error, Error::OAuth(error) if matches!(**error, oauth::Error::NoDpop { .. })),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_bound_token_is_renewed_with_the_newest_nonce() {
    let fixture = bound(Dpop::RequiredWithNonces).await;
    let (account, first) = fixture.signed_in().await;
    fixture.demo.control().change_dpop_nonce();
    fixture.let_time_pass(Duration::from_secs(300));
    let second = account.access_token().await.unwrap().unwrap();
    assert!(!second.same_as(&first));
}
