//! Sign-ins that the client shows the page of (URL-mode elicitation), in both eras.

use demo_server::{Config, DemoServer, Eras};
use serde_json::{Value, json};
use url::Url;

use crate::support::{Client, Home, finish_sign_in, text};

/// A server that its only account was signed out of by hand, so that nothing opens by itself.
async fn signed_out(eras: Eras) -> (DemoServer, Home) {
    let server = DemoServer::start(Config { eras, ..Config::oauth() }).await.expect("a server");
    let mut home = Home::new();
    home.add("demo", &server.url()).await;
    home.log_in("demo").await;
    home.ok(&["logout", "demo"]).await;
    (server, home)
}

async fn legacy_client(home: &Home) -> Client {
    let mut client = home.connect(&["demo"]);
    let params = json!({
        "protocolVersion": "2025-11-25",
        "capabilities": { "elicitation": { "url": {} } },
        "clientInfo": { "name": "shows pages", "version": "1" },
    });
    client.request("initialize", params).await;
    client.send(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#).await;
    client
}

async fn question(client: &mut Client) -> Value {
    let question = client.notification("elicitation/create").await;
    assert_eq!(question["params"]["mode"], "url", "{question}");
    question
}

async fn answer(client: &mut Client, question: &Value, action: &str) {
    let answer = json!({ "jsonrpc": "2.0", "id": question["id"], "result": { "action": action } });
    client.send(&answer.to_string()).await;
}

/// Where a question leads: to a page of ours on this computer.
fn page(params: &Value) -> Url {
    let page = Url::parse(params["url"].as_str().expect("an address")).expect("a URL");
    assert!(page.path().starts_with("/sign-in/"), "{page}");
    assert!(matches!(page.host_str(), Some("127.0.0.1" | "localhost")), "{page}");
    page
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_legacy_client_shows_the_page_and_its_call_goes_on() {
    for eras in [Eras::Legacy, Eras::Modern] {
        let (_server, mut home) = signed_out(eras).await;
        let mut client = legacy_client(&home).await;
        let call = client.ask("tools/call", json!({ "name": "user_profile", "arguments": {} })).await;
        let question = question(&mut client).await;
        answer(&mut client, &question, "accept").await;
        finish_sign_in(page(&question["params"]), "demo", "demo123").await;
        let (answer, before) = client.answer_to(call).await;
        assert!(text(&answer).contains("demo"), "{answer}");
        let done = before.iter().find(|message| message["method"] == "notifications/elicitation/complete");
        let done = done.unwrap_or_else(|| panic!("the client is not told: {before:?}"));
        assert_eq!(done["params"]["elicitationId"], question["params"]["elicitationId"]);
        assert!(!home.has_opened_page().await, "the client shows it, nobody else");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_no_of_a_legacy_client_is_a_no_until_our_tool_is_called() {
    let (_server, mut home) = signed_out(Eras::Legacy).await;
    let mut client = legacy_client(&home).await;
    let call = client.ask("tools/call", json!({ "name": "user_profile", "arguments": {} })).await;
    let asked = question(&mut client).await;
    answer(&mut client, &asked, "decline").await;
    let (refused, _) = client.answer_to(call).await;
    assert_eq!(refused["result"]["isError"], true, "{refused}");
    assert!(text(&refused).contains("drawbridge login demo"), "{refused}");

    let call = client.ask("tools/call", json!({ "name": "user_profile", "arguments": {} })).await;
    let (refused, before) = client.answer_to(call).await;
    assert_eq!(refused["result"]["isError"], true, "{refused}");
    assert!(before.iter().all(|message| message["method"] != "elicitation/create"), "{before:?}");

    let call = client.ask("tools/call", json!({ "name": "drawbridge_sign_in", "arguments": {} })).await;
    let asked = question(&mut client).await;
    answer(&mut client, &asked, "accept").await;
    finish_sign_in(page(&asked["params"]), "demo", "demo123").await;
    assert!(text(&client.answer_to(call).await.0).contains("Signed in"));
    assert!(!home.has_opened_page().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_client_shows_the_first_page_where_no_browser_can() {
    let server = DemoServer::start(Config::oauth()).await.expect("a server");
    let mut home = Home::new();
    home.set("BROWSER", "/nowhere/browser");
    home.add("demo", &server.url()).await;
    let mut client = legacy_client(&home).await;
    client.request("tools/list", json!({})).await;
    let call = client.ask("tools/call", json!({ "name": "user_profile", "arguments": {} })).await;
    let question = question(&mut client).await;
    answer(&mut client, &question, "accept").await;
    finish_sign_in(page(&question["params"]), "demo", "demo123").await;
    let (answer, _) = client.answer_to(call).await;
    assert!(text(&answer).contains("demo"), "{answer}");
}

/// A modern call, with what a retry adds.
async fn modern_call(client: &mut Client, added: Value) -> Value {
    modern_call_of("user_profile", client, added).await
}

async fn modern_call_of(tool: &str, client: &mut Client, added: Value) -> Value {
    let mut params = json!({
        "name": tool,
        "arguments": {},
        "_meta": {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": { "name": "shows pages", "version": "1" },
            "io.modelcontextprotocol/clientCapabilities": { "elicitation": { "url": {} } },
        },
    });
    let added = added.as_object().cloned().unwrap_or_default();
    added.into_iter().for_each(|(key, value)| params[key] = value);
    client.request("tools/call", params).await
}

fn coming_back(asked: &Value, action: &str) -> Value {
    let key = "drawbridge_sign_in";
    json!({ "requestState": asked["result"]["requestState"], "inputResponses": { key: { "action": action } } })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_modern_client_shows_the_page_and_comes_back() {
    for eras in [Eras::Modern, Eras::Legacy] {
        let (server, mut home) = signed_out(eras).await;
        let mut client = home.connect(&["demo"]);
        let asked = modern_call(&mut client, json!({})).await;
        assert_eq!(asked["result"]["resultType"], "input_required", "{asked}");
        let params = &asked["result"]["inputRequests"]["drawbridge_sign_in"]["params"];
        assert_eq!(params["mode"], "url", "{asked}");
        finish_sign_in(page(params), "demo", "demo123").await;
        let answer = modern_call(&mut client, coming_back(&asked, "accept")).await;
        assert!(text(&answer).contains("demo"), "{answer}");

        let again = modern_call(&mut client, coming_back(&asked, "accept")).await;
        assert!(again.to_string().contains("may or may not have run"), "a state is of one use: {again}");
        let calls: Vec<_> =
            server.control().journal().into_iter().filter(|seen| seen.mcp_name.is_some()).collect();
        for call in calls.iter().filter(|call| call.method.as_deref() == Some("tools/call")) {
            let body = String::from_utf8_lossy(&call.body);
            assert!(!body.contains("requestState") && !body.contains("inputResponses"), "{body}");
        }
        assert!(!home.has_opened_page().await, "the client shows it, nobody else");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_no_of_a_modern_client_ends_the_call_and_the_sign_in() {
    let (_server, mut home) = signed_out(Eras::Modern).await;
    let mut client = home.connect(&["demo"]);
    let asked = modern_call(&mut client, json!({})).await;
    let refused = modern_call(&mut client, coming_back(&asked, "decline")).await;
    assert_eq!(refused["result"]["isError"], true, "{refused}");
    assert!(text(&refused).contains("drawbridge login demo"), "{refused}");
    let again = modern_call(&mut client, json!({})).await;
    assert_eq!(again["result"]["isError"], true, "a no is a no: {again}");
    assert!(!home.has_opened_page().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_page_that_nobody_opened_bars_no_other_client() {
    let (_server, home) = signed_out(Eras::Modern).await;
    let mut leaver = home.connect(&["demo"]);
    let asked = modern_call(&mut leaver, json!({})).await;
    assert_eq!(asked["result"]["resultType"], "input_required", "{asked}");
    leaver.close().await;

    let mut client = home.connect(&["demo"]);
    let asked = modern_call_of("drawbridge_sign_in", &mut client, json!({})).await;
    let params = &asked["result"]["inputRequests"]["drawbridge_sign_in"]["params"];
    finish_sign_in(page(params), "demo", "demo123").await;
    let answer = modern_call_of("drawbridge_sign_in", &mut client, coming_back(&asked, "accept")).await;
    assert!(text(&answer).contains("Signed in to demo"), "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn who_has_signed_in_otherwise_need_not_open_the_page() {
    let (_server, mut home) = signed_out(Eras::Modern).await;
    let mut client = home.connect(&["demo"]);
    let asked = modern_call(&mut client, json!({})).await;
    home.log_in("demo").await;
    let answer = modern_call(&mut client, coming_back(&asked, "cancel")).await;
    assert!(text(&answer).contains("demo") && answer["result"]["isError"] != true, "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_sign_in_in_the_midst_of_a_call_leaves_the_server_its_state_and_the_answers() {
    let config = Config { eras: Eras::Modern, ..Config::oauth() };
    let server = DemoServer::start(config).await.expect("a server");
    let mut home = Home::new();
    home.add("demo", &server.url()).await;
    home.log_in("demo").await;
    let mut client = home.connect(&["demo"]);
    let page_first = r#"{"mode":"url","message":"m","url":"https://example.com/"}"#;
    let asks = format!(
        r#"{{"resultType":"input_required","requestState":"its own","inputRequests":{{"k":{{"method":"elicitation/create","params":{page_first}}}}}}}"#
    );
    server.control().script("tools/call", asks, false);
    let asked = modern_call(&mut client, json!({})).await;
    assert_eq!(asked["result"]["requestState"], "its own", "{asked}");

    server.control().revoke_tokens(None);
    let answers = json!({ "k": { "action": "accept" } });
    let retry = json!({ "requestState": "its own", "inputResponses": answers });
    let sign_in = modern_call(&mut client, retry).await;
    let params = &sign_in["result"]["inputRequests"]["drawbridge_sign_in"]["params"];
    finish_sign_in(page(params), "demo", "demo123").await;
    server.control().clear_journal();
    let answer = modern_call(&mut client, coming_back(&sign_in, "accept")).await;
    assert!(text(&answer).contains("demo"), "{answer}");

    let journal = server.control().journal();
    let calls = journal.iter().filter(|seen| seen.method.as_deref() == Some("tools/call"));
    let calls: Vec<Value> = calls.map(|seen| serde_json::from_slice(&seen.body).expect("JSON")).collect();
    assert_eq!(calls.len(), 1, "{calls:?}");
    assert_eq!(calls[0]["params"]["requestState"], "its own", "{calls:?}");
    assert_eq!(calls[0]["params"]["inputResponses"], answers, "{calls:?}");
}
