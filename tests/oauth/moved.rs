//! Servers that name another authorization server than the one that issued the tokens.

use drawbridge::host::account::{Error, Retry, SignedOut};
use http::StatusCode;
use serde_json::json;

use crate::fake::Fake;
use crate::support::{Fixture, by_person, refusal, visit};

#[tokio::test]
async fn tokens_meet_no_authorization_server_but_their_own() {
    let renewable = json!({"access_token": "a", "token_type": "Bearer", "refresh_token": "the-refresh"});
    for tokens in [renewable, json!({"access_token": "a", "token_type": "Bearer"})] {
        let fake = Fake::start(tokens, |_, _, _| {}).await;
        let fixture = Fixture::start().await;
        let account = fake.signed_in(&fixture.deps).await;
        let token = account.access_token().await.unwrap();
        let other = Fake::start(json!({}), |_, _, _| {}).await;
        fake.name_servers(json!([other.origin]));
        let refused = || refusal(token.as_ref(), StatusCode::UNAUTHORIZED, Vec::new());
        assert_eq!(account.refused(refused()).await.unwrap(), Retry::SignInNeeded);
        assert_eq!(fake.received("/token").len(), 1, "the tokens were renewed all the same");
        let why = SignedOut::Moved;
        assert!(matches!(account.access_token().await, Err(Error::SignedOut { why: seen }) if seen == why));
        // Also after a restart, and for a person: our page says so first.
        let account = fake.account(&fixture.deps);
        assert!(matches!(account.access_token().await, Err(Error::SignedOut { why: seen }) if seen == why));
        let sign_in = account.sign_in(by_person()).await.unwrap();
        let page = visit(sign_in.url.expose()).await.text().await.unwrap();
        assert!(page.contains(&format!("at {} now; before, it was {}", other.origin, fake.origin)), "{page}");
        assert!(other.received("/token").is_empty());
    }
}

#[tokio::test]
async fn a_refusal_renews_while_the_server_names_the_same_issuer_or_says_nothing() {
    let fixture = Fixture::start().await;
    for named in [|origin: &str| json!([format!("{origin}/")]), |_: &str| json!([])] {
        let tokens = json!({"access_token": "a", "token_type": "Bearer", "refresh_token": "the-refresh"});
        let fake = Fake::start(tokens, |_, _, _| {}).await;
        let account = fake.signed_in(&fixture.deps).await;
        let token = account.access_token().await.unwrap();
        fake.give(json!({"access_token": "b", "token_type": "Bearer", "refresh_token": "the-refresh"}));
        fake.name_servers(named(&fake.origin));
        let refused = refusal(token.as_ref(), StatusCode::UNAUTHORIZED, Vec::new());
        assert_eq!(account.refused(refused).await.unwrap(), Retry::WithNewToken);
        assert_eq!(account.access_token().await.unwrap().unwrap().expose(), "b");
        account.sign_out().await.unwrap();
    }
}
