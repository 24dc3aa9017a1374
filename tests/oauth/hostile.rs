//! Servers that mean harm: addresses they must not send us to, metadata without measure, forged returns, words made to
//! be obeyed, and what must be gone when a sign-in is over.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::response::{IntoResponse, Response};
use demo_server::TokenFault;
use drawbridge::host::account::{AccountHandle, Error, SignIn, SignInRequest};
use drawbridge::net::{AddressClass, EnvProxies, Limits, Lookup, Network};
use drawbridge::oauth;
use futures_util::future::BoxFuture;
use futures_util::stream;
use http::{HeaderValue, StatusCode};
use url::Url;

use crate::support::{Fixture, by_client, by_person, client, param, person_allows, spec, visit};

/// A server that answers every path like this.
async fn everywhere(answer: impl Fn(Url) -> Response + Clone + Send + Sync + 'static) -> Url {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = Url::parse(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
    let own = origin.clone();
    let router = Router::new().fallback(move || async move { answer(own) });
    tokio::spawn(async move { axum::serve(listener, router).await });
    origin
}

/// Why a sign-in at this server does not begin.
async fn refusal(fixture: &Fixture, server: &Url, challenge: &str) -> String {
    let account = AccountHandle::spawn(spec(server.join("/mcp").unwrap()), fixture.deps.clone());
    let challenge = vec![HeaderValue::from_str(challenge).unwrap()];
    match account.sign_in(SignInRequest { challenge, ..by_person() }).await {
        Err(Error::OAuth(error)) => format!("{error:?}"),
        other => panic!("{other:?}"),
    }
}

const FORBIDDEN: [&str; 8] = [
    "http://169.254.169.254/latest/meta-data/",
    "https://169.254.169.254/",
    "https://[fe80::1]/",
    "https://[::ffff:169.254.169.254]/",
    "https://0.0.0.0/",
    "http://10.0.0.1/",
    "http://metadata.example/",
    "file:///etc/passwd",
];

#[tokio::test]
async fn a_challenge_leads_to_no_forbidden_address() {
    let fixture = Fixture::start().await;
    let server = everywhere(|_| StatusCode::NOT_FOUND.into_response()).await;
    for target in FORBIDDEN {
        let why = refusal(&fixture, &server, &format!("Bearer resource_metadata=\"{target}\"")).await;
        assert!(why.contains("UnsafeEndpoint") || why.contains("ForbiddenAddress"), "{target}: {why}");
    }
}

#[tokio::test]
async fn a_redirect_of_metadata_leads_to_no_forbidden_address() {
    let fixture = Fixture::start().await;
    for target in FORBIDDEN {
        let redirect = move |_| (StatusCode::FOUND, [(http::header::LOCATION, target)]).into_response();
        let why = refusal(&fixture, &everywhere(redirect).await, "Bearer").await;
        assert!(
            ["ForbiddenAddress", "InsecureUrl", "InvalidUrl", "Redirects"]
                .iter()
                .any(|kind| why.contains(kind)),
            "{target}: {why}"
        );
    }
}

/// A resolver that answers everything with this address.
struct Everything(IpAddr);

impl Lookup for Everything {
    fn lookup(&self, _: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        let address = self.0;
        Box::pin(async move { Ok(vec![address]) })
    }
}

#[tokio::test]
async fn a_name_leads_to_no_less_public_address_than_the_server_has() {
    let fixture = Fixture::start().await;
    for (class, address) in [
        (AddressClass::Public, "127.0.0.1"),
        (AddressClass::Public, "10.0.0.1"),
        (AddressClass::Public, "169.254.169.254"),
        (AddressClass::Public, "::ffff:192.168.0.1"),
        (AddressClass::Private, "127.0.0.1"),
        (AddressClass::Private, "169.254.169.254"),
    ] {
        let lookup = Arc::new(Everything(address.parse().unwrap()));
        let mut deps = fixture.deps.clone();
        deps.network = Network::with(Limits::default(), lookup, EnvProxies::from_vars(|_| None));
        let mut spec = spec("https://mcp.example/mcp".parse().unwrap());
        spec.settings.class = class;
        let Err(Error::OAuth(error)) = AccountHandle::spawn(spec, deps).sign_in(by_person()).await else {
            panic!("{class:?} {address}");
        };
        assert!(format!("{error:?}").contains("ForbiddenAddress"), "{class:?} {address}: {error:?}");
    }
}

#[tokio::test]
async fn metadata_without_end_or_measure_is_given_up() {
    fn endless(_: Url) -> Response {
        Response::new(Body::from_stream(stream::repeat_with(|| {
            Ok::<_, io::Error>(Bytes::from_static(&[b' '; 4096]))
        })))
    }
    fn silent(_: Url) -> Response {
        Response::new(Body::from_stream(stream::pending::<Result<Bytes, io::Error>>()))
    }
    fn huge(_: Url) -> Response {
        format!(r#"{{"resource":"{}"}}"#, "x".repeat(2 << 20)).into_response()
    }
    type Answer = fn(Url) -> Response;
    let mut fixture = Fixture::start().await;
    let limits = Limits { metadata: Duration::from_millis(200), ..Limits::default() };
    fixture.deps.network =
        Network::with(limits, Arc::new(drawbridge::net::SystemLookup), EnvProxies::from_vars(|_| None));
    for (answer, expected) in
        [(endless as Answer, "TooLarge"), (silent as Answer, "TimedOut"), (huge as Answer, "TooLarge")]
    {
        let why = refusal(&fixture, &everywhere(answer).await, "Bearer").await;
        assert!(why.contains(expected), "{why} instead of {expected}");
    }
}

#[tokio::test]
async fn metadata_nested_beyond_reason_is_no_metadata() {
    let fixture = Fixture::start().await;
    let deep = |_| {
        let depth = 100_000;
        format!(r#"{{"resource":{}{}}}"#, "[".repeat(depth), "]".repeat(depth)).into_response()
    };
    let server = everywhere(deep).await;
    let account = AccountHandle::spawn(spec(server.join("/mcp").unwrap()), fixture.deps.clone());
    let error = account.sign_in(by_person()).await.unwrap_err();
    // As with a server of 2025-03-26 that says nothing about itself: its own origin is asked to register us.
    let Error::OAuth(error) = error else { panic!("{error}") };
    assert!(matches!(*error, oauth::Error::RegistrationRefused { .. }), "{error}");
}

#[tokio::test]
async fn a_return_to_another_path_or_without_a_state_is_nobodys() {
    let fixture = Fixture::start().await;
    let account = fixture.account();
    let sign_in = account.sign_in(by_person()).await.unwrap();
    let redirect = person_allows(sign_in.url.expose()).await;
    for path in
        ["/", "/callback/", "/Callback", "/callback/x", "/x/../callbackx", "/sign-in/", "/sign-in/guess"]
    {
        let mut forged = redirect.clone();
        forged.set_path(path);
        assert_eq!(visit(&forged).await.status(), 404, "{path}");
    }
    let code = param(&redirect, "code").unwrap();
    for query in [format!("code={code}"), format!("code={code}&state="), format!("code={code}&State=x")] {
        let mut forged = redirect.clone();
        forged.set_query(Some(&query));
        assert_eq!(visit(&forged).await.status(), 400, "{query}");
    }
    assert_eq!(fixture.demo.control().stats().grant("authorization_code"), 0);
    assert_eq!(visit(&redirect).await.status(), 200);
    sign_in.outcome().await.unwrap();
}

#[tokio::test]
async fn words_of_the_authorization_server_are_shown_and_never_obeyed() {
    let fixture = Fixture::start().await;
    let account = fixture.account();
    let sign_in = account.sign_in(by_person()).await.unwrap();
    let evil =
        "\u{1b}]0;owned\u{7}\u{1b}[2J<script>alert(1)</script>\r\n<img src=x onerror=alert(1)>\u{202e}";
    let page = client().get(refused_with(&fixture, &sign_in, evil)).send().await.unwrap();
    let policy = page.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    let page = page.text().await.unwrap();
    let error = sign_in.outcome().await.unwrap_err().to_string();
    for shown in [&page, &error] {
        assert!(shown.contains("alert(1)"), "its words are shown: {shown}");
        assert!(!shown.contains(['\u{1b}', '\u{7}', '\u{202e}', '\r', '\n']), "{shown:?}");
    }
    assert!(!page.contains("<script") && !page.contains("<img"), "{page}");
}

/// Where the browser comes back to with an error in these words.
fn refused_with(fixture: &Fixture, sign_in: &SignIn, words: &str) -> Url {
    let authorize = sign_in.url.expose();
    let mut back = Url::parse(&param(authorize, "redirect_uri").unwrap()).unwrap();
    back.query_pairs_mut()
        .append_pair("error", "access_denied")
        .append_pair("error_description", words)
        .append_pair("state", &param(authorize, "state").unwrap())
        .append_pair("iss", &fixture.demo.control().issuer());
    back
}

/// The ways a sign-in ends.
#[derive(Debug, Clone, Copy)]
enum End {
    SignedIn,
    Pasted,
    Declined,
    Denied,
    CancelledByCaller,
    TimedOut,
    CodeRefused,
    SignedOutMeanwhile,
    HostStops,
}

#[tokio::test]
async fn no_port_stays_open_however_a_sign_in_ends() {
    for end in [
        End::SignedIn,
        End::Pasted,
        End::Declined,
        End::Denied,
        End::CancelledByCaller,
        End::TimedOut,
        End::CodeRefused,
        End::SignedOutMeanwhile,
        End::HostStops,
    ] {
        let mut fixture = Fixture::start().await;
        if matches!(end, End::TimedOut) {
            fixture.deps.limits.sign_in = Duration::from_millis(50);
        }
        let account = fixture.account();
        let sign_in = account.sign_in(by_person()).await.unwrap();
        let redirect: Url = param(sign_in.url.expose(), "redirect_uri").unwrap().parse().unwrap();
        bring_about(end, &fixture, &account, &sign_in).await;
        let worked = sign_in.outcome().await.is_ok();
        assert_eq!(worked, matches!(end, End::SignedIn | End::Pasted), "{end:?}");
        is_closed(redirect.port().unwrap(), end).await;
    }
}

async fn bring_about(end: End, fixture: &Fixture, account: &AccountHandle, sign_in: &SignIn) {
    match end {
        End::SignedIn => {
            visit(&person_allows(sign_in.url.expose()).await).await;
        }
        End::Pasted => {
            let redirect = person_allows(sign_in.url.expose()).await;
            account.sign_in_redirect(redirect.as_str()).await.unwrap();
        }
        End::Declined => {
            let joined = account.sign_in(by_client()).await.unwrap();
            client().post(format!("{}/cancel", joined.url.expose())).send().await.unwrap();
        }
        End::Denied => {
            visit(&demo_server::deny_with_form(sign_in.url.expose()).await.unwrap()).await;
        }
        End::CancelledByCaller => account.cancel_sign_in().await,
        End::TimedOut => {}
        End::CodeRefused => {
            fixture
                .demo
                .control()
                .token_endpoint_fault(TokenFault::Error { error: "invalid_grant".to_owned() });
            visit(&person_allows(sign_in.url.expose()).await).await;
        }
        End::SignedOutMeanwhile => account.sign_out().await.unwrap(),
        End::HostStops => fixture.deps.shutdown.cancel(),
    }
}

/// The last page may still be on its way out; then the port is free.
async fn is_closed(port: u16, end: End) {
    let closed = async {
        while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), closed)
        .await
        .unwrap_or_else(|_| panic!("open after {end:?}"));
}

#[tokio::test]
async fn a_token_request_follows_no_redirect() {
    let fixture = Fixture::start().await;
    let (account, _) = fixture.signed_in().await;
    fixture.let_time_pass(Duration::from_secs(300));
    fixture.demo.control().token_endpoint_fault(TokenFault::Status { code: 307, retry_after: None });
    let error = account.access_token().await.unwrap_err();
    assert!(
        matches!(error, Error::OAuth(ref error) if matches!(**error, oauth::Error::TokenRefused { .. })),
        "{error}"
    );
}
