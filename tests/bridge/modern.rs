//! A modern client (2026-07-28) with a modern server: passed through, with the headers that
//! Streamable HTTP wants and stdio does not know.

use bytes::Bytes;
use demo_server::{Config, DemoServer, Eras};
use serde_json::{Value, json};

use crate::support::{Client, Home, text};

const META: &str = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"modern","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}}"#;

async fn session() -> (DemoServer, Home, Client) {
    let server =
        DemoServer::start(Config { eras: Eras::Modern, ..Config::default() }).await.expect("a server");
    let home = Home::new();
    let client = home.connect(&[server.url().as_str()]);
    (server, home, client)
}

/// A request of a modern client.
pub(crate) fn request(id: u32, method: &str, params: &str) -> String {
    let comma = if params.is_empty() { "" } else { "," };
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{{{params}{comma}{META}}}}}"#)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn discover_lists_and_calls_pass_through() {
    let (server, _home, mut client) = session().await;
    client.send(&request(1, "server/discover", "")).await;
    let discovered = client.message().await;
    assert!(discovered["result"]["supportedVersions"].to_string().contains("2026-07-28"), "{discovered}");
    client.send(&request(2, "tools/list", "")).await;
    assert!(client.message().await["result"]["tools"].is_array());
    let call = request(3, "tools/call", r#""name":"echo_message","arguments":{"message":"modern"}"#);
    client.send(&call).await;
    let answer = client.message().await;
    assert!(text(&answer).contains("modern"), "{answer}");

    let journal = server.control().journal();
    let seen =
        journal.iter().rev().find(|entry| entry.method.as_deref() == Some("tools/call")).expect("it arrived");
    assert_eq!(seen.body, call.as_bytes());
    assert_eq!(seen.protocol_version.as_deref(), Some("2026-07-28"));
    assert_eq!(
        (seen.mcp_method.as_deref(), seen.mcp_name.as_deref()),
        (Some("tools/call"), Some("echo_message"))
    );
    assert_eq!(seen.session_id, None);
    assert_eq!(server.control().stats().initialize, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn arguments_are_mirrored_though_the_client_never_asked_for_the_list() {
    let (server, _home, mut client) = session().await;
    client.send(&request(1, "tools/call", r#""name":"hello_world","arguments":{"region":"Zürich"}"#)).await;
    let answer = client.message().await;
    assert!(answer["result"]["content"].is_array(), "{answer}");
    let journal = server.control().journal();
    let call =
        journal.iter().find(|entry| entry.method.as_deref() == Some("tools/call")).expect("it arrived");
    assert_eq!(call.headers["mcp-param-region"], "=?base64?WsO8cmljaA==?=");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_call_whose_headers_were_out_of_date_is_sent_once_more() {
    let (server, _home, mut client) = session().await;
    client.send(&request(1, "tools/list", "")).await;
    client.message().await;
    let mismatch = json!({ "code": -32020, "message": "Header mismatch" });
    server.control().script_error("tools/call", Bytes::from(mismatch.to_string()), false);
    client.send(&request(2, "tools/call", r#""name":"hello_world","arguments":{"region":"north"}"#)).await;
    let answer = client.message().await;
    assert!(answer["result"]["content"].is_array(), "{answer}");
    let stats = server.control().stats();
    assert_eq!((stats.method("tools/call"), stats.method("tools/list")), (2, 2));

    server.control().script_error("tools/call", Bytes::from(mismatch.to_string()), false);
    server.control().script_error("tools/call", Bytes::from(mismatch.to_string()), false);
    client.send(&request(3, "tools/call", r#""name":"hello_world","arguments":{"region":"north"}"#)).await;
    assert_eq!(client.message().await["error"]["code"], -32020, "once, and no more");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_tool_with_an_unusable_annotation_is_left_out_and_the_rest_keeps_its_bytes() {
    let (server, _home, mut client) = session().await;
    let good = r#"{"name":"good","inputSchema":{ "type":"object"},"x":1.10}"#;
    let bad = r#"{"name":"bad","inputSchema":{"properties":{"a":{"type":"number","x-mcp-header":"A"}}}}"#;
    let result =
        format!(r#"{{"resultType":"complete","tools":[{bad},{good}],"ttlMs":0,"cacheScope":"private"}}"#);
    server.control().script("tools/list", Bytes::from(result), true);
    client.send(&request(1, "tools/list", "")).await;
    let answer = client.line().await;
    assert!(answer.contains(&format!(r#""tools":[{good}]"#)), "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn cancelling_closes_the_stream_and_sends_nothing() {
    let (server, _home, mut client) = session().await;
    client.send(&request(1, "tools/call", r#""name":"slow","arguments":{"until_released":true}"#)).await;
    server.control().wait_for(|stats| stats.method("tools/call") == 1).await;
    client.send(r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#).await;
    client.send(&request(2, "tools/list", "")).await;
    let answer = client.message().await;
    assert_eq!(answer["id"], 2);
    assert_eq!(server.control().stats().method("notifications/cancelled"), 0);
    assert_eq!(client.close().await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_client_of_both_eras_finds_its_newer_one_and_may_still_use_the_older() {
    let server =
        DemoServer::start(Config { eras: Eras::Legacy, ..Config::default() }).await.expect("a server");
    let home = Home::new();
    let mut client = home.connect(&[server.url().as_str()]);
    client.send(&request(90, "server/discover", "")).await;
    let discovered: Value = client.message().await;
    assert!(discovered["result"]["supportedVersions"].to_string().contains("2026-07-28"), "{discovered}");
    let answer = client.initialize().await;
    assert_eq!(answer["result"]["protocolVersion"], "2025-06-18");
    assert!(client.tools().await.contains(&"echo_message".to_owned()));
    server.control().wait_for(|stats| stats.open_sessions == 1).await;
}
