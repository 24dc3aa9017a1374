//! What must not get in, and how it is told so.

use std::process::Stdio;

use demo_server::Config;
use reqwest::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::time::timeout;

use crate::client::{Events, Local, call, initialize, send, with_demo, write_settings};
use crate::support::{Home, LIMIT};

/// Some user that the tests are not.
const NOBODY: u32 = 65534;

fn post(client: &Local) -> reqwest::RequestBuilder {
    client.request(Method::POST, "demo").body(initialize("2025-06-18", &json!({})))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn foreign_hosts_and_web_pages_are_refused_whatever_else_they_have() {
    let (server, home) = with_demo(Config::default()).await;
    let client = Local::add(&home, "one").await;
    let port = client.port();
    let before = server.control().stats().initialize;
    for host in [
        "evil.example".to_owned(),
        format!("evil.example:{port}"),
        "127.0.0.1".into(),
        format!("127.0.0.1:{}", port ^ 1),
    ] {
        assert_eq!(send(post(&client).header("host", &host)).await.status(), 403, "{host}");
    }
    for origin in ["https://evil.example".to_owned(), "null".into(), format!("http://127.0.0.1:{port}")] {
        let refused = send(post(&client).header("origin", &origin)).await;
        assert_eq!(refused.status(), 403, "{origin}");
        assert!(refused.headers().keys().all(|name| !name.as_str().starts_with("access-control")));
        let preflight = client.request(Method::OPTIONS, "demo").header("origin", &origin);
        assert_eq!(send(preflight.header("access-control-request-method", "POST")).await.status(), 403);
    }
    assert_eq!(server.control().stats().initialize, before);
    assert_eq!(send(post(&client).header("host", format!("localhost:{port}"))).await.status(), 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn without_a_token_that_works_there_is_nothing_to_see() {
    let (server, home) = with_demo(Config::default()).await;
    let mut client = Local::add(&home, "one").await;
    let before = server.control().stats().initialize;
    let token = std::mem::take(&mut client.token);
    for wrong in ["", "dbl_", "x", &token[..token.len() - 1], &format!("{token}x")] {
        for (method, path) in [
            (Method::POST, "demo"),
            (Method::GET, "demo"),
            (Method::DELETE, "no-such-server"),
            (Method::OPTIONS, "demo"),
        ] {
            client.token = wrong.to_owned();
            let refused = send(client.request(method.clone(), path).body("not even JSON")).await;
            assert_eq!(refused.status(), 401, "{method} with {wrong:?}");
            assert_eq!(refused.headers()["www-authenticate"], "Bearer");
            assert!(refused.text().await.expect("text").is_empty());
        }
    }
    let bare =
        client.http.post(format!("{}/demo", client.base)).header("authorization", format!("Basic {token}"));
    assert_eq!(send(bare).await.status(), 401);
    let elsewhere = client.http.get(client.base.replace("/mcp", "/.well-known/oauth-protected-resource"));
    assert_eq!(send(elsewhere).await.status(), 401);
    assert_eq!(server.control().stats().initialize, before);
    client.token = token;
    assert_eq!(send(post(&client)).await.status(), 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_session_belongs_to_the_token_that_opened_it() {
    let (_server, home) = with_demo(Config::default()).await;
    let mut one = Local::add(&home, "one").await;
    one.initialize().await;
    let mut two = Local::add(&home, "two").await;
    two.session = one.session.clone();
    let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    assert_eq!(two.post(ping).await.status(), 404);
    assert_eq!(two.get().await.status(), 404);
    assert_eq!(send(two.request(Method::DELETE, "demo")).await.status(), 404);
    assert_eq!(one.post(ping).await.status(), 200, "and nobody ended it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_token_is_for_its_servers() {
    let (server, home) = with_demo(Config::default()).await;
    let mut other = server.url();
    other.set_path("/mcp/other");
    home.add("other", &other).await;
    let bound = Local::add_for(&home, "bound", &["--server", "demo"]).await;
    let open = Local::add(&home, "open").await;
    let text = || initialize("2025-06-18", &json!({}));
    assert_eq!(bound.post_to("demo", text()).await.status(), 200);
    for name in ["other", "no-such", "https:%2F%2Fevil.example%2Fmcp", "demo/x", "..%2Fdemo", ""] {
        assert_eq!(bound.post_to(name, text()).await.status(), 403, "{name}: it learns nothing of others");
    }
    for name in ["no-such", "https:%2F%2Fevil.example%2Fmcp", "demo/x"] {
        assert_eq!(open.post_to(name, text()).await.status(), 404, "{name}");
    }
    let servers = home.ok(&["list", "--json"]).await;
    assert!(!servers.contains("evil"), "no client adds servers: {servers}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_revoked_token_loses_what_is_open_at_once() {
    let (server, home) = with_demo(Config::default()).await;
    let mut one = Local::add(&home, "one").await;
    one.initialize().await;
    let mut two = Local::add(&home, "two").await;
    two.initialize().await;
    let mut events = Events::of(one.get().await);
    let waiting = tokio::spawn({
        let one = one.clone();
        async move { Events::of(one.post(call(1, "slow", json!({ "until_released": true }))).await).rest().await }
    });
    server.control().wait_for(|stats| stats.stalled == 1).await;
    home.ok(&["clients", "revoke", "one"]).await;
    assert!(events.next().await.is_none(), "the stream ends");
    assert!(waiting.await.expect("it ends").is_empty(), "the request gets no answer");
    let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    assert_eq!(one.post(ping).await.status(), 401);
    assert_eq!(two.post(ping).await.status(), 200, "others go on");
    server.control().wait_for(|stats| stats.open_sessions == 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_body_over_the_limit_is_not_read() {
    let (_server, home) = with_demo(Config::default()).await;
    let client = Local::add(&home, "one").await;
    let mut stream = TcpStream::connect(("127.0.0.1", client.port())).await.expect("connected");
    let head = format!(
        "POST /mcp/demo HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{{",
        client.port(),
        client.token,
        (64 << 20) + 1
    );
    stream.write_all(head.as_bytes()).await.expect("written");
    let mut answer = [0; 64];
    let count = timeout(LIMIT, stream.read(&mut answer)).await.expect("an answer comes").expect("readable");
    assert!(answer[..count].starts_with(b"HTTP/1.1 413"), "{}", String::from_utf8_lossy(&answer[..count]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn sizes_and_rates_have_limits() {
    let server = demo_server::DemoServer::start(Config::default()).await.expect("a server");
    let home = Home::new();
    let limits = json!({ "body_bytes": 1000, "requests_per_second": 1, "burst": 6 });
    write_settings(&home, &json!({ "http_limits": limits }));
    home.add("demo", &server.url()).await;
    server.control().clear_stats();
    let client = Local::add(&home, "one").await;
    let chunks = futures_util::stream::iter((0..20).map(|_| Ok::<_, std::io::Error>(" ".repeat(100))));
    let endless = client.request(Method::POST, "demo").body(reqwest::Body::wrap_stream(chunks));
    assert_eq!(send(endless).await.status(), 413, "a body that does not tell its length");

    let mut statuses = Vec::new();
    for _ in 0..40 {
        let response = client.post("{}").await;
        if response.status() == 429 {
            let wait =
                response.headers()["retry-after"].to_str().expect("text").parse::<u64>().expect("seconds");
            assert!((1..=2).contains(&wait), "{wait}");
        }
        statuses.push(response.status().as_u16());
    }
    assert!(statuses[..5].iter().all(|status| *status == 400), "{statuses:?}");
    assert!(statuses.contains(&429), "{statuses:?}");
    let other = Local::add(&home, "two").await;
    assert_eq!(other.post("{}").await.status(), 400, "one client's haste is not another's");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn another_users_process_is_not_served() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("only root can play another user; the kernel's table is tested by itself");
        return;
    }
    let (_server, home) = with_demo(Config::default()).await;
    let client = Local::add(&home, "one").await;
    let script = format!(
        "exec 3<>/dev/tcp/127.0.0.1/{0} || exit 9; printf 'GET /mcp/demo HTTP/1.1\\r\\nHost: 127.0.0.1:{0}\\r\\nAuthorization: Bearer {1}\\r\\nConnection: close\\r\\n\\r\\n' >&3; cat <&3",
        client.port(),
        client.token
    );
    let said = |uid: u32| {
        let mut shell = Command::new("bash");
        shell
            .args(["-c", &script])
            .env_clear()
            .current_dir("/")
            .uid(uid)
            .stdin(Stdio::null())
            .kill_on_drop(true);
        async move {
            let output = timeout(LIMIT, shell.output()).await.expect("it ends").expect("bash runs");
            String::from_utf8_lossy(&output.stdout).into_owned()
        }
    };
    assert!(said(0).await.starts_with("HTTP/1.1 400"), "the same user's request is answered");
    assert_eq!(said(NOBODY).await, "", "another user's is not, though it has the token");
}
