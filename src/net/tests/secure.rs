//! Encrypted connections: whom they trust, and how HTTP/2 shares them.

use std::convert::Infallible;
use std::sync::atomic::AtomicUsize;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use secrecy::SecretString;
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt as _;

use super::*;

macro_rules! fixture {
    ($name:literal) => {
        include_bytes!(concat!("../../../tests/fixtures/tls/", $name))
    };
}

const CA: &[u8] = fixture!("ca.pem");

type Identity = (&'static [u8], &'static [u8]);

const GOOD: Identity = (fixture!("good.pem"), fixture!("good.key"));
const EXPIRED: Identity = (fixture!("expired.pem"), fixture!("expired.key"));
const FUTURE: Identity = (fixture!("future.pem"), fixture!("future.key"));
const ELSEWHERE: Identity = (fixture!("elsewhere.pem"), fixture!("elsewhere.key"));
const SELF_SIGNED: Identity = (fixture!("self-signed.pem"), fixture!("self-signed.key"));
const CLIENT: Identity = (fixture!("client.pem"), fixture!("client.key"));

/// An HTTPS server of HTTP/1.1 and HTTP/2 that counts its connections.
struct Secure {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

impl Secure {
    async fn start((chain, key): Identity, wants_client: bool, router: Router) -> Self {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .expect("versions");
        let builder = if wants_client {
            let mut roots = RootCertStore::empty();
            roots.add(CertificateDer::from_pem_slice(CA).expect("a certificate")).expect("an authority");
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.expect("a verifier"))
        } else {
            builder.with_no_client_auth()
        };
        let chain = vec![CertificateDer::from_pem_slice(chain).expect("a certificate")];
        let key = PrivateKeyDer::from_pem_slice(key).expect("a key");
        let mut config = builder.with_single_cert(chain, key).expect("a key that fits");
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(config));

        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let connections = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&connections);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, router, count) = (acceptor.clone(), router.clone(), Arc::clone(&count));
                tokio::spawn(async move {
                    let Ok(stream) = acceptor.accept(stream).await else { return };
                    count.fetch_add(1, Ordering::SeqCst);
                    let h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                    let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
                        let answer = router.clone().oneshot(request.map(Body::new));
                        async move { Ok::<_, Infallible>(answer.await.expect("infallible")) }
                    });
                    let stream = TokioIo::new(stream);
                    if h2 {
                        let http = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                        let _ = http.serve_connection(stream, service).await;
                    } else {
                        let http = hyper::server::conn::http1::Builder::new();
                        let _ = http.serve_connection(stream, service).await;
                    }
                });
            }
        });
        Self { address, connections }
    }

    fn url(&self, path: &str) -> Url {
        Url::parse(&format!("https://localhost:{}{path}", self.address.port())).expect("a URL")
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

fn hello() -> Router {
    Router::new().route("/", get(|request: Request| async move { format!("{:?}", request.version()) }))
}

fn trusting(ca: &'static [u8]) -> ConnectionSettings {
    ConnectionSettings { ca: Some(Arc::from(ca)), ..loopback() }
}

#[tokio::test]
async fn certificates_are_judged_in_plain_words() {
    for (identity, settings, expected) in [
        (GOOD, loopback(), TlsTrouble::UnknownAuthority),
        (EXPIRED, trusting(CA), TlsTrouble::Expired),
        (FUTURE, trusting(CA), TlsTrouble::NotYetValid),
        (ELSEWHERE, trusting(CA), TlsTrouble::WrongHost),
        (SELF_SIGNED, loopback(), TlsTrouble::SelfSigned),
        (SELF_SIGNED, trusting(CA), TlsTrouble::SelfSigned),
    ] {
        let server = Secure::start(identity, false, hello()).await;
        let error = get_text(&network(), &server.url("/?marked"), &settings).await.expect_err("refused");
        assert!(matches!(&error, Error::Tls { why, .. } if *why == expected), "{expected:?}: {error:?}");
        assert!(!error.may_have_run() && !format!("{error} {error:?}").contains("marked"), "{error:?}");
    }
}

#[tokio::test]
async fn an_authority_of_the_users_is_trusted_for_that_user_only() {
    let server = Secure::start(GOOD, false, hello()).await;
    let network = network();
    assert_eq!(get_text(&network, &server.url("/"), &trusting(CA)).await.expect("trusted"), "HTTP/2.0");
    assert!(
        get_text(&network, &server.url("/"), &loopback()).await.is_err(),
        "settings never share connections"
    );
}

#[tokio::test]
async fn a_self_signed_certificate_that_the_user_names_is_trusted_under_its_name() {
    let server = Secure::start(SELF_SIGNED, false, hello()).await;
    let own = trusting(SELF_SIGNED.0);
    assert!(get_text(&network(), &server.url("/"), &own).await.is_ok());
    let (network, _) = with_names(&[&["10.0.0.1"]]);
    assert!(network.check(&server.url("/"), &own).is_ok());
    let trust = tls::build(&own).ok().expect("a configuration");
    let mut client =
        rustls::ClientConnection::new(Arc::new(trust), "elsewhere.example".try_into().expect("a name"))
            .expect("a connection");
    let mut stream = std::net::TcpStream::connect(server.address).expect("connected");
    let handshake = tokio::task::spawn_blocking(move || client.complete_io(&mut stream).map(drop)).await;
    let error = handshake.expect("joined").expect_err("another name");
    assert!(error.to_string().contains("not valid for"), "{error}");
}

#[tokio::test]
async fn a_server_gets_the_client_certificate_it_asks_for() {
    let server = Secure::start(GOOD, true, hello()).await;
    let error = get_text(&network(), &server.url("/"), &trusting(CA)).await.expect_err("refused");
    assert!(matches!(error, Error::Tls { why: TlsTrouble::ClientCertificate, .. }), "{error:?}");
    assert!(!error.may_have_run());
    assert_eq!(error.option(), Some("--client-cert"));
    let key = String::from_utf8(CLIENT.1.to_vec()).expect("text");
    let of_origins = |origins: Vec<url::Origin>| {
        let cert = ClientCert::new(CLIENT.0, SecretString::from(key.as_str()), origins);
        ConnectionSettings { client_cert: Some(Arc::new(cert)), ..trusting(CA) }
    };
    let settings = of_origins(vec![server.url("/").origin()]);
    assert!(get_text(&network(), &server.url("/"), &settings).await.is_ok());

    let elsewhere = of_origins(vec!["https://else.example/".parse::<Url>().expect("a URL").origin()]);
    let error = get_text(&network(), &server.url("/"), &elsewhere).await.expect_err("shown to nobody else");
    assert!(matches!(error, Error::Tls { why: TlsTrouble::ClientCertificate, .. }), "{error:?}");

    let origins = vec![server.url("/").origin()];
    let broken = ClientCert::new(CLIENT.0, SecretString::from("nonsense"), origins);
    let settings = ConnectionSettings { client_cert: Some(Arc::new(broken)), ..trusting(CA) };
    let error = get_text(&network(), &server.url("/"), &settings).await.expect_err("unusable");
    assert!(matches!(error, Error::Certificate { .. }), "{error:?}");
}

#[tokio::test]
async fn http2_requests_share_a_connection_and_streams_have_their_own() {
    let forever = || async { Body::from_stream(futures_util::stream::pending::<io::Result<Bytes>>()) };
    let server = Secure::start(GOOD, false, hello().route("/open", get(forever))).await;
    let limits = Limits { requests_per_connection: 3, streams_per_connection: 2, ..Limits::default() };
    let network = Network::with(limits, Arc::new(SystemLookup), EnvProxies::default());
    let settings = trusting(CA);
    let open = async |lane| {
        let (url, headers) = (server.url("/open"), HeaderMap::new());
        network.exchange(lane, Method::GET, url, headers, Bytes::new(), &settings).await.expect("a head")
    };
    let _requests = [open(Lane::Request).await, open(Lane::Request).await];
    assert_eq!(server.connections(), 1);
    let _streams = [open(Lane::Stream).await, open(Lane::Stream).await];
    assert_eq!(server.connections(), 2);
    let _third_stream = open(Lane::Stream).await;
    assert_eq!(server.connections(), 3);
    for _ in 0..5 {
        get_text(&network, &server.url("/"), &settings).await.expect("an answer");
    }
    assert_eq!(server.connections(), 3);
}

#[tokio::test]
async fn unread_streams_of_http2_never_starve_the_others() {
    let flood = || async {
        Body::from_stream(futures_util::stream::repeat_with(|| {
            Ok::<_, io::Error>(Bytes::from_static(&[0; 16384]))
        }))
    };
    let large = || async { vec![b'x'; 4 << 20] };
    let router = hello().route("/flood", get(flood)).route("/large", get(large));
    let server = Secure::start(GOOD, false, router).await;
    let limits = Limits { requests_per_connection: 8, ..Limits::default() };
    let network = Network::with(limits, Arc::new(SystemLookup), EnvProxies::default());
    let settings = trusting(CA);
    let mut unread = Vec::new();
    for _ in 0..7 {
        let url = server.url("/flood");
        let request =
            network.exchange(Lane::Request, Method::GET, url, HeaderMap::new(), Bytes::new(), &settings);
        unread.push(request.await.expect("a head"));
    }
    let url = server.url("/large");
    let mut response = network
        .exchange(Lane::Request, Method::GET, url, HeaderMap::new(), Bytes::new(), &settings)
        .await
        .expect("a head");
    let read = tokio::time::timeout(Duration::from_secs(20), response.read(8 << 20)).await;
    assert_eq!(read.expect("not starved").expect("whole").len(), 4 << 20);
    assert_eq!(server.connections(), 1);
    drop(unread);
}
