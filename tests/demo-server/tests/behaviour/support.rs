//! A small MCP client and a small OAuth client, written without the server's own code.

use anyhow::{Context as _, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use demo_server::{DemoServer, sign_in_with_form};
use reqwest::{RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use url::Url;

pub(crate) const REDIRECT: &str = "http://127.0.0.1:3999/callback";
pub(crate) const VERIFIER: &str = "a-verifier-that-has-at-least-forty-three-characters";

pub(crate) fn http() -> anyhow::Result<reqwest::Client> {
    Ok(demo_server::browser()?)
}

/// An MCP client on Streamable HTTP.
#[derive(Clone)]
pub(crate) struct Mcp {
    pub(crate) http: reqwest::Client,
    pub(crate) url: Url,
    pub(crate) headers: Vec<(&'static str, String)>,
}

impl Mcp {
    pub(crate) fn new(server: &DemoServer) -> anyhow::Result<Self> {
        Ok(Mcp { http: http()?, url: server.url(), headers: Vec::new() })
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(crate) fn bearer(self, token: &str) -> Self {
        self.with("authorization", format!("Bearer {token}"))
    }

    /// Opens a legacy session.
    pub(crate) async fn initialize(self) -> anyhow::Result<Self> {
        let response = self.post(&initialize()).await?;
        ensure!(response.status().is_success(), "initialize: {}", response.status());
        let id = response.headers().get("mcp-session-id").context("no session id")?;
        let this = self.clone().with("mcp-session-id", id.to_str()?.to_owned());
        answer(response).await?;
        let initialized = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
        let accepted = this.post(&initialized).await?;
        ensure!(accepted.status() == StatusCode::ACCEPTED, "initialized: {}", accepted.status());
        Ok(this)
    }

    pub(crate) fn request(&self, method: reqwest::Method) -> RequestBuilder {
        let request = self.http.request(method, self.url.clone());
        self.headers.iter().fold(request, |request, (name, value)| request.header(*name, value))
    }

    pub(crate) async fn post(&self, message: &Value) -> anyhow::Result<Response> {
        self.post_raw(message.to_string()).await
    }

    pub(crate) async fn post_raw(&self, body: String) -> anyhow::Result<Response> {
        let request = self
            .request(reqwest::Method::POST)
            .header("accept", "application/json, text/event-stream")
            .header("content-type", "application/json")
            .body(body);
        Ok(request.send().await?)
    }

    /// Sends a legacy request and reads its answer.
    pub(crate) async fn ask(&self, method: &str, params: Value) -> anyhow::Result<Value> {
        answer(self.post(&request(method, params)).await?).await
    }

    pub(crate) async fn call(&self, tool: &str, arguments: Value) -> anyhow::Result<Value> {
        self.ask("tools/call", json!({ "name": tool, "arguments": arguments })).await
    }

    pub(crate) async fn tool_names(&self) -> anyhow::Result<Vec<String>> {
        let answer = self.ask("tools/list", json!({})).await?;
        let tools = answer["result"]["tools"].as_array().context("no tools")?;
        Ok(tools.iter().filter_map(|tool| tool["name"].as_str()).map(str::to_owned).collect())
    }

    /// Sends a modern request.
    pub(crate) async fn post_modern(&self, method: &str, mut params: Value) -> anyhow::Result<Response> {
        params["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": { "name": "test", "version": "1" },
            "io.modelcontextprotocol/clientCapabilities": { "elicitation": {}, "sampling": {} },
        });
        let mut this = self.clone().with("mcp-protocol-version", "2026-07-28");
        if let Some(name) = params["name"].as_str() {
            this = this.with("mcp-name", name.to_owned());
        }
        this.with("mcp-method", method.to_owned()).post(&request(method, params)).await
    }

    pub(crate) async fn ask_modern(&self, method: &str, params: Value) -> anyhow::Result<Value> {
        answer(self.post_modern(method, params).await?).await
    }

    /// Opens the GET stream.
    pub(crate) async fn listen(&self) -> anyhow::Result<Events> {
        let request = self.request(reqwest::Method::GET).header("accept", "text/event-stream");
        let response = request.send().await?;
        ensure!(response.status().is_success(), "GET: {}", response.status());
        Ok(Events::new(response))
    }
}

pub(crate) fn request(method: &str, params: Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params })
}

pub(crate) fn initialize() -> Value {
    request(
        "initialize",
        json!({
            "protocolVersion": "2025-11-25",
            "capabilities": { "elicitation": {}, "sampling": {} },
            "clientInfo": { "name": "test", "version": "1" },
        }),
    )
}

/// The answer in a response, be it JSON or a stream.
pub(crate) async fn answer(response: Response) -> anyhow::Result<Value> {
    let kind = response.headers().get("content-type").context("no content type")?;
    if kind.to_str()?.starts_with("application/json") {
        return Ok(response.json().await?);
    }
    let status = response.status();
    let mut events = Events::new(response);
    while let Some(message) = events.next().await? {
        if message.get("result").is_some() || message.get("error").is_some() {
            return Ok(message);
        }
    }
    anyhow::bail!("no answer ({status})")
}

/// The events of a stream.
pub(crate) struct Events {
    response: Response,
    buffer: String,
}

impl Events {
    pub(crate) fn new(response: Response) -> Self {
        Events { response, buffer: String::new() }
    }

    /// The next message, skipping events without data.
    pub(crate) async fn next(&mut self) -> anyhow::Result<Option<Value>> {
        let Some(data) = self.next_data().await? else {
            return Ok(None);
        };
        Ok(Some(serde_json::from_str(&data)?))
    }

    /// The data of the next event that has any.
    pub(crate) async fn next_data(&mut self) -> anyhow::Result<Option<String>> {
        loop {
            while let Some((event, rest)) = self.buffer.split_once("\n\n") {
                let lines = event.lines().filter_map(|line| line.strip_prefix("data:"));
                let data: Vec<_> = lines.map(|data| data.strip_prefix(' ').unwrap_or(data)).collect();
                let data = data.join("\n");
                self.buffer = rest.to_owned();
                if !data.is_empty() {
                    return Ok(Some(data));
                }
            }
            match self.response.chunk().await? {
                Some(chunk) => self.buffer.push_str(std::str::from_utf8(&chunk)?),
                None => return Ok(None),
            }
        }
    }
}

/// An OAuth client that registered itself.
#[derive(Clone)]
pub(crate) struct OAuthClient {
    pub(crate) http: reqwest::Client,
    pub(crate) issuer: String,
    pub(crate) resource: String,
    pub(crate) id: String,
    pub(crate) secret: Option<String>,
}

/// What the token endpoint gave.
pub(crate) struct Tokens {
    pub(crate) access: String,
    pub(crate) refresh: String,
}

impl OAuthClient {
    pub(crate) async fn register(server: &DemoServer) -> anyhow::Result<Self> {
        let issuer = server.control().issuer();
        let response = register(&issuer, json!({ "redirect_uris": [REDIRECT] })).await?;
        ensure!(response.status() == StatusCode::CREATED, "register: {}", response.status());
        let client: Value = response.json().await?;
        Ok(OAuthClient {
            http: http()?,
            issuer,
            resource: server.url().to_string(),
            id: client["client_id"].as_str().context("no client id")?.to_owned(),
            secret: client["client_secret"].as_str().map(str::to_owned),
        })
    }

    pub(crate) fn authorize_url(&self, changes: &[(&str, &str)]) -> anyhow::Result<Url> {
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(VERIFIER));
        let parameters = [
            ("response_type", "code"),
            ("client_id", &self.id),
            ("redirect_uri", REDIRECT),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
            ("state", "st4te"),
            ("scope", "mcp"),
            ("resource", &self.resource),
        ];
        let mut url = Url::parse(&format!("{}/authorize", self.issuer))?;
        url.query_pairs_mut().extend_pairs(changed(&parameters, changes));
        Ok(url)
    }

    /// Signs in and returns the code.
    pub(crate) async fn code(&self, user: &str, scope: &str) -> anyhow::Result<String> {
        let url = self.authorize_url(&[("scope", scope)])?;
        let back = sign_in_with_form(&url, user, &format!("{user}123")).await?;
        parameter(&back, "code").context("no code")
    }

    pub(crate) async fn exchange(&self, code: &str, changes: &[(&str, &str)]) -> anyhow::Result<Response> {
        let parameters = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", REDIRECT),
            ("code_verifier", VERIFIER),
            ("client_id", &self.id),
            ("resource", &self.resource),
        ];
        self.token(&changed(&parameters, changes)).await
    }

    pub(crate) async fn refresh(&self, token: &str, changes: &[(&str, &str)]) -> anyhow::Result<Response> {
        let parameters = [
            ("grant_type", "refresh_token"),
            ("refresh_token", token),
            ("client_id", &self.id),
            ("resource", &self.resource),
        ];
        self.token(&changed(&parameters, changes)).await
    }

    pub(crate) async fn token(&self, form: &[(&str, &str)]) -> anyhow::Result<Response> {
        let url = format!("{}/token", self.issuer);
        Ok(self.http.post(url).form(form).send().await?)
    }

    /// The whole way to tokens.
    pub(crate) async fn sign_in(&self, user: &str, scope: &str) -> anyhow::Result<Tokens> {
        let code = self.code(user, scope).await?;
        tokens(self.exchange(&code, &[]).await?).await
    }
}

pub(crate) async fn register(issuer: &str, metadata: Value) -> anyhow::Result<Response> {
    Ok(http()?.post(format!("{issuer}/register")).json(&metadata).send().await?)
}

pub(crate) async fn tokens(response: Response) -> anyhow::Result<Tokens> {
    ensure!(response.status().is_success(), "token: {}", response.text().await?);
    let body: Value = response.json().await?;
    Ok(Tokens {
        access: body["access_token"].as_str().context("no access token")?.to_owned(),
        refresh: body["refresh_token"].as_str().unwrap_or_default().to_owned(),
    })
}

/// The OAuth error code in a refusal.
pub(crate) async fn oauth_error(response: Response) -> anyhow::Result<String> {
    ensure!(!response.status().is_success(), "not refused");
    let body: Value = response.json().await?;
    Ok(body["error"].as_str().context("no error code")?.to_owned())
}

pub(crate) fn parameter(url: &Url, name: &str) -> Option<String> {
    url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

/// The challenge of a refused request.
pub(crate) fn challenge(response: &Response) -> anyhow::Result<String> {
    let value = response.headers().get("www-authenticate").context("no challenge")?;
    Ok(value.to_str()?.to_owned())
}

/// Parameters with some replaced; an empty value removes one.
fn changed<'a>(parameters: &[(&'a str, &'a str)], changes: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let mut all: Vec<_> = parameters.to_vec();
    all.retain(|(name, _)| !changes.iter().any(|(changed, _)| changed == name));
    all.extend(changes.iter().filter(|(_, value)| !value.is_empty()));
    all
}
