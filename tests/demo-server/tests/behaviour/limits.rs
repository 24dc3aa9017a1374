//! Sizes, rates, caps, and who may connect.

use std::time::Duration;

use demo_server::{Config, DemoServer, Limits};
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::support::{Mcp, initialize, request};

async fn server(limits: Limits) -> anyhow::Result<(DemoServer, Mcp)> {
    let server = DemoServer::start(Config { limits, ..Config::default() }).await?;
    let mcp = Mcp::new(&server)?;
    Ok((server, mcp))
}

#[tokio::test]
async fn large_requests_are_refused() -> anyhow::Result<()> {
    let (_server, mcp) = server(Limits { request_bytes: 1000, ..Limits::default() }).await?;
    let large = request("ping", json!({ "x": "y".repeat(1000) }));
    assert_eq!(mcp.post(&large).await?.status(), StatusCode::PAYLOAD_TOO_LARGE);
    mcp.initialize().await?;
    Ok(())
}

#[tokio::test]
async fn the_rate_is_limited_for_a_while() -> anyhow::Result<()> {
    let rate = Some((2, Duration::from_secs(10)));
    let (server, mcp) = server(Limits { rate, ..Limits::default() }).await?;
    let mcp = mcp.initialize().await?;
    let refused = mcp.post(&request("ping", json!({}))).await?;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.headers()["retry-after"], "10");
    server.control().advance(Duration::from_secs(10));
    assert!(mcp.post(&request("ping", json!({}))).await?.status().is_success());
    Ok(())
}

#[tokio::test]
async fn sessions_are_capped() -> anyhow::Result<()> {
    let (_server, mcp) = server(Limits { sessions: 1, ..Limits::default() }).await?;
    mcp.clone().initialize().await?;
    let refused = mcp.post(&initialize()).await?;
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    Ok(())
}

#[tokio::test]
async fn idle_sessions_end() -> anyhow::Result<()> {
    let session_timeout = Duration::from_secs(5);
    let limits = Limits { session_timeout, ..Limits::default() };
    let (server, mcp) = server(limits).await?;
    let mcp = mcp.initialize().await?;
    // Paused, the clock jumps to the next timer as soon as everybody waits.
    tokio::time::pause();
    server.control().wait_for(|stats| stats.open_sessions == 0).await;
    tokio::time::resume();
    let gone = mcp.post(&request("ping", json!({}))).await?;
    assert_eq!(gone.status(), StatusCode::NOT_FOUND);
    Ok(())
}

#[tokio::test]
async fn foreign_hosts_and_origins_are_refused() -> anyhow::Result<()> {
    let origins = vec!["http://good.example".to_owned()];
    let (_server, mcp) = server(Limits { origins, ..Limits::default() }).await?;
    for (name, value, status) in [
        ("host", "evil.example", StatusCode::FORBIDDEN),
        ("host", "localhost:1", StatusCode::OK),
        ("origin", "http://evil.example", StatusCode::FORBIDDEN),
        ("origin", "null", StatusCode::FORBIDDEN),
        ("origin", "http://good.example", StatusCode::OK),
    ] {
        let response = mcp.clone().with(name, value).post(&initialize()).await?;
        assert_eq!(response.status(), status, "{name}: {value}");
    }
    let preflight = mcp
        .request(Method::OPTIONS)
        .header("origin", "http://good.example")
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "mcp-session-id")
        .send()
        .await?;
    assert_eq!(preflight.headers()["access-control-allow-origin"], "http://good.example");
    assert_eq!(preflight.headers()["access-control-allow-headers"], "mcp-session-id");
    Ok(())
}
