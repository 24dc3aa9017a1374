//! Servers and clients that nobody here wrote: the reference server, a server with a temper, the official TypeScript SDK
//! and the MCP Inspector.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;
use url::Url;

use crate::support::{Home, LIMIT, text};

fn peers() -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers");
    assert!(folder.join("node_modules").exists(), "the test peers are missing: run `scripts/setup test`");
    folder
}

pub(crate) fn node(script: &str, args: &[&str]) -> Command {
    let mut command = Command::new("node");
    command.arg(peers().join(script)).args(args).stdin(Stdio::piped()).stdout(Stdio::piped());
    command.stderr(Stdio::null()).kill_on_drop(true);
    command
}

/// A peer that serves; it ends with this value.
pub(crate) struct Server {
    _child: Child,
    pub(crate) url: Url,
}

impl Server {
    pub(crate) async fn start(mut command: Command) -> Self {
        let mut child = command.spawn().expect("the peer runs");
        let mut lines = BufReader::new(child.stdout.take().expect("stdout")).lines();
        let line = timeout(LIMIT, lines.next_line()).await.expect("the peer starts").expect("readable");
        let ready: Value = serde_json::from_str(&line.expect("a line")).expect("JSON");
        Self { _child: child, url: ready["url"].as_str().expect("a URL").parse().expect("a URL") }
    }
}

/// Runs a client to its end; its last line.
async fn run(mut command: Command) -> Value {
    let output =
        timeout(LIMIT, command.stderr(Stdio::piped()).output()).await.expect("it ends").expect("it runs");
    let stdout = String::from_utf8(output.stdout).expect("text");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stdout}\n{stderr}");
    serde_json::from_str(&stdout).unwrap_or_else(|error| panic!("{error}: {stdout}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_reference_server_over_streamable_http_and_over_sse() {
    for transport in ["streamableHttp", "sse"] {
        let server = Server::start(node("everything.mjs", &[transport])).await;
        let home = Home::new();
        home.add("everything", &server.url).await;
        let mut client = home.connect(&["everything"]);
        client.initialize_with(json!({ "sampling": {}, "elicitation": {}, "roots": {} })).await;
        assert!(client.tools().await.contains(&"echo".to_owned()));
        let echo = client.call("echo", json!({ "message": "hello from the bridge" })).await;
        assert!(text(&echo).contains("hello from the bridge"), "{transport}: {echo}");
        let prompts = client.request("prompts/list", json!({})).await;
        assert!(!prompts["result"]["prompts"].as_array().expect("a list").is_empty());
        assert_eq!(client.close().await, 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_server_that_breaks_on_a_second_initialize_sees_one_per_session() {
    let server = Server::start(node("converse.mjs", &[])).await;
    let home = Home::new();
    for _ in 0..2 {
        let mut client = home.connect(&[server.url.as_str()]);
        let answer = client.initialize().await;
        assert!(
            answer["result"]["serverInfo"]["name"].as_str().expect("a name").contains("converse"),
            "{answer}"
        );
        assert!(client.tools().await.contains(&"chat".to_owned()));
        assert_eq!(client.close().await, 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_official_sdk_as_client() {
    let server = Server::start(node("everything.mjs", &["streamableHttp"])).await;
    let home = Home::new();
    home.add("everything", &server.url).await;
    let calls = json!([{ "name": "echo", "arguments": { "message": "from the SDK" } }]).to_string();
    let mut command = node("sdk-client.mjs", &["--calls", &calls, "--"]);
    let connect = home.command(&["connect", "everything"]);
    let connect = connect.as_std();
    command.arg(connect.get_program()).args(connect.get_args());
    command.envs(connect.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let seen = run(command).await;
    assert!(seen["tools"].as_array().expect("tools").contains(&json!("echo")), "{seen}");
    assert!(
        seen["calls"][0]["result"]["content"][0]["text"].as_str().expect("text").contains("from the SDK")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_mcp_inspector_as_client() {
    let server = Server::start(node("everything.mjs", &["streamableHttp"])).await;
    let home = Home::new();
    home.add("everything", &server.url).await;
    let connect = home.command(&["connect", "everything"]);
    let connect = connect.as_std();
    let mut command = Command::new("node");
    command.arg(peers().join("node_modules/.bin/mcp-inspector")).arg("--cli");
    // Like most clients, it passes on next to nothing of its own environment.
    for (name, value) in
        connect.get_envs().filter_map(|(name, value)| Some((name.to_str()?, value?.to_str()?)))
    {
        command.arg("-e").arg(format!("{name}={value}"));
    }
    command.arg(connect.get_program()).args(connect.get_args());
    command.args(["--method", "tools/call", "--tool-name", "echo", "--tool-arg", "message=inspected"]);
    let seen = run(command).await;
    assert!(seen["content"][0]["text"].as_str().expect("text").contains("inspected"), "{seen}");
}
