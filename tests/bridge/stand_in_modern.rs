//! A modern client is answered whatever the server does, and hears of what was different.

use demo_server::{Config, DemoServer, Eras, Fault, Plan};
use serde_json::Value;

use crate::modern::request;
use crate::support::{Client, Home};

const SUBSCRIPTION: &str = "io.modelcontextprotocol/subscriptionId";
const LISTEN: &str = r#""notifications":{"toolsListChanged":true}"#;

fn config() -> Config {
    Config { eras: Eras::Modern, ..Config::default() }
}

/// Begins as a modern client does; what it was told of the server, and its tools.
async fn begin(client: &mut Client) -> (Value, String) {
    client.send(&request(1, "subscriptions/listen", LISTEN)).await;
    client.send(&request(2, "server/discover", "")).await;
    client.send(&request(3, "tools/list", "")).await;
    let (mut listens, mut discovered, mut tools) = (false, None, None);
    while !listens || discovered.is_none() || tools.is_none() {
        let message = client.message().await;
        match message["id"].as_i64() {
            Some(2) => discovered = Some(message["result"].clone()),
            Some(3) => tools = Some(message["result"]["tools"].to_string()),
            _ => {
                assert_eq!(message["method"], "notifications/subscriptions/acknowledged", "{message}");
                assert_eq!(message["params"]["_meta"][SUBSCRIPTION], 1);
                assert!(!std::mem::replace(&mut listens, true), "acknowledged once");
            }
        }
    }
    (discovered.expect("answered"), tools.expect("answered"))
}

/// Waits until the client hears of other tools, as who listens does; what they are.
async fn changed_tools(client: &mut Client) -> String {
    let changed = client.message().await;
    assert_eq!(changed["method"], "notifications/tools/list_changed", "{changed}");
    assert_eq!(changed["params"]["_meta"][SUBSCRIPTION], 1, "{changed}");
    client.send(&request(4, "tools/list", "")).await;
    client.answer_to(4).await.0["result"]["tools"].to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_server_that_hangs_does_not_hang_a_modern_client() {
    let server = DemoServer::start(config()).await.expect("a server");
    server.control().plan(Plan { fault: Fault::Stall, method: None, times: 100 });
    let mut home = Home::new();
    home.set("DRAWBRIDGE_START_BUDGET", "1");
    home.add("slow", &server.url()).await;
    let mut client = home.connect(&["slow"]);
    let (discovered, tools) = begin(&mut client).await;
    assert_eq!(discovered["supportedVersions"], serde_json::json!(["2026-07-28"]), "{discovered}");
    assert_eq!(discovered["capabilities"]["tools"]["listChanged"], true, "{discovered}");
    assert_eq!(tools, "[]");

    server.control().clear_faults();
    server.control().release_stalled();
    assert!(changed_tools(&mut client).await.contains("echo_message"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_modern_server_that_was_down_is_listened_to_once_it_is_back() {
    let server = DemoServer::start(config()).await.expect("a server");
    let home = Home::new();
    home.add("demo", &server.url()).await;
    let listen = server.origin().socket_addrs(|| None).expect("an address")[0];
    server.stop().await;
    let mut client = home.connect(&["demo"]);
    let (discovered, tools) = begin(&mut client).await;
    assert!(
        discovered["instructions"].as_str().is_some_and(|said| said.contains("127.0.0.1")),
        "{discovered}"
    );
    assert!(tools.contains("echo_message"), "{tools}");

    let server = DemoServer::start(Config { listen, ..config() }).await.expect("a server");
    server.control().add_tool("brand_new");
    assert!(changed_tools(&mut client).await.contains("brand_new"));
}
