//! Each strategy lets its own callers in and nobody else.

use std::time::Duration;

use demo_server::{Auth, Config, DemoServer, JwtConfig, JwtKey, OAuthConfig};
use reqwest::StatusCode;
use serde_json::json;

use crate::support::{Mcp, OAuthClient, answer, challenge, initialize, request};

fn bearer() -> Auth {
    Auth::Bearer(vec![("t-demo".into(), "demo".into()), ("t-admin".into(), "admin".into())])
}

async fn who(mcp: Mcp) -> anyhow::Result<serde_json::Value> {
    let status = mcp.initialize().await?.call("auth_status", json!({})).await?;
    Ok(status["result"]["structuredContent"].clone())
}

#[tokio::test]
async fn without_auth_anybody_sees_the_public_tools() -> anyhow::Result<()> {
    let server = DemoServer::start(Config::default()).await?;
    let mcp = Mcp::new(&server)?.initialize().await?;
    let tools = mcp.tool_names().await?;
    assert!(tools.contains(&"echo_message".to_owned()));
    assert!(!tools.contains(&"user_profile".to_owned()));
    let said = mcp.call("echo_message", json!({ "message": "hi" })).await?;
    assert_eq!(said["result"]["content"][0]["text"], "hi");
    let profile = request("tools/call", json!({ "name": "user_profile" }));
    let refused = mcp.post(&profile).await?;
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    Ok(())
}

#[tokio::test]
async fn a_bearer_token_stands_for_its_user() -> anyhow::Result<()> {
    let server = DemoServer::start(Config::with_auth(bearer())).await?;
    let refused = Mcp::new(&server)?.post(&initialize()).await?;
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(challenge(&refused)?, "Bearer realm=\"drawbridge-demo\"");
    let wrong = Mcp::new(&server)?.bearer("nope").post(&initialize()).await?;
    assert!(challenge(&wrong)?.contains("error=\"invalid_token\""));
    assert_eq!(who(Mcp::new(&server)?.bearer("t-demo")).await?["user"], "demo");
    assert_eq!(who(Mcp::new(&server)?.bearer("t-admin")).await?["user"], "admin");
    assert_eq!(server.control().stats().unauthorized, 2);
    Ok(())
}

#[tokio::test]
async fn an_api_key_stands_for_its_user() -> anyhow::Result<()> {
    let keys = vec![("k-1".into(), "inspector".into())];
    let server = DemoServer::start(Config::with_auth(Auth::ApiKey(keys))).await?;
    let refused = Mcp::new(&server)?.with("x-api-key", "k-2").post(&initialize()).await?;
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    assert!(challenge(&refused)?.starts_with("ApiKey "));
    let known = who(Mcp::new(&server)?.with("x-api-key", "k-1")).await?;
    assert_eq!((&known["user"], &known["method"]), (&json!("inspector"), &json!("api-key")));
    Ok(())
}

#[tokio::test]
async fn a_jwt_must_be_fresh_and_from_the_right_issuer() -> anyhow::Result<()> {
    for key in [JwtKey::Hs256("one secret".into()), JwtKey::Rs256] {
        let config = JwtConfig { key, ..JwtConfig::default() };
        let server = DemoServer::start(Config::with_auth(Auth::Jwt(config.clone()))).await?;
        let hour = Some(Duration::from_secs(3600));
        let good = server.control().mint_jwt("demo", None, hour)?;
        assert_eq!(who(Mcp::new(&server)?.bearer(&good)).await?["method"], "jwt");
        let old = server.control().mint_jwt("demo", None, None)?;
        let refused = Mcp::new(&server)?.bearer(&old).post(&initialize()).await?;
        assert!(challenge(&refused)?.contains("the JWT expired"));
        for other in [
            JwtConfig { issuer: "https://other.example".into(), ..config.clone() },
            JwtConfig { audience: "other".into(), ..config.clone() },
            JwtConfig { key: JwtKey::Hs256("another secret".into()), ..config.clone() },
        ] {
            let elsewhere = DemoServer::start(Config::with_auth(Auth::Jwt(other))).await?;
            let foreign = elsewhere.control().mint_jwt("demo", None, hour)?;
            let refused = Mcp::new(&server)?.bearer(&foreign).post(&initialize()).await?;
            assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
        }
    }
    Ok(())
}

#[tokio::test]
async fn several_strategies_work_side_by_side() -> anyhow::Result<()> {
    let jwt = Auth::Jwt(JwtConfig::default());
    let oauth = Auth::OAuth(OAuthConfig::default());
    let auth = vec![Auth::None, bearer(), jwt, oauth];
    let server = DemoServer::start(Config { auth, ..Config::default() }).await?;
    assert_eq!(who(Mcp::new(&server)?).await?["authenticated"], false);
    assert_eq!(who(Mcp::new(&server)?.bearer("t-demo")).await?["method"], "bearer");
    let jwt = server.control().mint_jwt("demo", None, Some(Duration::from_secs(60)))?;
    assert_eq!(who(Mcp::new(&server)?.bearer(&jwt)).await?["method"], "jwt");
    let tokens = OAuthClient::register(&server).await?.sign_in("demo", "mcp").await?;
    assert_eq!(who(Mcp::new(&server)?.bearer(&tokens.access)).await?["method"], "oauth");
    // Wrong credentials are refused even where none would do.
    let wrong = Mcp::new(&server)?.bearer("nope").post(&initialize()).await?;
    assert_eq!(wrong.status(), StatusCode::UNAUTHORIZED);
    Ok(())
}

#[tokio::test]
async fn a_session_belongs_to_whoever_opened_it() -> anyhow::Result<()> {
    let server = DemoServer::start(Config::with_auth(bearer())).await?;
    let opened = Mcp::new(&server)?.bearer("t-demo").post(&initialize()).await?;
    let id = opened.headers()["mcp-session-id"].to_str()?.to_owned();
    answer(opened).await?;
    let thief = Mcp::new(&server)?.bearer("t-admin").with("mcp-session-id", id);
    let list = request("tools/list", json!({}));
    assert_eq!(thief.post(&list).await?.status(), StatusCode::NOT_FOUND);
    Ok(())
}

#[tokio::test]
async fn an_anonymous_session_can_be_signed_in() -> anyhow::Result<()> {
    let auth = vec![Auth::None, bearer()];
    let server = DemoServer::start(Config { auth, ..Config::default() }).await?;
    let anonymous = Mcp::new(&server)?.initialize().await?;
    let public = anonymous.tool_names().await?;
    let signed_in = anonymous.clone().bearer("t-demo").tool_names().await?;
    assert!(signed_in.len() > public.len());
    let other = anonymous.clone().bearer("t-admin");
    let list = request("tools/list", json!({}));
    assert_eq!(other.post(&list).await?.status(), StatusCode::NOT_FOUND);
    Ok(())
}
