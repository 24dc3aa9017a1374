//! Asking for more permission, and not asking too often.

use drawbridge::host::account::{AccountHandle, AskedBy, Error, Prompt, Retry, SignInRequest};
use drawbridge::oauth::scope::Scopes;
use drawbridge::secret::AccessToken;
use http::{HeaderValue, StatusCode};
use url::Url;

use crate::support::{
    Fixture, by_client, by_person, client, param, person_allows, person_signs_in, refusal, visit,
};

/// A 403 for the token in use that names these scopes.
async fn forbidden(account: &AccountHandle, scopes: &str) -> Retry {
    let challenge = format!("Bearer error=\"insufficient_scope\", scope=\"{scopes}\"");
    let challenge = vec![HeaderValue::from_str(&challenge).unwrap()];
    let used = account.current_token();
    account.refused(refusal(used.as_ref(), StatusCode::FORBIDDEN, challenge)).await.unwrap()
}

/// An account that is allowed what the server's first challenge names, and nothing more.
async fn with_little(fixture: &Fixture) -> (AccountHandle, AccessToken) {
    let account = fixture.account();
    let challenge = fixture.challenge().await;
    person_signs_in(account.sign_in(SignInRequest { challenge, ..by_person() }).await.unwrap()).await;
    let token = account.access_token().await.unwrap().unwrap();
    (account, token)
}

/// Presses Continue on our page; where that leads.
async fn go_on(page: &Url) -> Url {
    let answer = client().post(format!("{page}/continue")).send().await.unwrap();
    answer.headers()["location"].to_str().unwrap().parse().unwrap()
}

async fn allow_more(account: &AccountHandle) {
    let sign_in = account.sign_in(by_client()).await.unwrap();
    let authorize = go_on(sign_in.url.expose()).await;
    visit(&person_allows(&authorize).await).await;
    sign_in.outcome().await.unwrap();
}

#[tokio::test]
async fn more_permission_is_asked_for_on_our_page_and_nothing_is_lost() {
    let fixture = Fixture::start().await;
    let (account, _) = with_little(&fixture).await;
    assert_eq!(forbidden(&account, "web-search:read").await, Retry::MorePermissionNeeded);
    for request in [by_person(), by_client()] {
        let sign_in = account.sign_in(request).await.unwrap();
        let page = visit(sign_in.url.expose()).await.text().await.unwrap();
        assert!(page.contains("more than you allowed before: web-search:read."), "{page}");
    }
    let sign_in = account.sign_in(by_person()).await.unwrap();
    let authorize = go_on(sign_in.url.expose()).await;
    assert_eq!(param(&authorize, "scope").as_deref(), Some("mcp offline_access web-search:read"));
    visit(&person_allows(&authorize).await).await;
    sign_in.outcome().await.unwrap();
    // The next sign-in is an ordinary one again.
    let again = account.sign_in(by_person()).await.unwrap();
    assert_eq!(again.url.expose().origin(), fixture.demo.origin().origin());
}

#[tokio::test]
async fn what_was_allowed_is_known_after_a_restart() {
    let fixture = Fixture::start().await;
    drop(with_little(&fixture).await);
    let account = fixture.account();
    account.access_token().await.unwrap();
    assert_eq!(forbidden(&account, "web-search:write").await, Retry::MorePermissionNeeded);
    let sign_in = account.sign_in(by_client()).await.unwrap();
    let authorize = go_on(sign_in.url.expose()).await;
    assert_eq!(param(&authorize, "scope").as_deref(), Some("mcp offline_access web-search:write"));
}

#[tokio::test]
async fn who_has_the_scopes_already_is_not_asked_for_them() {
    let fixture = Fixture::start().await;
    let (account, _) = with_little(&fixture).await;
    assert_eq!(forbidden(&account, "mcp").await, Retry::Forbidden);
    let plain = vec![HeaderValue::from_static("Bearer error=\"invalid_request\"")];
    let used = account.current_token();
    let refused = refusal(used.as_ref(), StatusCode::FORBIDDEN, plain);
    assert_eq!(account.refused(refused).await.unwrap(), Retry::Forbidden);
}

#[tokio::test]
async fn a_refusal_of_an_older_token_means_the_new_one() {
    let fixture = Fixture::start().await;
    let (account, old) = with_little(&fixture).await;
    assert_eq!(forbidden(&account, "web-search:read").await, Retry::MorePermissionNeeded);
    allow_more(&account).await;
    let challenge =
        vec![HeaderValue::from_static("Bearer error=\"insufficient_scope\", scope=\"web-search:read\"")];
    let late = refusal(Some(&old), StatusCode::FORBIDDEN, challenge);
    assert_eq!(account.refused(late).await.unwrap(), Retry::WithNewToken);
    assert_eq!(forbidden(&account, "web-search:read").await, Retry::Forbidden);
}

#[tokio::test]
async fn a_server_that_is_never_content_is_asked_three_times() {
    let fixture = Fixture::start().await;
    let (account, _) = with_little(&fixture).await;
    // The demo grants no such scope, so the account never has it.
    for _ in 0..3 {
        assert_eq!(forbidden(&account, "secret").await, Retry::MorePermissionNeeded);
        let sign_in =
            account.sign_in(SignInRequest { prompt: Prompt::Clicked, ..by_client() }).await.unwrap();
        client().post(format!("{}/cancel", sign_in.url.expose())).send().await.unwrap();
        sign_in.outcome().await.unwrap_err();
    }
    assert_eq!(forbidden(&account, "secret").await, Retry::Forbidden);
    assert_eq!(forbidden(&account, "other").await, Retry::MorePermissionNeeded);
    // A login by hand starts the count anew.
    let sign_in = account.sign_in(by_person()).await.unwrap();
    account.cancel_sign_in().await;
    sign_in.outcome().await.unwrap_err();
    assert_eq!(forbidden(&account, "secret").await, Retry::MorePermissionNeeded);
}

#[tokio::test]
async fn the_scopes_of_the_options_are_never_exceeded() {
    let mut fixture = Fixture::start().await;
    fixture.spec.oauth.scope = Some("mcp".to_owned());
    let (account, _) = with_little(&fixture).await;
    let left_out = Retry::LeftOut(Scopes::parse("web-search:read"));
    assert_eq!(forbidden(&account, "mcp web-search:read").await, left_out);
}

#[tokio::test]
async fn after_a_no_only_a_click_opens_a_page() {
    let fixture = Fixture::start().await;
    let account = fixture.account();
    let sign_in = account.sign_in(by_client()).await.unwrap();
    client().post(format!("{}/cancel", sign_in.url.expose())).send().await.unwrap();
    sign_in.outcome().await.unwrap_err();
    assert!(matches!(account.sign_in(by_client()).await, Err(Error::NotAgain)));
    let asked_by = AskedBy::Client("a click".to_owned());
    let clicked = SignInRequest { asked_by, prompt: Prompt::Clicked, ..by_client() };
    person_signs_in_through_our_page(&account, clicked).await;
    fixture.demo.control().revoke_access_tokens();
    assert!(account.sign_in(by_client()).await.is_ok(), "a yes later on is a yes");
}

#[tokio::test]
async fn a_page_that_nobody_finished_does_not_come_again_soon() {
    let mut fixture = Fixture::start().await;
    fixture.deps.limits.sign_in = std::time::Duration::ZERO;
    let account = fixture.account();
    let sign_in = account.sign_in(by_client()).await.unwrap();
    sign_in.outcome().await.unwrap_err();
    assert!(matches!(account.sign_in(by_client()).await, Err(Error::NotAgain)));
    assert_eq!(fixture.opened.urls().len(), 1);
    account.sign_in(by_person()).await.unwrap();
}

async fn person_signs_in_through_our_page(account: &AccountHandle, request: SignInRequest) {
    let sign_in = account.sign_in(request).await.unwrap();
    let authorize = go_on(sign_in.url.expose()).await;
    visit(&person_allows(&authorize).await).await;
    sign_in.outcome().await.unwrap();
    person_signs_in(account.sign_in(by_person()).await.unwrap()).await;
}
