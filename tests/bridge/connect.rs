//! The ordinary session: handshake, lists, calls, both directions, and a clean end.

use demo_server::{Auth, Config, DemoServer};
use serde_json::json;

use crate::support::{Home, text};

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_client_lists_and_calls_tools_of_a_remote_server() {
    let server = DemoServer::start(Config::default()).await.expect("a server");
    let home = Home::new();
    home.add("demo", &server.url()).await;
    let before = server.control().stats();
    let mut client = home.connect(&["demo"]);

    let answer = client.initialize().await;
    assert_eq!(answer["result"]["protocolVersion"], "2025-06-18");
    assert!(client.tools().await.contains(&"echo_message".to_owned()));
    let echo = client.call("echo_message", json!({ "message": "over the bridge" })).await;
    assert!(text(&echo).contains("over the bridge"), "{echo}");

    assert_eq!(client.close().await, 0);
    server.control().wait_for(|stats| stats.deletes == before.deletes + 1 && stats.open_sessions == 0).await;
    assert_eq!(server.control().stats().initialize, before.initialize + 1, "one initialize for one session");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_url_is_added_on_the_way() {
    let server = DemoServer::start(Config::default()).await.expect("a server");
    let home = Home::new();
    let mut client = home.connect(&[server.url().as_str()]);
    client.initialize().await;
    assert!(!client.tools().await.is_empty());
    let list: serde_json::Value = serde_json::from_str(&home.ok(&["list", "--json"]).await).expect("JSON");
    assert_eq!(list.as_array().map(Vec::len), Some(1), "{list}");

    let mut again = home.connect(&[server.url().as_str()]);
    again.initialize().await;
    let list: serde_json::Value = serde_json::from_str(&home.ok(&["list", "--json"]).await).expect("JSON");
    assert_eq!(list.as_array().map(Vec::len), Some(1), "the same URL is the same entry");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_static_bearer_token_and_an_api_key_are_attached() {
    let tokens = vec![("t0ken".to_owned(), "demo".to_owned())];
    let keys = vec![("k3y".to_owned(), "inspector".to_owned())];
    let config = Config { auth: vec![Auth::Bearer(tokens), Auth::ApiKey(keys)], ..Config::default() };
    let server = DemoServer::start(config).await.expect("a server");
    let mut home = Home::new();
    home.set("DEMO_TOKEN", "t0ken");
    home.set("DEMO_KEY", "k3y");
    let url = server.url();
    home.ok(&["add", "bearer", url.as_str(), "--bearer", "env:DEMO_TOKEN"]).await;
    let mut client = home.connect(&["bearer"]);
    client.initialize().await;
    let who = client.call("auth_status", json!({})).await;
    assert!(text(&who).contains("demo"), "{who}");

    let mut home = Home::new();
    home.set("DEMO_KEY", "k3y");
    home.ok(&["add", "keyed", url.as_str(), "--header", "X-API-Key: ${DEMO_KEY}"]).await;
    let mut client = home.connect(&["keyed"]);
    client.initialize().await;
    let who = client.call("auth_status", json!({})).await;
    assert!(text(&who).contains("inspector"), "{who}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_server_asks_the_client_back() {
    let server = DemoServer::start(Config::default()).await.expect("a server");
    let home = Home::new();
    home.add("demo", &server.url()).await;
    let mut client = home.connect(&["demo"]);
    client.initialize_with(json!({ "sampling": {}, "elicitation": {} })).await;

    let call = client.ask("tools/call", json!({ "name": "elicit", "arguments": {} })).await;
    let question = client.notification("elicitation/create").await;
    let reply = json!({ "jsonrpc": "2.0", "id": question["id"], "result": { "action": "accept", "content": { "name": "Ada", "confirm": true } } });
    client.send(&reply.to_string()).await;
    let (answer, _) = client.answer_to(call).await;
    assert!(answer["result"].is_object(), "{answer}");
    assert_ne!(answer["result"]["isError"], true, "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn progress_comes_before_the_answer() {
    let server = DemoServer::start(Config::default()).await.expect("a server");
    let home = Home::new();
    home.add("demo", &server.url()).await;
    let mut client = home.connect(&["demo"]);
    client.initialize().await;
    let params = json!({ "name": "progress", "arguments": {}, "_meta": { "progressToken": "p-1" } });
    let call = client.ask("tools/call", params).await;
    let (_, before) = client.answer_to(call).await;
    let progress = before.iter().filter(|message| message["method"] == "notifications/progress");
    assert!(progress.clone().count() > 1, "{before:?}");
    assert!(progress.clone().all(|message| message["params"]["progressToken"] == "p-1"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_changed_tool_list_is_announced() {
    let server = DemoServer::start(Config::default()).await.expect("a server");
    let home = Home::new();
    home.add("demo", &server.url()).await;
    let mut client = home.connect(&["demo"]);
    client.initialize().await;
    server.control().wait_for(|stats| stats.open_streams == 1).await;
    server.control().add_tool("brand_new");
    client.notification("notifications/tools/list_changed").await;
    assert!(client.tools().await.contains(&"brand_new".to_owned()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn several_clients_share_one_host_and_not_a_session() {
    let server = DemoServer::start(Config::default()).await.expect("a server");
    let home = Home::new();
    home.add("demo", &server.url()).await;
    let before = server.control().stats().initialize;
    let mut clients: Vec<_> = (0..5).map(|_| home.connect(&["demo"])).collect();
    for client in &mut clients {
        client.initialize().await;
    }
    for client in &mut clients {
        assert!(!client.tools().await.is_empty());
    }
    let stats = server.control().wait_for(|stats| stats.open_sessions == 5).await;
    assert_eq!(stats.initialize, before + 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn an_old_http_sse_server_is_spoken_to() {
    let server = DemoServer::start(Config::default()).await.expect("a server");
    let home = Home::new();
    home.add("old", &server.sse_url()).await;
    let mut client = home.connect(&["old"]);
    let answer = client.initialize().await;
    assert!(answer["result"]["capabilities"].is_object(), "{answer}");
    let echo = client.call("echo_message", json!({ "message": "old style" })).await;
    assert!(text(&echo).contains("old style"), "{echo}");
    assert_eq!(client.close().await, 0);
    server.control().wait_for(|stats| stats.open_streams == 0).await;
}
