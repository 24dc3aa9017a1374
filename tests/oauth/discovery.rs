//! Finding the authorization server of MCP servers of many kinds.

use std::sync::{Arc, Mutex};

use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use bytes::Bytes;
use drawbridge::net::{AddressClass, ConnectionSettings};
use drawbridge::oauth::discovery::{Discovered, Question, discover};
use drawbridge::oauth::{Error, OAuthOptions};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use serde_json::json;
use url::Url;

use crate::support::network;

/// A web server that answers as the test wants it, and remembers what it was asked.
struct Site {
    origin: String,
    asked: Arc<Mutex<Vec<String>>>,
}

/// What is at a path, for a site with this origin.
type Pages = fn(origin: &str, path: &str) -> Option<Response>;

impl Site {
    async fn start(pages: Pages) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let (own, log) = (origin.clone(), asked.clone());
        let answer = move |request: Request| async move {
            let path = request.uri().path();
            log.lock().unwrap().push(format!("{} {path}", request.method()));
            pages(&own, path).unwrap_or_else(|| StatusCode::NOT_FOUND.into_response())
        };
        tokio::spawn(async move { axum::serve(listener, Router::new().fallback(answer)).await });
        Self { origin, asked }
    }

    async fn discover(&self) -> Result<Discovered, Error> {
        let server = Url::parse(&format!("{}/mcp", self.origin)).unwrap();
        let settings = ConnectionSettings { class: AddressClass::Loopback, ..ConnectionSettings::default() };
        let (network, options) = (network(), OAuthOptions::default());
        discover(Question {
            network: &network,
            settings: &settings,
            server_url: &server,
            challenge: None,
            options: &options,
            since: None,
        })
        .await
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn resource(origin: &str, servers: &[&str]) -> Response {
    let servers: Vec<_> = servers.iter().map(|path| format!("{origin}{path}")).collect();
    Json(json!({ "resource": format!("{origin}/mcp"), "authorization_servers": servers })).into_response()
}

fn server(issuer: &str) -> Response {
    Json(json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{issuer}/token"),
        "code_challenge_methods_supported": ["S256"],
    }))
    .into_response()
}

#[tokio::test]
async fn an_authorization_server_that_cannot_be_used_is_passed_over() {
    let site = Site::start(|origin, path| match path {
        "/.well-known/oauth-protected-resource/mcp" => {
            Some(resource(origin, &["/none", "/liar", "/good", "/other"]))
        }
        "/.well-known/oauth-authorization-server/liar" => Some(server("http://127.0.0.1/honest")),
        "/.well-known/openid-configuration/good" => Some(server(&format!("{origin}/good"))),
        _ => None,
    })
    .await;
    let discovered = site.discover().await.unwrap();
    assert_eq!(discovered.server.issuer.as_str(), format!("{}/good", site.origin));
    assert!(!site.asked().iter().any(|asked| asked.ends_with("/other")));
}

#[tokio::test]
async fn an_authorization_server_in_trouble_is_not_passed_over() {
    let site = Site::start(|origin, path| match path {
        "/.well-known/oauth-protected-resource/mcp" => Some(resource(origin, &["/down", "/good"])),
        "/.well-known/oauth-authorization-server/good" => Some(server(&format!("{origin}/good"))),
        _ if path.ends_with("/down") => Some(StatusCode::BAD_GATEWAY.into_response()),
        _ => None,
    })
    .await;
    assert!(matches!(site.discover().await, Err(Error::Network(_))));
}

#[tokio::test]
async fn where_none_can_be_used_the_first_one_says_why() {
    let site = Site::start(|origin, path| match path {
        "/.well-known/oauth-protected-resource/mcp" => Some(resource(origin, &["/liar", "/none"])),
        "/.well-known/oauth-authorization-server/liar" => Some(server("http://127.0.0.1/honest")),
        _ => None,
    })
    .await;
    assert!(matches!(site.discover().await, Err(Error::IssuerMismatch { .. })));
}

#[tokio::test]
async fn a_server_that_streams_at_every_path_stalls_nothing() {
    let site = Site::start(|_, _| {
        let never = futures_util::stream::pending::<Result<Bytes, std::io::Error>>();
        Some(([(CONTENT_TYPE, "text/event-stream")], Body::from_stream(never)).into_response())
    })
    .await;
    let discovered = site.discover().await.unwrap();
    assert!(discovered.server.assumed);
    let page = discovered.server.sign_in_page().unwrap();
    assert_eq!(page.as_str(), format!("{}/authorize", site.origin));
}
