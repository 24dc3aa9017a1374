//! Bytes chosen by the test arrive as they are, and bytes that were sent are found in the journal.

use demo_server::{Config, DemoServer};
use serde_json::json;

use crate::support::{Events, Mcp, answer, initialize};

const RAW: &str = r#"{"b":1.0, "a":12345678901234567890123,"n":null,"b2":"\u00e9"}"#;

#[tokio::test]
async fn a_script_answers_with_exact_bytes() -> anyhow::Result<()> {
    let server = DemoServer::start(Config::default()).await?;
    let mcp = Mcp::new(&server)?;
    server.control().script("x/custom", RAW, false);
    let sent = r#"{"jsonrpc":"2.0","id":"a\u0062", "method":"x/custom"}"#;
    let response = mcp.post_raw(sent.to_owned()).await?;
    let expected = format!(r#"{{"jsonrpc":"2.0","id":"a\u0062","result":{RAW}}}"#);
    assert_eq!(response.text().await?, expected);
    server.control().script("x/custom", RAW, true);
    let response = mcp.post_raw(r#"{"jsonrpc":"2.0","id":1e2,"method":"x/custom"}"#.into()).await?;
    let data = Events::new(response).next_data().await?;
    assert_eq!(data, Some(format!(r#"{{"jsonrpc":"2.0","id":1e2,"result":{RAW}}}"#)));
    server.control().script_error("x/custom", r#"{"code":-7,"message":"no"}"#, false);
    let response = mcp.post_raw(r#"{"jsonrpc":"2.0","id":2,"method":"x/custom"}"#.into()).await?;
    assert_eq!(answer(response).await?["error"]["code"], -7);
    Ok(())
}

#[tokio::test]
async fn a_scripted_initialize_still_opens_a_session() -> anyhow::Result<()> {
    let server = DemoServer::start(Config::default()).await?;
    let mcp = Mcp::new(&server)?;
    server.control().script("initialize", r#"{"protocolVersion":"2025-11-25","odd":1}"#, false);
    let response = mcp.post(&initialize()).await?;
    assert!(response.headers().contains_key("mcp-session-id"));
    assert_eq!(answer(response).await?["result"]["odd"], 1);
    assert_eq!(server.control().stats().open_sessions, 1);
    Ok(())
}

#[tokio::test]
async fn pushed_messages_arrive_on_open_streams() -> anyhow::Result<()> {
    let server = DemoServer::start(Config::default()).await?;
    let mcp = Mcp::new(&server)?.initialize().await?;
    assert_eq!(server.control().push("{}"), 0);
    let mut legacy = mcp.listen().await?;
    let filter = json!({ "notifications": { "toolsListChanged": true } });
    let modern = Mcp::new(&server)?.post_modern("subscriptions/listen", filter).await?;
    let mut modern = Events::new(modern);
    modern.next().await?;
    server.control().wait_for(|stats| stats.open_streams == 2).await;
    let pretty = format!("{{\n \"method\": \"x\", \"params\": {RAW}\n}}");
    assert_eq!(server.control().push(pretty.clone()), 2);
    assert_eq!(legacy.next_data().await?, Some(pretty.clone()));
    assert_eq!(modern.next_data().await?, Some(pretty));
    Ok(())
}

#[tokio::test]
async fn the_journal_has_what_was_sent() -> anyhow::Result<()> {
    let server = DemoServer::start(Config { journal: 2, ..Config::default() }).await?;
    let mcp = Mcp::new(&server)?.initialize().await?;
    let odd = format!(r#"{{"jsonrpc":"2.0",  "id":9,"method":"ping","params":{RAW}}}"#);
    mcp.with("mcp-protocol-version", "2025-11-25").post_raw(odd.clone()).await?;
    let journal = server.control().journal();
    assert_eq!(journal.len(), 2);
    assert_eq!(journal[0].method.as_deref(), Some("notifications/initialized"));
    let last = &journal[1];
    assert_eq!(last.body, odd);
    assert_eq!((last.http_method.as_str(), last.method.as_deref()), ("POST", Some("ping")));
    assert_eq!(last.protocol_version.as_deref(), Some("2025-11-25"));
    assert!(last.session_id.is_some());
    server.control().clear_journal();
    assert!(server.control().journal().is_empty());
    Ok(())
}
