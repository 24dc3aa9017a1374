//! The Host goes away under a live client: the session goes on.

use serde_json::json;

use demo_server::{Config, DemoServer, Eras};

use crate::support::{Client, Home, session, text};

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
async fn a_host_that_is_asked_to_end_lets_calls_end_first_but_not_for_ever() {
    let (server, home, mut client) = session().await;
    let brief = client.ask("tools/call", json!({ "name": "slow", "arguments": { "seconds": 2 } })).await;
    let endless = json!({ "name": "slow", "arguments": { "until_released": true } });
    let endless = client.ask("tools/call", endless).await;
    server.control().wait_for(|stats| stats.method("tools/call") == 2).await;
    home.ok(&["serve", "--stop"]).await;
    let (answer, _) = client.answer_to(brief).await;
    assert_eq!(text(&answer), "done", "{answer}");
    let (answer, _) = client.answer_to(endless).await;
    assert_eq!(answer["error"]["data"]["code"], "may_have_run", "{answer}");
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

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn an_answer_to_the_server_gets_there_through_the_next_host() {
    let server = DemoServer::start(Config::default()).await.expect("a server");
    let home = Home::new();
    home.add("demo", &server.url()).await;
    let mut client = home.connect(&["demo"]);
    client.initialize_with(json!({ "elicitation": {} })).await;
    let call = client.ask("tools/call", json!({ "name": "elicit", "arguments": {} })).await;
    let question = client.message().await;
    assert_eq!(question["method"], "elicitation/create", "{question}");
    home.kill_host().await;
    assert_eq!(client.answer_to(call).await.0["error"]["data"]["code"], "may_have_run");
    let answer = json!({ "jsonrpc": "2.0", "id": question["id"], "result": { "action": "cancel" } });
    client.send(&answer.to_string()).await;
    client.tools().await;
    let arrived = || {
        let journal = server.control().journal();
        journal.iter().any(|seen| seen.body == answer.to_string().as_bytes())
    };
    server.control().wait_for(|_| arrived()).await;
}

/// Subscribes to a resource and chooses a log level.
async fn wish(client: &mut Client) {
    for (method, params) in [
        ("resources/subscribe", json!({ "uri": "demo://welcome" })),
        ("logging/setLevel", json!({ "level": "warning" })),
    ] {
        let answer = client.request(method, params).await;
        assert!(answer["result"].is_object(), "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn what_the_server_has_to_remember_is_told_to_every_new_session() {
    let (server, home, mut client) = session().await;
    wish(&mut client).await;
    for session in 2..4 {
        if session == 3 {
            home.kill_host().await;
        }
        server.control().kill_sessions().await;
        client.call("echo_message", json!({ "message": "anew" })).await;
        server
            .control()
            .wait_for(|stats| {
                let told = |method| stats.method(method) == session;
                told("resources/subscribe") && told("logging/setLevel") && stats.open_streams == 1
            })
            .await;
        let journal = server.control().journal();
        let told = journal.iter().rev().find(|seen| seen.method.as_deref() == Some("resources/subscribe"));
        assert!(String::from_utf8_lossy(&told.expect("it was told").body).contains("demo://welcome"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_session_that_goes_on_is_not_told_again() {
    let (server, home, mut client) = session().await;
    wish(&mut client).await;
    home.kill_host().await;
    client.call("echo_message", json!({ "message": "on" })).await;
    server.control().wait_for(|stats| stats.open_streams == 1).await;
    let stats = server.control().stats();
    assert_eq!((stats.method("resources/subscribe"), stats.method("logging/setLevel")), (1, 1));
    server.control().set_resource_updated("demo://welcome");
    client.notification("notifications/resources/updated").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_next_host_tells_a_modern_server_what_the_client_wants() {
    let server =
        DemoServer::start(Config { eras: Eras::Modern, ..Config::default() }).await.expect("a server");
    let home = Home::new();
    home.add("demo", &server.url()).await;
    let mut client = home.connect(&["demo"]);
    client.initialize().await;
    wish(&mut client).await;
    home.kill_host().await;
    server.control().clear_journal();
    client.call("echo_message", json!({ "message": "x" })).await;
    let journal = server.control().journal();
    let call = journal.iter().find(|seen| seen.method.as_deref() == Some("tools/call")).expect("it came");
    let body: serde_json::Value = serde_json::from_slice(&call.body).expect("JSON");
    assert_eq!(body["params"]["_meta"]["io.modelcontextprotocol/logLevel"], "warning", "{body}");
    server.control().wait_for(|stats| stats.open_streams == 1).await;
    let subscribed = || {
        let journal = server.control().journal();
        journal.iter().any(|seen| String::from_utf8_lossy(&seen.body).contains("demo://welcome"))
    };
    server.control().wait_for(|stats| stats.open_streams == 1 && subscribed()).await;
    server.control().set_resource_updated("demo://welcome");
    client.notification("notifications/resources/updated").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_log_level_is_kept_until_the_server_is_there() {
    let server = DemoServer::start(Config::default()).await.expect("a server");
    let home = Home::new();
    home.add("demo", &server.url()).await;
    let listen = server.origin().socket_addrs(|| None).expect("an address")[0];
    server.stop().await;
    let mut client = home.connect(&["demo"]);
    client.initialize().await;
    let set = client.request("logging/setLevel", json!({ "level": "error" })).await;
    assert_eq!(set["result"], json!({}));
    let server = DemoServer::start(Config { listen, ..Config::default() }).await.expect("a server");
    client.call("echo_message", json!({ "message": "x" })).await;
    server.control().wait_for(|stats| stats.method("logging/setLevel") == 1).await;
}
