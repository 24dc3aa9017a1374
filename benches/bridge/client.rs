//! The clients that measure: one on a command's stdio, and one that speaks HTTP itself.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use url::Url;

/// A client on a command's stdio.
pub(crate) struct Client {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Lines<BufReader<ChildStdout>>,
}

impl Client {
    /// Starts the command; returns once `initialize` is answered.
    pub(crate) async fn open(mut command: Command) -> Result<Self> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
        let mut child = command.spawn()?;
        let stdin = child.stdin.take();
        let stdout = BufReader::new(child.stdout.take().context("no stdout")?).lines();
        let mut client = Self { child, stdin, stdout };
        client.send(&initialize()).await?;
        client.answer().await?;
        client.send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })).await?;
        Ok(client)
    }

    pub(crate) async fn ask(&mut self, number: usize) -> Result<()> {
        self.send(&call(number)).await
    }

    pub(crate) async fn send(&mut self, message: &Value) -> Result<()> {
        let stdin = self.stdin.as_mut().context("stdin is closed")?;
        Ok(stdin.write_all(format!("{message}\n").as_bytes()).await?)
    }

    /// Reads up to the next answer.
    pub(crate) async fn answer(&mut self) -> Result<()> {
        loop {
            let line = self.stdout.next_line().await?.context("stdout ended")?;
            if line.contains("\"result\"") {
                return Ok(());
            }
            ensure!(!line.contains("\"error\""), "{line}");
        }
    }

    /// Its process.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    pub(crate) async fn close(mut self) -> Result<()> {
        drop(self.stdin.take());
        if tokio::time::timeout(Duration::from_secs(5), self.child.wait()).await.is_err() {
            self.child.kill().await?;
        }
        Ok(())
    }
}

/// A client that speaks HTTP itself.
pub(crate) struct Direct {
    http: reqwest::Client,
    url: Url,
    session: String,
}

impl Direct {
    pub(crate) async fn open(url: &Url) -> Result<Self> {
        #[allow(clippy::disallowed_methods, reason = "this is what the bridge is measured against")]
        let http = reqwest::Client::builder().no_proxy().tcp_nodelay(true).build()?;
        let mut direct = Self { http, url: url.clone(), session: String::new() };
        let answer = direct.post(&initialize()).await?;
        let session = answer.headers().get("mcp-session-id").context("no session")?;
        direct.session = session.to_str()?.to_owned();
        answer.bytes().await?;
        Ok(direct)
    }

    pub(crate) async fn call(&self, number: usize) -> Result<()> {
        let answer = self.post(&call(number)).await?;
        let body = answer.bytes().await?;
        ensure!(memchr::memmem::find(&body, b"\"result\"").is_some(), "{}", String::from_utf8_lossy(&body));
        Ok(())
    }

    async fn post(&self, message: &Value) -> Result<reqwest::Response> {
        let mut request = self.http.post(self.url.clone()).body(message.to_string());
        request = request.header("content-type", "application/json");
        request = request.header("accept", "application/json, text/event-stream");
        if !self.session.is_empty() {
            request =
                request.header("mcp-session-id", &self.session).header("mcp-protocol-version", "2025-06-18");
        }
        Ok(request.send().await?.error_for_status()?)
    }
}

/// Drawbridge with a home of its own.
pub(crate) fn drawbridge(home: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_drawbridge"));
    command
        .args(args)
        .env("DRAWBRIDGE_HOME", home)
        .env("DRAWBRIDGE_SECRETS", "memory")
        .env("BROWSER", "true");
    command
}

fn initialize() -> Value {
    let client = json!({ "name": "bench", "version": "1" });
    let params = json!({ "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": client });
    json!({ "jsonrpc": "2.0", "id": "start", "method": "initialize", "params": params })
}

fn call(number: usize) -> Value {
    let params = json!({ "name": "echo_message", "arguments": { "message": "x" } });
    json!({ "jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params })
}
