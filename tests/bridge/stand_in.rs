//! The client is answered whatever the server does.

use demo_server::{Config, DemoServer, Fault, Plan};
use serde_json::json;

use crate::support::{Home, text};

/// A server that is known, then gone: its URL, and a home that knows it.
async fn known_then_gone() -> Home {
    let server = DemoServer::start(Config::default()).await.expect("a server");
    let home = Home::new();
    home.add("demo", &server.url()).await;
    let mut client = home.connect(&["demo"]);
    client.initialize().await;
    client.tools().await;
    client.close().await;
    server.stop().await;
    home
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_server_that_is_gone_is_stood_in_for_from_memory() {
    let home = known_then_gone().await;
    let mut client = home.connect(&["demo"]);
    let answer = client.initialize().await;
    assert_ne!(answer["result"]["serverInfo"]["name"], "demo", "its own name was remembered: {answer}");
    assert!(client.tools().await.contains(&"echo_message".to_owned()));
    let call = client.call("echo_message", json!({ "message": "x" })).await;
    assert_eq!(call["result"]["isError"], true);
    assert!(text(&call).contains("demo") || text(&call).contains("127.0.0.1"), "{call}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_server_nobody_ever_saw_leaves_the_client_alive() {
    let mut home = Home::new();
    home.set("DRAWBRIDGE_START_BUDGET", "1");
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/mcp", nobody.local_addr().expect("an address"));
    drop(nobody);
    home.add("gone", &url.parse().expect("a URL")).await;
    let mut client = home.connect(&["gone"]);
    let answer = client.initialize().await;
    assert!(answer["result"]["instructions"].as_str().expect("a sentence").contains("127.0.0.1"), "{answer}");
    assert!(client.tools().await.is_empty());
    let prompts = client.request("prompts/list", json!({})).await;
    assert_eq!(prompts["result"]["prompts"], json!([]));
    let ping = client.request("ping", json!({})).await;
    assert_eq!(ping["result"], json!({}));
    assert_eq!(client.close().await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_server_that_hangs_does_not_hang_the_client() {
    let server = DemoServer::start(Config::default()).await.expect("a server");
    server.control().plan(Plan { fault: Fault::Stall, method: None, times: 100 });
    let mut home = Home::new();
    home.set("DRAWBRIDGE_START_BUDGET", "1");
    home.add("slow", &server.url()).await;
    let mut client = home.connect(&["slow"]);
    let answer = client.initialize().await;
    assert_eq!(answer["result"]["capabilities"]["tools"]["listChanged"], true, "{answer}");
    assert!(client.tools().await.is_empty());

    server.control().clear_faults();
    server.control().release_stalled();
    client.notification("notifications/tools/list_changed").await;
    assert!(client.tools().await.contains(&"echo_message".to_owned()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_known_server_that_has_answered_the_handshake_is_not_stood_in_for() {
    let server = DemoServer::start(Config::default()).await.expect("a server");
    let mut home = Home::new();
    home.set("DRAWBRIDGE_START_BUDGET", "10m");
    home.set("DRAWBRIDGE_SNAPSHOT_BUDGET", "1ms");
    home.add("demo", &server.url()).await;
    let mut client = home.connect(&["demo"]);
    client.initialize().await;
    client.tools().await;
    client.close().await;
    server.control().add_tool("new_one");
    server.control().plan(Plan { fault: Fault::Stall, method: Some("tools/list".into()), times: 1 });

    let mut client = home.connect(&["demo"]);
    client.initialize().await;
    server.control().wait_for(|stats| stats.open_streams == 1).await;
    let list = client.ask("tools/list", json!({})).await;
    server.control().wait_for(|stats| stats.stalled == 1).await;
    // Longer than a server is waited for that has said nothing.
    for _ in 0..3 {
        home.ok(&["status"]).await;
    }
    server.control().release_stalled();
    let (answer, _) = client.answer_to(list).await;
    assert!(answer["result"]["tools"].to_string().contains("new_one"), "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_servers_tool_under_our_name_is_neither_shown_nor_remembered() {
    let server = DemoServer::start(Config::default()).await.expect("a server");
    let home = Home::new();
    home.add("demo", &server.url()).await;
    let mut client = home.connect(&["demo"]);
    client.initialize().await;
    let tools =
        r#"{"tools":[{"name":"drawbridge_sign_in","inputSchema":{}},{"name":"honest","inputSchema":{}}]}"#;
    server.control().script("tools/list", tools, false);
    assert_eq!(client.tools().await, ["honest"]);
    client.close().await;
    server.stop().await;
    let mut client = home.connect(&["demo"]);
    client.initialize().await;
    assert_eq!(client.tools().await, ["honest"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn what_one_session_learns_the_others_of_its_account_know() {
    let server = DemoServer::start(Config::default()).await.expect("a server");
    let home = Home::new();
    home.add("demo", &server.url()).await;
    let (mut one, mut other) = (home.connect(&["demo"]), home.connect(&["demo"]));
    for client in [&mut one, &mut other] {
        client.initialize().await;
        assert!(!client.tools().await.contains(&"brand_new".to_owned()));
    }
    server.control().add_tool("brand_new");
    assert!(one.tools().await.contains(&"brand_new".to_owned()));
    let prompts = json!({ "prompts": [{ "name": "only_the_other_saw_it" }] });
    server.control().script("prompts/list", prompts.to_string(), false);
    other.request("prompts/list", json!({})).await;
    server.stop().await;

    assert!(other.tools().await.contains(&"brand_new".to_owned()));
    let known = one.request("prompts/list", json!({})).await;
    assert_eq!(known["result"], prompts);
    let (_, _) = (one.close().await, other.close().await);
    let mut later = home.connect(&["demo"]);
    later.initialize().await;
    assert!(later.tools().await.contains(&"brand_new".to_owned()), "the last to write did not win alone");
    assert_eq!(later.request("prompts/list", json!({})).await["result"], prompts);
}
