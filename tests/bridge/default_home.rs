//! A Host as most people have it: started by whatever client comes first, in the default home,
//! with a real keychain (design: "Where the Host is found"; security rule 3).

use std::process::Stdio;

use demo_server::{Config, DemoServer};
use serde_json::json;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::time::timeout;

use crate::support::{Home, LIMIT, text};

/// Runs a Host as a person does, so that it leaves a copy of the session for later ones.
async fn serve_once(home: &Home, session_bus: &str) {
    let mut serve = home.command(&["serve"]);
    serve.env("DBUS_SESSION_BUS_ADDRESS", session_bus).env("BROWSER", home.browser());
    let mut serve = serve.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it starts");
    let mut lines = BufReader::new(serve.stderr.take().expect("stderr")).lines();
    loop {
        let line = timeout(LIMIT, lines.next_line()).await.expect("it speaks").expect("readable");
        if line.expect("it runs").contains("is running") {
            break;
        }
    }
    home.ok(&["serve", "--stop"]).await;
    timeout(LIMIT, serve.wait()).await.expect("it ends").expect("it ran");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn it_takes_nothing_from_the_client_outlives_it_and_finds_the_keychain() {
    let session_bus = std::env::var("DBUS_SESSION_BUS_ADDRESS").expect("run under scripts/with-keyring");
    let server = DemoServer::start(Config::oauth()).await.expect("a server");
    let mut home = Home::plain();
    serve_once(&home, &session_bus).await;

    home.set("HTTPS_PROXY", "http://127.0.0.1:9/evil-proxy");
    home.set("BROWSER", "/evil-browser");
    home.set("SSL_CERT_FILE", "/evil-authorities");
    home.set("LD_PRELOAD", "");
    home.set("SOME_SECRET", "evil-secret");
    let mut client = home.connect_in_own_group(&[server.url().as_str()]);
    client.initialize().await;
    let call = client.ask("tools/call", json!({ "name": "user_profile", "arguments": {} })).await;
    home.sign_in("demo", "demo123").await;
    assert!(text(&client.answer_to(call).await.0).contains("demo"));

    let host = home.host_pid().await;
    let environment = std::fs::read(format!("/proc/{host}/environ")).expect("readable");
    let environment = String::from_utf8_lossy(&environment);
    assert!(!environment.contains("evil"), "{environment}");
    assert!(environment.contains(&session_bus), "{environment}");

    client.kill_group();
    let mut next = home.connect(&[server.url().as_str()]);
    next.initialize().await;
    assert!(text(&next.call("user_profile", json!({})).await).contains("demo"));
    assert_eq!(home.host_pid().await, host, "the Host outlived its first client");

    home.kill_host().await;
    assert!(text(&next.call("user_profile", json!({})).await).contains("demo"));
    assert_eq!(server.control().stats().authorizations, 1, "the keychain kept the sign-in");
    home.ok(&["logout", "--all"]).await;
}
