//! The Host goes away under a live client: the session goes on.

use serde_json::json;

use crate::support::{session, text};

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_killed_host_is_replaced_and_the_upstream_session_resumed() {
    let (server, home, mut client) = session().await;
    let sessions = server.control().stats().initialize;
    let before = home.host_pid().await;
    home.kill_host().await;
    let echo = client.call("echo_message", json!({ "message": "after the fall" })).await;
    assert!(text(&echo).contains("after the fall"), "{echo}");
    assert_ne!(home.host_pid().await, before);
    assert_eq!(server.control().stats().initialize, sessions, "the upstream session was resumed");
    server.control().wait_for(|stats| stats.open_streams == 1).await;
    assert_eq!(client.close().await, 0);
    server.control().wait_for(|stats| stats.open_sessions == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_session_that_the_server_forgot_meanwhile_is_opened_anew() {
    let (server, home, mut client) = session().await;
    let sessions = server.control().stats().initialize;
    home.kill_host().await;
    server.control().kill_sessions().await;
    let echo = client.call("echo_message", json!({ "message": "anew" })).await;
    assert!(text(&echo).contains("anew"), "{echo}");
    assert_eq!(server.control().stats().initialize, sessions + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_call_that_may_have_run_is_never_sent_again() {
    let (server, home, mut client) = session().await;
    let slow = client.ask("tools/call", json!({ "name": "slow", "arguments": { "seconds": 600 } })).await;
    server.control().wait_for(|stats| stats.method("tools/call") == 1).await;
    home.kill_host().await;
    let (answer, _) = client.answer_to(slow).await;
    assert_eq!(answer["error"]["data"]["code"], "may_have_run", "{answer}");
    assert!(client.tools().await.contains(&"slow".to_owned()));
    assert_eq!(server.control().stats().method("tools/call"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_list_in_flight_is_asked_again() {
    let (server, home, mut client) = session().await;
    server.control().fault_on("tools/list", demo_server::Fault::Stall);
    let list = client.ask("tools/list", json!({})).await;
    server.control().wait_for(|stats| stats.stalled == 1).await;
    home.kill_host().await;
    let (answer, _) = client.answer_to(list).await;
    assert!(answer["result"]["tools"].is_array(), "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_host_outlives_the_client_that_started_it() {
    let (_server, home, client) = session().await;
    let host = home.host_pid().await;
    let group = rustix::process::Pid::from_raw(client.pid().cast_signed()).expect("a pid");
    assert_ne!(
        rustix::process::getpgid(rustix::process::Pid::from_raw(host)).expect("the Host's group"),
        rustix::process::getpgid(Some(group)).expect("the shim's group"),
    );
    rustix::process::kill_process(group, rustix::process::Signal::KILL).expect("killed");
    let mut next = home.connect(&["demo"]);
    next.initialize().await;
    assert_eq!(home.host_pid().await, host);
}
