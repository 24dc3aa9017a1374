//! The control port does what the handle does.

use demo_server::{Auth, Config, DemoServer, OAuthConfig};
use reqwest::{RequestBuilder, StatusCode};
use serde_json::{Value, json};

use crate::support::{Mcp, OAuthClient, answer, http, initialize, request};

struct Port {
    server: DemoServer,
    mcp: Mcp,
}

impl Port {
    async fn start() -> anyhow::Result<Self> {
        let auth = vec![Auth::None, Auth::OAuth(OAuthConfig::default())];
        let control = Some("127.0.0.1:0".parse()?);
        let server = DemoServer::start(Config { auth, control, ..Config::default() }).await?;
        let mcp = Mcp::new(&server)?;
        Ok(Port { server, mcp })
    }

    fn post(&self, path: &str) -> anyhow::Result<RequestBuilder> {
        let base = self.server.control_url().unwrap_or_else(|| self.server.origin());
        Ok(http()?.post(base.join("/control/")?.join(path)?))
    }

    async fn act(&self, path: &str) -> anyhow::Result<StatusCode> {
        Ok(self.post(path)?.send().await?.status())
    }
}

#[tokio::test]
async fn every_action_has_a_route() -> anyhow::Result<()> {
    let port = Port::start().await?;
    for path in [
        "expire-tokens",
        "revoke-tokens?user=demo",
        "revoke-access-tokens",
        "revoke-refresh-tokens",
        "forget-clients",
        "callback-iss?iss=https://other.example",
        "advance?seconds=1.5",
        "clear-faults",
        "release",
        "kill-sessions",
        "drop-streams",
        "tools-changed",
        "prompts-changed",
        "resources-changed",
        "resource-updated?uri=demo://stats",
        "add-tool?name=new_tool",
        "remove-tool?name=big",
        "swap-issuer",
    ] {
        assert_eq!(port.act(path).await?, StatusCode::NO_CONTENT, "{path}");
    }
    let tools = port.mcp.clone().initialize().await?.tool_names().await?;
    assert!(tools.contains(&"new_tool".to_owned()) && !tools.contains(&"big".to_owned()));
    assert!(port.server.control().issuer().ends_with("/as/1"));
    Ok(())
}

#[tokio::test]
async fn faults_and_scripts_are_json() -> anyhow::Result<()> {
    let port = Port::start().await?;
    let fault = json!({ "fault": "status", "code": 418, "method": "initialize", "times": 2 });
    port.post("fault")?.json(&fault).send().await?.error_for_status()?;
    for status in [418, 418, 200] {
        assert_eq!(port.mcp.post(&initialize()).await?.status(), status);
    }
    let unknown = port.post("fault")?.json(&json!({ "fault": "earthquake" })).send().await?;
    assert_eq!(unknown.status(), StatusCode::BAD_REQUEST);
    let fault = json!({ "fault": "error", "error": "invalid_grant" });
    port.post("token-fault")?.json(&fault).send().await?.error_for_status()?;
    let client = OAuthClient::register(&port.server).await?;
    assert!(client.sign_in("demo", "mcp").await.is_err());
    let script = port.post("script?method=x/y&sse=true")?.body(r#"{"z":1.0}"#);
    script.send().await?.error_for_status()?;
    let answer = answer(port.mcp.post(&request("x/y", json!({}))).await?).await?;
    assert_eq!(answer["result"]["z"], 1.0);
    Ok(())
}

#[tokio::test]
async fn counters_and_journal_can_be_read() -> anyhow::Result<()> {
    let port = Port::start().await?;
    port.mcp.post(&initialize()).await?;
    let base = port.server.control_url().unwrap_or_else(|| port.server.origin());
    let stats: Value = http()?.get(base.join("/control/stats")?).send().await?.json().await?;
    assert_eq!(stats["initialize"], 1);
    let journal: Value = http()?.get(base.join("/control/journal")?).send().await?.json().await?;
    assert_eq!(journal[0]["method"], "initialize");
    let pushed: Value = port.post("push")?.body("{}").send().await?.json().await?;
    assert_eq!(pushed["streams"], 0);
    Ok(())
}

#[tokio::test]
async fn web_pages_cannot_reach_it() -> anyhow::Result<()> {
    let port = Port::start().await?;
    for (name, value) in [("origin", "http://127.0.0.1"), ("host", "evil.example")] {
        let response = port.post("kill-sessions")?.header(name, value).send().await?;
        assert_eq!(response.status(), StatusCode::FORBIDDEN);
    }
    Ok(())
}
