//! Streamable HTTP in both eras: sessions, streams, resumption, and what each era refuses.

use demo_server::{Answers, Config, DemoServer, Eras, Transports};
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::support::{Mcp, answer, initialize, request};

async fn server(eras: Eras) -> anyhow::Result<DemoServer> {
    DemoServer::start(Config { eras, ..Config::default() }).await
}

#[tokio::test]
async fn a_legacy_session_lives_until_it_is_deleted() -> anyhow::Result<()> {
    let server = server(Eras::Both).await?;
    let mcp = Mcp::new(&server)?.initialize().await?;
    assert_eq!(server.control().stats().open_sessions, 1);
    assert!(!mcp.tool_names().await?.is_empty());
    mcp.request(Method::DELETE).send().await?.error_for_status()?;
    let gone = mcp.post(&request("tools/list", json!({}))).await?;
    assert_eq!(gone.status(), StatusCode::NOT_FOUND);
    let stats = server.control().stats();
    assert_eq!((stats.open_sessions, stats.deletes, stats.initialize), (0, 1, 1));
    assert_eq!(stats.method("tools/list"), 2);
    Ok(())
}

#[tokio::test]
async fn modern_requests_need_no_session() -> anyhow::Result<()> {
    let server = server(Eras::Both).await?;
    let mcp = Mcp::new(&server)?;
    let found = mcp.ask_modern("server/discover", json!({})).await?;
    let versions = found["result"]["supportedVersions"].as_array().cloned().unwrap_or_default();
    assert!(versions.contains(&json!("2026-07-28")));
    let call = json!({ "name": "echo_message", "arguments": { "message": "hi" } });
    let said = mcp.ask_modern("tools/call", call).await?;
    assert_eq!(said["result"]["content"][0]["text"], "hi");
    assert_eq!(said["result"]["resultType"], "complete");
    assert_eq!(server.control().stats().open_sessions, 0);
    Ok(())
}

#[tokio::test]
async fn modern_headers_must_match_the_body() -> anyhow::Result<()> {
    let server = server(Eras::Modern).await?;
    let mcp = Mcp::new(&server)?;
    let list = request("tools/list", json!({}));
    assert_eq!(mcp.post(&list).await?.status(), StatusCode::BAD_REQUEST);
    let mismatch = mcp.clone().with("mcp-method", "prompts/list");
    let refused = mismatch.post_modern("tools/list", json!({})).await?;
    assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
    assert_eq!(answer(refused).await?["error"]["code"], -32020);
    let region = json!({ "name": "hello_world", "arguments": { "region": "Ulm" } });
    let refused = mcp.post_modern("tools/call", region.clone()).await?;
    assert_eq!(answer(refused).await?["error"]["code"], -32020);
    let said = mcp.with("mcp-param-region", "Ulm").ask_modern("tools/call", region).await?;
    assert_eq!(said["result"]["content"][0]["text"], "Hello, Ulm!");
    Ok(())
}

#[tokio::test]
async fn a_modern_server_names_its_versions_to_old_clients() -> anyhow::Result<()> {
    let server = server(Eras::Modern).await?;
    let mcp = Mcp::new(&server)?;
    let refused = mcp.post(&initialize()).await?;
    assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
    let error = answer(refused).await?["error"].clone();
    assert_eq!(error["code"], -32022);
    assert_eq!(error["data"]["supported"], json!(["2026-07-28"]));
    for method in [Method::GET, Method::DELETE] {
        let response = mcp.request(method).send().await?;
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
    }
    let stale = mcp.with("mcp-session-id", "from-before");
    assert!(stale.ask_modern("tools/list", json!({})).await?.get("result").is_some());
    Ok(())
}

#[tokio::test]
async fn a_legacy_server_does_not_know_the_modern_version() -> anyhow::Result<()> {
    let server = server(Eras::Legacy).await?;
    let mcp = Mcp::new(&server)?;
    let refused = mcp.post_modern("server/discover", json!({})).await?;
    assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
    assert_eq!(answer(refused).await?["error"]["code"], -32000);
    let mcp = mcp.initialize().await?;
    assert!(!mcp.tool_names().await?.is_empty());
    Ok(())
}

#[tokio::test]
async fn answers_can_be_json_in_both_eras() -> anyhow::Result<()> {
    let config = Config { answers: Answers::Json, ..Config::default() };
    let server = DemoServer::start(config).await?;
    let mcp = Mcp::new(&server)?;
    let json = |response: &reqwest::Response| {
        response.headers().get("content-type").is_some_and(|kind| kind == "application/json")
    };
    assert!(json(&mcp.post(&initialize()).await?));
    assert!(json(&mcp.post_modern("tools/list", json!({})).await?));
    let mcp = mcp.initialize().await?;
    assert!(json(&mcp.post(&request("tools/list", json!({}))).await?));
    let progress = json!({ "name": "progress", "arguments": {}, "_meta": { "progressToken": "p" } });
    let stream = mcp.post(&request("tools/call", progress)).await?;
    assert!(!json(&stream));
    assert_eq!(answer(stream).await?["result"]["content"][0]["text"], "3 steps done");
    Ok(())
}

#[tokio::test]
async fn the_get_stream_carries_changes() -> anyhow::Result<()> {
    let server = server(Eras::Both).await?;
    let mcp = Mcp::new(&server)?.initialize().await?;
    let mut events = mcp.listen().await?;
    server.control().wait_for(|stats| stats.open_streams == 1).await;
    server.control().add_tool("brand_new");
    let told = events.next().await?.unwrap_or_default();
    assert_eq!(told["method"], "notifications/tools/list_changed");
    assert!(mcp.tool_names().await?.contains(&"brand_new".to_owned()));
    assert!(mcp.call("brand_new", json!({})).await?.get("result").is_some());
    server.control().remove_tool("big");
    events.next().await?;
    assert!(!mcp.tool_names().await?.contains(&"big".to_owned()));
    mcp.ask("resources/subscribe", json!({ "uri": "demo://welcome" })).await?;
    server.control().set_resource_updated("demo://stats");
    server.control().set_resource_updated("demo://welcome");
    let told = events.next().await?.unwrap_or_default();
    assert_eq!(told["params"]["uri"], "demo://welcome");
    Ok(())
}

#[tokio::test]
async fn a_modern_subscription_carries_changes() -> anyhow::Result<()> {
    let server = server(Eras::Modern).await?;
    let filter = json!({ "notifications": { "toolsListChanged": true } });
    let response = Mcp::new(&server)?.post_modern("subscriptions/listen", filter).await?;
    let mut events = crate::support::Events::new(response);
    let acknowledged = events.next().await?.unwrap_or_default();
    assert_eq!(acknowledged["method"], "notifications/subscriptions/acknowledged");
    server.control().set_prompts_changed();
    server.control().set_tools_changed();
    let told = events.next().await?.unwrap_or_default();
    assert_eq!(told["method"], "notifications/tools/list_changed");
    Ok(())
}

#[tokio::test]
async fn a_broken_stream_can_be_resumed() -> anyhow::Result<()> {
    let server = server(Eras::Both).await?;
    let mcp = Mcp::new(&server)?.initialize().await?;
    let stream = mcp.listen().await?;
    server.control().wait_for(|stats| stats.open_streams == 1).await;
    server.control().drop_streams();
    server.control().wait_for(|stats| stats.open_streams == 0).await;
    drop(stream);
    server.control().set_tools_changed();
    let mut resumed = mcp.with("last-event-id", "0").listen().await?;
    let told = resumed.next().await?.unwrap_or_default();
    assert_eq!(told["method"], "notifications/tools/list_changed");
    Ok(())
}

#[tokio::test]
async fn killed_sessions_are_not_found() -> anyhow::Result<()> {
    let server = server(Eras::Both).await?;
    let mcp = Mcp::new(&server)?.initialize().await?;
    server.control().kill_sessions().await;
    let gone = mcp.post(&request("tools/list", json!({}))).await?;
    assert_eq!(gone.status(), StatusCode::NOT_FOUND);
    assert_eq!(server.control().stats().open_sessions, 0);
    Ok(())
}

#[tokio::test]
async fn legacy_clients_can_do_without_sessions() -> anyhow::Result<()> {
    let server = DemoServer::start(Config { sessions: false, ..Config::default() }).await?;
    let mcp = Mcp::new(&server)?;
    let opened = mcp.post(&initialize()).await?;
    assert!(!opened.headers().contains_key("mcp-session-id"));
    assert_eq!(answer(opened).await?["result"]["protocolVersion"], "2025-11-25");
    assert!(!mcp.tool_names().await?.is_empty());
    let stream = mcp.request(Method::GET).header("accept", "text/event-stream").send().await?;
    assert_eq!(stream.status(), StatusCode::METHOD_NOT_ALLOWED);
    Ok(())
}

#[tokio::test]
async fn one_session_at_a_time_if_so_configured() -> anyhow::Result<()> {
    let config = Config { single_session: true, ..Config::default() };
    let server = DemoServer::start(config).await?;
    let first = Mcp::new(&server)?.initialize().await?;
    let second = Mcp::new(&server)?.post(&initialize()).await?;
    assert_eq!(second.status(), StatusCode::BAD_REQUEST);
    first.request(Method::DELETE).send().await?.error_for_status()?;
    Mcp::new(&server)?.initialize().await?;
    Ok(())
}

#[tokio::test]
async fn transports_can_be_missing() -> anyhow::Result<()> {
    let transports = Transports { streamable: false, http_sse: true };
    let server = DemoServer::start(Config { transports, ..Config::default() }).await?;
    let refused = Mcp::new(&server)?.post(&initialize()).await?;
    assert_eq!(refused.status(), StatusCode::NOT_FOUND);
    let mut mcp = Mcp::new(&server)?;
    mcp.url = server.sse_url();
    let refused = mcp.post(&initialize()).await?;
    assert_eq!(refused.status(), StatusCode::METHOD_NOT_ALLOWED);
    Ok(())
}

#[tokio::test]
async fn a_stopped_server_is_gone() -> anyhow::Result<()> {
    let server = server(Eras::Both).await?;
    let mcp = Mcp::new(&server)?.initialize().await?;
    let mut stream = mcp.listen().await?;
    server.stop().await;
    while let Ok(Some(_)) = stream.next().await {}
    assert!(mcp.post(&request("ping", json!({}))).await.is_err());
    Ok(())
}
