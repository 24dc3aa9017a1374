//! A legacy client (2024-11-05 to 2025-11-25) with a server that speaks only 2026-07-28.

use demo_server::{Config, DemoServer, Eras, Fault, JournalEntry};
use serde_json::{Value, json};

use crate::support::{Client, Home, text};

const INITIALIZED: &str = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;

async fn modern_server() -> DemoServer {
    DemoServer::start(Config { eras: Eras::Modern, ..Config::default() }).await.expect("a server")
}

async fn session(capabilities: Value) -> (DemoServer, Home, Client) {
    let server = modern_server().await;
    let home = Home::new();
    let mut client = home.connect(&[server.url().as_str()]);
    client.initialize_with(capabilities).await;
    (server, home, client)
}

fn seen(server: &DemoServer, method: &str) -> Vec<JournalEntry> {
    let journal = server.control().journal();
    journal.into_iter().filter(|entry| entry.method.as_deref() == Some(method)).collect()
}

fn meta(entry: &JournalEntry) -> Value {
    let body: Value = serde_json::from_slice(&entry.body).expect("JSON");
    body["params"]["_meta"].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn every_legacy_version_can_use_a_modern_server() {
    for version in ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"] {
        let server = modern_server().await;
        let home = Home::new();
        let mut client = home.connect(&[server.url().as_str()]);
        let client_info = json!({ "name": "old client", "version": "1" });
        let hello =
            json!({ "protocolVersion": version, "capabilities": { "roots": {} }, "clientInfo": client_info });
        let answer = client.request("initialize", hello).await;
        let result = &answer["result"];
        assert_eq!(result["protocolVersion"], version, "{answer}");
        assert_eq!(result["serverInfo"]["name"], "drawbridge-demo", "{answer}");
        assert!(result["instructions"].as_str().expect("a sentence").contains("auth_status"));
        assert_eq!(result["capabilities"]["tools"]["listChanged"], true);
        assert!(result.get("supportedVersions").is_none() && result.get("resultType").is_none(), "{answer}");
        client.send(INITIALIZED).await;

        assert!(client.tools().await.contains(&"echo_message".to_owned()));
        let echo = client.call("echo_message", json!({ "message": version })).await;
        assert_eq!(text(&echo), version);
        assert!(echo["result"].get("resultType").is_none(), "{echo}");
        let prompt =
            client.request("prompts/get", json!({ "name": "explain", "arguments": { "text": "x" } }));
        assert!(prompt.await["result"]["messages"].is_array());
        let read = client.request("resources/read", json!({ "uri": "demo://welcome" })).await;
        assert!(read["result"]["contents"][0]["text"].as_str().expect("text").contains("Welcome"), "{read}");
        let missing = client.request("resources/read", json!({ "uri": "demo://none" })).await;
        assert_eq!(missing["error"]["code"], -32002, "{missing}");
        assert_eq!(client.request("ping", json!({})).await["result"], json!({}));

        assert_eq!(server.control().stats().initialize, 0);
        let call = &seen(&server, "tools/call")[0];
        assert_eq!(call.protocol_version.as_deref(), Some("2026-07-28"));
        assert_eq!(
            (call.mcp_method.as_deref(), call.mcp_name.as_deref()),
            (Some("tools/call"), Some("echo_message"))
        );
        assert_eq!(call.session_id, None);
        assert_eq!(meta(call)["io.modelcontextprotocol/clientInfo"], client_info);
        assert_eq!(meta(call)["io.modelcontextprotocol/clientCapabilities"], json!({ "roots": {} }));
        assert_eq!(client.close().await, 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_modern_servers_questions_reach_the_client_as_requests() {
    let (server, _home, mut client) = session(json!({ "elicitation": {}, "sampling": {} })).await;
    let elicit = client.ask("tools/call", json!({ "name": "elicit", "arguments": {} })).await;
    let question = client.message().await;
    assert_eq!(question["method"], "elicitation/create", "{question}");
    assert!(question["params"]["requestedSchema"]["properties"]["colour"].is_object());
    assert!(question["params"].get("mode").is_none(), "2025-06-18 knows no modes: {question}");
    let sample = client.ask("tools/call", json!({ "name": "sample", "arguments": {} })).await;
    let other = client.message().await;
    assert_eq!(other["method"], "sampling/createMessage", "{other}");
    assert_ne!(other["id"], question["id"]);

    let haiku = json!({ "role": "assistant", "model": "m", "content": { "type": "text", "text": "creak" } });
    client.send(&json!({ "jsonrpc": "2.0", "id": other["id"], "result": haiku }).to_string()).await;
    assert_eq!(text(&client.answer_to(sample).await.0), "Your model wrote: creak");
    let blue = json!({ "action": "accept", "content": { "colour": "blue" } });
    client.send(&json!({ "jsonrpc": "2.0", "id": question["id"], "result": blue }).to_string()).await;
    assert_eq!(text(&client.answer_to(elicit).await.0), "You like blue.");

    let calls = seen(&server, "tools/call");
    assert_eq!(calls.len(), 4);
    let ids: std::collections::BTreeSet<String> = calls
        .iter()
        .map(|call| serde_json::from_slice::<Value>(&call.body).expect("JSON")["id"].to_string())
        .collect();
    assert_eq!(ids.len(), 4, "every round has an id of its own");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_server_may_only_ask_what_the_client_offers() {
    let (server, _home, mut client) = session(json!({ "elicitation": {} })).await;
    let question = json!({
        "resultType": "input_required",
        "inputRequests": { "a": { "method": "roots/list" } },
        "requestState": "s",
    });
    server.control().script("tools/call", question.to_string(), false);
    let answer = client.call("echo_message", json!({ "message": "x" })).await;
    assert_eq!(answer["result"]["isError"], true);
    assert!(text(&answer).contains("roots/list"), "{answer}");
    assert_eq!(server.control().stats().method("tools/call"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_question_that_the_client_refuses_ends_the_call() {
    let (server, _home, mut client) = session(json!({ "elicitation": {} })).await;
    let call = client.ask("tools/call", json!({ "name": "elicit", "arguments": {} })).await;
    let question = client.message().await;
    let refusal =
        json!({ "jsonrpc": "2.0", "id": question["id"], "error": { "code": -1, "message": "no, thanks" } });
    client.send(&refusal.to_string()).await;
    let (answer, _) = client.answer_to(call).await;
    assert_eq!(answer["result"]["isError"], true);
    assert!(text(&answer).contains("no, thanks"), "{answer}");
    assert_eq!(server.control().stats().method("tools/call"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_call_that_is_cancelled_takes_its_question_back() {
    let (_server, _home, mut client) = session(json!({ "elicitation": {} })).await;
    let call = client.ask("tools/call", json!({ "name": "elicit", "arguments": {} })).await;
    let question = client.message().await;
    let cancel =
        json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": call } });
    client.send(&cancel.to_string()).await;
    let taken_back = client.notification("notifications/cancelled").await;
    assert_eq!(taken_back["params"]["requestId"], question["id"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_state_of_a_server_goes_back_as_it_came() {
    let (server, _home, mut client) = session(json!({})).await;
    let state = r#"{"resultType":"input_required","requestState":"\u0041\/é"}"#;
    server.control().script("resources/read", state, true);
    server.control().script("resources/read", r#"{"resultType":"complete","contents":[ ],"n":1.10}"#, false);
    client
        .send(r#"{"jsonrpc":"2.0","id":77,"method":"resources/read","params":{"uri":"a:b", "x":1e3}}"#)
        .await;
    assert_eq!(client.line().await, r#"{"jsonrpc":"2.0","id":77,"result":{"contents":[ ],"n":1.10}}"#);
    let rounds = seen(&server, "resources/read");
    let retry = String::from_utf8(rounds[1].body.to_vec()).expect("text");
    assert!(retry.contains(r#""requestState":"\u0041\/é""#) && retry.contains(r#""x":1e3"#), "{retry}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn changes_are_listened_for_on_one_stream() {
    let (server, _home, mut client) = session(json!({})).await;
    client.tools().await;
    server.control().wait_for(|stats| stats.open_streams == 1).await;
    server.control().add_tool("brand_new");
    let changed = client.notification("notifications/tools/list_changed").await;
    assert!(changed.get("params").is_none(), "{changed}");
    assert!(client.tools().await.contains(&"brand_new".to_owned()));

    let subscribed = client.request("resources/subscribe", json!({ "uri": "demo://welcome" })).await;
    assert_eq!(subscribed["result"], json!({}));
    server.control().set_resource_updated("demo://stats");
    server.control().set_resource_updated("demo://welcome");
    let updated = client.notification("notifications/resources/updated").await;
    assert_eq!(updated["params"], json!({ "uri": "demo://welcome" }));
    client.request("resources/unsubscribe", json!({ "uri": "demo://welcome" })).await;
    server
        .control()
        .wait_for(|stats| stats.method("subscriptions/listen") == 3 && stats.open_streams == 1)
        .await;
    assert_eq!(client.close().await, 0);
    server.control().wait_for(|stats| stats.open_streams == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn what_changed_while_nobody_listened_is_told_afterwards() {
    let (server, _home, mut client) = session(json!({})).await;
    client.tools().await;
    client.request("resources/subscribe", json!({ "uri": "demo://welcome" })).await;
    server.control().fault_on("subscriptions/listen", Fault::Stall);
    server.control().drop_streams();
    server.control().wait_for(|stats| stats.stalled == 1).await;
    server.control().add_tool("meanwhile");
    server.control().release_stalled();
    client.notification("notifications/resources/updated").await;
    client.notification("notifications/tools/list_changed").await;
    assert!(client.tools().await.contains(&"meanwhile".to_owned()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_list_is_not_asked_for_again_while_the_server_calls_it_fresh() {
    let (server, _home, mut client) = session(json!({})).await;
    let fresh = r#"{"resultType":"complete","tools":[{"name":"one","inputSchema":{"type":"object"}}],"ttlMs":600000,"cacheScope":"private"}"#;
    server.control().script("tools/list", fresh, false);
    assert_eq!(client.tools().await, ["one"]);
    let before = server.control().stats().method("tools/list");
    assert_eq!(client.tools().await, ["one"]);
    assert_eq!(server.control().stats().method("tools/list"), before);
    server.control().wait_for(|stats| stats.open_streams == 1).await;
    server.control().add_tool("two");
    client.notification("notifications/tools/list_changed").await;
    assert!(client.tools().await.contains(&"two".to_owned()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_log_level_goes_with_every_request_once_it_was_set() {
    let (server, _home, mut client) = session(json!({})).await;
    client.call("echo_message", json!({ "message": "x" })).await;
    assert_eq!(client.request("logging/setLevel", json!({ "level": "warning" })).await["result"], json!({}));
    client.call("echo_message", json!({ "message": "y" })).await;
    let wrong = client.request("logging/setLevel", json!({ "level": "loud" })).await;
    assert_eq!(wrong["error"]["code"], -32602);
    let calls = seen(&server, "tools/call");
    let level = |at: usize| meta(&calls[at])["io.modelcontextprotocol/logLevel"].clone();
    assert_eq!((level(0), level(1)), (Value::Null, json!("warning")));
    assert_eq!(server.control().stats().method("logging/setLevel"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn progress_is_reported_and_cancelling_closes_the_stream() {
    let (server, _home, mut client) = session(json!({})).await;
    let params = json!({ "name": "progress", "arguments": {}, "_meta": { "progressToken": "p" } });
    let id = client.ask("tools/call", params).await;
    let (_, progress) = client.answer_to(id).await;
    assert_eq!(progress.len(), 3);
    assert!(progress.iter().all(|message| message["params"]["progressToken"] == "p"), "{progress:?}");

    let slow =
        client.ask("tools/call", json!({ "name": "slow", "arguments": { "until_released": true } })).await;
    server.control().wait_for(|stats| stats.stalled == 1).await;
    let cancel =
        json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": slow } });
    client.send(&cancel.to_string()).await;
    server.control().wait_for(|stats| stats.stalled == 0).await;
    assert_eq!(server.control().stats().method("notifications/cancelled"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn arguments_are_mirrored_and_a_stale_schema_is_read_again() {
    let (server, _home, mut client) = session(json!({})).await;
    client.call("hello_world", json!({ "region": "Zürich" })).await;
    assert_eq!(seen(&server, "tools/call")[0].headers["mcp-param-region"], "=?base64?WsO8cmljaA==?=");
    let lists = server.control().stats().method("tools/list");
    let mismatch = json!({ "code": -32020, "message": "Header mismatch" }).to_string();
    server.control().script_error("tools/call", mismatch, false);
    let answer = client.call("hello_world", json!({ "region": "north" })).await;
    assert_eq!(text(&answer), "Hello, north!");
    let stats = server.control().stats();
    assert_eq!((stats.method("tools/call"), stats.method("tools/list")), (3, lists + 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_server_of_both_eras_is_spoken_to_in_the_clients_own() {
    let server = DemoServer::start(Config::default()).await.expect("a server");
    let home = Home::new();
    let mut client = home.connect(&[server.url().as_str()]);
    client.initialize().await;
    client.tools().await;
    let stats = server.control().stats();
    assert_eq!((stats.initialize, stats.open_sessions), (1, 1));
    assert!(seen(&server, "tools/list").iter().all(|entry| entry.session_id.is_some()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_server_that_changed_its_era_is_asked_again() {
    let legacy = Config { eras: Eras::Legacy, ..Config::default() };
    let mut server = DemoServer::start(legacy.clone()).await.expect("a server");
    let listen = server.url().socket_addrs(|| None).expect("an address")[0];
    let home = Home::new();
    home.add("demo", &server.url()).await;
    for eras in [Eras::Modern, Eras::Legacy, Eras::Modern] {
        server.stop().await;
        server = DemoServer::start(Config { eras, listen, ..legacy.clone() }).await.expect("a server");
        let mut client = home.connect(&["demo"]);
        client.initialize().await;
        let echo = client.call("echo_message", json!({ "message": "still there" })).await;
        assert_eq!(text(&echo), "still there", "{eras:?}");
        assert_eq!(client.close().await, 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn trouble_is_no_sign_of_an_era() {
    let server = modern_server().await;
    server.control().fault_on("server/discover", Fault::Status { code: 503, retry_after: None });
    let home = Home::new();
    let mut client = home.connect(&[server.url().as_str()]);
    let answer = client.initialize().await;
    assert!(answer["result"]["instructions"].is_string(), "{answer}");
    let echo = client.call("echo_message", json!({ "message": "it came back" })).await;
    assert_eq!(text(&echo), "it came back");
    assert_eq!(server.control().stats().initialize, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn verbs_work_with_a_modern_server() {
    let server = modern_server().await;
    let home = Home::new();
    home.add("demo", &server.url()).await;
    assert!(home.ok(&["tools", "demo"]).await.contains("echo_message"));
    assert!(
        home.ok(&["call", "demo", "echo_message", r#"{"message":"from the shell"}"#])
            .await
            .contains("from the shell")
    );
    server.stop().await;
    let mut client = home.connect(&["demo"]);
    let answer = client.initialize().await;
    assert_eq!(answer["result"]["serverInfo"]["name"], "drawbridge-demo", "its name was remembered");
    assert!(client.tools().await.contains(&"echo_message".to_owned()));
}
