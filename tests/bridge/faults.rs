//! Bad input from the client and bad answers from the server: each has its sentence, and the
//! session goes on.

use demo_server::{Answers, Config, DemoServer, Fault, Plan};
use serde_json::json;

use crate::support::{Client, Home, session, session_with, text};

async fn still_works(client: &mut Client) {
    let echo = client.call("echo_message", json!({ "message": "still here" })).await;
    assert!(text(&echo).contains("still here"), "{echo}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn garbage_on_stdin_is_answered_and_ends_nothing() {
    let (_server, _home, mut client) = session().await;
    client.send("this is no JSON").await;
    assert_eq!(client.message().await["error"]["code"], -32700);
    client.send(r#"{"jsonrpc":"2.0","id":77}"#).await;
    let answer = client.message().await;
    assert_eq!((&answer["id"], &answer["error"]["code"]), (&json!(77), &json!(-32600)));
    client.send("42").await;
    assert_eq!(client.message().await["error"]["code"], -32600);
    client.send("").await;
    client.send("   ").await;
    still_works(&mut client).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn an_oversized_line_is_answered_by_its_id() {
    let (_server, _home, mut client) = session().await;
    let padding = "x".repeat(65 * 1024 * 1024);
    client
        .send(&format!(
            r#"{{"jsonrpc":"2.0","method":"tools/call","params":{{"a":"{padding}"}},"id":"big one"}}"#
        ))
        .await;
    let answer = client.message().await;
    assert_eq!(answer["id"], "big one");
    assert!(answer["error"]["message"].as_str().expect("a sentence").contains("64 MiB"));
    still_works(&mut client).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn each_bad_answer_has_its_own_sentence_and_the_session_goes_on() {
    let (server, _home, mut client) =
        session_with(Config { answers: Answers::Json, ..Config::default() }).await;
    let mut sentences = Vec::new();
    for fault in [
        Fault::NotMcp,
        Fault::InvalidJson,
        Fault::DropMidBody,
        Fault::Status { code: 500, retry_after: None },
        Fault::Status { code: 429, retry_after: Some(7) },
    ] {
        server.control().fault_on("tools/call", fault.clone());
        let answer = client.call("echo_message", json!({ "message": "x" })).await;
        assert_eq!(answer["result"]["isError"], true, "{fault:?}: {answer}");
        let sentence = text(&answer).to_owned();
        assert!(!sentences.contains(&sentence), "{sentence}");
        sentences.push(sentence);
        still_works(&mut client).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_forgotten_session_is_opened_again_behind_the_clients_back() {
    let (server, _home, mut client) = session().await;
    let sessions = server.control().stats().initialize;
    server.control().kill_sessions().await;
    still_works(&mut client).await;
    assert_eq!(server.control().stats().initialize, sessions + 1);
    server.control().wait_for(|stats| stats.open_streams == 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_cancelled_call_frees_the_client_and_tells_the_server() {
    let (server, _home, mut client) = session().await;
    let call = client.ask("tools/call", json!({ "name": "slow", "arguments": { "seconds": 600 } })).await;
    server.control().wait_for(|stats| stats.method("tools/call") == 1).await;
    let cancel =
        json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": call } });
    client.send(&cancel.to_string()).await;
    server.control().wait_for(|stats| stats.method("notifications/cancelled") == 1).await;
    still_works(&mut client).await;
    assert_eq!(client.close().await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn sixty_four_calls_at_once_all_come_back() {
    let (_server, _home, mut client) = session().await;
    let mut waiting = Vec::new();
    for number in 0..64 {
        let params = json!({ "name": "echo_message", "arguments": { "message": format!("n{number}.") } });
        waiting.push((client.ask("tools/call", params).await, format!("n{number}.")));
    }
    let mut answers = std::collections::HashMap::new();
    while answers.len() < waiting.len() {
        let message = client.message().await;
        if let Some(id) = message["id"].as_i64() {
            assert!(answers.insert(id, message).is_none(), "an answer came twice");
        }
    }
    for (id, number) in waiting {
        assert!(text(&answers[&id]).contains(&number));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_name_nobody_knows_is_said_over_mcp() {
    let home = Home::new();
    let mut client = home.connect(&["nowhere"]);
    let answer = client.initialize().await;
    let sentence = answer["error"]["message"].as_str().expect("a sentence");
    assert!(sentence.contains("nowhere") && sentence.contains("drawbridge add"), "{sentence}");
    let list = client.request("tools/list", json!({})).await;
    assert!(list["error"].is_object());
    assert_eq!(client.close().await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_server_that_is_a_web_page_is_named_as_such() {
    let (server, _home, _client) = session().await;
    let home = Home::new();
    server.control().plan(demo_server::Plan { fault: Fault::NotMcp, method: None, times: 100 });
    let mut client = home.connect(&[server.url().as_str()]);
    let answer = client.initialize().await;
    let sentence = answer["result"]["instructions"].as_str().expect("a sentence");
    assert!(sentence.contains("MCP"), "{sentence}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn bytes_that_are_no_text_end_nothing() {
    let (server, home, mut client) = session().await;
    let host = home.host_pid().await;
    client.send_bytes(b"{\"jsonrpc\":\"2.0\",\"id\":5,\"method\":\"vendor/x\",\"params\":\"\xff\"}\n").await;
    assert_eq!(client.message().await["error"]["code"], -32700);
    server.control().script("vendor/y", &b"{\"x\":\"\xff\"}"[..], false);
    let answer = client.request("vendor/y", json!({})).await;
    assert!(answer["error"]["message"].is_string(), "{answer}");
    still_works(&mut client).await;
    assert_eq!(home.host_pid().await, host);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_server_that_knows_no_stream_keeps_its_one_session() {
    let server = DemoServer::start(Config::default()).await.expect("a server");
    let no_stream = Fault::Status { code: 404, retry_after: None };
    server.control().plan(Plan { fault: no_stream, method: Some("GET".into()), times: 1000 });
    let home = Home::new();
    home.add("demo", &server.url()).await;
    server.control().clear_stats();
    let mut client = home.connect(&["demo"]);
    client.initialize().await;
    server.control().wait_for(|stats| stats.method("GET") == 1).await;
    for word in ["one", "two", "three"] {
        assert_eq!(text(&client.call("echo_message", json!({ "message": word })).await), word);
    }
    let stats = server.control().stats();
    assert_eq!((stats.initialize, stats.method("GET")), (1, 1));
    assert_eq!(client.close().await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn tools_that_changed_while_the_session_was_lost_are_told_of() {
    let (server, _home, mut client) = session().await;
    client.tools().await;
    server.control().wait_for(|stats| stats.open_streams == 1).await;
    server.control().fault_on("initialize", Fault::Stall);
    server.control().kill_sessions().await;
    server.control().wait_for(|stats| stats.stalled == 1).await;
    server.control().add_tool("meanwhile");
    server.control().release_stalled();
    client.notification("notifications/tools/list_changed").await;
    assert!(client.tools().await.contains(&"meanwhile".to_owned()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_list_of_several_pages_is_read_to_its_end_before_the_client_hears_of_it() {
    let server = DemoServer::start(Config::default()).await.expect("a server");
    let mut home = Home::new();
    home.set("DRAWBRIDGE_START_BUDGET", "1");
    home.add("demo", &server.url()).await;
    let tool = |name: &str| json!({ "name": name, "inputSchema": { "type": "object" } });
    let first = json!({ "tools": [tool("one")], "nextCursor": "2" }).to_string();
    let last = json!({ "tools": [tool("two")] }).to_string();
    server.control().fault_on("initialize", Fault::Stall);
    let mut client = home.connect(&["demo"]);
    client.initialize().await;
    client.tools().await;
    server.control().script("tools/list", first.clone(), false);
    server.control().script("tools/list", last.clone(), false);
    server.control().release_stalled();
    client.notification("notifications/tools/list_changed").await;

    server.control().script("tools/list", first, false);
    server.control().script("tools/list", last, false);
    let page = client.request("tools/list", json!({})).await;
    assert_eq!(page["result"]["tools"][0]["name"], "one");
    let page = client.request("tools/list", json!({ "cursor": page["result"]["nextCursor"] })).await;
    assert_eq!(page["result"]["tools"][0]["name"], "two");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_further_page_that_hangs_does_not_give_the_first_ones_again() {
    let server = DemoServer::start(Config::default()).await.expect("a server");
    let mut home = Home::new();
    home.set("DRAWBRIDGE_START_BUDGET", "1");
    home.add("demo", &server.url()).await;
    let mut client = home.connect(&["demo"]);
    client.initialize().await;
    let tool = |name: &str| json!({ "name": name, "inputSchema": { "type": "object" } });
    let first = json!({ "tools": [tool("one")], "nextCursor": "2" }).to_string();
    server.control().script("tools/list", first, false);
    let page = client.request("tools/list", json!({})).await;
    assert_eq!(page["result"]["nextCursor"], "2");
    server.control().fault_on("tools/list", Fault::Stall);
    let rest = client.request("tools/list", json!({ "cursor": "2" })).await;
    assert_eq!(rest["result"], json!({ "tools": [] }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_list_that_hangs_in_the_middle_of_a_session_is_answered_from_memory() {
    let server = DemoServer::start(Config::default()).await.expect("a server");
    let mut home = Home::new();
    home.set("DRAWBRIDGE_START_BUDGET", "1");
    home.add("demo", &server.url()).await;
    let mut client = home.connect(&["demo"]);
    client.initialize().await;
    server.control().fault_on("tools/list", Fault::Stall);
    server.control().add_tool("brand_new");
    assert!(client.tools().await.contains(&"echo_message".to_owned()));
    server.control().release_stalled();
    client.notification("notifications/tools/list_changed").await;
    assert!(client.tools().await.contains(&"brand_new".to_owned()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn an_answer_that_names_another_request_or_none_leaves_none_unanswered() {
    for (answers, as_sse) in [(Answers::Json, false), (Answers::Sse, true)] {
        let (server, _home, mut client) = session_with(Config { answers, ..Config::default() }).await;
        for id in ["4711", "null", r#""drawbridge-1""#] {
            server.control().script_for("tools/call", id, r#"{"content":[],"foreign":true}"#, as_sse);
            let call = client.ask("tools/call", json!({ "name": "echo_message", "arguments": {} })).await;
            let (answer, before) = client.answer_to(call).await;
            assert_eq!(before, Vec::<serde_json::Value>::new(), "the foreign answer goes nowhere");
            assert_eq!(answer["result"]["isError"], true, "{id}: {answer}");
            assert!(answer["result"]["foreign"].is_null(), "{id}: {answer}");
            still_works(&mut client).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_server_that_asks_for_patience_is_left_alone() {
    let server = DemoServer::start(Config::default()).await.expect("a server");
    let home = Home::new();
    home.add("demo", &server.url()).await;
    server.control().clear_stats();
    let busy = Fault::Status { code: 503, retry_after: Some(3600) };
    server.control().plan(demo_server::Plan { fault: busy, method: None, times: 100 });
    let mut client = home.connect(&["demo"]);
    let answer = client.initialize().await;
    assert!(
        answer["result"]["instructions"].as_str().is_some_and(|said| said.contains("3600 s")),
        "{answer}"
    );
    for _ in 0..3 {
        let call = client.call("echo_message", json!({ "message": "x" })).await;
        assert!(text(&call).contains("3600 s"), "{call}");
    }
    assert_eq!(
        server.control().stats().requests.values().sum::<u64>(),
        1,
        "asked once, and not for every call"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_call_waits_as_long_as_the_server_asks_for() {
    let server = DemoServer::start(Config::default()).await.expect("a server");
    let home = Home::new();
    home.add("demo", &server.url()).await;
    let busy = Fault::Status { code: 429, retry_after: Some(1) };
    server.control().plan(demo_server::Plan { fault: busy, method: None, times: 1 });
    let mut client = home.connect(&["demo"]);
    client.initialize().await;
    still_works(&mut client).await;
}
