//! No session and no call is left behind at the server.

use demo_server::{Auth, Config, DemoServer, Eras, Fault, OAuthConfig};
use serde_json::json;

use crate::modern::request;
use crate::support::{Home, text};

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn who_signs_in_gets_another_session_and_the_one_before_ends_with_its_last_call() {
    let auth = vec![Auth::None, Auth::OAuth(OAuthConfig::default())];
    let server = DemoServer::start(Config { auth, ..Config::default() }).await.expect("a server");
    let mut home = Home::new();
    home.add("demo", &server.url()).await;
    let mut client = home.connect(&["demo"]);
    client.initialize().await;
    client.tools().await;
    server.control().fault_on("tools/call", Fault::Stall);
    let call = client.ask("tools/call", json!({ "name": "hello_world", "arguments": {} })).await;
    server.control().wait_for(|stats| stats.stalled == 1).await;
    let before = server.control().stats();

    home.log_in("demo").await;
    client.notification("notifications/tools/list_changed").await;
    server.control().wait_for(|stats| stats.open_sessions > before.open_sessions).await;
    server.control().release_stalled();
    let (answer, _) = client.answer_to(call).await;
    assert!(!text(&answer).is_empty(), "{answer}");
    server.control().wait_for(|stats| stats.open_sessions == before.open_sessions).await;
    assert_eq!(client.close().await, 0);
    server.control().wait_for(|stats| stats.open_sessions == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_session_that_opens_when_its_client_has_left_is_ended() {
    let server = DemoServer::start(Config::default()).await.expect("a server");
    let mut home = Home::new();
    home.set("DRAWBRIDGE_START_BUDGET", "1");
    home.add("demo", &server.url()).await;
    let known = server.control().stats();
    assert_eq!(known.open_sessions, 0);
    server.control().fault_on("initialize", Fault::Stall);
    let mut client = home.connect(&["demo"]);
    client.initialize().await;
    assert_eq!(client.close().await, 0);
    server.control().release_stalled();
    server.control().wait_for(|stats| stats.deletes == known.deletes + 1 && stats.open_sessions == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_client_that_leaves_takes_its_calls_back() {
    let server =
        DemoServer::start(Config { eras: Eras::Legacy, ..Config::default() }).await.expect("a server");
    let home = Home::new();
    home.add("demo", &server.url()).await;
    let arguments = json!({ "until_released": true });
    let mut legacy = home.connect(&["demo"]);
    legacy.initialize().await;
    legacy.ask("tools/call", json!({ "name": "slow", "arguments": arguments })).await;
    server.control().wait_for(|stats| stats.stalled == 1).await;
    legacy.close().await;
    server.control().wait_for(|stats| stats.method("notifications/cancelled") == 1).await;

    let mut modern = home.connect(&["demo"]);
    let call = format!(r#""name":"slow","arguments":{arguments}"#);
    modern.send(&request(1, "tools/call", &call)).await;
    server.control().wait_for(|stats| stats.method("tools/call") == 2).await;
    modern.close().await;
    server.control().wait_for(|stats| stats.method("notifications/cancelled") == 2).await;
    server.control().wait_for(|stats| stats.stalled == 0 && stats.open_sessions == 0).await;
}
