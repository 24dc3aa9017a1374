//! Tokens without a browser here, through the built program, from the certified `oidc-provider`: with a code for another
//! computer, as a program with a secret or a key; and tokens that are bound to a key.

use std::fs::File;
use std::io::{Seek as _, Write as _};
use std::path::PathBuf;
use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::time::timeout;
use url::Url;

use crate::authorization_servers::{finish_at_oidc, log_in};
use crate::peers::{Server, node};
use crate::support::{Home, LIMIT, text};

fn robot_key() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/keys/rsa-pkcs8.pem")
}

async fn oidc(args: &[&str]) -> Server {
    Server::start(node("oidc.mjs", args)).await
}

/// The issuer is the origin of the MCP server.
fn issuer(server: &Server) -> String {
    server.url.origin().ascii_serialization()
}

/// Who the server says a call came from.
async fn caller(home: &Home, name: &str) -> Value {
    let mut client = home.connect(&[name]);
    client.initialize().await;
    let answer = client.call("whoami", json!({})).await;
    serde_json::from_str(text(&answer)).unwrap_or_else(|error| panic!("{error}: {answer}"))
}

/// Enters the code that `drawbridge login` shows, and waits until it has ended well.
async fn sign_in_with_code(home: &Home, stdin: impl Into<Stdio>) {
    let mut login = home.command(&["login", "oidc"]);
    let mut login = login.stdin(stdin).stderr(Stdio::piped()).spawn().expect("login runs");
    let mut said = BufReader::new(login.stderr.take().expect("stderr")).lines();
    let page = timeout(LIMIT, async {
        loop {
            let line = said.next_line().await.expect("readable").expect("a page with the code in it");
            if let Some(page) = Url::parse(line.trim()).ok().filter(|page| page.query().is_some()) {
                return page;
            }
        }
    });
    let page = page.await.expect("login says where to enter the code");
    assert_eq!(page.path(), "/device");
    let walked = node("oidc-login.mjs", &[page.as_str()]).output().await.expect("node runs");
    assert_eq!(String::from_utf8_lossy(&walked.stdout).trim(), "done");
    assert!(timeout(LIMIT, login.wait()).await.expect("login ends").expect("it ran").success());
}

fn typed(text: &str) -> File {
    let mut file = tempfile::tempfile().expect("a file");
    file.write_all(text.as_bytes()).and_then(|()| file.rewind()).expect("written");
    file
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_code_with_a_warning_is_shown_to_who_agrees() {
    let server = oidc(&[]).await;
    let home = Home::new();
    home.ok(&["add", "oidc", server.url.as_str(), "--grant", "device", "--scope", "openid"]).await;
    sign_in_with_code(&home, Stdio::null()).await;
    home.ok(&["edit", "oidc", "--scope", "openid mcp:tools"]).await;
    for stdin in [Stdio::null(), typed("no\n").into()] {
        let login = home.command(&["login", "oidc"]).stdin(stdin).output();
        let login = timeout(LIMIT, login).await.expect("login ends").expect("it ran");
        let said = String::from_utf8_lossy(&login.stderr);
        assert!(said.contains("more than you allowed before: mcp:tools"), "{said}");
        assert!(said.contains("was cancelled") && !said.contains("/device"), "{said}");
        assert_eq!(login.status.code(), Some(1));
    }
    sign_in_with_code(&home, typed("yes\n")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_code_for_another_computer_signs_in_for_good() {
    let server = oidc(&[]).await;
    let mut home = Home::new();
    home.ok(&["add", "oidc", server.url.as_str(), "--grant", "device"]).await;
    sign_in_with_code(&home, Stdio::null()).await;
    for _ in 0..3 {
        assert_eq!(caller(&home, "oidc").await["subject"], "alice");
        home.kill_host().await;
    }
    home.ok(&["logout", "oidc"]).await;
    assert_eq!(home.run(&["tools", "oidc"]).await.status.code(), Some(3));
    assert!(!home.has_opened_page().await, "a code is for a browser elsewhere");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_program_with_a_secret_or_a_key_needs_nobody() {
    let key = robot_key();
    let key = key.to_str().expect("text");
    let server = oidc(&["--robot-key", key]).await;
    let private_key = format!("file:{key}");
    let with_secret = ["--client-id", "robot", "--client-secret", "env:ROBOT_SECRET"];
    let with_key = ["--client-id", "robot-with-key", "--private-key", &private_key];
    for (client_id, how) in [("robot", with_secret), ("robot-with-key", with_key)] {
        let mut home = Home::new();
        home.set("ROBOT_SECRET", "s3cret");
        let issuer = issuer(&server);
        let mut add =
            vec!["add", "oidc", server.url.as_str(), "--grant", "client-credentials", "--issuer", &issuer];
        add.extend(how);
        home.ok(&add).await;
        assert_eq!(caller(&home, "oidc").await["subject"], client_id, "nobody logged in");
        home.kill_host().await;
        assert_eq!(caller(&home, "oidc").await["subject"], client_id);
        home.ok(&["logout", "oidc"]).await;
        assert_eq!(home.run(&["tools", "oidc"]).await.status.code(), Some(3), "signed out is signed out");
        home.ok(&["login", "oidc"]).await;
        assert_eq!(caller(&home, "oidc").await["subject"], client_id);
        assert!(!home.has_opened_page().await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_program_with_a_wrong_secret_is_told_so_and_opens_no_page() {
    let server = oidc(&[]).await;
    let mut home = Home::new();
    home.set("ROBOT_SECRET", "wrong");
    let issuer = issuer(&server);
    let how =
        ["--grant", "client-credentials", "--client-id", "robot", "--client-secret", "env:ROBOT_SECRET"];
    let mut add = vec!["add", "oidc", server.url.as_str(), "--issuer", &issuer];
    add.extend(how);
    home.run(&add).await;
    let login = home.run(&["login", "oidc"]).await;
    assert!(!login.status.success());
    let said = String::from_utf8_lossy(&login.stderr);
    assert!(said.contains("invalid_client"), "{said}");
    assert!(!said.contains("wrong"), "{said}");
    assert!(!home.has_opened_page().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn tokens_bound_to_a_key_serve_a_server_that_takes_no_others() {
    let server = oidc(&["--dpop"]).await;
    let mut home = Home::new();
    home.add("oidc", &server.url).await;
    log_in(&mut home, "oidc", finish_at_oidc).await;
    for _ in 0..3 {
        assert_eq!(caller(&home, "oidc").await["subject"], "alice");
        // The key outlives the Host as the refresh token does, and the nonce is learnt anew.
        home.kill_host().await;
    }
    assert!(!home.has_opened_page().await);
}
