//! Who signed in, and tokens that are odd: a person decides, and nobody else.

use demo_server::OAuthConfig;
use drawbridge::host::account::{AccountState, Error, SignedOut};
use drawbridge::oauth;
use serde_json::{Value, json};

use crate::fake::{Fake, jwt, returned};
use crate::support::{Fixture, by_person, client, param, person_signs_in, state_where, visit};

/// A token for this audience.
fn token_for(audience: &str) -> Value {
    json!({
        "access_token": jwt(&json!({"aud": audience})), "token_type": "Bearer", "expires_in": 300,
        "refresh_token": "the-refresh",
    })
}

/// The last question of a sign-in, and its text.
async fn question(answer: &reqwest::Response) -> (String, String) {
    let url = answer.headers()["location"].to_str().unwrap().to_owned();
    let text = visit(&url.parse().unwrap()).await.text().await.unwrap();
    (url.trim_end_matches("/question").to_owned(), text)
}

#[tokio::test]
async fn the_identity_is_that_of_the_id_token_and_survives_a_restart() {
    let mut fixture = Fixture::new(OAuthConfig::default()).await;
    fixture.spec.oauth.scope = Some("mcp openid".to_owned());
    let account = fixture.account();
    let sign_in = account.sign_in(by_person()).await.unwrap();
    assert!(param(sign_in.url.expose(), "nonce").is_some());
    person_signs_in(sign_in).await;
    for account in [account, fixture.account()] {
        account.access_token().await.unwrap();
        let state = state_where(&account, AccountState::is_signed_in).await;
        let AccountState::SignedIn { identity: Some(identity), .. } = state else { panic!("{state:?}") };
        assert_eq!((identity.subject.as_str(), identity.shown()), ("user-demo", "demo@example.com"));
        assert_eq!(identity.name.as_deref(), Some("Demo User"));
    }
}

#[tokio::test]
async fn an_id_token_that_does_not_fit_names_nobody() {
    let fixture = Fixture::start().await;
    let fake = Fake::start(json!({}), |_, _, _| {}).await;
    let good = json!({"iss": fake.origin, "aud": "c", "sub": "1", "exp": 4_000_000_000_u64});
    for (change, expected) in [
        (json!({}), true),
        (json!({"iss": "https://other.example"}), false),
        (json!({"aud": "another"}), false),
        (json!({"exp": 1}), false),
    ] {
        let mut claims = good.clone();
        claims.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        fake.give(json!({"access_token": "a", "token_type": "Bearer", "id_token": jwt(&claims)}));
        let state = fake.signed_in(&fixture.deps).await.state().borrow().clone();
        let AccountState::SignedIn { identity, .. } = state else { panic!("{state:?}") };
        assert_eq!(identity.is_some(), expected, "{change}");
        fake.account(&fixture.deps).sign_out().await.unwrap();
    }
}

#[tokio::test]
async fn a_token_meant_for_another_site_is_held_until_the_person_decides() {
    let fixture = Fixture::start().await;
    let fake = Fake::start(token_for("https://api.honest.example"), |_, _, _| {}).await;
    let account = fake.account(&fixture.deps);

    let sign_in = fake.begin(&account).await;
    let (page, text) = question(&fake.come_back(&sign_in).await).await;
    assert!(text.contains("meant for api.honest.example"), "{text}");
    assert!(
        account.current_token().is_none() && !fixture.store.holds("the-refresh"),
        "it was used before the answer"
    );
    let no = client().post(format!("{page}/discard")).send().await.unwrap();
    assert!(no.text().await.unwrap().contains("Not used"));
    assert!(matches!(*sign_in.outcome().await.unwrap_err(), oauth::Error::Cancelled));
    assert!(account.access_token().await.unwrap().is_none());
    assert!(
        fake.received("/revoke").iter().any(|form| form.contains("token=the-refresh&")),
        "it was not given back"
    );

    let sign_in = fake.begin(&account).await;
    let (page, _) = question(&fake.come_back(&sign_in).await).await;
    assert_eq!(visit(&returned(&sign_in)).await.status(), 400, "a code comes once");
    let yes = client().post(format!("{page}/keep")).send().await.unwrap();
    assert!(yes.text().await.unwrap().contains("You are signed in"));
    sign_in.outcome().await.unwrap();
    assert!(account.access_token().await.unwrap().is_some());
}

#[tokio::test]
async fn what_the_person_allowed_holds_for_renewals_and_nothing_else_does() {
    let fixture = Fixture::start().await;
    let fake = Fake::start(token_for("https://api.honest.example"), |_, _, _| {}).await;
    let account = fake.account(&fixture.deps);
    let sign_in = fake.begin(&account).await;
    let (page, _) = question(&fake.come_back(&sign_in).await).await;
    client().post(format!("{page}/keep")).send().await.unwrap();
    sign_in.outcome().await.unwrap();
    fixture.let_time_pass(std::time::Duration::from_secs(300));
    assert!(account.access_token().await.unwrap().is_some());

    let mut other = token_for("https://api.other.example");
    other["refresh_token"] = "rotated".into();
    fake.give(other);
    fixture.let_time_pass(std::time::Duration::from_secs(300));
    let error = account.access_token().await.unwrap_err();
    let Error::OAuth(error) = &error else { panic!("{error}") };
    assert!(
        matches!(&**error, oauth::Error::ForeignAudience { sites, .. } if sites == &["api.other.example"])
    );
    assert!(fixture.store.holds("rotated"), "a rotated token must not be lost");
}

#[tokio::test]
async fn where_nobody_can_be_asked_an_odd_token_is_refused() {
    let fixture = Fixture::start().await;
    let fake = Fake::start(token_for("https://api.honest.example"), |_, _, _| {}).await;
    let account = fake.account(&fixture.deps);
    let sign_in = fake.begin(&account).await;
    let error = account.sign_in_redirect(returned(&sign_in).as_str()).await.unwrap_err();
    let Error::OAuth(error) = &error else { panic!("{error}") };
    assert!(matches!(**error, oauth::Error::ForeignAudience { .. }), "{error}");
    assert!(account.access_token().await.unwrap().is_none());
    assert!(!fake.received("/revoke").is_empty());
}

#[tokio::test]
async fn a_token_for_this_server_raises_no_question() {
    let fixture = Fixture::start().await;
    let fake = Fake::start(json!({}), |_, _, _| {}).await;
    for audience in [fake.url().to_string(), fake.origin.clone(), "client-id".to_owned()] {
        fake.give(token_for(&audience));
        fake.signed_in(&fixture.deps).await.sign_out().await.unwrap();
    }
}

#[tokio::test]
async fn another_person_replaces_an_account_only_after_a_yes() {
    let fixture = Fixture::start().await;
    let fake = Fake::start(json!({}), |_, _, _| {}).await;
    let tokens = |subject: &str| {
        let claims = json!({
            "iss": fake.origin, "aud": "c", "sub": subject, "exp": 4_000_000_000_u64,
            "preferred_username": format!("{subject}-name"),
        });
        json!({
            "access_token": subject, "token_type": "Bearer", "expires_in": 300, "refresh_token": "the-refresh",
            "id_token": jwt(&claims),
        })
    };
    fake.give(tokens("anna"));
    let account = fake.signed_in(&fixture.deps).await;
    // The same person again is no question, another one is.
    drop(fake.signed_in(&fixture.deps).await);
    fake.give(tokens("berta"));
    let sign_in = fake.begin(&account).await;
    let (page, text) = question(&fake.come_back(&sign_in).await).await;
    assert!(text.contains("berta-name has signed in, but this account was anna-name"), "{text}");
    client().post(format!("{page}/discard")).send().await.unwrap();
    sign_in.outcome().await.unwrap_err();
    assert_eq!(account.access_token().await.unwrap().unwrap().expose(), "anna");

    // It is asked too after the sign-in has ended, and after a restart.
    fake.give(json!({"error": "invalid_grant"}));
    fixture.let_time_pass(std::time::Duration::from_secs(300));
    assert!(matches!(account.access_token().await, Err(Error::SignedOut { why: SignedOut::Expired })));
    fake.give(tokens("berta"));
    let account = fake.account(&fixture.deps);
    let sign_in = fake.begin(&account).await;
    let (page, _) = question(&fake.come_back(&sign_in).await).await;
    client().post(format!("{page}/keep")).send().await.unwrap();
    sign_in.outcome().await.unwrap();
    assert_eq!(account.access_token().await.unwrap().unwrap().expose(), "berta");

    // Whoever signs out may sign in as anybody.
    account.sign_out().await.unwrap();
    fake.give(tokens("anna"));
    fake.signed_in(&fixture.deps).await;
}
