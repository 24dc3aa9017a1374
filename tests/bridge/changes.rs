//! A server is changed or removed under a live session.

use demo_server::{Auth, Config, DemoServer, Eras};
use serde_json::json;

use crate::support::{Client, Home, session, text};

/// A server that knows its users by fixed tokens, a home that holds one of them, and a session.
async fn session_with_token() -> (DemoServer, Home, Client) {
    let tokens = [("token-of-demo", "demo"), ("token-of-inspector", "inspector")];
    let tokens = tokens.map(|(token, user)| (token.to_owned(), user.to_owned())).into();
    let config = Config { auth: vec![Auth::Bearer(tokens)], ..Config::default() };
    let server = DemoServer::start(config).await.expect("a server");
    let mut home = Home::new();
    home.set("ONE", "token-of-demo");
    home.set("OTHER", "token-of-inspector");
    home.ok(&["add", "demo", server.url().as_str(), "--bearer", "env:ONE"]).await;
    let mut client = home.connect(&["demo"]);
    client.initialize().await;
    client.tools().await;
    (server, home, client)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_new_token_serves_a_live_session_and_the_old_upstream_session_ends() {
    let (server, home, mut client) = session_with_token().await;
    let profile = client.call("user_profile", json!({})).await;
    assert!(text(&profile).contains("demo"), "{profile}");
    home.ok(&["edit", "demo", "--bearer", "env:OTHER"]).await;
    client.notification("notifications/tools/list_changed").await;
    let profile = client.call("user_profile", json!({})).await;
    assert!(text(&profile).contains("inspector"), "{profile}");
    server.control().wait_for(|stats| stats.open_sessions == 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_new_address_takes_the_session_along_and_no_session_id() {
    let (first, home, mut client) = session().await;
    let second = DemoServer::start(Config::default()).await.expect("a server");
    second.control().add_tool("only_there");
    home.ok(&["edit", "demo", "--url", second.url().as_str()]).await;
    client.notification("notifications/tools/list_changed").await;
    assert!(client.tools().await.contains(&"only_there".to_owned()));
    first.control().wait_for(|stats| stats.open_sessions == 0).await;
    let before = first.control().journal();
    let of_first: Vec<_> = before.iter().filter_map(|entry| entry.session_id.clone()).collect();
    let at_second = second.control().journal();
    assert!(!of_first.is_empty());
    assert!(at_second.iter().filter_map(|entry| entry.session_id.as_ref()).all(|id| !of_first.contains(id)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn new_rules_for_tools_hold_in_a_live_session() {
    let (server, home, mut client) = session().await;
    home.ok(&["edit", "demo", "--deny-tool", "echo_message"]).await;
    client.notification("notifications/tools/list_changed").await;
    assert!(!client.tools().await.contains(&"echo_message".to_owned()));
    let call = client.call("echo_message", json!({ "message": "x" })).await;
    assert_eq!(call["result"]["isError"], true, "{call}");
    assert_eq!(server.control().stats().method("tools/call"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_session_does_not_notice_that_its_server_has_another_name() {
    let (server, home, mut client) = session().await;
    let sessions = server.control().stats().initialize;
    home.ok(&["edit", "demo", "--rename", "other"]).await;
    let echo = client.call("echo_message", json!({ "message": "the same" })).await;
    assert!(text(&echo).contains("the same"), "{echo}");
    assert_eq!(server.control().stats().initialize, sessions);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_removed_server_is_left_and_its_clients_are_told() {
    let (server, home, mut by_name) = session().await;
    let mut by_address = home.connect(&[server.url().as_str()]);
    by_address.initialize().await;
    let slow = by_name.ask("tools/call", json!({ "name": "slow", "arguments": { "seconds": 600 } })).await;
    server.control().wait_for(|stats| stats.method("tools/call") == 1).await;
    home.ok(&["remove", "demo"]).await;

    let (answer, _) = by_name.answer_to(slow).await;
    assert!(answer["error"]["message"].as_str().expect("a sentence").contains("removed"), "{answer}");
    for client in [&mut by_name, &mut by_address] {
        let answer = client.request("tools/list", json!({})).await;
        let sentence = answer["error"]["message"].as_str().expect("a sentence");
        assert!(sentence.contains("demo was removed") && sentence.contains("drawbridge add"), "{sentence}");
    }
    server.control().wait_for(|stats| stats.open_sessions == 0).await;
    assert_eq!(home.ok(&["list", "--json"]).await.trim(), "[]", "a live session does not add it again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn adding_a_server_of_the_modern_era_fills_its_snapshot() {
    let server =
        DemoServer::start(Config { eras: Eras::Modern, ..Config::default() }).await.expect("a server");
    let home = Home::new();
    let added = home.run(&["add", "demo", server.url().as_str()]).await;
    let said = String::from_utf8(added.stderr).expect("text");
    assert!(said.contains("offers") && !said.contains("offers 0"), "{said}");
    let before = server.control().stats();
    assert_eq!(before.initialize, 0);
    server.stop().await;
    let mut client = home.connect(&["demo"]);
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": { "name": "modern", "version": "1" },
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let list = client.request("tools/list", json!({ "_meta": meta })).await;
    let tools = list["result"]["tools"].as_array().expect("a list");
    assert!(tools.iter().any(|tool| tool["name"] == "echo_message"), "{list}");
}
