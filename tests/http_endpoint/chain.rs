//! A Drawbridge behind a Drawbridge: what the inner one has its clients come back with is not the outer one's.

use demo_server::{Config, DemoServer, Eras};
use serde_json::{Value, json};

use crate::client::{Local, with_demo};
use crate::support::{Client, Home, finish_sign_in, text};

/// A client of a Drawbridge to which the endpoint of another one is a server like any.
async fn behind(inner: &Home) -> (Home, Client) {
    let local = Local::add(inner, "outer").await;
    let outer = Home::new();
    let token = outer.path().with_file_name("token");
    std::fs::write(&token, &local.token).expect("written");
    let bearer = format!("file:{}", token.display());
    outer.ok(&["add", "inner", &format!("{}/demo", local.base), "--bearer", &bearer]).await;
    let client = outer.connect(&["inner"]);
    (outer, client)
}

async fn call(client: &mut Client, tool: &str, added: Value) -> Value {
    let mut params = json!({
        "name": tool,
        "arguments": {},
        "_meta": {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": { "name": "modern", "version": "1" },
            "io.modelcontextprotocol/clientCapabilities": { "elicitation": { "form": {}, "url": {} } },
        },
    });
    let added = added.as_object().cloned().unwrap_or_default();
    added.into_iter().for_each(|(key, value)| params[key] = value);
    client.request("tools/call", params).await
}

fn coming_back(asked: &Value, key: &str, answer: Value) -> Value {
    assert_eq!(asked["result"]["resultType"], "input_required", "{asked}");
    json!({ "requestState": asked["result"]["requestState"], "inputResponses": { key: answer } })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_call_that_the_inner_one_holds_is_gone_on_with_there() {
    let (server, inner) = with_demo(Config { eras: Eras::Legacy, ..Config::default() }).await;
    let (_outer, mut client) = behind(&inner).await;
    let asked = call(&mut client, "elicit", json!({})).await;
    let accept = json!({ "action": "accept", "content": { "colour": "red" } });
    let answer = call(&mut client, "elicit", coming_back(&asked, "1", accept)).await;
    assert_eq!(text(&answer), "You like red.", "{answer}");
    assert_eq!(server.control().stats().method("tools/call"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_sign_in_that_the_inner_one_waits_for_is_gone_on_with_there() {
    let server = DemoServer::start(Config { eras: Eras::Modern, ..Config::oauth() }).await.expect("a server");
    let mut inner = Home::new();
    inner.add("demo", &server.url()).await;
    inner.log_in("demo").await;
    inner.ok(&["logout", "demo"]).await;
    let (_outer, mut client) = behind(&inner).await;
    let asked = call(&mut client, "user_profile", json!({})).await;
    let accept = json!({ "action": "accept" });
    let retry = coming_back(&asked, "drawbridge_sign_in", accept);
    let page = &asked["result"]["inputRequests"]["drawbridge_sign_in"]["params"]["url"];
    finish_sign_in(page.as_str().expect("an address").parse().expect("a URL"), "demo", "demo123").await;
    let answer = call(&mut client, "user_profile", retry).await;
    assert!(text(&answer).contains("demo"), "{answer}");
}
