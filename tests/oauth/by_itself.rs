//! Sign-ins that open by themselves: seldom.

use drawbridge::host::account::{Error, Retry};
use http::StatusCode;
use serde_json::json;
use url::Url;

use crate::fake::Fake;
use crate::support::{Fixture, by_client, client, param, refusal, visit};

#[tokio::test]
async fn a_server_that_refuses_each_new_token_opens_no_page_after_the_other() {
    let fixture = Fixture::start().await;
    for (tokens, round) in [(json!({}), "access-alone"), (json!({"refresh_token": "r"}), "and-refresh")] {
        let mut given = json!({"access_token": round, "token_type": "Bearer"});
        given.as_object_mut().unwrap().extend(tokens.as_object().unwrap().clone());
        let fake = Fake::start(given, |_, _, _| {}).await;
        let account = fake.account(&fixture.deps);
        let sign_in = account.sign_in(by_client()).await.unwrap();
        let go = client().post(format!("{}/continue", sign_in.url.expose())).send().await.unwrap();
        let authorize: Url = go.headers()["location"].to_str().unwrap().parse().unwrap();
        let (redirect, state) =
            (param(&authorize, "redirect_uri").unwrap(), param(&authorize, "state").unwrap());
        let last = visit(&format!("{redirect}?code=x&state={state}").parse().unwrap()).await;
        assert_eq!(last.status(), 200);
        sign_in.outcome().await.unwrap();
        for _ in 0..2 {
            let token = account.access_token().await.ok().flatten();
            let refused = refusal(token.as_ref(), StatusCode::UNAUTHORIZED, Vec::new());
            if account.refused(refused).await.unwrap() == Retry::SignInNeeded {
                break;
            }
        }
        let again = account.sign_in(by_client()).await;
        assert!(matches!(again, Err(Error::NotAgain)), "{round}");
        account.sign_out().await.unwrap();
    }
}
