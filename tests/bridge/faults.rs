//! Bad input from the client and bad answers from the server: each has its sentence, and the
//! session goes on.

use demo_server::{Answers, Config, DemoServer, Fault};
use serde_json::json;

use crate::support::{Client, Home, text};

async fn session() -> (DemoServer, Home, Client) {
    let server = DemoServer::start(Config::default()).await.expect("a server");
    let home = Home::new();
    home.add("demo", &server.url()).await;
    let mut client = home.connect(&["demo"]);
    client.initialize().await;
    client.tools().await;
    (server, home, client)
}

async fn still_works(client: &mut Client) {
    let echo = client.call("echo_message", json!({ "message": "still here" })).await;
    assert!(text(&echo).contains("still here"), "{echo}");
}

#[tokio::test]
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

#[tokio::test]
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

#[tokio::test]
async fn each_bad_answer_has_its_own_sentence_and_the_session_goes_on() {
    let server =
        DemoServer::start(Config { answers: Answers::Json, ..Config::default() }).await.expect("a server");
    let home = Home::new();
    home.add("demo", &server.url()).await;
    let mut client = home.connect(&["demo"]);
    client.initialize().await;
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

#[tokio::test]
async fn a_forgotten_session_is_opened_again_behind_the_clients_back() {
    let (server, _home, mut client) = session().await;
    let sessions = server.control().stats().initialize;
    server.control().kill_sessions().await;
    still_works(&mut client).await;
    assert_eq!(server.control().stats().initialize, sessions + 1);
    server.control().wait_for(|stats| stats.open_streams == 1).await;
}

#[tokio::test]
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

#[tokio::test]
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

#[tokio::test]
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

#[tokio::test]
async fn a_server_that_is_a_web_page_is_named_as_such() {
    let (server, _home, _client) = session().await;
    let home = Home::new();
    server.control().plan(demo_server::Plan { fault: Fault::NotMcp, method: None, times: 100 });
    let mut client = home.connect(&[server.url().as_str()]);
    let answer = client.initialize().await;
    let sentence = answer["result"]["instructions"].as_str().expect("a sentence");
    assert!(sentence.contains("MCP"), "{sentence}");
}
