//! A modern client (2026-07-28) with a server that speaks only the older versions.

use demo_server::{Config, DemoServer, Eras, JournalEntry, Stats};
use serde_json::{Value, json};

use crate::support::{Client, Home, text};

const SUBSCRIPTION: &str = "io.modelcontextprotocol/subscriptionId";

async fn legacy_server() -> DemoServer {
    DemoServer::start(Config { eras: Eras::Legacy, ..Config::default() }).await.expect("a server")
}

async fn session() -> (DemoServer, Home, Client) {
    let server = legacy_server().await;
    let home = Home::new();
    let client = home.connect(&[server.url().as_str()]);
    (server, home, client)
}

/// Parameters that say who asks and what it can do.
fn with_meta(mut params: Value, capabilities: &Value) -> Value {
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": { "name": "modern", "version": "1" },
        "io.modelcontextprotocol/clientCapabilities": capabilities,
    });
    let given = params["_meta"].as_object().cloned().unwrap_or_default();
    params["_meta"] = meta;
    given.into_iter().for_each(|(key, value)| params["_meta"][key] = value);
    params
}

async fn ask(client: &mut Client, method: &str, params: Value) -> i64 {
    client.ask(method, with_meta(params, &json!({ "elicitation": {}, "sampling": {} }))).await
}

async fn request(client: &mut Client, method: &str, params: Value) -> Value {
    let id = ask(client, method, params).await;
    client.answer_to(id).await.0
}

async fn call(client: &mut Client, tool: &str, arguments: Value) -> Value {
    request(client, "tools/call", json!({ "name": tool, "arguments": arguments })).await
}

fn seen(server: &DemoServer, method: &str) -> Vec<JournalEntry> {
    let journal = server.control().journal();
    journal.into_iter().filter(|entry| entry.method.as_deref() == Some(method)).collect()
}

fn body(entry: &JournalEntry) -> Value {
    serde_json::from_slice(&entry.body).expect("JSON")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_modern_client_uses_a_legacy_server_in_one_session() {
    let (server, _home, mut client) = session().await;
    let discovered = request(&mut client, "server/discover", json!({})).await;
    let result = &discovered["result"];
    assert_eq!(result["supportedVersions"], json!(["2026-07-28"]), "{discovered}");
    assert_eq!(result["_meta"]["io.modelcontextprotocol/serverInfo"]["name"], "drawbridge-demo");
    assert_eq!(result["resultType"], "complete");
    assert!(result.get("protocolVersion").is_none() && result["ttlMs"].is_u64(), "{discovered}");
    let tools = request(&mut client, "tools/list", json!({})).await;
    assert!(tools["result"]["tools"].to_string().contains("echo_message"));
    assert_eq!((&tools["result"]["ttlMs"], &tools["result"]["cacheScope"]), (&json!(0), &json!("private")));
    let echo = call(&mut client, "echo_message", json!({ "message": "hello" })).await;
    assert_eq!((text(&echo), &echo["result"]["resultType"]), ("hello", &json!("complete")));
    let missing = request(&mut client, "resources/read", json!({ "uri": "demo://none" })).await;
    assert_eq!(missing["error"]["code"], -32602, "{missing}");

    let stats = server.control().stats();
    assert_eq!((stats.initialize, stats.open_sessions), (1, 1));
    let hello = body(&seen(&server, "initialize")[0]);
    assert_eq!(hello["params"]["clientInfo"], json!({ "name": "modern", "version": "1" }));
    assert_eq!(hello["params"]["capabilities"], json!({ "elicitation": {}, "sampling": {} }));
    let arrived = &seen(&server, "tools/call")[0];
    assert!(body(arrived)["params"].get("_meta").is_none());
    assert_eq!((arrived.mcp_method.as_deref(), arrived.session_id.is_some()), (None, true));
    assert_eq!(client.close().await, 0);
    server.control().wait_for(|stats| stats.open_sessions == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_legacy_servers_question_comes_as_a_result_and_its_call_is_held() {
    for path in ["mcp", "sse"] {
        let server = legacy_server().await;
        let home = Home::new();
        let url = server.url().join(&format!("/{path}")).expect("a URL");
        let mut client = home.connect(&[url.as_str()]);
        let asked = call(&mut client, "elicit", json!({})).await;
        let result = &asked["result"];
        assert_eq!(result["resultType"], "input_required", "{path}: {asked}");
        let (key, question) =
            result["inputRequests"].as_object().expect("questions").iter().next().expect("one");
        assert_eq!(question["method"], "elicitation/create");
        assert!(question["params"]["requestedSchema"].is_object(), "{asked}");

        let mut retry = json!({ "name": "elicit", "arguments": {}, "requestState": result["requestState"] });
        retry["inputResponses"][key] = json!({ "action": "accept", "content": { "colour": "green" } });
        let answer = request(&mut client, "tools/call", retry.clone()).await;
        assert_eq!(text(&answer), "You like green.", "{path}");
        assert_eq!(server.control().stats().method("tools/call"), 1, "it ran once");

        let again = request(&mut client, "tools/call", retry).await;
        assert_eq!(again["result"]["isError"], true, "{again}");
        assert!(text(&again).contains("may or may not have run"), "{again}");
        assert_eq!(server.control().stats().method("tools/call"), 1, "a state is of one use");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_held_call_comes_to_its_end_while_servers_are_left_alone() {
    let (server, home, mut client) = session().await;
    let asked = call(&mut client, "elicit", json!({})).await;
    let result = &asked["result"];
    home.ok(&["pause"]).await;
    let mut retry = json!({ "name": "elicit", "arguments": {}, "requestState": result["requestState"] });
    let key = result["inputRequests"].as_object().and_then(|asked| asked.keys().next()).expect("a question");
    retry["inputResponses"][key] = json!({ "action": "accept", "content": { "colour": "green" } });
    let answer = request(&mut client, "tools/call", retry).await;
    assert_eq!(text(&answer), "You like green.");
    assert_eq!(server.control().stats().method("tools/call"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_state_is_of_its_own_request_only() {
    let (server, _home, mut client) = session().await;
    let asked = call(&mut client, "sample", json!({})).await;
    let state = asked["result"]["requestState"].clone();
    let other = json!({ "name": "echo_message", "arguments": { "message": "x" }, "requestState": state });
    let refused = request(&mut client, "tools/call", other).await;
    assert_eq!(refused["result"]["isError"], true, "{refused}");
    server.control().wait_for(|stats| stats.method("notifications/cancelled") == 1).await;
    assert_eq!(server.control().stats().method("tools/call"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn what_the_client_cannot_do_is_not_declared() {
    let (server, _home, mut client) = session().await;
    let params = with_meta(json!({ "name": "elicit", "arguments": {} }), &json!({}));
    let answer = client.request("tools/call", params).await;
    assert_eq!(text(&answer), "Your client cannot be asked.");
    assert_eq!(body(&seen(&server, "initialize")[0])["params"]["capabilities"], json!({}));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn subscriptions_hear_what_the_server_tells_and_nothing_else() {
    let (server, _home, mut client) = session().await;
    let wanted =
        json!({ "notifications": { "toolsListChanged": true, "resourceSubscriptions": ["demo://welcome"] } });
    let lists = ask(&mut client, "subscriptions/listen", wanted.clone()).await;
    let acknowledged = client.message().await;
    assert_eq!(acknowledged["method"], "notifications/subscriptions/acknowledged", "{acknowledged}");
    assert_eq!(acknowledged["params"]["_meta"][SUBSCRIPTION], lists);
    assert_eq!(acknowledged["params"]["notifications"], wanted["notifications"]);
    server
        .control()
        .wait_for(|stats| stats.open_streams == 1 && stats.method("resources/subscribe") == 1)
        .await;

    server.control().set_prompts_changed();
    server.control().set_resource_updated("demo://stats");
    server.control().set_resource_updated("demo://welcome");
    let updated = client.message().await;
    assert_eq!(updated["method"], "notifications/resources/updated", "{updated}");
    assert_eq!(updated["params"]["_meta"][SUBSCRIPTION], lists);
    server.control().add_tool("brand_new");
    assert_eq!(client.message().await["method"], "notifications/tools/list_changed");

    let cancel =
        json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": lists } });
    client.send(&cancel.to_string()).await;
    server.control().wait_for(|stats| stats.method("resources/unsubscribe") == 1).await;
    server.control().add_tool("another");
    let echo = call(&mut client, "echo_message", json!({ "message": "quiet" })).await;
    assert_eq!(text(&echo), "quiet");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn progress_comes_under_the_clients_token_and_cancelling_reaches_the_server() {
    let (server, _home, mut client) = session().await;
    let params = json!({ "name": "progress", "arguments": {}, "_meta": { "progressToken": "mine" } });
    let id = ask(&mut client, "tools/call", params).await;
    let (answer, progress) = client.answer_to(id).await;
    assert_eq!(text(&answer), "3 steps done");
    assert_eq!(progress.len(), 3);
    assert!(progress.iter().all(|message| message["params"]["progressToken"] == "mine"), "{progress:?}");

    let slow =
        ask(&mut client, "tools/call", json!({ "name": "slow", "arguments": { "until_released": true } }))
            .await;
    server.control().wait_for(|stats| stats.stalled == 1).await;
    let cancel =
        json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": slow } });
    client.send(&cancel.to_string()).await;
    server.control().wait_for(|stats| stats.stalled == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn log_messages_come_only_with_requests_that_want_them() {
    let (server, _home, mut client) = session().await;
    call(&mut client, "echo_message", json!({ "message": "x" })).await;
    server.control().wait_for(|stats| stats.open_streams == 1).await;
    let log = |level: &str| json!({ "jsonrpc": "2.0", "method": "notifications/message", "params": { "level": level, "data": level } });
    server.control().push(log("error").to_string());
    let behind_it = json!({ "jsonrpc": "2.0", "method": "notifications/vendor" });
    server.control().push(behind_it.to_string());
    assert_eq!(client.message().await, behind_it, "nobody wants log messages yet");
    let params = json!({
        "name": "slow",
        "arguments": { "until_released": true },
        "_meta": { "io.modelcontextprotocol/logLevel": "warning" },
    });
    let slow = ask(&mut client, "tools/call", params).await;
    server.control().wait_for(|stats| stats.stalled == 1).await;
    server.control().push(log("info").to_string());
    server.control().push(log("critical").to_string());
    let heard = client.message().await;
    assert_eq!(heard["params"]["data"], "critical", "{heard}");
    server.control().release_stalled();
    assert_eq!(text(&client.answer_to(slow).await.0), "done");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_session_that_expires_is_opened_again_with_its_subscriptions() {
    let (server, _home, mut client) = session().await;
    let wanted = json!({ "notifications": { "resourceSubscriptions": ["demo://welcome"] } });
    ask(&mut client, "subscriptions/listen", wanted).await;
    client.notification("notifications/subscriptions/acknowledged").await;
    server.control().wait_for(|stats| stats.open_streams == 1).await;
    server.control().kill_sessions().await;
    let echo = call(&mut client, "echo_message", json!({ "message": "still here" })).await;
    assert_eq!(text(&echo), "still here");
    let subscribed_again =
        |stats: &Stats| stats.method("resources/subscribe") == 2 && stats.open_streams == 1;
    server.control().wait_for(subscribed_again).await;
    server.control().set_resource_updated("demo://welcome");
    client.notification("notifications/resources/updated").await;
    assert_eq!(server.control().stats().initialize, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_server_of_both_eras_is_spoken_to_in_the_clients_own() {
    let server = DemoServer::start(Config::default()).await.expect("a server");
    let home = Home::new();
    home.add("demo", &server.url()).await;
    server.control().clear_stats();
    let mut client = home.connect(&["demo"]);
    let echo = call(&mut client, "echo_message", json!({ "message": "modern" })).await;
    assert_eq!(text(&echo), "modern");
    assert_eq!(server.control().stats().initialize, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn requests_that_do_not_say_who_asks_get_the_specifications_errors() {
    let (_server, _home, mut client) = session().await;
    call(&mut client, "echo_message", json!({ "message": "x" })).await;
    let bare = client.request("tools/list", json!({})).await;
    assert_eq!(bare["error"]["code"], -32602, "{bare}");
    let mut later = with_meta(json!({}), &json!({}));
    later["_meta"]["io.modelcontextprotocol/protocolVersion"] = "2099-01-01".into();
    let unsupported = client.request("tools/list", later).await;
    assert_eq!(unsupported["error"]["code"], -32022);
    assert_eq!(unsupported["error"]["data"]["supported"], json!(["2026-07-28"]));
    let gone = request(&mut client, "ping", json!({})).await;
    assert_eq!(gone["error"]["code"], -32601, "this era has no ping: {gone}");
}
