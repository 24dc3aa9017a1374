//! Tokens without a browser: programs of their own, workloads, company sign-ins, and codes typed in elsewhere.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use drawbridge::host::account::{AccountState, Error, Retry};
use drawbridge::oauth;
use drawbridge::oauth::grant::{Grant, IdentityProvider, SubjectToken};
use drawbridge::oauth::signing_key::SigningKey;
use drawbridge::secret::{ClientSecret, PrivateKey, StaticSecret};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Value, json};

use crate::authority::{Asked, Authority, refused, token};
use crate::support::{by_client, by_person, state_where};

const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const ID_JAG: &str = "urn:ietf:params:oauth:token-type:id-jag";

/// A new token for each question.
fn counting() -> impl Fn(&Asked) -> (u16, Value) + Send + Sync {
    let count = AtomicUsize::new(0);
    move |_| token(count.fetch_add(1, Ordering::Relaxed))
}

fn error(error: Error) -> Arc<oauth::Error> {
    let Error::OAuth(error) = error else { panic!("{error:?}") };
    error
}

fn as_program(options: &mut oauth::OAuthOptions) {
    options.grant = Grant::ClientCredentials;
    options.client_id = Some("robot".to_owned());
    options.client_secret = Some(ClientSecret::new("s3cret"));
}

#[tokio::test]
async fn a_program_gets_and_renews_its_tokens_by_itself_and_stores_none() {
    let authority = Authority::start(json!({}), counting()).await;
    let account = authority.account(as_program);
    assert!(account.access_token().await.unwrap().is_none(), "not every server wants a token");
    assert!(authority.asked().is_empty());

    let asking = (0..50).map(|_| refused(&account, None));
    for retry in futures_util::future::join_all(asking).await {
        assert_eq!(retry.unwrap(), Retry::WithNewToken);
    }
    let first = account.access_token().await.unwrap().unwrap();
    assert_eq!(first.expose(), "token-0");
    let asked = authority.asked();
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert_eq!(asked[0].field("grant_type"), Some("client_credentials"));
    assert_eq!(asked[0].field("scope"), Some("mcp"), "there is nothing to refresh");
    assert_eq!(asked[0].field("resource"), Some(authority.spec.server_url.as_str()));
    assert_eq!(asked[0].authorization.as_deref(), Some("Basic cm9ib3Q6czNjcmV0"));
    state_where(&account, AccountState::is_signed_in).await;

    authority.let_time_pass(Duration::from_secs(600));
    let asking = (0..50).map(|_| account.access_token());
    for renewed in futures_util::future::join_all(asking).await {
        assert_eq!(renewed.unwrap().unwrap().expose(), "token-1");
    }
    assert_eq!(authority.asked().len(), 2);
    assert!(!authority.store.names().iter().any(|name| name.contains("account")), "nothing is stored");
}

#[tokio::test]
async fn a_token_that_the_server_never_takes_is_told_and_not_got_again_and_again() {
    let authority = Authority::start(json!({}), counting()).await;
    let account = authority.account(as_program);
    refused(&account, None).await.unwrap();
    for _ in 0..5 {
        let used = account.access_token().await.unwrap();
        let error = error(refused(&account, used).await.unwrap_err());
        assert!(matches!(*error, oauth::Error::TokenNotAccepted { .. }), "{error}");
    }
    assert_eq!(authority.asked().len(), 1);
}

#[tokio::test]
async fn a_refused_program_is_told_why_and_asks_again_only_by_hand() {
    let refusal = json!({ "error": "unauthorized_client", "error_description": "not this grant" });
    let authority = Authority::start(json!({}), move |_| (400, refusal.clone())).await;
    let account = authority.account(as_program);
    for _ in 0..3 {
        let Err(Error::OAuth(error)) = refused(&account, None).await else { panic!("refused") };
        assert!(
            matches!(&*error, oauth::Error::GrantRefused { code, .. } if code == "unauthorized_client"),
            "{error}"
        );
    }
    assert_eq!(authority.asked().len(), 1, "nothing has changed since");
    assert!(matches!(account.obtain().await, Err(Error::OAuth(_))));
    assert_eq!(authority.asked().len(), 2);
    state_where(&account, |state| matches!(state, AccountState::Failed { .. })).await;
}

#[tokio::test]
async fn a_program_that_was_signed_out_asks_for_nothing_until_it_is_wanted_again() {
    let authority = Authority::start(json!({ "revocation_endpoint": "/revoke" }), counting()).await;
    let account = authority.account(as_program);
    account.obtain().await.unwrap();
    account.sign_out().await.unwrap();
    assert_eq!(authority.asked_at("/revoke")[0].field("token"), Some("token-0"), "{:?}", authority.asked());
    assert!(account.access_token().await.unwrap().is_none());
    assert_eq!(refused(&account, None).await.unwrap(), Retry::SignInNeeded);
    assert_eq!(authority.asked_at("/token").len(), 1);
    account.obtain().await.unwrap();
    assert!(account.access_token().await.unwrap().is_some());
}

#[tokio::test]
async fn secrets_are_shown_to_the_issuer_that_was_named_and_to_no_other() {
    let other = Authority::start(json!({}), counting()).await;
    let authority = Authority::start(json!({}), counting()).await;
    authority.name_another(other.issuer());
    let error = error(refused(&authority.account(as_program), None).await.unwrap_err());
    assert!(matches!(*error, oauth::Error::NoAuthorizationServer { .. }), "{error}");
    assert!(other.asked().is_empty() && authority.asked().is_empty());
}

#[tokio::test]
async fn a_key_signs_for_its_issuer_in_place_of_a_secret() {
    let methods = json!({ "token_endpoint_auth_methods_supported": ["private_key_jwt"],
        "token_endpoint_auth_signing_alg_values_supported": ["PS256", "ES256"] });
    let authority = Authority::start(methods, counting()).await;
    let pem = include_str!("../fixtures/keys/rsa-pkcs8.pem");
    let key = SigningKey::parse(PrivateKey::new(pem), None).unwrap();
    let jwk: Jwk = serde_json::from_value(key.public_jwk()).unwrap();
    let account = authority.account(|options| {
        options.grant = Grant::ClientCredentials;
        options.client_id = Some("robot".to_owned());
        options.private_key = Some(key);
    });
    account.obtain().await.unwrap();
    let asked = &authority.asked()[0];
    assert_eq!(
        asked.field("client_assertion_type"),
        Some("urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
    );
    assert!(asked.authorization.is_none() && asked.field("client_secret").is_none());
    let mut validation = Validation::new(Algorithm::PS256);
    validation.set_audience(&[authority.issuer()]);
    validation.set_required_spec_claims(&["iss", "sub", "aud", "exp"]);
    let assertion = asked.field("client_assertion").unwrap();
    let claims =
        jsonwebtoken::decode::<Value>(assertion, &DecodingKey::from_jwk(&jwk).unwrap(), &validation).unwrap();
    assert_eq!((&claims.claims["iss"], &claims.claims["sub"]), (&json!("robot"), &json!("robot")));
}

#[tokio::test]
async fn a_workload_shows_what_its_platform_says_now() {
    let authority = Authority::start(json!({}), counting()).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    let account = authority.account(|options| {
        options.grant = Grant::Workload(SubjectToken::File(path.clone()));
    });
    assert!(matches!(*error(account.obtain().await.unwrap_err()), oauth::Error::SubjectToken { .. }));
    for content in ["first", "second"] {
        std::fs::write(&path, content).unwrap();
        account.obtain().await.unwrap();
        let asked = authority.asked().pop().unwrap();
        assert_eq!((asked.field("grant_type"), asked.field("assertion")), (Some(JWT_BEARER), Some(content)));
        assert_eq!(asked.field("client_id"), None, "the assertion says who asks");
    }
}

#[tokio::test]
async fn a_company_sign_in_shows_each_server_only_what_is_meant_for_it() {
    let authority = Authority::start(json!({}), |asked| match asked.path.as_str() {
        "/idp/token" => {
            (200, json!({ "access_token": "the-jag", "issued_token_type": ID_JAG, "token_type": "N_A" }))
        }
        _ => token(0),
    })
    .await;
    let account = authority.account(|options| {
        options.client_id = Some("us-at-as".to_owned());
        options.client_secret = Some(ClientSecret::new("s"));
        options.grant = Grant::Enterprise(Box::new(IdentityProvider {
            issuer: None,
            token_endpoint: Some(format!("{}/idp/token", authority.issuer())),
            client_id: "us-at-idp".to_owned(),
            client_secret: None,
            id_token: SubjectToken::Given(StaticSecret::new("the-id-token")),
        }));
    });
    assert_eq!(refused(&account, None).await.unwrap(), Retry::WithNewToken);
    let [exchange, request] = authority.asked().try_into().unwrap();
    assert_eq!(exchange.path, "/idp/token");
    for (name, value) in [
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("requested_token_type", ID_JAG),
        ("audience", authority.issuer()),
        ("resource", authority.spec.server_url.as_str()),
        ("scope", "mcp"),
        ("subject_token", "the-id-token"),
        ("subject_token_type", "urn:ietf:params:oauth:token-type:id_token"),
        ("client_id", "us-at-idp"),
    ] {
        assert_eq!(exchange.field(name), Some(value), "{name}");
    }
    assert_eq!(
        (request.field("grant_type"), request.field("assertion")),
        (Some(JWT_BEARER), Some("the-jag"))
    );
    assert_eq!(request.authorization.as_deref(), Some("Basic dXMtYXQtYXM6cw=="));
    assert!(!format!("{request:?}").contains("the-id-token"), "{request:?}");
    assert_eq!(account.access_token().await.unwrap().unwrap().expose(), "token-0");
}

#[tokio::test]
async fn a_refusal_of_the_identity_provider_is_told_as_its_own() {
    let refusal = json!({ "error": "invalid_grant", "error_description": "expired" });
    let authority = Authority::start(json!({}), move |_| (400, refusal.clone())).await;
    let account = authority.account(|options| {
        options.client_id = Some("us".to_owned());
        options.grant = Grant::Enterprise(Box::new(IdentityProvider {
            issuer: Some(authority.issuer().to_owned()),
            token_endpoint: None,
            client_id: "us".to_owned(),
            client_secret: None,
            id_token: SubjectToken::Given(StaticSecret::new("old")),
        }));
    });
    let error = error(account.obtain().await.unwrap_err());
    assert!(matches!(*error, oauth::Error::IdentityProviderRefused { .. }), "{error}");
}

fn device_answers(last: (u16, Value)) -> impl Fn(&Asked) -> (u16, Value) + Send + Sync {
    let polls = AtomicUsize::new(0);
    move |asked| match asked.path.as_str() {
        "/register" => (201, json!({ "client_id": "registered" })),
        "/device" => (
            200,
            json!({ "device_code": "the-device-code", "user_code": "WDJB-MJHT", "expires_in": 600, "interval": 1,
                "verification_uri": "http://127.0.0.1:1/device" }),
        ),
        _ if polls.fetch_add(1, Ordering::Relaxed) == 0 => (400, json!({ "error": "authorization_pending" })),
        _ => last.clone(),
    }
}

fn with_device() -> Value {
    json!({ "device_authorization_endpoint": "/device", "registration_endpoint": "/register" })
}

#[tokio::test]
async fn a_code_that_is_entered_elsewhere_signs_in() {
    let (status, mut answer) = token(0);
    answer["refresh_token"] = "the-refresh-token".into();
    let authority = Authority::start(with_device(), device_answers((status, answer))).await;
    let account = authority.account(|options| options.grant = Grant::Device);
    let sign_in = account.sign_in(by_person()).await.unwrap();
    let prompt = sign_in.prompt.clone().unwrap();
    assert_eq!(prompt.user_code, "WDJB-MJHT");
    assert_eq!(prompt.verification_uri.as_str(), "http://127.0.0.1:1/device");
    sign_in.outcome().await.unwrap();
    assert_eq!(account.access_token().await.unwrap().unwrap().expose(), "token-0");
    assert!(authority.store.holds("the-refresh-token"));

    let registration = &authority.asked_at("/register")[0].json;
    assert_eq!(registration["grant_types"][0], "urn:ietf:params:oauth:grant-type:device_code");
    assert!(registration.get("redirect_uris").is_none(), "{registration}");
    assert_eq!(registration["response_types"], json!([]));
    let device = &authority.asked_at("/device")[0];
    assert_eq!(device.field("client_id"), Some("registered"));
    assert_eq!(device.field("scope"), Some("mcp offline_access"));
    assert_eq!(device.field("resource"), Some(authority.spec.server_url.as_str()));
    let polls = authority.asked_at("/token");
    assert_eq!(polls.len(), 2);
    assert_eq!(polls[1].field("device_code"), Some("the-device-code"));
    assert_eq!(polls[1].field("client_id"), Some("registered"));
}

#[tokio::test]
async fn a_no_elsewhere_and_a_program_that_asks_are_told_plainly() {
    let no = (400, json!({ "error": "access_denied" }));
    let authority = Authority::start(with_device(), device_answers(no)).await;
    let account = authority.account(|options| options.grant = Grant::Device);
    assert!(matches!(*error(account.sign_in(by_client()).await.unwrap_err()), oauth::Error::ByHand));
    assert!(authority.asked().is_empty());
    let sign_in = account.sign_in(by_person()).await.unwrap();
    assert!(matches!(*sign_in.outcome().await.unwrap_err(), oauth::Error::Denied { .. }));
}

#[tokio::test]
async fn an_address_that_must_not_be_opened_is_not_shown() {
    let answer = json!({ "device_code": "d", "user_code": "A", "expires_in": 600,
        "verification_uri": "javascript:alert(1)" });
    let authority = Authority::start(with_device(), move |asked| match asked.path.as_str() {
        "/register" => (201, json!({ "client_id": "registered" })),
        _ => (200, answer.clone()),
    })
    .await;
    let account = authority.account(|options| options.grant = Grant::Device);
    let error = error(account.sign_in(by_person()).await.unwrap_err());
    assert!(matches!(*error, oauth::Error::UnsafeEndpoint { .. }), "{error}");
}

#[tokio::test]
async fn a_server_without_codes_says_so() {
    let authority = Authority::start(json!({}), counting()).await;
    let account = authority.account(|options| options.grant = Grant::Device);
    let error = error(account.sign_in(by_person()).await.unwrap_err());
    assert!(matches!(*error, oauth::Error::NoDeviceGrant { .. }), "{error}");
    let account = authority.account(|_| {});
    let error = self::error(account.sign_in(by_person()).await.unwrap_err());
    assert!(matches!(*error, oauth::Error::NoSignInPage { .. }), "{error}");
}
