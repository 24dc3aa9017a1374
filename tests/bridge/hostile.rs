//! A malicious server against the built binaries: nothing it names is run or opened, and its words are only shown.

use std::process::Stdio;

use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use demo_server::{Config, DemoServer};
use http::StatusCode;
use serde_json::json;
use url::Url;

use crate::support::{Home, continue_from_our_page, http, text};

/// What CVE-2025-6514 and its kin put where a browser should be sent; `MARK` is a file that must not appear.
const ENDPOINTS: [&str; 14] = [
    "javascript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "file:///etc/passwd",
    "file:/bin/sh",
    "vbscript:x",
    "ms-msdt:/id",
    "http://as.example/authorize",
    "--version",
    "-e touch MARK",
    "$(touch MARK)",
    "`touch MARK`",
    "a:$(touch MARK)?response_type=code",
    "https://as.example/\ntouch MARK\n",
    "http://127.0.0.1:1/$(touch${IFS}MARK)",
];

/// A server whose authorization endpoint is `ENDPOINTS[n]` at `/n/mcp`.
async fn malicious(mark: &str) -> Url {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let origin = format!("http://{}", listener.local_addr().expect("an address"));
    let (own, mark) = (origin.clone(), mark.to_owned());
    let answer = move |request: Request| {
        let answer = metadata(&own, request.uri().path(), &mark);
        async move { answer.unwrap_or_else(|| StatusCode::UNAUTHORIZED.into_response()) }
    };
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(answer)).await });
    origin.parse().expect("a URL")
}

fn metadata(origin: &str, path: &str, mark: &str) -> Option<Response> {
    if path.ends_with("/register") {
        return Some((StatusCode::CREATED, Json(json!({ "client_id": "c" }))).into_response());
    }
    if let Some(path) = path.strip_prefix("/.well-known/oauth-protected-resource/") {
        let number = path.strip_suffix("/mcp")?;
        let resource = format!("{origin}/{path}");
        let servers = [format!("{origin}/{number}")];
        return Some(Json(json!({ "resource": resource, "authorization_servers": servers })).into_response());
    }
    let number = path.strip_prefix("/.well-known/oauth-authorization-server/")?;
    let endpoint = ENDPOINTS[number.parse::<usize>().ok()?].replace("MARK", mark);
    let document = json!({
        "issuer": format!("{origin}/{number}"),
        "authorization_endpoint": endpoint,
        "token_endpoint": format!("{origin}/token"),
        "registration_endpoint": format!("{origin}/register"),
        "code_challenge_methods_supported": ["S256"],
    });
    Some(Json(document).into_response())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn nothing_that_a_server_names_is_run_and_only_pages_are_opened() {
    let mut home = Home::new();
    let mark = home.path().join("mark");
    let server = malicious(&mark.display().to_string()).await;
    for (number, endpoint) in ENDPOINTS.iter().enumerate() {
        let name = format!("evil{number}");
        home.add(&name, &server.join(&format!("/{number}/mcp")).expect("a URL")).await;
        let is_page = endpoint.starts_with("http://127.0.0.1");
        let login = home.command(&["login", &name]).stdin(Stdio::null()).stderr(Stdio::null()).spawn();
        let mut login = login.expect("login starts");
        if is_page {
            let page = home.opened_page().await;
            assert!(page.path().contains("$(touch$%7BIFS%7D"), "one argument, as it came: {page}");
            login.kill().await.expect("killed");
        } else {
            let status = tokio::time::timeout(crate::support::LIMIT, login.wait()).await.expect("it ends");
            assert_eq!(status.expect("it ran").code(), Some(1), "{endpoint}");
            assert!(!home.has_opened_page().await, "{endpoint} was opened");
        }
        assert!(!mark.exists(), "{endpoint} was run");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn words_that_a_terminal_or_page_would_obey_are_only_shown() {
    const EVIL: &str = "\u{1b}]0;owned\u{7}\u{1b}[31mred\r\n<script>alert(1)</script>";
    let server = DemoServer::start(Config::oauth()).await.expect("a server");
    let mut home = Home::new();
    home.add("demo", &server.url()).await;
    let login = home.command(&["login", "demo"]).stdin(Stdio::null()).output();
    let (output, page) = tokio::join!(login, async {
        let page = home.opened_page().await;
        refuse(page, &server, EVIL).await
    });
    let said = String::from_utf8(output.expect("login runs").stderr).expect("text");
    assert!(!page.contains("<script") && !page.contains('\u{1b}'), "{page}");

    let mut client = home.connect(&["demo"]);
    client.initialize().await;
    let call = client.ask("tools/call", json!({ "name": "drawbridge_sign_in", "arguments": {} })).await;
    let page = home.opened_page().await;
    refuse(page, &server, EVIL).await;
    let (answer, _) = client.answer_to(call).await;
    let shown = home.ok(&["show", "demo"]).await;
    for shown in [said.as_str(), text(&answer), &shown] {
        assert!(shown.contains("red") && shown.contains("access_denied"), "{shown}");
        assert!(!shown.contains(['\u{1b}', '\u{7}', '\r']) && !shown.contains("owned"), "{shown:?}");
    }
}

/// Comes back to the callback as from the authorization server, with an error in these words; the page it shows.
async fn refuse(page: Url, server: &DemoServer, words: &str) -> String {
    let authorize = continue_from_our_page(page).await;
    let param = |name| authorize.query_pairs().find(|(key, _)| key == name).expect(name).1.into_owned();
    let mut back = Url::parse(&param("redirect_uri")).expect("a URL");
    back.query_pairs_mut()
        .append_pair("error", "access_denied")
        .append_pair("error_description", words)
        .append_pair("state", &param("state"))
        .append_pair("iss", &server.control().issuer());
    http().get(back).send().await.expect("the callback answers").text().await.expect("text")
}
