//! A home of its own, `drawbridge connect` in it, and an MCP client on its stdin and stdout.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::AS_BROWSER;
use crate::options::Options;

/// The version without a handshake.
const MODERN: &str = "2026-07-28";

/// The bridge under test, seen from its client.
pub(crate) struct Bridge {
    home: TempDir,
    shim: Child,
    stdin: ChildStdin,
    stdout: Lines<BufReader<ChildStdout>>,
    version: String,
    capabilities: Value,
    last_id: u64,
}

/// What a request came to.
pub(crate) type Answer = Result<Value, Refusal>;

/// An error, or a tool result that is one.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{sentence}")]
pub(crate) struct Refusal {
    pub(crate) sentence: String,
    /// The version to ask in instead, where the server does not speak ours.
    version: Option<String>,
}

/// The server does not speak the version of a request, and says which it does (2026-07-28).
const UNSUPPORTED_VERSION: i64 = -32022;

impl Bridge {
    /// Starts the shim; nothing is said yet.
    pub(crate) async fn start(
        url: &str,
        version: &str,
        capabilities: Value,
        options: &Options,
    ) -> Result<Self> {
        let home = tempfile::tempdir()?;
        write_browser(&home.path().join("browser"))?;
        let with_options = |words: &[&str]| {
            let mut command = command(home.path());
            command.args(words).args(&options.arguments);
            command.envs(options.variables.iter().map(|(name, value)| (name, value)));
            command
        };
        let mut connect = if options.are_given_by_person {
            let added = with_options(&["add", "server", url]).stdout(Stdio::null()).status().await?;
            ensure!(added.success(), "`add` ended with {added}");
            let mut connect = command(home.path());
            connect.args(["connect", "server"]);
            connect
        } else {
            with_options(&["connect", url])
        };
        let mut shim = connect.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let stdin = shim.stdin.take().context("no stdin")?;
        let stdout = BufReader::new(shim.stdout.take().context("no stdout")?).lines();
        let version = version.to_owned();
        Ok(Self { home, shim, stdin, stdout, version, capabilities, last_id: 0 })
    }

    /// Whether requests stand alone, without a handshake.
    pub(crate) fn is_modern(&self) -> bool {
        self.version == MODERN
    }

    /// The handshake of a legacy client; a modern one asks what there is.
    pub(crate) async fn open(&mut self) -> Result<Answer> {
        if self.is_modern() {
            let answer = self.request("server/discover", json!({})).await?;
            let Err(Refusal { version: Some(version), .. }) = answer else { return Ok(answer) };
            self.version = version;
            return self.request("server/discover", json!({})).await;
        }
        let params = json!({
            "protocolVersion": self.version,
            "capabilities": self.capabilities,
            "clientInfo": client_info(),
        });
        let answer = self.request("initialize", params).await?;
        self.send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })).await?;
        Ok(answer)
    }

    /// Sends a request that has to succeed.
    pub(crate) async fn ask(&mut self, method: &str, params: Value) -> Result<Value> {
        self.request(method, params).await?.with_context(|| format!("{method} was refused"))
    }

    /// Calls a tool, which has to succeed.
    pub(crate) async fn call(&mut self, tool: &str, arguments: Value) -> Result<Value> {
        self.ask("tools/call", json!({ "name": tool, "arguments": arguments })).await
    }

    /// Sends a request; what the server asks meanwhile is answered.
    pub(crate) async fn request(&mut self, method: &str, params: Value) -> Result<Answer> {
        self.last_id += 1;
        let id = self.last_id;
        let params = self.with_meta(params);
        self.send(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })).await?;
        loop {
            let line = self.stdout.next_line().await?.context("the shim ended")?;
            let message: Value = serde_json::from_str(&line)?;
            match message["method"].as_str() {
                Some(method) if message.get("id").is_some() => {
                    let result = answer_to_server(method, &message["params"]);
                    self.send(&json!({ "jsonrpc": "2.0", "id": message["id"], "result": result })).await?;
                }
                Some(_) => {}
                None if message["id"] == id => return Ok(outcome(&message)),
                None => bail!("an answer to nothing: {line}"),
            }
        }
    }

    /// Ends the shim as a client does, then its Host, so that the server sees every connection close.
    pub(crate) async fn close(mut self) -> Result<()> {
        drop(self.stdin);
        let status = self.shim.wait().await?;
        let mut stop = command(self.home.path());
        stop.args(["serve", "--stop"]).stdout(Stdio::null()).stderr(Stdio::null()).status().await?;
        ensure!(status.success(), "the shim ended with {status}");
        Ok(())
    }

    /// A modern request says of itself who sends it.
    fn with_meta(&self, mut params: Value) -> Value {
        if !self.is_modern() {
            return params;
        }
        let meta = json!({
            "io.modelcontextprotocol/protocolVersion": self.version,
            "io.modelcontextprotocol/clientInfo": client_info(),
            "io.modelcontextprotocol/clientCapabilities": self.capabilities,
        });
        params["_meta"] = meta;
        params
    }

    async fn send(&mut self, message: &Value) -> Result<()> {
        self.stdin.write_all(format!("{message}\n").as_bytes()).await?;
        Ok(self.stdin.flush().await?)
    }
}

/// The built binary in that home, with the environment an MCP client passes on.
fn command(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_drawbridge"));
    command.env_clear().kill_on_drop(true);
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", home);
    command.env("DRAWBRIDGE_HOME", home.join("home")).env("DRAWBRIDGE_SECRETS", "memory");
    // A busy machine is slow; what a client gets must not depend on it.
    command.env("DRAWBRIDGE_SNAPSHOT_BUDGET", "3");
    command.env("BROWSER", home.join("browser"));
    command
}

fn write_browser(script: &Path) -> Result<()> {
    let this = std::env::current_exe()?;
    std::fs::write(script, format!("#!/bin/sh\nexec '{}' {AS_BROWSER} \"$1\"\n", this.display()))?;
    Ok(std::fs::set_permissions(script, Permissions::from_mode(0o700))?)
}

fn client_info() -> Value {
    json!({ "name": "conformance-client", "version": "1.0.0" })
}

fn outcome(message: &Value) -> Answer {
    let result = &message["result"];
    let refused = |sentence: &Value, version| {
        Err(Refusal { sentence: sentence.as_str().unwrap_or_default().to_owned(), version })
    };
    match message.get("error") {
        Some(error) => refused(&error["message"], spoken_here(error)),
        None if result["isError"] == true => refused(&result["content"][0]["text"], None),
        None => Ok(result.clone()),
    }
}

/// The version that server and client both speak; this client speaks one that is modern.
fn spoken_here(error: &Value) -> Option<String> {
    let supported = error["data"]["supported"].as_array().filter(|_| error["code"] == UNSUPPORTED_VERSION)?;
    supported.iter().filter_map(Value::as_str).find(|version| *version == MODERN).map(str::to_owned)
}

/// What a person and their model would answer.
pub(crate) fn answer_to_server(method: &str, params: &Value) -> Value {
    match method {
        "elicitation/create" => {
            json!({ "action": "accept", "content": filled_in(&params["requestedSchema"]) })
        }
        "roots/list" => json!({ "roots": [] }),
        _ => json!({}),
    }
}

/// A form with every default as it stands, and yes to every question without one.
fn filled_in(schema: &Value) -> Value {
    let fields = schema["properties"].as_object().into_iter().flatten();
    let filled = fields.filter_map(|(name, field)| match (field.get("default"), field["type"].as_str()) {
        (Some(default), _) => Some((name.clone(), default.clone())),
        (None, Some("boolean")) => Some((name.clone(), Value::Bool(true))),
        (None, _) => None,
    });
    Value::Object(filled.collect())
}
