use super::*;
use crate::oauth::discovery::tests::server;
use crate::secret::PrivateKey;

const REDIRECT: RedirectUri = RedirectUri { host: CallbackHost::Ipv4, port: 4000 };

fn key() -> SigningKey {
    let pem = include_str!("../../../tests/fixtures/keys/rsa-pkcs8.pem");
    SigningKey::parse(PrivateKey::new(pem), None).unwrap()
}

fn wish<'a>(scopes: &'a Scopes, key: Option<&'a SigningKey>) -> Wish<'a> {
    Wish { redirect: Some(REDIRECT), grant_type: "authorization_code", scopes, key }
}

fn read(methods: Option<&[&str]>, key: Option<&SigningKey>, body: &str) -> Result<ClientRegistration, Error> {
    let (server, scopes) = (server(methods), Scopes::default());
    let asked = AuthMethod::to_ask_for(server.token_auth_methods.as_deref(), key.is_some());
    read_registration(body.as_bytes(), &server, wish(&scopes, key), asked)
}

#[test]
fn the_servers_answer_decides_how_we_authenticate() {
    use AuthMethod::{
        ClientSecretBasic as Basic, ClientSecretPost as Post, None as Public, PrivateKeyJwt as Key,
    };
    type Row = (Option<&'static [&'static str]>, bool, &'static str, Option<AuthMethod>);
    let table: &[Row] = &[
        (None, false, r#"{"client_id":"c"}"#, Some(Public)),
        (None, false, r#"{"client_id":"c","client_secret":"s"}"#, Some(Basic)),
        (Some(&["client_secret_post"]), false, r#"{"client_id":"c","client_secret":"s"}"#, Some(Post)),
        (
            None,
            false,
            r#"{"client_id":"c","client_secret":"s","token_endpoint_auth_method":"none"}"#,
            Some(Public),
        ),
        (
            None,
            false,
            r#"{"client_id":"c","client_secret":"s","token_endpoint_auth_method":"client_secret_post"}"#,
            Some(Post),
        ),
        (None, false, r#"{"client_id":"c","token_endpoint_auth_method":"client_secret_basic"}"#, None),
        (Some(&["client_secret_basic"]), false, r#"{"client_id":"c"}"#, None),
        (None, false, r#"{"client_id":"c","token_endpoint_auth_method":"private_key_jwt"}"#, None),
        (None, true, r#"{"client_id":"c","token_endpoint_auth_method":"private_key_jwt"}"#, None),
        (Some(&["private_key_jwt"]), true, r#"{"client_id":"c"}"#, Some(Key)),
        (None, false, r#"{"client_id":"c","token_endpoint_auth_method":"tls_client_auth"}"#, None),
        (None, false, r#"{"client_id":""}"#, None),
        (None, false, "[]", None),
    ];
    for (methods, has_key, body, expected) in table {
        let key = has_key.then(key);
        let read = read(*methods, key.as_ref(), body);
        assert_eq!(read.ok().map(|registration| registration.auth.method()), *expected, "{body}");
    }
}

#[test]
fn a_secret_expires_when_the_server_says_so_and_zero_means_never() {
    let read = |expiry: &str| {
        let body = format!(r#"{{"client_id":"c","client_secret":"s","client_secret_expires_at":{expiry}}}"#);
        read(None, None, &body).unwrap()
    };
    assert!(!read("0").has_expired(u64::MAX));
    assert!(read("100").has_expired(100));
    assert!(!read("\"100\"").has_expired(99));
}

#[test]
fn the_redirect_uri_that_was_registered_is_the_one_used() {
    let localhost = RedirectUri { host: CallbackHost::Localhost, port: 4000 };
    let table = [
        ("[]", Some(REDIRECT)),
        (r#"["http://127.0.0.1:4000/callback"]"#, Some(REDIRECT)),
        (r#"["http://127.0.0.1/callback"]"#, Some(REDIRECT)),
        (r#"["http://localhost:4000/callback"]"#, Some(localhost)),
        (r#"["http://localhost:4000/callback","http://127.0.0.1:4000/callback"]"#, Some(REDIRECT)),
        (r#"["http://127.0.0.1:4001/callback"]"#, None),
        (r#"["https://127.0.0.1:4000/callback"]"#, None),
        (r#"["http://127.0.0.1:4000/other"]"#, None),
        (r#"["https://evil.example/callback"]"#, None),
    ];
    for (uris, expected) in table {
        let read = read(None, None, &format!(r#"{{"client_id":"c","redirect_uris":{uris}}}"#));
        match expected {
            Some(redirect) => assert_eq!(read.unwrap().redirect, Some(redirect), "{uris}"),
            None => assert!(matches!(read, Err(Error::RedirectRefused { .. })), "{uris}"),
        }
    }
}

#[test]
fn a_refused_redirect_uri_is_told_from_other_refusals() {
    let table = [
        (r#"{"error":"invalid_redirect_uri"}"#, true),
        (
            r#"{"error":"invalid_client_metadata","error_description":"Redirect URIs must use localhost"}"#,
            true,
        ),
        (r#"{"error":"invalid_client_metadata","error_description":"no such grant type"}"#, false),
        (r#"{"error":"access_denied","error_description":"redirect"}"#, false),
        ("<html>", false),
    ];
    let scopes = Scopes::default();
    for (body, expected) in table {
        let answer = net::SmallResponse {
            status: StatusCode::BAD_REQUEST,
            headers: HeaderMap::new(),
            body: Bytes::copy_from_slice(body.as_bytes()),
        };
        let about = |wish| matches!(refused(&server(None), wish, &answer), Error::RedirectRefused { .. });
        assert_eq!(about(wish(&scopes, None)), expected, "{body}");
        assert!(!about(Wish { redirect: None, ..wish(&scopes, None) }));
    }
}

#[test]
fn we_say_what_we_are_and_show_only_the_public_half_of_a_key() {
    let (key, scopes) = (key(), Scopes::default());
    let plain = request(&server(None), wish(&scopes, Some(&key)), AuthMethod::None);
    assert_eq!(plain["application_type"], "native");
    assert_eq!(plain["redirect_uris"], json!(["http://127.0.0.1:4000/callback"]));
    assert_eq!(plain["grant_types"], json!(["authorization_code", "refresh_token"]));
    assert!(plain.get("jwks").is_none());
    let with_key = request(&server(None), wish(&scopes, Some(&key)), AuthMethod::PrivateKeyJwt);
    assert_eq!(with_key["token_endpoint_auth_signing_alg"], "RS256");
    assert!(with_key["jwks"]["keys"][0].get("d").is_none());
    let device = Wish { redirect: None, grant_type: "device", ..wish(&scopes, None) };
    let device = request(&server(None), device, AuthMethod::None);
    assert!(device.get("redirect_uris").is_none());
    assert_eq!(device["response_types"], json!([]));
}

#[test]
fn a_metadata_document_is_used_only_where_the_server_reads_it() {
    let options = OAuthOptions {
        client_metadata_url: Some("https://me.example/client.json".to_owned()),
        ..OAuthOptions::default()
    };
    let mut server = server(None);
    assert!(ClientRegistration::document(&options, &server, Some(REDIRECT)).is_none());
    server.client_id_documents = true;
    let registration = ClientRegistration::document(&options, &server, Some(REDIRECT)).unwrap();
    assert_eq!(registration.client_id, "https://me.example/client.json");
    assert_eq!((registration.kind, registration.auth.method()), (ClientKind::Document, AuthMethod::None));
    assert!(ClientRegistration::document(&OAuthOptions::default(), &server, None).is_none());
}

#[test]
fn only_clients_from_the_options_follow_them() {
    let server = server(None);
    let with = |id: &str, secret: &str| OAuthOptions {
        client_id: Some(id.to_owned()),
        client_secret: Some(ClientSecret::new(secret)),
        ..OAuthOptions::default()
    };
    let secret = |registration: &ClientRegistration| {
        let ClientAuth::SecretBasic(secret) = &registration.auth else { panic!("{registration:?}") };
        secret.expose().to_owned()
    };
    let given = ClientRegistration::given(&with("c", "old"), &server, None).unwrap();
    assert_eq!(secret(&given.with_current(&with("c", "new"))), "new");
    assert_eq!(secret(&given.with_current(&with("other", "new"))), "old");
    let dynamic = ClientRegistration { kind: ClientKind::Dynamic, ..given };
    assert_eq!(secret(&dynamic.with_current(&with("c", "new"))), "old");
}

#[test]
fn a_metadata_document_has_an_https_address_with_a_path() {
    for (text, expected) in [
        ("https://me.example/client.json", true),
        ("https://me.example/a/b?v=1", true),
        ("https://me.example:8443/c", true),
        ("https://me.example", false),
        ("https://me.example/", false),
        ("http://me.example/client.json", false),
        ("https://me.example/a/../client.json", false),
        ("https://Me.example/client.json", false),
        ("https://me.example:443/client.json", false),
        ("https://u@me.example/client.json", false),
        ("https://me.example/client.json#x", false),
        ("me.example/client.json", false),
        ("", false),
    ] {
        assert_eq!(is_document_url(text), expected, "{text}");
    }
}
