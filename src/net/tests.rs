//! The network against small servers on this computer.

use std::future::pending;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::IntoResponse;
use axum::routing::{any, get};
use futures_util::future::BoxFuture;
use http::StatusCode;
use http::header::{ACCEPT, CONTENT_TYPE, LOCATION, RETRY_AFTER};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::*;

mod secure;

/// Starts an HTTP server on a free port.
async fn serve(router: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

/// Starts a server that answers each connection's first bytes with `answer` and hangs up.
async fn answer_raw(answer: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut seen = [0; 4096];
            let _ = stream.read(&mut seen).await;
            let _ = stream.write_all(answer).await;
        }
    });
    address
}

fn at(address: SocketAddr, path: &str) -> Url {
    Url::parse(&format!("http://{address}{path}")).expect("a URL")
}

fn loopback() -> ConnectionSettings {
    ConnectionSettings { class: AddressClass::Loopback, ..Default::default() }
}

fn network() -> Network {
    Network::with(Limits::default(), Arc::new(SystemLookup), EnvProxies::default())
}

/// A resolver that gives each lookup the next of its answers and then keeps the last.
struct Scripted {
    answers: Vec<Vec<IpAddr>>,
    asked: AtomicUsize,
}

impl Scripted {
    fn new(answers: &[&[&str]]) -> Arc<Self> {
        let parse = |texts: &&[&str]| texts.iter().map(|text| text.parse().expect("an address")).collect();
        Arc::new(Self { answers: answers.iter().map(parse).collect(), asked: AtomicUsize::new(0) })
    }
}

impl Lookup for Scripted {
    fn lookup(&self, _: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        let turn = self.asked.fetch_add(1, Ordering::SeqCst).min(self.answers.len() - 1);
        let answer = self.answers[turn].clone();
        Box::pin(async move { Ok(answer) })
    }
}

fn with_names(answers: &[&[&str]]) -> (Network, Arc<Scripted>) {
    let lookup = Scripted::new(answers);
    (Network::with(Limits::default(), lookup.clone(), EnvProxies::default()), lookup)
}

async fn get_text(network: &Network, url: &Url, settings: &ConnectionSettings) -> Result<Bytes, Error> {
    let headers = HeaderMap::new();
    let mut response =
        network.exchange(Lane::Request, Method::GET, url.clone(), headers, Bytes::new(), settings).await?;
    response.read(1 << 20).await
}

#[test]
fn urls_are_checked_before_anything_is_dialled() {
    let of = |class, allow_private, allow_http| ConnectionSettings {
        class,
        allow_private,
        allow_http,
        ..Default::default()
    };
    let public = of(AddressClass::Public, false, false);
    let lenient = of(AddressClass::Public, true, true);
    let private = of(AddressClass::Private, false, false);
    let loopback = of(AddressClass::Loopback, false, false);
    let table: &[(&str, &ConnectionSettings, &str)] = &[
        ("https://mcp.example/", &public, "ok"),
        ("https://1.1.1.1/", &public, "ok"),
        ("http://mcp.example/", &public, "insecure"),
        ("http://mcp.example/", &lenient, "ok"),
        ("https://10.0.0.1/", &public, "forbidden"),
        ("https://10.0.0.1/", &lenient, "ok"),
        ("https://10.0.0.1/", &private, "ok"),
        ("https://1.1.1.1/", &private, "ok"),
        ("http://10.0.0.1/", &private, "insecure"),
        ("https://127.0.0.1/", &public, "forbidden"),
        ("https://127.0.0.1/", &lenient, "forbidden"),
        ("https://localhost/", &private, "forbidden"),
        ("https://[::1]/", &lenient, "forbidden"),
        ("https://[::ffff:10.0.0.1]/", &public, "forbidden"),
        ("https://[64:ff9b::10.0.0.1]/", &public, "forbidden"),
        ("https://[fd00::1]/", &public, "forbidden"),
        ("https://100.64.0.1/", &public, "forbidden"),
        ("https://0x0a000001/", &public, "forbidden"),
        ("http://127.0.0.1/", &loopback, "ok"),
        ("http://localhost:3000/", &loopback, "ok"),
        ("https://mcp.example/", &loopback, "ok"),
        ("http://mcp.example/", &loopback, "insecure"),
        ("https://169.254.169.254/", &loopback, "forbidden"),
        ("http://169.254.169.254/", &lenient, "forbidden"),
        ("https://0.0.0.0/", &loopback, "forbidden"),
        ("https://[fe80::1]/", &loopback, "forbidden"),
        ("https://me@mcp.example/", &public, "invalid"),
        ("https://:secret@mcp.example/", &public, "invalid"),
        ("file:///etc/passwd", &public, "invalid"),
        ("javascript:alert(1)", &public, "invalid"),
        ("ftp://mcp.example/", &lenient, "invalid"),
    ];
    for (url, settings, expected) in table {
        let found = match check(&Url::parse(url).expect(url), settings) {
            Ok(()) => "ok",
            Err(Error::InsecureUrl { .. }) => "insecure",
            Err(Error::ForbiddenAddress { .. }) => "forbidden",
            Err(Error::InvalidUrl { .. }) => "invalid",
            Err(other) => panic!("{url}: {other}"),
        };
        assert_eq!(found, *expected, "{url} {settings:?}");
    }
}

#[tokio::test]
async fn a_name_that_moves_to_a_private_address_is_not_followed() {
    let server = serve(Router::new().route("/", get(|| async { "inside" }))).await;
    let (network, names) =
        with_names(&[&["169.254.169.254"], &["127.0.0.1"], &["10.0.0.1", "::ffff:127.0.0.1"]]);
    let url = Url::parse(&format!("http://rebound.example:{}/", server.port())).expect("a URL");
    for class in [AddressClass::Public, AddressClass::Loopback, AddressClass::Public] {
        let settings = ConnectionSettings { class, allow_http: true, ..Default::default() };
        let error = get_text(&network, &url, &settings).await.expect_err("forbidden");
        assert!(matches!(error, Error::ForbiddenAddress { .. }), "{error:?}");
        assert!(!error.may_have_run());
    }
    assert_eq!(names.asked.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn a_refused_private_address_names_the_option_that_allows_it() {
    let (network, _) = with_names(&[&["10.0.0.1"]]);
    let url = Url::parse("https://intra.example/").expect("a URL");
    let error = get_text(&network, &url, &ConnectionSettings::default()).await.expect_err("forbidden");
    assert_eq!(error.option(), Some("--allow-private"));
    assert_eq!(error.to_string(), "https://intra.example/ leads to a private network");
}

#[tokio::test]
async fn the_class_of_a_name_is_that_of_its_most_public_address() {
    let url = Url::parse("https://mcp.example/").expect("a URL");
    for (addresses, class) in [
        (&["10.0.0.1"][..], Some(AddressClass::Private)),
        (&["10.0.0.1", "1.1.1.1"], Some(AddressClass::Public)),
        (&["127.0.0.1"], None),
        (&["fe80::1"], None),
    ] {
        let (network, _) = with_names(&[addresses]);
        let found = network.class_of(&url, &ConnectionSettings::default()).await;
        assert_eq!(found.ok(), class, "{addresses:?}");
    }
}

#[tokio::test]
async fn localhost_needs_no_resolver() {
    let server = serve(Router::new().route("/", get(|| async { "here" }))).await;
    let (network, names) = with_names(&[&["1.1.1.1"]]);
    let url = Url::parse(&format!("http://localhost:{}/", server.port())).expect("a URL");
    assert_eq!(get_text(&network, &url, &loopback()).await.expect("an answer"), "here");
    assert_eq!(names.asked.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn metadata_redirects_are_followed_three_times_and_no_more() {
    let router = Router::new().route(
        "/{left}",
        get(|path: axum::extract::Path<u32>| async move {
            match path.0 {
                0 => "{}".into_response(),
                left => (StatusCode::FOUND, [(LOCATION, format!("/{}", left - 1))]).into_response(),
            }
        }),
    );
    let server = serve(router).await;
    let network = network();
    let three = network.get_metadata(&at(server, "/3"), &loopback()).await;
    assert_eq!(three.expect("three are fine").as_deref(), Some(&b"{}"[..]));
    let four = network.get_metadata(&at(server, "/4"), &loopback()).await;
    assert!(matches!(four, Err(Error::Redirects { .. })), "{four:?}");
}

#[tokio::test]
async fn every_metadata_redirect_is_checked_again() {
    for (target, expected) in [
        ("http://169.254.169.254/latest/meta-data", "leads to an address that no server can have"),
        ("http://mcp.example/", "is not encrypted"),
        ("file:///etc/passwd", "cannot be used"),
        ("https://me:pw@mcp.example/", "cannot be used"),
    ] {
        let router =
            Router::new().route("/", get(move || async move { (StatusCode::FOUND, [(LOCATION, target)]) }));
        let server = serve(router).await;
        let error = network().get_metadata(&at(server, "/"), &loopback()).await.expect_err(target);
        assert!(error.to_string().contains(expected), "{target}: {error}");
    }
}

#[tokio::test]
async fn metadata_that_is_not_there_is_none_and_a_broken_server_is_an_error() {
    let router = Router::new().route(
        "/{status}",
        get(|path: axum::extract::Path<u16>| async move {
            let status = StatusCode::from_u16(path.0).expect("a status");
            (status, [(RETRY_AFTER, "7")], "no")
        }),
    );
    let server = serve(router).await;
    let network = network();
    for status in [401, 403, 404, 410] {
        let url = at(server, &format!("/{status}"));
        assert!(matches!(network.get_metadata(&url, &loopback()).await, Ok(None)), "{status}");
    }
    for status in [429, 500, 503] {
        let url = at(server, &format!("/{status}"));
        match network.get_metadata(&url, &loopback()).await {
            Err(Error::Status { status: found, retry_after, .. }) => {
                assert_eq!((found.as_u16(), retry_after), (status, Some(Duration::from_secs(7))));
            }
            other => panic!("{status}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn metadata_requests_carry_no_protocol_version_and_no_credentials() {
    let (seen, mut heads) = mpsc::channel(1);
    let router = Router::new().route(
        "/",
        get(move |headers: HeaderMap| async move {
            seen.send(headers).await.expect("listening");
            "{}"
        }),
    );
    let server = serve(router).await;
    network().get_metadata(&at(server, "/"), &loopback()).await.expect("an answer");
    let head = heads.recv().await.expect("a request");
    let mut names: Vec<_> = head.keys().map(|name| name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["accept", "host", "user-agent"]);
    assert_eq!(head[ACCEPT], "application/json");
}

#[tokio::test]
async fn documents_have_a_largest_size_whether_they_announce_it_or_not() {
    let endless = || async {
        let pieces =
            futures_util::stream::repeat_with(|| Ok::<_, io::Error>(Bytes::from_static(&[b' '; 4096])));
        Body::from_stream(pieces)
    };
    let announced = || async { vec![b' '; 1024 * 1024 + 1] };
    let fits = || async { vec![b' '; 1024 * 1024] };
    let router = Router::new()
        .route("/endless", get(endless))
        .route("/announced", get(announced))
        .route("/fits", get(fits));
    let server = serve(router).await;
    let network = network();
    for path in ["/endless", "/announced"] {
        let error = network.get_metadata(&at(server, path), &loopback()).await.expect_err(path);
        assert!(matches!(error, Error::TooLarge { .. }), "{error:?}");
    }
    let fits = network.get_metadata(&at(server, "/fits"), &loopback()).await.expect("fits");
    assert_eq!(fits.expect("found").len(), 1024 * 1024);
}

#[tokio::test]
async fn a_post_follows_no_redirect_and_returns_every_answer_whole() {
    let (seen, mut requests) = mpsc::channel(4);
    let router = Router::new().route(
        "/{*path}",
        any(move |request: Request| async move {
            seen.send(request.uri().path().to_owned()).await.expect("listening");
            (StatusCode::TEMPORARY_REDIRECT, [(LOCATION, "/elsewhere")], "moved")
        }),
    );
    let server = serve(router).await;
    let answer = network()
        .post(&at(server, "/token"), HeaderMap::new(), Bytes::from_static(b"code=secret"), &loopback())
        .await
        .expect("an answer");
    assert_eq!((answer.status, &answer.body[..]), (StatusCode::TEMPORARY_REDIRECT, &b"moved"[..]));
    assert_eq!(requests.recv().await.as_deref(), Some("/token"));
    assert!(requests.try_recv().is_err());
}

#[tokio::test]
async fn nobody_listening_is_told_apart_from_a_broken_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let free = listener.local_addr().expect("an address");
    drop(listener);
    let error = get_text(&network(), &at(free, "/"), &loopback()).await.expect_err("nobody");
    assert!(matches!(error, Error::Refused { .. }) && !error.may_have_run(), "{error:?}");

    let silent = answer_raw(b"").await;
    let error = get_text(&network(), &at(silent, "/?token=marked"), &loopback()).await.expect_err("hung up");
    assert!(matches!(error, Error::Reset { sent: true, .. }) && error.may_have_run(), "{error:?}");
    assert!(!format!("{error} {error:?}").contains("marked"));

    let cut = answer_raw(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf").await;
    let error = get_text(&network(), &at(cut, "/"), &loopback()).await.expect_err("cut");
    assert!(matches!(error, Error::Reset { sent: true, .. }), "{error:?}");
}

#[tokio::test]
async fn an_unknown_name_is_a_name_that_could_not_be_looked_up() {
    struct Nothing;
    impl Lookup for Nothing {
        fn lookup(&self, _: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
            Box::pin(async { Err(io::Error::other("no such name")) })
        }
    }
    let network = Network::with(Limits::default(), Arc::new(Nothing), EnvProxies::default());
    let url = Url::parse("https://mcp.example/?marked").expect("a URL");
    let error = get_text(&network, &url, &ConnectionSettings::default()).await.expect_err("no name");
    assert!(matches!(error, Error::Dns { .. }) && !error.may_have_run(), "{error:?}");
    assert_eq!(error.to_string(), "the name of https://mcp.example/ could not be looked up");
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_never_comes_about_times_out_unsent() {
    struct Silent;
    impl Lookup for Silent {
        fn lookup(&self, _: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
            Box::pin(pending())
        }
    }
    let network = Network::with(Limits::default(), Arc::new(Silent), EnvProxies::default());
    let url = Url::parse("http://mcp.example/").expect("a URL");
    let settings = ConnectionSettings { allow_http: true, ..Default::default() };
    let error = get_text(&network, &url, &settings).await.expect_err("too slow");
    assert!(matches!(error, Error::TimedOut { sent: false, .. }), "{error:?}");
}

#[tokio::test]
async fn something_that_speaks_no_tls_is_said_so() {
    let server = answer_raw(b"SSH-2.0-OpenSSH_9.9\r\n").await;
    let url = Url::parse(&format!("https://{server}/")).expect("a URL");
    let error = get_text(&network(), &url, &loopback()).await.expect_err("no TLS");
    assert!(matches!(error, Error::Tls { why: TlsTrouble::NotTls, .. }), "{error:?}");
    assert!(!error.may_have_run());
}

#[tokio::test]
async fn a_certificate_file_without_certificates_is_named() {
    let settings = ConnectionSettings { ca: Some(Arc::from(&b"nonsense"[..])), ..loopback() };
    let url = Url::parse("https://127.0.0.1:1/").expect("a URL");
    let error = get_text(&network(), &url, &settings).await.expect_err("no certificate");
    assert!(matches!(error, Error::Certificate { .. }), "{error:?}");
}

#[tokio::test]
async fn a_private_proxy_serves_a_public_server_but_not_its_neighbours() {
    let (seen, mut lines) = mpsc::channel(4);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = vec![0; 4096];
            let length = stream.read(&mut request).await.unwrap_or(0);
            seen.send(String::from_utf8_lossy(&request[..length]).into_owned()).await.expect("listening");
            let _ = stream.write_all(b"HTTP/1.1 407 no\r\n\r\n").await;
        }
    });
    let (network, _) = with_names(&[&["127.0.0.1"]]);
    let proxy = Url::parse(&format!("http://me:pw@proxy.example:{port}")).expect("a URL");
    let settings = ConnectionSettings { proxy: Some(proxy), ..Default::default() };
    let url = Url::parse("https://mcp.example/x?marked").expect("a URL");
    let error = get_text(&network, &url, &settings).await.expect_err("refused by the proxy");
    let line = lines.recv().await.expect("a request");
    assert!(line.starts_with("CONNECT mcp.example:443 "), "{line}");
    assert!(line.to_ascii_lowercase().contains("proxy-authorization: basic"), "{line}");
    assert!(matches!(error, Error::Proxy { .. }) && !error.may_have_run(), "{error:?}");
    assert!(!format!("{error} {error:?}").contains("pw"), "{error:?}");

    let inside = Url::parse("https://10.0.0.1/").expect("a URL");
    let error = get_text(&network, &inside, &settings).await.expect_err("forbidden");
    assert!(matches!(error, Error::ForbiddenAddress { .. }), "{error:?}");
}

#[tokio::test]
async fn concurrent_requests_beyond_the_limit_get_another_client_and_give_it_back() {
    let router = Router::new().route(
        "/",
        get(|| async { Body::from_stream(futures_util::stream::pending::<io::Result<Bytes>>()) }),
    );
    let server = serve(router).await;
    let limits = Limits { requests_per_connection: 2, ..Limits::default() };
    let network = Network::with(limits, Arc::new(SystemLookup), EnvProxies::default());
    let open = async |lane| {
        let url = at(server, "/");
        network
            .exchange(lane, Method::GET, url, HeaderMap::new(), Bytes::new(), &loopback())
            .await
            .expect("a head")
    };
    let clients = || lock(&network.inner.pools).values().map(|pool| pool.clients()).sum::<usize>();
    let (first, _second) = (open(Lane::Request).await, open(Lane::Request).await);
    assert_eq!(clients(), 1);
    let _third = open(Lane::Request).await;
    assert_eq!(clients(), 2);
    drop(first);
    let _fourth = open(Lane::Request).await;
    assert_eq!(clients(), 2);
    let _stream = open(Lane::Stream).await;
    assert_eq!(clients(), 3);
}

#[tokio::test]
async fn connections_are_kept_alive_until_told_to_redial() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let server = listener.local_addr().expect("an address");
    let peer = |connection: axum::extract::ConnectInfo<SocketAddr>| async move { connection.0.to_string() };
    let service = Router::new().route("/", get(peer)).into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, service).await });
    let network = network();
    let url = at(server, "/");
    let ports = async || get_text(&network, &url, &loopback()).await.expect("an answer");
    let first = ports().await;
    assert_eq!(ports().await, first);
    network.redial();
    assert_ne!(ports().await, first);
}

#[tokio::test]
async fn a_stream_of_events_is_no_metadata_and_is_not_waited_for() {
    let endless = || async {
        let never = futures_util::stream::pending::<Result<Bytes, io::Error>>();
        ([(CONTENT_TYPE, "Text/Event-Stream; charset=utf-8")], Body::from_stream(never))
    };
    let address = serve(Router::new().fallback(endless)).await;
    let answer = network().get_metadata(&at(address, "/.well-known/x"), &loopback()).await;
    assert!(answer.expect("it answers").is_none());
}
