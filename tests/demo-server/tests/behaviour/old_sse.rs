//! The old HTTP+SSE transport.

use anyhow::Context as _;
use demo_server::{Auth, Config, DemoServer, Fault};
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};

use crate::support::{Events, Mcp, OAuthClient, challenge, initialize, request};

struct Old {
    mcp: Mcp,
    events: Events,
}

impl Old {
    async fn open(server: &DemoServer, mcp: Mcp) -> anyhow::Result<Self> {
        let mut mcp = mcp;
        mcp.url = server.sse_url();
        let mut events = mcp.listen().await?;
        let endpoint = events.next_data().await?.context("no endpoint")?;
        mcp.url = server.sse_url().join(&endpoint)?;
        Ok(Old { mcp, events })
    }

    async fn post(&self, message: &Value) -> anyhow::Result<Response> {
        self.mcp.post(message).await
    }

    async fn initialize(mut self) -> anyhow::Result<Self> {
        self.post(&initialize()).await?;
        let hello = self.events.next().await?.context("no answer")?;
        assert_eq!(hello["result"]["serverInfo"]["name"], "drawbridge-demo");
        self.post(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })).await?;
        Ok(self)
    }

    async fn ask(&mut self, method: &str, params: Value) -> anyhow::Result<Value> {
        let accepted = self.post(&request(method, params)).await?;
        assert_eq!(accepted.status(), StatusCode::ACCEPTED);
        self.events.next().await?.context("no answer")
    }
}

#[tokio::test]
async fn messages_go_in_by_post_and_come_out_on_the_stream() -> anyhow::Result<()> {
    let server = DemoServer::start(Config::default()).await?;
    let mut old = Old::open(&server, Mcp::new(&server)?).await?.initialize().await?;
    let call = json!({ "name": "echo_message", "arguments": { "message": "hi" } });
    let said = old.ask("tools/call", call).await?;
    assert_eq!(said["result"]["content"][0]["text"], "hi");
    let stats = server.control().stats();
    assert_eq!((stats.initialize, stats.open_sessions, stats.open_streams), (1, 1, 1));
    server.control().script("tools/list", r#"{"tools":[] , "x":1e3}"#, false);
    old.post(&request("tools/list", json!({}))).await?;
    let raw = r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[] , "x":1e3}}"#;
    assert_eq!(old.events.next_data().await?.as_deref(), Some(raw));
    server.control().push("{ }");
    assert_eq!(old.events.next_data().await?.as_deref(), Some("{ }"));
    drop(old);
    server.control().wait_for(|stats| stats.open_sessions == 0).await;
    Ok(())
}

#[tokio::test]
async fn callers_are_checked_on_both_endpoints() -> anyhow::Result<()> {
    let server = DemoServer::start(Config::oauth()).await?;
    let mut anonymous = Mcp::new(&server)?;
    anonymous.url = server.sse_url();
    let refused = anonymous.request(reqwest::Method::GET).send().await?;
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    assert!(challenge(&refused)?.contains("/.well-known/oauth-protected-resource/sse"));
    let mut client = OAuthClient::register(&server).await?;
    client.resource = server.sse_url().to_string();
    let tokens = client.sign_in("demo", "mcp").await?;
    let mcp = Mcp::new(&server)?.bearer(&tokens.access);
    let mut old = Old::open(&server, mcp).await?.initialize().await?;
    let status = old.ask("tools/call", json!({ "name": "auth_status" })).await?;
    assert_eq!(status["result"]["structuredContent"]["user"], "demo");
    server.control().expire_access_tokens();
    let refused = old.post(&request("ping", json!({}))).await?;
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    Ok(())
}

#[tokio::test]
async fn a_session_is_its_openers_and_ends_when_killed() -> anyhow::Result<()> {
    let auth = Auth::Bearer(vec![("a".into(), "demo".into()), ("b".into(), "admin".into())]);
    let server = DemoServer::start(Config::with_auth(auth)).await?;
    let old = Old::open(&server, Mcp::new(&server)?.bearer("a")).await?;
    let mut thief = Mcp::new(&server)?.bearer("b");
    thief.url = old.mcp.url.clone();
    assert_eq!(thief.post(&initialize()).await?.status(), StatusCode::NOT_FOUND);
    let mut old = old.initialize().await?;
    server.control().kill_sessions().await;
    assert_eq!(old.post(&initialize()).await?.status(), StatusCode::NOT_FOUND);
    assert_eq!(old.events.next().await?, None);
    Ok(())
}

#[tokio::test]
async fn faults_spoil_the_stream() -> anyhow::Result<()> {
    let server = DemoServer::start(Config::default()).await?;
    let mut old = Old::open(&server, Mcp::new(&server)?).await?.initialize().await?;
    server.control().fault(Fault::Status { code: 503, retry_after: Some(1) });
    assert_eq!(old.post(&request("ping", json!({}))).await?.status(), 503);
    server.control().fault(Fault::InvalidJson);
    old.post(&request("ping", json!({}))).await?;
    assert!(old.events.next().await.is_err());
    server.control().fault(Fault::TruncatedSse);
    old.post(&request("ping", json!({}))).await?;
    assert_eq!(old.events.next_data().await?, None);
    let mut old = Old::open(&server, Mcp::new(&server)?).await?.initialize().await?;
    server.control().fault(Fault::DropMidBody);
    old.post(&request("ping", json!({}))).await?;
    assert!(old.events.next_data().await.is_err());
    Ok(())
}
