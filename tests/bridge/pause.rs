//! While Drawbridge is paused, servers are left alone and clients stay.

use demo_server::{Config, DemoServer, Eras, Stats};
use serde_json::{Value, json};

use crate::modern::request;
use crate::support::{Home, session, session_with, text};

const PAUSED: &str = "Drawbridge is paused";

/// What a client's requests have made the server hear.
fn heard(server: &DemoServer) -> [u64; 4] {
    let stats = server.control().stats();
    ["initialize", "server/discover", "tools/list", "tools/call"].map(|method| stats.method(method))
}

async fn pause(home: &Home, verb: &str) {
    home.ok(&[verb]).await;
    let status: Value = serde_json::from_str(&home.ok(&["status", "--json"]).await).expect("JSON");
    assert_eq!(status["paused"], verb == "pause");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn clients_keep_their_sessions_and_lists_and_their_calls_are_turned_away() {
    let (server, home, mut client) = session().await;
    let tools = client.tools().await;
    let before = heard(&server);

    pause(&home, "pause").await;
    let call = client.call("echo_message", json!({ "message": "x" })).await;
    assert_eq!(call["result"]["isError"], true, "{call}");
    assert!(text(&call).contains(PAUSED) && text(&call).contains("drawbridge resume"), "{call}");
    let read = client.request("resources/read", json!({ "uri": "demo://x" })).await;
    assert_eq!(read["error"]["data"]["code"], "paused", "{read}");
    assert_eq!(client.request("ping", json!({})).await["result"], json!({}));
    assert_eq!(client.tools().await, tools);
    let mut later = home.connect(&["demo"]);
    let introduced = later.initialize().await;
    assert!(introduced["result"]["instructions"].as_str().expect("a sentence").contains(PAUSED));
    assert_eq!(later.tools().await, tools);
    let checked = home.run(&["doctor", "demo"]).await;
    assert!(String::from_utf8_lossy(&checked.stdout).contains(PAUSED), "{checked:?}");
    assert_eq!(heard(&server), before, "the server heard nothing of all that");

    server.control().add_tool("new_one");
    pause(&home, "resume").await;
    for client in [&mut client, &mut later] {
        client.notification("notifications/tools/list_changed").await;
        assert!(client.tools().await.contains(&"new_one".to_owned()));
        let call = client.call("echo_message", json!({ "message": "back" })).await;
        assert!(text(&call).contains("back"), "{call}");
    }
    assert_eq!((client.close().await, later.close().await), (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_call_that_is_under_way_comes_to_its_end() {
    let (server, home, mut client) = session().await;
    let call = json!({ "name": "slow", "arguments": { "until_released": true } });
    let id = client.ask("tools/call", call).await;
    server.control().wait_for(|stats| stats.stalled > 0).await;

    pause(&home, "pause").await;
    server.control().release_stalled();

    let (answer, _) = client.answer_to(id).await;
    assert_ne!(answer["result"]["isError"], true, "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn nobody_is_asked_to_sign_in() {
    let server = DemoServer::start(Config::oauth()).await.expect("a server");
    let mut home = Home::new();
    home.add("demo", &server.url()).await;
    pause(&home, "pause").await;
    let mut client = home.connect(&["demo"]);
    client.initialize().await;

    for tool in ["user_profile", "drawbridge_sign_in"] {
        let call = client.call(tool, json!({})).await;
        assert!(text(&call).contains(PAUSED), "{call}");
    }
    let login = home.run(&["login", "demo"]).await;
    assert_eq!(login.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&login.stderr).contains(PAUSED));
    assert!(!home.has_opened_page().await);

    pause(&home, "resume").await;
    let id = client.ask("tools/call", json!({ "name": "user_profile", "arguments": {} })).await;
    home.sign_in("demo", "demo123").await;
    let (answer, _) = client.answer_to(id).await;
    assert!(text(&answer).contains("Demo User"), "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_modern_client_is_told_so_and_hears_of_changes_afterwards() {
    let (server, home, _) = session_with(Config { eras: Eras::Both, ..Config::default() }).await;
    pause(&home, "pause").await;
    let before = heard(&server);
    let mut client = home.connect(&["demo"]);
    client.send(&request(1, "server/discover", "")).await;
    let (discovered, _) = client.answer_to(1).await;
    assert!(discovered["result"]["instructions"].as_str().expect("a sentence").contains(PAUSED));
    client.send(&request(2, "subscriptions/listen", r#""notifications":{"toolsListChanged":true}"#)).await;
    let acknowledged = client.message().await;
    assert_eq!(acknowledged["method"], "notifications/subscriptions/acknowledged", "{acknowledged}");
    client.send(&request(3, "tools/list", "")).await;
    let (tools, _) = client.answer_to(3).await;
    assert!(tools["result"]["tools"].to_string().contains("echo_message"), "{tools}");
    client.send(&request(4, "tools/call", r#""name":"echo_message","arguments":{"message":"x"}"#)).await;
    let (call, _) = client.answer_to(4).await;
    assert!(text(&call).contains(PAUSED), "{call}");
    assert_eq!(heard(&server), before);

    server.control().add_tool("new_one");
    pause(&home, "resume").await;
    client.notification("notifications/tools/list_changed").await;
    client.send(&request(5, "tools/list", "")).await;
    let (tools, _) = client.answer_to(5).await;
    assert!(tools["result"]["tools"].to_string().contains("new_one"), "{tools}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn what_a_client_asks_in_passing_does_not_fail_and_its_server_is_told_afterwards() {
    for eras in [Eras::Legacy, Eras::Modern] {
        let (server, home, mut client) = session_with(Config { eras, ..Config::default() }).await;
        server.control().wait_for(|stats| stats.open_streams == 1).await;
        pause(&home, "pause").await;
        let before = server.control().journal().len();
        let reference = json!({ "type": "ref/prompt", "name": "greeting" });
        let argument = json!({ "name": "name", "value": "a" });
        for (method, params, result) in [
            ("logging/setLevel", json!({ "level": "warning" }), json!({})),
            ("resources/subscribe", json!({ "uri": "demo://other" }), json!({})),
            ("resources/unsubscribe", json!({ "uri": "demo://other" }), json!({})),
            ("resources/subscribe", json!({ "uri": "demo://welcome" }), json!({})),
            (
                "completion/complete",
                json!({ "ref": reference, "argument": argument }),
                json!({ "completion": { "values": [] } }),
            ),
        ] {
            assert_eq!(client.request(method, params).await["result"], result, "{method}");
        }
        assert_eq!(server.control().journal().len(), before, "the server heard nothing of all that");

        pause(&home, "resume").await;
        let is_told = |stats: &Stats| match eras {
            Eras::Modern => stats.method("subscriptions/listen") == 2 && stats.open_streams == 1,
            Eras::Legacy | Eras::Both => ["logging/setLevel", "resources/subscribe", "resources/unsubscribe"]
                .iter()
                .all(|method| stats.method(method) == 1),
        };
        server.control().wait_for(is_told).await;
        let told = server.control().journal();
        let told: Vec<_> = told[before..].iter().map(|seen| String::from_utf8_lossy(&seen.body)).collect();
        assert!(told.iter().any(|body| body.contains("demo://welcome")), "{told:?}");
    }
}
