//! Requests that need more permission than the person gave: asked for, once, and told in a sentence where it is not given.

use demo_server::{Config, DemoServer};
use serde_json::json;

use crate::support::{Home, finish_sign_in, http, text};

async fn protected() -> DemoServer {
    DemoServer::start(Config::oauth()).await.expect("a server")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_call_that_needs_more_permission_asks_for_it_and_runs() {
    let server = protected().await;
    let mut home = Home::new();
    home.add("demo", &server.url()).await;
    let login = home.command(&["login", "demo"]).stdin(std::process::Stdio::null()).output();
    let (_, ()) = tokio::join!(login, home.sign_in("demo", "demo123"));
    let mut client = home.connect(&["demo"]);
    client.initialize().await;
    let call =
        client.ask("tools/call", json!({ "name": "web_search", "arguments": { "query": "bridge" } })).await;
    let page = home.opened_page().await;
    assert!(page.path().starts_with("/sign-in/"), "{page}");
    finish_sign_in(page, "demo", "demo123").await;
    let (answer, _) = client.answer_to(call).await;
    assert_ne!(answer["result"]["isError"], true, "{answer}");
    let stats = server.control().stats();
    assert_eq!((stats.insufficient_scope, stats.authorizations), (1, 2));
    assert!(!text(&client.call("user_profile", json!({})).await).is_empty(), "nothing was lost by it");
}

/// A server that needs more for this method than its account `demo` was allowed.
async fn signed_in_with_too_little_for(method: &str) -> (DemoServer, Home) {
    let server = protected().await;
    let mut home = Home::new();
    home.add("demo", &server.url()).await;
    assert!(home.log_in("demo").await.status.success());
    server.control().demand_scope(method, "web-search:read");
    (server, home)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_list_that_needs_more_permission_asks_for_it_and_comes() {
    let (server, mut home) = signed_in_with_too_little_for("tools/list").await;
    let mut client = home.connect(&["demo"]);
    client.initialize().await;
    let list = client.ask("tools/list", json!({})).await;
    finish_sign_in(home.opened_page().await, "demo", "demo123").await;
    let (answer, _) = client.answer_to(list).await;
    let tools = answer["result"]["tools"].as_array().expect("a list");
    assert!(tools.iter().any(|tool| tool["name"] == "user_profile"), "{answer}");
    let stats = server.control().stats();
    assert_eq!((stats.insufficient_scope, stats.authorizations), (1, 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_handshake_that_needs_more_permission_gets_it_for_the_first_list() {
    let (server, mut home) = signed_in_with_too_little_for("initialize").await;
    let mut client = home.connect(&["demo"]);
    let initialize = client.initialize().await;
    let instructions = initialize["result"]["instructions"].as_str().expect("a sentence");
    assert!(instructions.contains("more permission"), "{instructions}");
    let list = client.ask("tools/list", json!({})).await;
    finish_sign_in(home.opened_page().await, "demo", "demo123").await;
    let (answer, _) = client.answer_to(list).await;
    let tools = answer["result"]["tools"].as_array().expect("a list");
    assert!(tools.iter().any(|tool| tool["name"] == "user_profile"), "{answer}");
    assert!(!text(&client.call("user_profile", json!({})).await).is_empty());
    assert_eq!(server.control().stats().authorizations, 2);
    assert!(!home.has_opened_page().await, "one page only");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn who_does_not_allow_more_for_a_list_gets_a_sentence_and_no_second_page() {
    for method in ["tools/list", "initialize"] {
        let (_server, mut home) = signed_in_with_too_little_for(method).await;
        let mut client = home.connect(&["demo"]);
        client.initialize().await;
        let list = client.ask("tools/list", json!({})).await;
        let page = home.opened_page().await;
        let no = page.join(&format!("{}/cancel", page.path())).expect("a URL");
        http().post(no).send().await.expect("our page answers");
        client.answer_to(list).await;
        let again = client.request("tools/list", json!({})).await;
        let sentence = again["error"]["message"].as_str().unwrap_or_default();
        assert!(sentence.contains("more permission"), "{method}: {again}");
        assert!(!home.has_opened_page().await, "{method}: a no is a no");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn who_does_not_allow_more_gets_a_sentence_and_no_second_page() {
    let server = protected().await;
    let mut home = Home::new();
    home.add("demo", &server.url()).await;
    let login = home.command(&["login", "demo"]).stdin(std::process::Stdio::null()).output();
    let (_, ()) = tokio::join!(login, home.sign_in("demo", "demo123"));
    let mut client = home.connect(&["demo"]);
    client.initialize().await;
    let search = json!({ "name": "web_search", "arguments": { "query": "bridge" } });
    let call = client.ask("tools/call", search.clone()).await;
    let page = home.opened_page().await;
    let no = page.join(&format!("{}/cancel", page.path())).expect("a URL");
    http().post(no).send().await.expect("our page answers");
    client.answer_to(call).await;
    let again = client.request("tools/call", search).await;
    assert!(text(&again).contains("more permission"), "{again}");
    assert!(text(&again).contains("drawbridge login demo"), "{again}");
    assert!(!home.has_opened_page().await, "a no is a no");
    assert!(!text(&client.call("user_profile", json!({})).await).is_empty(), "still signed in");
}
