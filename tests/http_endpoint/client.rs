//! An MCP client that speaks HTTP, one request at a time.

use demo_server::{Config, DemoServer};
use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::support::{Home, LIMIT, http};

/// A demo server in a home as `demo`.
pub(crate) async fn with_demo(config: Config) -> (DemoServer, Home) {
    let server = DemoServer::start(config).await.expect("a server");
    let home = Home::new();
    home.add("demo", &server.url()).await;
    server.control().clear_stats();
    (server, home)
}

/// Writes the settings of a home whose Host does not run yet.
pub(crate) fn write_settings(home: &Home, settings: &Value) {
    let folder = home.path().join("config");
    std::fs::create_dir_all(&folder).expect("a folder");
    std::fs::write(folder.join("settings.json"), settings.to_string()).expect("written");
}

/// The endpoint as one client of it sees it.
#[derive(Clone)]
pub(crate) struct Local {
    pub(crate) http: reqwest::Client,
    /// `http://127.0.0.1:PORT/mcp`
    pub(crate) base: String,
    pub(crate) token: String,
    pub(crate) session: Option<String>,
}

impl Local {
    /// Adds a client for all servers.
    pub(crate) async fn add(home: &Home, name: &str) -> Self {
        Self::add_for(home, name, &["--all"]).await
    }

    /// Adds a client for some servers.
    pub(crate) async fn add_for(home: &Home, name: &str, servers: &[&str]) -> Self {
        let shown = home.ok(&[&["clients", "add", name], servers].concat()).await;
        let value = |label: &str| {
            let line = shown.lines().find(|line| line.starts_with(label));
            line.unwrap_or_else(|| panic!("no {label}: {shown}")).split_whitespace().nth(1).expect("a value")
        };
        let (base, _) = value("URL").rsplit_once('/').expect("a path");
        Self { http: http(), base: base.to_owned(), token: value("Token").to_owned(), session: None }
    }

    pub(crate) fn port(&self) -> u16 {
        reqwest::Url::parse(&self.base).expect("a URL").port().expect("a port")
    }

    /// A request with token, session and what every client sends.
    pub(crate) fn request(&self, method: Method, server: &str) -> RequestBuilder {
        let accept = "application/json, text/event-stream";
        let mut request =
            self.http.request(method, format!("{}/{server}", self.base)).bearer_auth(&self.token);
        if let Some(session) = &self.session {
            request = request.header("mcp-session-id", session);
        }
        request.header("accept", accept).header("content-type", "application/json")
    }

    pub(crate) async fn post(&self, body: impl Into<String>) -> Response {
        self.post_to("demo", body).await
    }

    pub(crate) async fn post_to(&self, server: &str, body: impl Into<String>) -> Response {
        send(self.request(Method::POST, server).body(body.into())).await
    }

    pub(crate) async fn get(&self) -> Response {
        send(self.request(Method::GET, "demo")).await
    }

    /// Opens a session.
    pub(crate) async fn initialize(&mut self) -> Value {
        self.initialize_as("2025-06-18", json!({})).await
    }

    pub(crate) async fn initialize_as(&mut self, version: &str, capabilities: Value) -> Value {
        let response = self.post(initialize(version, &capabilities)).await;
        assert_eq!(response.status(), 200);
        let session = response.headers().get("mcp-session-id").expect("a session").to_str().expect("text");
        self.session = Some(session.to_owned());
        let answer = body(response).await;
        let initialized = self.post(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#).await;
        assert_eq!(initialized.status(), 202);
        answer
    }
}

pub(crate) fn initialize(version: &str, capabilities: &Value) -> String {
    let client = json!({ "name": "http test", "version": "1" });
    let params = json!({ "protocolVersion": version, "capabilities": capabilities, "clientInfo": client });
    json!({ "jsonrpc": "2.0", "id": "init", "method": "initialize", "params": params }).to_string()
}

pub(crate) fn call(id: i64, tool: &str, arguments: Value) -> String {
    let params = json!({ "name": tool, "arguments": arguments });
    json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params }).to_string()
}

pub(crate) async fn send(request: RequestBuilder) -> Response {
    timeout(LIMIT, request.send()).await.expect("an answer comes").expect("the endpoint answers")
}

/// The JSON object of an answer.
pub(crate) async fn body(response: Response) -> Value {
    let text = raw_body(response).await;
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

pub(crate) async fn raw_body(response: Response) -> String {
    assert_eq!(response.headers()["content-type"], "application/json");
    timeout(LIMIT, response.text()).await.expect("a body comes").expect("text")
}

/// The messages of a stream of events.
pub(crate) struct Events {
    response: Response,
    read: String,
}

impl Events {
    pub(crate) fn of(response: Response) -> Self {
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { response, read: String::new() }
    }

    /// The next message as it came; `None` at the end.
    pub(crate) async fn next_raw(&mut self) -> Option<String> {
        loop {
            if let Some((event, rest)) = self.read.split_once("\n\n") {
                let data = event.lines().find_map(|line| line.strip_prefix("data: ")).map(str::to_owned);
                self.read = rest.to_owned();
                match data {
                    Some(data) => return Some(data),
                    None => continue,
                }
            }
            let chunk = timeout(LIMIT, self.response.chunk()).await.expect("something comes");
            match chunk {
                Ok(Some(chunk)) => self.read.push_str(std::str::from_utf8(&chunk).expect("text")),
                Ok(None) | Err(_) => return None,
            }
        }
    }

    pub(crate) async fn next(&mut self) -> Option<Value> {
        self.next_raw().await.map(|text| serde_json::from_str(&text).expect("JSON"))
    }

    /// All messages to the end.
    pub(crate) async fn rest(mut self) -> Vec<Value> {
        let mut all = Vec::new();
        while let Some(message) = self.next().await {
            all.push(message);
        }
        all
    }
}
