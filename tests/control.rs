//! What windows are told over the control API, asked of a Host in this process.

#[path = "control/front.rs"]
mod front;
#[path = "support/in_process.rs"]
mod in_process;
#[path = "control/proxy.rs"]
mod proxy;

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::routing::get;
use axum::{Json, Router};
use demo_server::{Auth, Config, DemoServer, Fault, OAuthConfig, TokenFault, sign_in_with_form};
use drawbridge::api::control;
use drawbridge::api::types::{AccountStateView, Changes, ServerView};
use drawbridge::host::account::{OpenWith, Operation, Refusal};
use drawbridge::host::{AccountRef, HostHandle};
use http::{Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;
use tower::ServiceExt as _;
use url::Url;

const LIMIT: Duration = Duration::from_secs(30);

/// A Host without a socket, and its control API.
struct Window {
    host: HostHandle,
    router: Router,
    home: TempDir,
}

impl Window {
    fn open() -> Self {
        Self::of(in_process::host())
    }

    fn of((host, home): (HostHandle, TempDir)) -> Self {
        // Nobody serves the HTTP endpoint here: it is off for good.
        host.clients().settle(0, drawbridge::host::clients::EndpointState::Off);
        let router = control::router(host.clone()).with_state(host.clone());
        Self { host, router, home }
    }

    /// What another Host in the same folder shows, after this one.
    fn again(self) -> Self {
        self.host.shutdown().cancel();
        Self::of((in_process::host_in(self.home.path()), self.home))
    }

    async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> (StatusCode, Body) {
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        let request = Request::builder().method(method).uri(path).body(body).expect("a request");
        let answer = self.router.clone().oneshot(request).await.expect("an answer");
        (answer.status(), answer.into_body())
    }

    async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> (StatusCode, Value) {
        let (status, body) = self.send(method, path, body).await;
        let bytes = body.collect().await.expect("a body").to_bytes();
        (status, serde_json::from_slice(&bytes).unwrap_or_default())
    }

    async fn get(&self, path: &str) -> Value {
        let (status, answer) = self.ask(Method::GET, path, None).await;
        assert_eq!(status, 200, "{path}: {answer}");
        answer
    }

    async fn add(&self, name: &str, url: &str) {
        let (status, answer) =
            self.ask(Method::POST, "/servers", Some(&json!({ "name": name, "url": url }))).await;
        assert_eq!(status, 201, "{answer}");
    }

    async fn sign_in(&self, server: &str, account: &str) {
        let path = format!("/servers/{server}/accounts/{account}/sign-in");
        let (status, body) = self.send(Method::POST, &path, Some(&json!({}))).await;
        assert_eq!(status, 200);
        let mut lines = Lines { body, rest: Vec::new() };
        let page = lines.next().await.expect("a page");
        let page = Url::parse(page["url"].as_str().expect("a URL")).expect("a URL");
        let back = sign_in_with_form(&page, "demo", "demo123").await.expect("signed in");
        follow(&back).await;
        assert_eq!(lines.next().await.expect("the end")["event"], "done");
    }
}

/// The JSON values of a body that holds one on each line.
struct Lines {
    body: Body,
    rest: Vec<u8>,
}

impl Lines {
    async fn next(&mut self) -> Option<Value> {
        loop {
            if let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.rest.drain(..=end).collect();
                return Some(serde_json::from_slice(&line).expect("JSON"));
            }
            let frame = timeout(LIMIT, self.body.frame()).await.expect("in time")?;
            self.rest.extend_from_slice(frame.expect("whole").data_ref().expect("data"));
        }
    }

    /// The first status that is so.
    async fn until(&mut self, is_so: impl Fn(&Value) -> bool) -> Value {
        loop {
            let status = self.next().await.expect("the Host goes on");
            if is_so(&status) {
                return status;
            }
        }
    }
}

async fn follow(url: &Url) {
    let (host, port) = (url.host_str().expect("a host"), url.port().expect("a port"));
    let mut stream = tokio::net::TcpStream::connect((host, port)).await.expect("it listens");
    let target = &url[url::Position::BeforePath..url::Position::AfterQuery];
    let request = format!("GET {target} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("written");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("read");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

async fn demo(auth: Auth) -> DemoServer {
    DemoServer::start(Config { auth: vec![auth], ..Config::default() }).await.expect("it starts")
}

#[tokio::test]
async fn every_change_is_told_until_the_host_ends() {
    let (window, server) = (Window::open(), demo(Auth::OAuth(OAuthConfig::default())).await);
    let (status, body) = window.send(Method::GET, "/events", None).await;
    assert_eq!(status, 200);
    let mut events = Lines { body, rest: Vec::new() };
    assert_eq!(events.next().await.expect("the first")["servers"], json!([]));

    window.add("demo", server.url().as_str()).await;
    events.until(|status| status["servers"][0]["name"] == "demo").await;
    window.sign_in("demo", "default").await;
    events.until(|status| status["servers"][0]["accounts"][0]["state"]["kind"] == "signedIn").await;
    let session = window.host.activity().session();
    events.until(|status| status["sessions"] == 1).await;
    drop(session);
    window.ask(Method::DELETE, "/servers/demo", None).await;
    events.until(|status| status["servers"] == json!([]) && status["sessions"] == 0).await;

    window.host.shutdown().cancel();
    while let Some(status) = events.next().await {
        assert_eq!(status["servers"], json!([]));
    }
}

#[tokio::test]
async fn a_look_tells_what_a_server_is_and_whether_it_can_be_reached() {
    let (window, server) = (Window::open(), demo(Auth::None).await);
    window.add("demo", server.url().as_str()).await;
    let details = "/servers/demo/accounts/default/details";
    assert_eq!(window.get(details).await["tools"], Value::Null);
    assert_eq!(window.get("/servers/demo").await["reach"]["kind"], "unknown");

    let (status, probe) = window.ask(Method::POST, "/servers/demo/accounts/default/probe", None).await;
    assert_eq!(status, 200, "{probe}");
    let known = window.get(details).await;
    assert_eq!(known["tools"].as_array().map(Vec::len), probe["tools"].as_u64().map(|count| count as usize));
    assert_eq!((&known["era"], &known["transport"]), (&json!("legacy"), &json!("streamable_http")));
    assert_eq!(known["protocolVersion"], probe["protocolVersion"]);
    assert_eq!(window.get("/servers/demo").await["reach"]["kind"], "reached");

    server.stop().await;
    let (status, failure) = window.ask(Method::POST, "/servers/demo/probe", None).await;
    assert_eq!((status.as_u16(), &failure["code"]), (502, &json!("unreachable")));
    let reach = window.get("/servers/demo").await["reach"].clone();
    assert_eq!((&reach["kind"], &reach["failure"]), (&json!("failed"), &failure));
    assert!(reach["since"].as_u64().is_some_and(|since| since > 1_700_000_000), "{reach}");
    let elsewhere = json!({ "url": "http://127.0.0.1:9/mcp" });
    window.ask(Method::PATCH, "/servers/demo", Some(&elsewhere)).await;
    assert_eq!(window.get("/servers/demo").await["reach"]["kind"], "unknown", "that was another address");
}

#[tokio::test]
async fn what_is_no_address_is_said_to_be_none_and_not_repeated() {
    let window = Window::open();
    let refused = (400, json!("invalid"), json!("What you wrote is not an address."));
    let is_refused = async |method, path: &str, body: Value| {
        let (status, failure) = window.ask(method, path, Some(&body)).await;
        let next_step = failure["nextStep"].as_str().expect("a next step");
        assert!(next_step.starts_with("Write the whole address"), "{failure}");
        assert_eq!((status.as_u16(), failure["code"].clone(), failure["sentence"].clone()), refused);
    };
    for text in ["", "mcp.example.com/mcp?key=hunter2", "https://", "http://[::1"] {
        is_refused(Method::POST, "/servers", json!({ "name": "other", "url": text })).await;
    }
    window.add("demo", "http://127.0.0.1:9/mcp").await;
    is_refused(Method::PATCH, "/servers/demo", json!({ "url": "mcp.example.com" })).await;
    let (status, edited) = window
        .ask(Method::PATCH, "/servers/demo", Some(&json!({ "url": " http://127.0.0.1:8/mcp\n" })))
        .await;
    assert_eq!((status.as_u16(), &edited["server"]["url"]), (200, &json!("http://127.0.0.1:8/mcp")));
    assert_eq!(window.get("/servers").await.as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn a_server_that_nobody_knows_yet_is_shown_as_connecting_until_it_has_answered() {
    let (window, server) = (Window::open(), demo(Auth::None).await);
    let (_, body) = window.send(Method::GET, "/events", None).await;
    let mut events = Lines { body, rest: Vec::new() };
    window.add("demo", server.url().as_str()).await;
    let reach = |status: &Value| status["servers"][0]["reach"]["kind"].clone();
    let look = async || {
        let looked = window.ask(Method::POST, "/servers/demo/accounts/default/probe", None).await;
        assert_eq!(looked.0, 200, "{}", looked.1);
    };
    server.control().fault_on("initialize", Fault::Stall);
    let release = async {
        server.control().wait_for(|stats| stats.stalled == 1).await;
        events.until(|status| reach(status) == "connecting").await;
        server.control().release_stalled();
        let then = events.until(|status| reach(status) != "connecting").await;
        assert_eq!(reach(&then), "reached");
    };
    tokio::join!(look(), release);

    server.control().fault_on("initialize", Fault::Stall);
    let release = async {
        server.control().wait_for(|stats| stats.stalled == 1).await;
        server.control().release_stalled();
    };
    tokio::join!(look(), release);
    window.ask(Method::DELETE, "/servers/demo", None).await;
    let then = events.next().await.expect("the Host goes on");
    assert_eq!(then["servers"], json!([]), "what was known has stayed until now");
}

#[tokio::test]
async fn nothing_is_accepted_but_what_somebody_looked_at() {
    let (window, server) = (Window::open(), demo(Auth::None).await);
    window.add("demo", server.url().as_str()).await;
    let account = "/servers/demo/accounts/default";
    let look = async || {
        window.ask(Method::POST, &format!("{account}/probe"), None).await;
        window.get(&format!("{account}/details")).await["held"].clone()
    };
    let accept = async |seen: &Value| {
        let body = json!({ "seen": seen });
        window.ask(Method::POST, &format!("{account}/tools/accept"), Some(&body)).await
    };
    assert_eq!(look().await, Value::Null, "they are not pinned");
    assert_eq!(accept(&json!("")).await.1["code"], "invalid");
    window.ask(Method::PATCH, "/servers/demo", Some(&json!({ "options": { "pinTools": true } }))).await;
    assert_eq!(look().await["tools"], json!([]));

    server.control().describe_tool("echo_message", "Says it louder");
    let seen = look().await;
    assert_eq!(seen["tools"][0]["name"], "echo_message");
    server.control().describe_tool("echo_message", "Says it to somebody else");
    look().await;
    let (status, refusal) = accept(&seen["seen"]).await;
    assert_eq!((status.as_u16(), &refusal["code"]), (400, &json!("invalid")), "{refusal}");
    assert_eq!(look().await["tools"].as_array().map(Vec::len), Some(1));

    let seen = look().await;
    assert_eq!(accept(&seen["seen"]).await.0.as_u16(), 204);
    assert_eq!(look().await["tools"], json!([]));
}

#[tokio::test]
async fn a_server_that_wants_a_sign_in_was_reached() {
    let (window, server) = (Window::open(), demo(Auth::OAuth(OAuthConfig::default())).await);
    window.add("demo", server.url().as_str()).await;
    let (_, failure) = window.ask(Method::POST, "/servers/demo/accounts/default/probe", None).await;
    assert_eq!(failure["code"], "signed_out");
    assert_eq!(window.get("/servers/demo").await["reach"]["kind"], "reached");
    let (status, failure) = window.ask(Method::GET, "/servers/demo/accounts/nobody/details", None).await;
    assert_eq!((status.as_u16(), &failure["code"]), (404, &json!("unknown")));
}

#[tokio::test]
async fn an_account_that_was_removed_is_gone_while_the_others_stay() {
    let (window, server) = (Window::open(), demo(Auth::OAuth(OAuthConfig::default())).await);
    window.add("demo", server.url().as_str()).await;
    for account in ["work", "home"] {
        window.sign_in("demo", account).await;
    }
    let renewed = &window.get("/servers/demo").await["accounts"][0]["state"]["renewed"];
    assert!(renewed.as_u64().is_some_and(|at| at > 1_700_000_000), "{renewed}");

    let (status, _) = window.ask(Method::DELETE, "/servers/demo/accounts/work", None).await;
    assert_eq!(status, 204);
    let accounts = window.get("/servers/demo").await["accounts"].clone();
    let labels: Vec<_> = accounts.as_array().into_iter().flatten().map(|account| &account["label"]).collect();
    assert_eq!(labels, [&json!("home")]);
}

fn account() -> AccountRef {
    AccountRef { server: "demo".to_owned(), label: None }
}

fn changes(changes: Value) -> Changes {
    serde_json::from_value(changes).expect("changes")
}

/// An MCP server at another origin that sends people to the same authorization server.
async fn newcomer(issuer: &str) -> Url {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/mcp", listener.local_addr().expect("an address"));
    let metadata = json!({ "resource": url, "authorization_servers": [issuer] });
    let router = Router::new()
        .route("/.well-known/oauth-protected-resource/mcp", get(move || async move { Json(metadata) }))
        .fallback(|| async { (StatusCode::UNAUTHORIZED, [("www-authenticate", "Bearer")]) });
    tokio::spawn(async move { axum::serve(listener, router).await });
    url.parse().expect("a URL")
}

#[tokio::test]
async fn a_server_at_a_new_origin_gets_no_client_that_consent_was_given_to() {
    let (window, server) = (Window::open(), demo(Auth::OAuth(OAuthConfig::default())).await);
    window.add("demo", server.url().as_str()).await;
    window.sign_in("demo", "default").await;
    assert_eq!(server.control().stats().registrations, 1);
    let elsewhere = newcomer(&server.control().issuer()).await;
    window.host.edit("demo", changes(json!({ "url": elsewhere }))).await.expect("changed");
    window.host.sign_in(&account(), OpenWith::Caller).await.expect("a page");
    assert_eq!(server.control().stats().registrations, 2);
}

#[tokio::test]
async fn no_account_starts_while_the_one_before_still_renews_its_tokens() {
    let (window, server) = (Window::open(), demo(Auth::OAuth(OAuthConfig::default())).await);
    window.add("demo", server.url().as_str()).await;
    window.sign_in("demo", "default").await;
    let before = window.host.account(&account()).await.expect("an account");
    let used = before.access_token().await.expect("read").expect("signed in");
    server.control().revoke_access_tokens();
    server.control().token_endpoint_fault(TokenFault::Stall);
    let refusal = Refusal {
        used: Some(used),
        status: StatusCode::UNAUTHORIZED,
        challenge: Vec::new(),
        operation: Operation::default(),
    };
    let renewing = before.clone();
    let renewing = tokio::spawn(async move { renewing.refused(refusal).await });
    server.control().wait_for(|stats| stats.grant("refresh_token") == 1).await;

    let host = window.host.clone();
    let edit = changes(json!({ "options": { "scope": "mcp" } }));
    let editing = tokio::spawn(async move { host.edit("demo", edit).await });
    let is_ending = |servers: &Arc<Vec<ServerView>>| {
        servers
            .iter()
            .flat_map(|server| &server.accounts)
            .all(|account| account.state == AccountStateView::Unknown)
    };
    timeout(LIMIT, window.host.views().wait_for(is_ending))
        .await
        .expect("in time")
        .expect("the Host goes on");
    let account = account();
    let after = window.host.account(&account);
    tokio::pin!(after);
    assert!(timeout(Duration::from_millis(100), &mut after).await.is_err(), "two tasks have one token");

    server.control().release_stalled();
    timeout(LIMIT, editing).await.expect("in time").expect("no panic").expect("changed");
    renewing.await.expect("no panic").ok();
    let after = timeout(LIMIT, after).await.expect("in time").expect("an account");
    let state = after.look().await.expect("read");
    assert!(state.is_signed_in(), "{state:?}");
    assert_eq!(server.control().stats().grant("refresh_token"), 1);
}
