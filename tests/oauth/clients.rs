//! Who we are at an authorization server: metadata documents, refused redirect addresses, forgotten clients.

use std::sync::Arc;

use drawbridge::host::account::{AccountHandle, Error};
use drawbridge::oauth;
use drawbridge::secret::ClientSecret;
use serde_json::{Value, json};

use crate::authority::{Asked, Authority, callback, token};
use crate::support::{by_person, param, visit};

const DOCUMENT: &str = "https://me.example/client.json";

fn with_pages() -> Value {
    json!({
        "authorization_endpoint": "/authorize",
        "registration_endpoint": "/register",
        "code_challenge_methods_supported": ["S256"],
        "client_id_metadata_document_supported": true,
    })
}

/// Signs in, and answers how often the browser was sent.
async fn sign_in(authority: &Authority, account: &AccountHandle) -> Result<Vec<url::Url>, Arc<oauth::Error>> {
    let unwrap = |error: Error| {
        let Error::OAuth(error) = error else { panic!("{error:?}") };
        error
    };
    let sign_in = account.sign_in(by_person()).await.map_err(unwrap)?;
    let mut sent = vec![sign_in.url.expose().clone()];
    loop {
        let response = visit(&callback(sent.last().unwrap(), authority.issuer())).await;
        match response.headers().get("location") {
            Some(again) => sent.push(again.to_str().unwrap().parse().unwrap()),
            None => break,
        }
    }
    sign_in.outcome().await.unwrap();
    Ok(sent)
}

#[tokio::test]
async fn a_metadata_document_stands_for_us_without_a_registration() {
    let authority = Authority::start(with_pages(), |_| token(0)).await;
    let account = authority.account(|options| options.client_metadata_url = Some(DOCUMENT.to_owned()));
    let sent = sign_in(&authority, &account).await.unwrap();
    assert_eq!(param(&sent[0], "client_id").as_deref(), Some(DOCUMENT));
    let asked = authority.asked();
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert_eq!((asked[0].path.as_str(), asked[0].field("client_id")), ("/token", Some(DOCUMENT)));
}

#[tokio::test]
async fn a_client_from_the_options_comes_before_the_document() {
    let authority = Authority::start(with_pages(), |_| token(0)).await;
    let account = authority.account(|options| {
        options.client_metadata_url = Some(DOCUMENT.to_owned());
        options.client_id = Some("given".to_owned());
    });
    let sent = sign_in(&authority, &account).await.unwrap();
    assert_eq!(param(&sent[0], "client_id").as_deref(), Some("given"));
}

#[tokio::test]
async fn a_document_that_the_server_does_not_take_after_all_means_a_registration() {
    let authority =
        Authority::start(with_pages(), |asked| match (asked.path.as_str(), asked.field("client_id")) {
            ("/register", _) => (201, json!({ "client_id": "registered" })),
            (_, Some(DOCUMENT)) => (401, json!({ "error": "invalid_client" })),
            _ => token(0),
        })
        .await;
    let account = authority.account(|options| options.client_metadata_url = Some(DOCUMENT.to_owned()));
    let sent = sign_in(&authority, &account).await.unwrap();
    let clients: Vec<_> = sent.iter().map(|url| param(url, "client_id").unwrap()).collect();
    assert_eq!(clients, [DOCUMENT, "registered"]);
    assert_eq!(param(&sent[0], "redirect_uri"), param(&sent[1], "redirect_uri"));
}

/// Registers only clients whose browsers return to this host.
fn only_for(host: &'static str) -> impl Fn(&Asked) -> (u16, Value) + Send + Sync {
    move |asked| match asked.path.as_str() {
        "/register" if asked.json["redirect_uris"][0].as_str().unwrap().contains(host) => {
            (201, json!({ "client_id": "registered", "redirect_uris": asked.json["redirect_uris"] }))
        }
        "/register" => (400, json!({ "error": "invalid_redirect_uri", "error_description": "no" })),
        _ => token(0),
    }
}

#[tokio::test]
async fn a_server_that_knows_only_localhost_gets_that_and_is_not_asked_twice_later() {
    let authority = Authority::start(with_pages(), only_for("localhost")).await;
    let account = authority.account(|_| {});
    let sent = sign_in(&authority, &account).await.unwrap();
    assert!(param(&sent[0], "redirect_uri").unwrap().starts_with("http://localhost:"), "{}", sent[0]);
    assert_eq!(authority.asked_at("/register").len(), 2);
    account.sign_out().await.unwrap();
    sign_in(&authority, &account).await.unwrap();
    assert_eq!(authority.asked_at("/register").len(), 2, "the registration is used again");
}

#[tokio::test]
async fn a_server_that_takes_no_address_of_this_computer_is_named() {
    let authority = Authority::start(with_pages(), only_for("nowhere")).await;
    let error = sign_in(&authority, &authority.account(|_| {})).await.unwrap_err();
    let oauth::Error::RedirectRefused { redirect, .. } = &*error else { panic!("{error}") };
    assert!(redirect.starts_with("http://127.0.0.1:"), "{redirect}");
    assert_eq!(authority.asked_at("/register").len(), 2, "one adjusted retry and no more");
}

#[tokio::test]
async fn a_client_that_lost_its_right_is_registered_anew_once() {
    let authority =
        Authority::start(with_pages(), |asked| match (asked.path.as_str(), asked.field("client_id")) {
            ("/register", _) => (201, json!({ "client_id": "second" })),
            (_, Some("second")) => token(0),
            _ => (400, json!({ "error": "unauthorized_client" })),
        })
        .await;
    // What a first sign-in left in the vault.
    let first = authority.account(|_| {});
    sign_in(&authority, &first).await.unwrap();
    first.sign_out().await.unwrap();
    assert_eq!(authority.asked_at("/register").len(), 1);
    let again = authority.account(|options| options.client_metadata_url = Some(DOCUMENT.to_owned()));
    sign_in(&authority, &again).await.unwrap();
    assert_eq!(authority.asked_at("/register").len(), 2);
}

#[tokio::test]
async fn a_replaced_secret_renews_the_tokens_of_a_given_client() {
    let authority = Authority::start(with_pages(), |asked| {
        let (status, mut answer) = token(0);
        answer["refresh_token"] = "refresh".into();
        match asked.authorization.as_deref() {
            // given:old
            Some("Basic Z2l2ZW46b2xk") if asked.field("grant_type") == Some("refresh_token") => {
                (401, json!({ "error": "invalid_client" }))
            }
            _ => (status, answer),
        }
    })
    .await;
    let with = |secret: &'static str| {
        move |options: &mut oauth::OAuthOptions| {
            options.client_id = Some("given".to_owned());
            options.client_secret = Some(ClientSecret::new(secret));
        }
    };
    let before = authority.account(with("old"));
    sign_in(&authority, &before).await.unwrap();
    drop(before);
    authority.let_time_pass(std::time::Duration::from_secs(600));
    let refused = authority.account(with("old")).access_token().await;
    assert!(matches!(refused, Err(Error::OAuth(_))), "the tokens are kept: {refused:?}");
    assert!(authority.account(with("new")).access_token().await.unwrap().is_some());
}
