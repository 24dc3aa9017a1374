//! Each fault goes wrong in its own way, once, and the next request is fine again.

use demo_server::{Config, DemoServer, Fault, Plan};
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::support::{Mcp, answer, request};

async fn start() -> anyhow::Result<(DemoServer, Mcp)> {
    let server = DemoServer::start(Config::default()).await?;
    let mcp = Mcp::new(&server)?.initialize().await?;
    Ok((server, mcp))
}

fn echo() -> serde_json::Value {
    request("tools/call", json!({ "name": "echo_message", "arguments": { "message": "hi" } }))
}

async fn is_fine(mcp: &Mcp) -> anyhow::Result<bool> {
    Ok(answer(mcp.post(&echo()).await?).await?["result"]["content"][0]["text"] == "hi")
}

#[tokio::test]
async fn the_connection_breaks_in_the_middle_of_an_answer() -> anyhow::Result<()> {
    let (server, mcp) = start().await?;
    server.control().fault(Fault::DropMidBody);
    let response = mcp.post(&echo()).await?;
    assert_eq!(response.status(), StatusCode::OK);
    assert!(response.bytes().await.is_err());
    assert!(is_fine(&mcp).await?);
    Ok(())
}

#[tokio::test]
async fn a_stalled_request_waits_to_be_released() -> anyhow::Result<()> {
    let (server, mcp) = start().await?;
    for fault in [Fault::Stall, Fault::StallMidBody] {
        server.control().fault(fault);
        let stalled = tokio::spawn({
            let mcp = mcp.clone();
            async move { is_fine(&mcp).await }
        });
        server.control().wait_for(|stats| stats.stalled == 1).await;
        assert!(is_fine(&mcp).await?, "others are served meanwhile");
        assert!(!stalled.is_finished());
        server.control().release_stalled();
        assert!(stalled.await??);
    }
    Ok(())
}

#[tokio::test]
async fn answers_can_be_malformed() -> anyhow::Result<()> {
    let (server, mcp) = start().await?;
    server.control().fault(Fault::InvalidJson);
    let response = mcp.post(&echo()).await?;
    assert_eq!(response.headers()["content-type"], "application/json");
    assert!(response.json::<serde_json::Value>().await.is_err());
    server.control().fault(Fault::TruncatedSse);
    let response = mcp.post(&echo()).await?;
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    assert!(!response.text().await?.ends_with("\n\n"));
    server.control().fault(Fault::NotMcp);
    let response = mcp.post(&echo()).await?;
    assert!(response.status().is_success());
    assert!(response.text().await?.starts_with("<h1>"));
    assert!(is_fine(&mcp).await?);
    Ok(())
}

#[tokio::test]
async fn requests_can_be_refused_with_any_status() -> anyhow::Result<()> {
    let (server, mcp) = start().await?;
    for (code, retry_after) in [(429, Some(7)), (503, Some(1)), (500, None)] {
        server.control().fault(Fault::Status { code, retry_after });
        let response = mcp.post(&echo()).await?;
        assert_eq!(response.status(), code);
        let header = response.headers().get("retry-after").and_then(|value| value.to_str().ok());
        assert_eq!(header.map(str::to_owned), retry_after.map(|seconds| seconds.to_string()));
    }
    server.control().fault(Fault::CheckUnavailable);
    let response = mcp.post(&echo()).await?;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(response.headers().contains_key("retry-after"));
    assert!(is_fine(&mcp).await?);
    Ok(())
}

#[tokio::test]
async fn a_fault_waits_for_its_method_and_repeats_as_planned() -> anyhow::Result<()> {
    let (server, mcp) = start().await?;
    let fault = Fault::Status { code: 502, retry_after: None };
    let method = Some("tools/list".to_owned());
    server.control().plan(Plan { fault: fault.clone(), method, times: 2 });
    server.control().fault_on("DELETE", fault);
    assert!(is_fine(&mcp).await?);
    let list = request("tools/list", json!({}));
    assert_eq!(mcp.post(&list).await?.status(), 502);
    assert_eq!(mcp.post(&list).await?.status(), 502);
    assert_eq!(mcp.post(&list).await?.status(), 200);
    assert_eq!(mcp.request(Method::DELETE).send().await?.status(), 502);
    Ok(())
}

#[tokio::test]
async fn all_connections_can_break() -> anyhow::Result<()> {
    let (server, mcp) = start().await?;
    let mut stream = mcp.listen().await?;
    server.control().drop_connections();
    while let Ok(Some(_)) = stream.next().await {}
    server.control().wait_for(|stats| stats.open_connections == 0).await;
    assert!(is_fine(&mcp).await?);
    Ok(())
}
