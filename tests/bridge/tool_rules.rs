//! `--allow-tool` and `--deny-tool`: what is hidden is neither shown nor called, live or from memory.

use demo_server::{Config, DemoServer, Eras};
use serde_json::json;

use crate::support::{Home, text};

async fn server() -> DemoServer {
    DemoServer::start(Config::default()).await.expect("a server")
}

fn calls(server: &DemoServer) -> u64 {
    server.control().stats().method("tools/call")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn hidden_tools_are_neither_listed_nor_called() {
    let (server, home) = (server().await, Home::new());
    let rules = ["--allow-tool", "e*", "--allow-tool", "hello_world", "--deny-tool", "elicit*"];
    home.ok(&[&["add", "demo", server.url().as_str()][..], &rules].concat()).await;
    let mut client = home.connect(&["demo"]);
    client.initialize().await;
    let mut tools = client.tools().await;
    tools.sort();
    assert_eq!(tools, ["echo_message", "hello_world"]);

    for hidden in ["get_greeting", "elicit", "no_such_tool"] {
        let answer = client.call(hidden, json!({})).await;
        assert_eq!(answer["result"]["isError"], true, "{answer}");
        let said = text(&answer);
        assert!(said.contains(hidden) && said.contains("drawbridge show demo"), "{said}");
    }
    assert_eq!(calls(&server), 0, "no hidden call reaches the server");
    let echo = client.call("echo_message", json!({ "message": "still here" })).await;
    assert!(text(&echo).contains("still here"), "{echo}");
    assert_eq!(calls(&server), 1);

    assert_eq!(home.run(&["call", "demo", "get_greeting"]).await.status.code(), Some(1));
    assert!(!home.ok(&["tools", "demo"]).await.contains("get_greeting"));
    let shown = home.ok(&["show", "demo"]).await;
    assert!(shown.contains("e*, hello_world") && shown.contains("elicit"), "{shown}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_call_that_servers_may_read_in_two_ways_goes_to_none() {
    let (server, home) = (server().await, Home::new());
    home.ok(&["add", "demo", server.url().as_str(), "--deny-tool", "get_greeting"]).await;
    let mut client = home.connect(&["demo"]);
    client.initialize().await;
    for params in [
        r#"{"name":"get_greeting","name":"echo_message","arguments":{"message":"x"}}"#,
        r#"{"name":"echo_message","Name":"get_greeting","arguments":{"message":"x"}}"#,
    ] {
        client
            .send(&format!(r#"{{"jsonrpc":"2.0","id":"x","method":"tools/call","params":{params}}}"#))
            .await;
        let answer = client.message().await;
        assert_eq!((&answer["id"], &answer["result"]["isError"]), (&json!("x"), &json!(true)), "{answer}");
    }
    client.send(r#"{"jsonrpc":"2.0","method":"tools/call","params":{"name":"get_greeting"}}"#).await;
    client.call("echo_message", json!({ "message": "after them" })).await;
    assert_eq!(calls(&server), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_modern_client_sees_and_calls_no_hidden_tool() {
    let server =
        DemoServer::start(Config { eras: Eras::Modern, ..Config::default() }).await.expect("a server");
    let home = Home::new();
    let mut client = home.connect(&[server.url().as_str(), "--allow-tool", "echo_message"]);
    let meta = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"modern","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}}"#;
    client.send(&format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{{{meta}}}}}"#)).await;
    let listed = client.message().await;
    assert_eq!(listed["result"]["tools"].as_array().map(Vec::len), Some(1), "{listed}");
    let call = r#""name":"hello_world","arguments":{}"#;
    client
        .send(&format!(r#"{{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{{{call},{meta}}}}}"#))
        .await;
    let refused = client.message().await;
    assert_eq!(refused["result"]["isError"], true, "{refused}");
    assert_eq!(calls(&server), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn new_rules_hide_tools_of_an_old_snapshot_too() {
    let (server, home) = (server().await, Home::new());
    home.add("demo", &server.url()).await;
    server.stop().await;
    home.ok(&["edit", "demo", "--deny-tool", "echo_*"]).await;
    let mut client = home.connect(&["demo"]);
    client.initialize().await;
    let tools = client.tools().await;
    assert!(!tools.contains(&"echo_message".to_owned()), "{tools:?}");
    assert!(tools.contains(&"hello_world".to_owned()), "{tools:?}");
    client.close().await;

    home.ok(&["edit", "demo", "--unset", "deny-tool"]).await;
    let mut client = home.connect(&["demo"]);
    client.initialize().await;
    assert!(client.tools().await.contains(&"echo_message".to_owned()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn rules_of_one_connection_hold_for_it_alone_and_never_widen_those_of_the_server() {
    let (server, home) = (server().await, Home::new());
    home.ok(&["add", "demo", server.url().as_str(), "--deny-tool", "big"]).await;
    let mut narrow = home.connect(&[server.url().as_str(), "--allow-tool", "echo_*", "--allow-tool", "big"]);
    narrow.initialize().await;
    assert_eq!(narrow.tools().await, ["echo_message"]);
    narrow.close().await;

    let mut wide = home.connect(&["demo"]);
    wide.initialize().await;
    let tools = wide.tools().await;
    assert!(tools.len() > 1 && !tools.contains(&"big".to_owned()), "{tools:?}");
    wide.close().await;
    assert!(!home.ok(&["show", "demo"]).await.contains("echo_*"), "nothing is stored");

    server.stop().await;
    let mut wide = home.connect(&["demo"]);
    wide.initialize().await;
    assert_eq!(wide.tools().await, tools, "what is remembered for one connection is not for the other");
    let mut narrow = home.connect(&["demo", "--allow-tool", "echo_*", "--allow-tool", "big"]);
    narrow.initialize().await;
    assert_eq!(narrow.tools().await, ["echo_message"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn our_own_tool_stands_above_the_rules_and_names_no_hidden_one() {
    let server = DemoServer::start(Config::oauth()).await.expect("a server");
    let mut home = Home::new();
    home.ok(&["add", "demo", server.url().as_str(), "--allow-tool", "user_*"]).await;
    let mut client = home.connect(&["demo"]);
    client.initialize().await;
    assert_eq!(client.tools().await, ["drawbridge_sign_in"]);
    let page = home.opened_page().await;
    let call = client.ask("tools/call", json!({ "name": "drawbridge_sign_in", "arguments": {} })).await;
    crate::support::finish_sign_in(page, "demo", "demo123").await;
    let (answer, _) = client.answer_to(call).await;
    assert!(text(&answer).contains("It offers: user_profile."), "{answer}");
}
