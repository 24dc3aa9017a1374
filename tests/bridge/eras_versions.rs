//! A legacy client with a legacy server of another version.

use demo_server::{Config, DemoServer, Eras};
use serde_json::{Value, json};

use crate::support::{Client, Home, text};

/// A client that asked for `asked` at a server that agrees to `agreed`.
async fn session(asked: &str, agreed: &str) -> (DemoServer, Home, Client, Value) {
    let server =
        DemoServer::start(Config { eras: Eras::Legacy, ..Config::default() }).await.expect("a server");
    let home = Home::new();
    let mut client = home.connect(&[server.url().as_str()]);
    let hello = json!({
        "protocolVersion": agreed,
        "capabilities": { "tools": {} },
        "serverInfo": { "name": "of another version", "version": "1" },
    });
    server.control().script("initialize", hello.to_string(), false);
    let params = json!({
        "protocolVersion": asked,
        "capabilities": { "elicitation": {} },
        "clientInfo": { "name": "test client", "version": "1" },
    });
    let answer = client.request("initialize", params).await;
    client.send(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#).await;
    (server, home, client, answer)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_client_is_told_the_version_it_asked_for() {
    for (asked, agreed) in
        [("2024-11-05", "2025-11-25"), ("2025-11-25", "2024-11-05"), ("2025-03-26", "2025-06-18")]
    {
        let (server, _home, mut client, answer) = session(asked, agreed).await;
        assert_eq!(answer["result"]["protocolVersion"], asked, "{answer}");
        assert_eq!(answer["result"]["serverInfo"]["name"], "of another version");
        assert!(client.tools().await.contains(&"echo_message".to_owned()));
        let journal = server.control().journal();
        let list =
            journal.iter().find(|entry| entry.method.as_deref() == Some("tools/list")).expect("it arrived");
        assert_eq!(list.protocol_version.as_deref(), Some(agreed), "the server hears its own");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn what_a_newer_server_says_is_fitted_to_an_older_client() {
    let (server, _home, mut client, _) = session("2024-11-05", "2025-11-25").await;
    let link = r#"{"content":[{"type":"resource_link","uri":"a:b","name":"n"}],"x":1.10}"#;
    server.control().script("tools/call", link, false);
    let answer = client.call("echo_message", json!({ "message": "x" })).await;
    assert_eq!(text(&answer), "n: a:b");
    server.control().script("tools/call", r#"{"structuredContent":{"a":1.10}}"#, true);
    let answer = client.call("echo_message", json!({ "message": "x" })).await;
    assert_eq!(text(&answer), r#"{"a":1.10}"#);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn questions_are_fitted_to_an_older_client() {
    let (_server, _home, mut client, _) = session("2025-06-18", "2025-11-25").await;
    client.ask("tools/call", json!({ "name": "elicit", "arguments": {} })).await;
    let question = client.notification("elicitation/create").await;
    assert!(question["params"].get("mode").is_none(), "{question}");
    assert!(question["params"]["requestedSchema"].is_object());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_client_of_the_servers_own_version_gets_its_bytes() {
    let (server, _home, mut client, _) = session("2025-06-18", "2025-06-18").await;
    let odd = r#"{"content":[{"type":"resource_link"} ],"structuredContent":[1.10]}"#;
    server.control().script("tools/call", odd, false);
    client.send(r#"{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":"echo_message"}}"#).await;
    assert_eq!(client.line().await, format!(r#"{{"jsonrpc":"2.0","id":5,"result":{odd}}}"#));
}
