//! Encrypted servers: one that cannot be trusted is named as such, and a company's own authority
//! is trusted once the person says so.

use std::sync::Arc;

use demo_server::{Config, DemoServer};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::json;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use url::Url;

use crate::support::{Home, text};

/// Puts TLS in front of a server; the https URL of its MCP endpoint.
async fn with_tls(server: &DemoServer) -> Url {
    let chain =
        CertificateDer::from_pem_slice(include_bytes!("../fixtures/tls/good.pem")).expect("a certificate");
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("../fixtures/tls/good.key")).expect("a key");
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![chain], key)
        .expect("a key that fits");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let behind = (server.url().host_str().expect("a host").to_owned(), server.url().port().expect("a port"));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, behind) = (acceptor.clone(), behind.clone());
            tokio::spawn(async move {
                let Ok(mut outside) = acceptor.accept(stream).await else { return };
                let Ok(mut inside) = TcpStream::connect(behind).await else { return };
                let _ = copy_bidirectional(&mut outside, &mut inside).await;
            });
        }
    });
    format!("https://localhost:{port}/mcp").parse().expect("a URL")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn an_unknown_authority_is_named_until_it_is_trusted() {
    let server = DemoServer::start(Config::default()).await.expect("a server");
    let url = with_tls(&server).await;
    let home = Home::new();
    home.add("company", &url).await;
    let mut client = home.connect(&["company"]);
    let answer = client.initialize().await;
    let sentence = answer["result"]["instructions"].as_str().expect("a sentence");
    assert!(sentence.contains("certificate") && sentence.contains("--ca"), "{sentence}");
    assert_eq!(home.run(&["tools", "company"]).await.status.code(), Some(4));

    let ca = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tls/ca.pem");
    home.ok(&["edit", "company", "--ca", ca]).await;
    let mut client = home.connect(&["company"]);
    client.initialize().await;
    let echo = client.call("echo_message", json!({ "message": "over TLS" })).await;
    assert!(text(&echo).contains("over TLS"), "{echo}");
}
