//! Metadata is kept as long as its server lets it be, and no longer than until something is refused.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use drawbridge::host::account::{AccountHandle, Error, Retry};
use drawbridge::oauth;
use drawbridge::oauth::grant::Grant;
use drawbridge::secret::ClientSecret;
use serde_json::json;

use crate::authority::{Authority, refused, token};

/// An authorization server that says this of its metadata, and a program that has a token from it.
async fn program(cache_control: &'static str) -> (Authority, AccountHandle) {
    let count = AtomicUsize::new(0);
    let authority = Authority::start(json!({}), move |_| token(count.fetch_add(1, Ordering::Relaxed))).await;
    authority.set_cache_control(cache_control);
    let account = authority.account(|options| {
        options.grant = Grant::ClientCredentials;
        options.client_id = Some("robot".to_owned());
        options.client_secret = Some(ClientSecret::new("s3cret"));
    });
    account.obtain().await.unwrap();
    assert_eq!(authority.documents(), 2);
    (authority, account)
}

#[tokio::test]
async fn metadata_is_kept_as_long_as_its_server_says() {
    for (cache_control, documents) in [("max-age=600", 2), ("no-cache", 4), ("", 4)] {
        let (authority, account) = program(cache_control).await;
        authority.let_time_pass(Duration::from_secs(600));
        assert_eq!(account.access_token().await.unwrap().unwrap().expose(), "token-1");
        assert_eq!(authority.documents(), documents, "{cache_control}");
    }
}

#[tokio::test]
async fn metadata_is_read_anew_after_a_refusal() {
    let (authority, account) = program("max-age=600").await;
    let used = account.access_token().await.unwrap();
    assert_eq!(refused(&account, used).await.unwrap(), Retry::WithNewToken);
    assert_eq!(authority.documents(), 4);
    authority.let_time_pass(Duration::from_secs(600));
    let used = account.access_token().await.unwrap();
    assert_eq!(authority.documents(), 4, "what was read after the refusal is kept");
    authority.name_another("https://other.example");
    let error = refused(&account, used).await.unwrap_err();
    let Error::OAuth(error) = error else { panic!("{error}") };
    assert!(matches!(*error, oauth::Error::NoAuthorizationServer { .. }), "{error}");
}
