//! The authorization server: the good way, and every refusal on it.

use std::time::Duration;

use anyhow::Context as _;
use demo_server::{Auth, Config, DemoServer, OAuthConfig, deny_with_form, sign_in_with_form};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::{
    Mcp, OAuthClient, REDIRECT, challenge, http, initialize, oauth_error, parameter, register, request,
    tokens,
};

async fn server() -> anyhow::Result<(DemoServer, OAuthClient)> {
    let server = DemoServer::start(Config::oauth()).await?;
    let client = OAuthClient::register(&server).await?;
    Ok((server, client))
}

/// Whether a token opens the MCP endpoint.
async fn works(server: &DemoServer, token: &str) -> anyhow::Result<bool> {
    let response = Mcp::new(server)?.bearer(token).post(&initialize()).await?;
    Ok(response.status().is_success())
}

#[tokio::test]
async fn discovery_leads_from_the_challenge_to_the_token_endpoint() -> anyhow::Result<()> {
    let (server, _) = server().await?;
    let refused = Mcp::new(&server)?.post(&initialize()).await?;
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    let challenge = challenge(&refused)?;
    assert!(challenge.contains("scope=\"mcp\""));
    let (_, rest) = challenge.split_once("resource_metadata=\"").context("no metadata")?;
    let (url, _) = rest.split_once('"').context("no end")?;
    let resource: Value = http()?.get(url).send().await?.json().await?;
    assert_eq!(resource["resource"], server.url().as_str());
    let issuer = resource["authorization_servers"][0].as_str().context("no issuer")?;
    for place in ["oauth-authorization-server", "openid-configuration"] {
        let url = format!("{issuer}/.well-known/{place}");
        let metadata: Value = http()?.get(url).send().await?.json().await?;
        assert_eq!(metadata["issuer"], issuer);
        assert_eq!(metadata["code_challenge_methods_supported"], json!(["S256"]));
        assert_eq!(metadata["token_endpoint"], format!("{issuer}/token"));
    }
    Ok(())
}

#[tokio::test]
async fn a_sign_in_ends_with_tokens_that_work() -> anyhow::Result<()> {
    let (server, client) = server().await?;
    let url = client.authorize_url(&[])?;
    let back = sign_in_with_form(&url, "demo", "demo123").await?;
    assert!(back.as_str().starts_with(REDIRECT));
    assert_eq!(parameter(&back, "state").as_deref(), Some("st4te"));
    assert_eq!(parameter(&back, "iss"), Some(server.control().issuer()));
    let code = parameter(&back, "code").context("no code")?;
    let response = client.exchange(&code, &[]).await?;
    assert_eq!(response.headers()["cache-control"], "no-store");
    let body: Value = response.json().await?;
    assert_eq!((&body["token_type"], &body["expires_in"]), (&json!("Bearer"), &json!(300)));
    let access = body["access_token"].as_str().context("no token")?;
    let mcp = Mcp::new(&server)?.bearer(access).initialize().await?;
    let status = mcp.call("auth_status", json!({})).await?;
    assert_eq!(status["result"]["structuredContent"]["user"], "demo");
    let stats = server.control().stats();
    assert_eq!((stats.registrations, stats.authorizations), (1, 1));
    assert_eq!((stats.authorize_pages, stats.grant("authorization_code")), (1, 1));
    Ok(())
}

#[tokio::test]
async fn the_form_refuses_wrong_passwords_and_respects_deny() -> anyhow::Result<()> {
    let (_server, client) = server().await?;
    let url = client.authorize_url(&[])?;
    assert!(sign_in_with_form(&url, "demo", "wrong").await.is_err());
    let back = deny_with_form(&url).await?;
    assert_eq!(parameter(&back, "error").as_deref(), Some("access_denied"));
    assert_eq!(parameter(&back, "state").as_deref(), Some("st4te"));
    Ok(())
}

#[tokio::test]
async fn bad_requests_go_back_with_an_error() -> anyhow::Result<()> {
    let (_server, client) = server().await?;
    for (name, value, error) in [
        ("code_challenge", "", "invalid_request"),
        ("code_challenge", "short", "invalid_request"),
        ("code_challenge_method", "plain", "invalid_request"),
        ("code_challenge_method", "", "invalid_request"),
        ("response_type", "token", "unsupported_response_type"),
        ("scope", "mcp everything", "invalid_scope"),
        ("resource", "https://elsewhere.example/mcp", "invalid_target"),
        ("resource", "", "invalid_target"),
    ] {
        let url = client.authorize_url(&[(name, value)])?;
        let back = deny_with_form(&url).await?;
        assert_eq!(parameter(&back, "error").as_deref(), Some(error), "{name}={value}");
    }
    Ok(())
}

#[tokio::test]
async fn nothing_is_sent_to_an_unregistered_address() -> anyhow::Result<()> {
    let (_server, client) = server().await?;
    for (name, value) in [
        ("redirect_uri", "http://127.0.0.1:3999/other"),
        ("redirect_uri", "http://127.0.0.1:3999/callback/"),
        ("redirect_uri", "http://localhost:3999/callback"),
        ("redirect_uri", "https://elsewhere.example/callback"),
        ("redirect_uri", ""),
        ("client_id", "nobody"),
    ] {
        let url = client.authorize_url(&[(name, value)])?;
        let response = http()?.get(url).send().await?;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{name}={value}");
        assert!(!response.headers().contains_key("location"));
    }
    Ok(())
}

#[tokio::test]
async fn a_loopback_port_may_differ_unless_the_server_is_strict() -> anyhow::Result<()> {
    let other_port = [("redirect_uri", "http://127.0.0.1:4001/callback")];
    let (_server, client) = server().await?;
    assert!(deny_with_form(&client.authorize_url(&other_port)?).await.is_ok());
    let strict = OAuthConfig { strict_redirect_port: true, ..OAuthConfig::default() };
    let server = DemoServer::start(Config::with_auth(Auth::OAuth(strict))).await?;
    let client = OAuthClient::register(&server).await?;
    assert!(deny_with_form(&client.authorize_url(&other_port)?).await.is_err());
    Ok(())
}

#[tokio::test]
async fn registration_refuses_unsafe_redirects() -> anyhow::Result<()> {
    let (server, _) = server().await?;
    let issuer = server.control().issuer();
    for uri in ["http://elsewhere.example/", "javascript:alert(1)", "https://x.example/#f", "/cb"] {
        let response = register(&issuer, json!({ "redirect_uris": [uri] })).await?;
        assert_eq!(oauth_error(response).await?, "invalid_redirect_uri", "{uri}");
    }
    let empty = register(&issuer, json!({ "redirect_uris": [] })).await?;
    assert_eq!(oauth_error(empty).await?, "invalid_redirect_uri");
    let app = json!({ "redirect_uris": ["com.example.app:/callback"] });
    assert_eq!(register(&issuer, app).await?.status(), StatusCode::CREATED);
    Ok(())
}

#[tokio::test]
async fn a_code_is_bound_to_everything_it_was_asked_with() -> anyhow::Result<()> {
    let (server, client) = server().await?;
    let other = OAuthClient::register(&server).await?;
    for (name, value, error) in [
        ("code_verifier", "another-verifier-that-is-long-enough-for-it", "invalid_grant"),
        ("code_verifier", "", "invalid_grant"),
        ("redirect_uri", "http://127.0.0.1:3999/other", "invalid_grant"),
        ("client_id", other.id.as_str(), "invalid_grant"),
        ("client_id", "nobody", "invalid_client"),
        ("resource", "https://elsewhere.example/mcp", "invalid_target"),
        ("code", "demo-code-guessed", "invalid_grant"),
    ] {
        let code = client.code("demo", "mcp").await?;
        let refused = client.exchange(&code, &[(name, value)]).await?;
        assert_eq!(oauth_error(refused).await?, error, "{name}={value}");
    }
    Ok(())
}

#[tokio::test]
async fn a_code_used_twice_ends_what_it_gave() -> anyhow::Result<()> {
    let (server, client) = server().await?;
    let code = client.code("demo", "mcp").await?;
    let first = tokens(client.exchange(&code, &[]).await?).await?;
    assert!(works(&server, &first.access).await?);
    assert_eq!(oauth_error(client.exchange(&code, &[]).await?).await?, "invalid_grant");
    assert!(!works(&server, &first.access).await?);
    let refused = client.refresh(&first.refresh, &[]).await?;
    assert_eq!(oauth_error(refused).await?, "invalid_grant");
    Ok(())
}

#[tokio::test]
async fn codes_and_access_tokens_age() -> anyhow::Result<()> {
    let (server, client) = server().await?;
    let code = client.code("demo", "mcp").await?;
    server.control().advance(Duration::from_secs(61));
    assert_eq!(oauth_error(client.exchange(&code, &[]).await?).await?, "invalid_grant");
    let tokens = client.sign_in("demo", "mcp").await?;
    assert!(works(&server, &tokens.access).await?);
    server.control().advance(Duration::from_secs(301));
    let refused = Mcp::new(&server)?.bearer(&tokens.access).post(&initialize()).await?;
    assert!(challenge(&refused)?.contains("the access token expired"));
    Ok(())
}

#[tokio::test]
async fn a_refresh_token_used_twice_ends_its_family() -> anyhow::Result<()> {
    let (server, client) = server().await?;
    let first = client.sign_in("demo", "mcp").await?;
    let bystander = client.sign_in("demo", "mcp").await?;
    let second = tokens(client.refresh(&first.refresh, &[]).await?).await?;
    assert_ne!(first.refresh, second.refresh);
    let reused = client.refresh(&first.refresh, &[]).await?;
    assert_eq!(oauth_error(reused).await?, "invalid_grant");
    let newest = client.refresh(&second.refresh, &[]).await?;
    assert_eq!(oauth_error(newest).await?, "invalid_grant");
    assert!(!works(&server, &second.access).await?);
    assert!(works(&server, &bystander.access).await?);
    Ok(())
}

#[tokio::test]
async fn a_refresh_cannot_widen_what_was_granted() -> anyhow::Result<()> {
    let (server, client) = server().await?;
    let other = OAuthClient::register(&server).await?;
    let first = client.sign_in("demo", "mcp profile").await?;
    for (name, value, error) in [
        ("scope", "mcp web-search:read", "invalid_scope"),
        ("client_id", other.id.as_str(), "invalid_grant"),
        ("resource", "https://elsewhere.example/mcp", "invalid_target"),
        ("refresh_token", "demo-refresh-guessed", "invalid_grant"),
    ] {
        let refused = client.refresh(&first.refresh, &[(name, value)]).await?;
        assert_eq!(oauth_error(refused).await?, error, "{name}={value}");
    }
    let narrower = tokens(client.refresh(&first.refresh, &[("scope", "mcp")]).await?).await?;
    let again = client.refresh(&narrower.refresh, &[("scope", "mcp profile")]).await?;
    assert!(again.status().is_success(), "a narrower token is not a narrower grant");
    Ok(())
}

#[tokio::test]
async fn revoked_tokens_are_of_no_use() -> anyhow::Result<()> {
    let (server, client) = server().await?;
    let revoke = async |token: &str| -> anyhow::Result<StatusCode> {
        let form = [("token", token), ("client_id", &client.id)];
        let url = format!("{}/revoke", client.issuer);
        Ok(http()?.post(url).form(&form).send().await?.status())
    };
    let first = client.sign_in("demo", "mcp").await?;
    assert_eq!(revoke(&first.access).await?, StatusCode::OK);
    assert!(!works(&server, &first.access).await?);
    assert!(client.refresh(&first.refresh, &[]).await?.status().is_success());
    let second = client.sign_in("demo", "mcp").await?;
    assert_eq!(revoke(&second.refresh).await?, StatusCode::OK);
    assert!(!works(&server, &second.access).await?);
    assert_eq!(revoke("unknown").await?, StatusCode::OK);
    assert_eq!(server.control().stats().revocations, 3);
    Ok(())
}

#[tokio::test]
async fn a_missing_scope_is_asked_for() -> anyhow::Result<()> {
    let (server, client) = server().await?;
    let narrow = client.sign_in("demo", "mcp").await?;
    let mcp = Mcp::new(&server)?.bearer(&narrow.access).initialize().await?;
    let search = json!({ "name": "web_search", "arguments": { "query": "moat" } });
    let refused = mcp.post(&request("tools/call", search)).await?;
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    let asked = challenge(&refused)?;
    assert!(asked.contains("error=\"insufficient_scope\""));
    assert!(asked.contains("scope=\"web-search:read\""));
    assert!(asked.contains("resource_metadata="));
    let wide = client.sign_in("demo", "mcp web-search:read").await?;
    let mcp = Mcp::new(&server)?.bearer(&wide.access).initialize().await?;
    let found = mcp.call("web_search", json!({ "query": "moat castle" })).await?;
    assert_eq!(found["result"]["structuredContent"]["results"][0]["title"], "Moat");
    let index = json!({ "name": "web_search", "arguments": { "action": "index" } });
    let refused = mcp.post(&request("tools/call", index)).await?;
    assert!(challenge(&refused)?.contains("scope=\"web-search:write\""));
    Ok(())
}

#[tokio::test]
async fn a_token_is_for_its_resource_alone() -> anyhow::Result<()> {
    let (server, mut client) = server().await?;
    client.resource = server.sse_url().to_string();
    let tokens = client.sign_in("demo", "mcp").await?;
    assert!(!works(&server, &tokens.access).await?);
    client.resource = server.origin().to_string();
    let tokens = client.sign_in("demo", "mcp").await?;
    assert!(works(&server, &tokens.access).await?);
    Ok(())
}

#[tokio::test]
async fn parameters_given_twice_are_refused() -> anyhow::Result<()> {
    let (_server, client) = server().await?;
    let form = [("grant_type", "refresh_token"), ("grant_type", "refresh_token")];
    assert_eq!(oauth_error(client.token(&form).await?).await?, "invalid_request");
    let form = [("grant_type", "password"), ("client_id", client.id.as_str())];
    assert_eq!(oauth_error(client.token(&form).await?).await?, "unsupported_grant_type");
    Ok(())
}
