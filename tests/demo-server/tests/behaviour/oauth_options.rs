//! What tests change about the authorization server, at start or while it runs.

use anyhow::Context as _;
use demo_server::{
    Auth, ClientAuth, Config, DemoServer, Discovery, OAuthConfig, RefreshTokens, ResourceMetadata,
    StaticClient, TokenFault, sign_in_with_form,
};
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::support::{
    Mcp, OAuthClient, REDIRECT, challenge, http, initialize, oauth_error, parameter, tokens,
};

async fn server(oauth: OAuthConfig) -> anyhow::Result<DemoServer> {
    DemoServer::start(Config::with_auth(Auth::OAuth(oauth))).await
}

async fn status(server: &DemoServer, path: &str) -> anyhow::Result<StatusCode> {
    Ok(http()?.get(server.origin().join(path)?).send().await?.status())
}

#[tokio::test]
async fn clients_with_a_secret_must_show_it() -> anyhow::Result<()> {
    for client_auth in [ClientAuth::SecretBasic, ClientAuth::SecretPost] {
        let server = server(OAuthConfig { client_auth, ..OAuthConfig::default() }).await?;
        let client = OAuthClient::register(&server).await?;
        let secret = client.secret.clone().unwrap_or_default();
        let code = client.code("demo", "mcp").await?;
        assert_eq!(oauth_error(client.exchange(&code, &[]).await?).await?, "invalid_client");
        let wrong = client.exchange(&code, &[("client_secret", "wrong")]).await?;
        assert_eq!(oauth_error(wrong).await?, "invalid_client");
        let form = [("grant_type", "client_credentials"), ("resource", client.resource.as_str())];
        let url = format!("{}/token", client.issuer);
        let request = http()?.post(url);
        let response = match client_auth {
            ClientAuth::SecretBasic => {
                request.basic_auth(&client.id, Some(&secret)).form(&form).send().await?
            }
            ClientAuth::None | ClientAuth::SecretPost => {
                let own = [("client_id", client.id.as_str()), ("client_secret", secret.as_str())];
                let form: Vec<_> = form.iter().chain(&own).collect();
                request.form(&form).send().await?
            }
        };
        assert!(!tokens(response).await?.access.is_empty());
    }
    Ok(())
}

#[tokio::test]
async fn refresh_tokens_can_depend_on_offline_access() -> anyhow::Result<()> {
    let refresh_tokens = RefreshTokens::OfflineAccess;
    let server = server(OAuthConfig { refresh_tokens, ..OAuthConfig::default() }).await?;
    let client = OAuthClient::register(&server).await?;
    assert_eq!(client.sign_in("demo", "mcp").await?.refresh, "");
    assert_ne!(client.sign_in("demo", "mcp offline_access").await?.refresh, "");
    Ok(())
}

#[tokio::test]
async fn refresh_tokens_can_stay() -> anyhow::Result<()> {
    let server = server(OAuthConfig { rotate_refresh_tokens: false, ..OAuthConfig::default() }).await?;
    let client = OAuthClient::register(&server).await?;
    let first = client.sign_in("demo", "mcp").await?;
    for _ in 0..2 {
        let again = tokens(client.refresh(&first.refresh, &[]).await?).await?;
        assert_eq!(again.refresh, "");
    }
    Ok(())
}

#[tokio::test]
async fn discovery_can_be_narrowed() -> anyhow::Result<()> {
    let server = server(OAuthConfig {
        discovery: Discovery::OpenId,
        resource_metadata: ResourceMetadata { in_challenge: false, at_path: false, at_root: true },
        announce_pkce: false,
        registration: false,
        iss_parameter: false,
        ..OAuthConfig::default()
    })
    .await?;
    let refused = Mcp::new(&server)?.post(&initialize()).await?;
    assert!(!challenge(&refused)?.contains("resource_metadata"));
    let gone = StatusCode::NOT_FOUND;
    assert_eq!(status(&server, "/.well-known/oauth-protected-resource/mcp").await?, gone);
    assert_eq!(status(&server, "/.well-known/oauth-protected-resource").await?, StatusCode::OK);
    assert_eq!(status(&server, "/.well-known/oauth-authorization-server").await?, gone);
    let url = server.origin().join("/.well-known/openid-configuration")?;
    let metadata: Value = http()?.get(url).send().await?.json().await?;
    assert!(metadata.get("code_challenge_methods_supported").is_none());
    assert!(metadata.get("registration_endpoint").is_none());
    Ok(())
}

#[tokio::test]
async fn static_clients_need_no_registration() -> anyhow::Result<()> {
    let fixed = StaticClient {
        id: "fixed".into(),
        secret: None,
        auth: ClientAuth::None,
        redirect_uris: vec![REDIRECT.into()],
    };
    let server = server(OAuthConfig { clients: vec![fixed], ..OAuthConfig::default() }).await?;
    let mut client = OAuthClient::register(&server).await?;
    client.id = "fixed".into();
    server.control().forget_clients();
    assert!(!client.sign_in("demo", "mcp").await?.access.is_empty());
    Ok(())
}

#[tokio::test]
async fn a_client_may_be_known_by_its_document() -> anyhow::Result<()> {
    let server = server(OAuthConfig::default()).await?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let id = format!("http://{}/client.json", listener.local_addr()?);
    let document = json!({ "client_id": id, "redirect_uris": [REDIRECT] }).to_string();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await?;
        let mut request = [0; 4096];
        let _ = stream.read(&mut request).await?;
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", document.len());
        stream.write_all((head + &document).as_bytes()).await
    });
    let mut client = OAuthClient::register(&server).await?;
    client.id = id;
    assert!(!client.sign_in("demo", "mcp").await?.access.is_empty());
    Ok(())
}

#[tokio::test]
async fn forgotten_clients_must_register_again() -> anyhow::Result<()> {
    let server = server(OAuthConfig::default()).await?;
    let client = OAuthClient::register(&server).await?;
    let first = client.sign_in("demo", "mcp").await?;
    server.control().forget_clients();
    let refused = client.refresh(&first.refresh, &[]).await?;
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(oauth_error(refused).await?, "invalid_client");
    Ok(())
}

#[tokio::test]
async fn a_swapped_issuer_knows_nobody() -> anyhow::Result<()> {
    let server = server(OAuthConfig::default()).await?;
    let client = OAuthClient::register(&server).await?;
    let first = client.sign_in("demo", "mcp").await?;
    let issuer = server.control().swap_issuer();
    assert_ne!(issuer, client.issuer);
    let refused = Mcp::new(&server)?.bearer(&first.access).post(&initialize()).await?;
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(client.refresh(&first.refresh, &[]).await?.status(), StatusCode::NOT_FOUND);
    let path = server.origin().join("/.well-known/oauth-authorization-server/as/1")?;
    let metadata: Value = http()?.get(path).send().await?.json().await?;
    assert_eq!(metadata["issuer"], issuer);
    let again = OAuthClient::register(&server).await?;
    assert!(!again.sign_in("demo", "mcp").await?.access.is_empty());
    Ok(())
}

#[tokio::test]
async fn the_callback_can_name_a_wrong_issuer() -> anyhow::Result<()> {
    let server = server(OAuthConfig::default()).await?;
    let client = OAuthClient::register(&server).await?;
    server.control().set_callback_iss(Some("https://attacker.example"));
    let back = sign_in_with_form(&client.authorize_url(&[])?, "demo", "demo123").await?;
    assert_eq!(parameter(&back, "iss").as_deref(), Some("https://attacker.example"));
    Ok(())
}

#[tokio::test]
async fn tokens_can_be_ended_from_outside() -> anyhow::Result<()> {
    let server = server(OAuthConfig::default()).await?;
    let client = OAuthClient::register(&server).await?;
    let works = async |token: &str| -> anyhow::Result<bool> {
        let response = Mcp::new(&server)?.bearer(token).post(&initialize()).await?;
        Ok(response.status().is_success())
    };
    let control = server.control();
    let demo = client.sign_in("demo", "mcp").await?;
    let admin = client.sign_in("admin", "mcp").await?;
    control.revoke_tokens(Some("demo"));
    assert!(!works(&demo.access).await? && works(&admin.access).await?);
    control.expire_access_tokens();
    assert!(!works(&admin.access).await?);
    let fresh = tokens(client.refresh(&admin.refresh, &[]).await?).await?;
    control.revoke_refresh_tokens();
    assert!(works(&fresh.access).await?);
    let refused = client.refresh(&fresh.refresh, &[]).await?;
    assert_eq!(oauth_error(refused).await?, "invalid_grant");
    Ok(())
}

#[tokio::test]
async fn the_token_endpoint_fails_on_request() -> anyhow::Result<()> {
    let server = server(OAuthConfig::default()).await?;
    let client = OAuthClient::register(&server).await?;
    let first = client.sign_in("demo", "mcp").await?;
    let control = server.control();
    control.token_endpoint_fault(TokenFault::Status { code: 503, retry_after: Some(2) });
    let refused = client.refresh(&first.refresh, &[]).await?;
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refused.headers()["retry-after"], "2");
    control.token_endpoint_fault(TokenFault::Error { error: "invalid_grant".into() });
    assert_eq!(oauth_error(client.refresh(&first.refresh, &[]).await?).await?, "invalid_grant");
    control.token_endpoint_fault(TokenFault::NotJson);
    assert!(client.refresh(&first.refresh, &[]).await?.json::<Value>().await.is_err());
    control.token_endpoint_fault(TokenFault::Stall);
    let slow = tokio::spawn({
        let (client, refresh) = (client.clone(), first.refresh.clone());
        async move { tokens(client.refresh(&refresh, &[]).await?).await }
    });
    control.wait_for(|stats| stats.stalled == 1).await;
    control.release_stalled();
    let second = slow.await??;
    // The answer is lost, but the token was used up: the client's next try is a reuse.
    control.token_endpoint_fault(TokenFault::DropAnswer);
    let lost = client.refresh(&second.refresh, &[]).await;
    assert!(match lost {
        Ok(response) => response.bytes().await.is_err(),
        Err(_) => true,
    });
    assert_eq!(oauth_error(client.refresh(&second.refresh, &[]).await?).await?, "invalid_grant");
    Ok(())
}

#[tokio::test]
async fn a_known_browser_needs_no_password() -> anyhow::Result<()> {
    let server = server(OAuthConfig { remember_browser: true, ..OAuthConfig::default() }).await?;
    let client = OAuthClient::register(&server).await?;
    let url = client.authorize_url(&[])?;
    let form = async |cookie: &str| -> anyhow::Result<(String, String)> {
        let page = http()?.get(url.clone()).header("cookie", cookie).send().await?.text().await?;
        let (_, rest) = page.split_once("name=\"request\" value=\"").context("no form")?;
        let id = rest.split('"').next().context("no id")?.to_owned();
        Ok((id, page))
    };
    let submit = async |cookie: &str, fields: &[(&str, &str)]| -> anyhow::Result<reqwest::Response> {
        Ok(http()?.post(url.clone()).header("cookie", cookie).form(fields).send().await?)
    };
    let (id, _) = form("").await?;
    let fields = [("request", id.as_str()), ("username", "demo"), ("password", "demo123")];
    let back = submit("", &fields).await?;
    let cookie = back.headers()["set-cookie"].to_str()?.split(';').next().context("no cookie")?;
    let (id, page) = form(cookie).await?;
    assert!(page.contains("You are signed in as Demo User"));
    let back = submit(cookie, &[("request", &id), ("decision", "allow")]).await?;
    assert_eq!(back.status(), StatusCode::SEE_OTHER);
    let (id, page) = form("demo_browser=guessed").await?;
    assert!(!page.contains("You are signed in"));
    let back = submit("demo_browser=guessed", &[("request", &id), ("decision", "allow")]).await?;
    assert_eq!(back.status(), StatusCode::FORBIDDEN);
    Ok(())
}
