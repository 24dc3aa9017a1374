//! Signing in at authorization servers that nobody here wrote: the certified `oidc-provider`, and the one that FastMCP
//! brings along.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::json;
use tokio::process::Command;
use url::Url;

use crate::modern;
use crate::peers::{Server, node};
use crate::support::{Client, Home, continue_from_our_page, http, text};

async fn oidc() -> Server {
    Server::start(node("oidc.mjs", &[])).await
}

async fn fastmcp() -> Server {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = root.join("target/peers/bin/python");
    assert!(python.exists(), "FastMCP is missing: run `scripts/setup test`");
    let mut command = Command::new(python);
    command.arg(root.join("tests/peers/fastmcp-server.py")).stdin(Stdio::piped()).stdout(Stdio::piped());
    command.stderr(Stdio::null()).kill_on_drop(true);
    Server::start(command).await
}

/// What a person does at `oidc-provider`: name, password, consent.
pub(crate) async fn finish_at_oidc(page: Url) {
    let page = continue_from_our_page(page).await;
    let walked = node("oidc-login.mjs", &[page.as_str()]).output().await.expect("node runs");
    let back: Url = String::from_utf8(walked.stdout).expect("text").trim().parse().expect("a URL");
    assert!(http().get(back).send().await.expect("the callback answers").status().is_success());
}

/// FastMCP asks nothing and sends the browser back at once.
async fn finish_at_fastmcp(page: Url) {
    let page = continue_from_our_page(page).await;
    let answer = http().get(page).send().await.expect("it answers");
    let back = answer.headers().get("location").expect("a redirect").to_str().expect("text");
    assert!(http().get(back).send().await.expect("the callback answers").status().is_success());
}

pub(crate) async fn log_in(home: &mut Home, name: &str, finish: impl AsyncFnOnce(Url)) {
    let login = home.command(&["login", name]).stdin(Stdio::null()).output();
    let (output, ()) = tokio::join!(login, async { finish(home.opened_page().await).await });
    let output = output.expect("login runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

async fn signed_in_at_oidc() -> (Server, Home, Client) {
    let server = oidc().await;
    let mut home = Home::new();
    home.add("oidc", &server.url).await;
    log_in(&mut home, "oidc", finish_at_oidc).await;
    let mut client = home.connect(&["oidc"]);
    client.initialize().await;
    assert!(text(&client.call("whoami", json!({})).await).contains("alice"));
    (server, home, client)
}

fn secrets(home: &Home) -> PathBuf {
    home.path().join("state/secrets.enc")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn tokens_that_serve_once_outlive_many_hosts() {
    let (_server, mut home, mut client) = signed_in_at_oidc().await;
    for _ in 0..4 {
        home.kill_host().await;
        assert!(text(&client.call("whoami", json!({})).await).contains("alice"));
    }
    assert!(!home.has_opened_page().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_token_that_comes_back_from_a_backup_costs_one_sign_in() {
    let (_server, mut home, mut client) = signed_in_at_oidc().await;
    let backup = std::fs::read(secrets(&home)).expect("readable");
    home.kill_host().await;
    assert!(text(&client.call("whoami", json!({})).await).contains("alice"));
    home.kill_host().await;
    std::fs::write(secrets(&home), backup).expect("writable");
    let call = client.ask("tools/call", json!({ "name": "whoami", "arguments": {} })).await;
    finish_at_oidc(home.opened_page().await).await;
    assert!(text(&client.answer_to(call).await.0).contains("alice"));
    home.kill_host().await;
    assert!(text(&client.call("whoami", json!({})).await).contains("alice"));
    assert!(!home.has_opened_page().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn after_signing_out_the_authorization_server_takes_the_tokens_no_more() {
    let (_server, home, client) = signed_in_at_oidc().await;
    drop(client);
    let stolen = std::fs::read(secrets(&home)).expect("readable");
    home.ok(&["logout", "oidc"]).await;
    home.kill_host().await;
    std::fs::write(secrets(&home), stolen).expect("writable");
    assert_eq!(home.run(&["tools", "oidc"]).await.status.code(), Some(3));
    let status = home.ok(&["status", "--json"]).await;
    assert!(status.contains("the sign-in has expired"), "the tokens were not there at all: {status}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_token_got_without_naming_the_resource_is_not_accepted() {
    let server = oidc().await;
    let mut home = Home::new();
    home.ok(&["add", "oidc", server.url.as_str(), "--no-resource"]).await;
    let login = home.command(&["login", "oidc"]).stdin(Stdio::null()).output();
    let (_, ()) = tokio::join!(login, async { finish_at_oidc(home.opened_page().await).await });
    assert_ne!(home.run(&["tools", "oidc"]).await.status.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn an_issuer_with_a_slash_that_wants_a_client_secret_signs_in_and_out() {
    let server = fastmcp().await;
    let mut home = Home::new();
    home.add("fastmcp", &server.url).await;
    log_in(&mut home, "fastmcp", finish_at_fastmcp).await;
    let mut client = home.connect(&["fastmcp"]);
    // It says that it speaks nothing older.
    for (id, sum) in [(1, "42"), (2, "43")] {
        let arguments = format!(r#""name":"add","arguments":{{"a":{id},"b":41}}"#);
        client.send(&modern::request(id, "tools/call", &arguments)).await;
        assert_eq!(text(&client.message().await), sum);
        // The client secret and the refresh token outlive the Host.
        home.kill_host().await;
    }
    home.ok(&["logout", "fastmcp"]).await;
    assert_eq!(home.run(&["tools", "fastmcp"]).await.status.code(), Some(3));
}
