//! An MCP client that starts `drawbridge connect`, as Claude Desktop does.

use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use crate::LIMIT;
use crate::app::command_line;
use crate::session::Session;

/// A client whose session is open.
pub(crate) struct Client {
    /// Killed when it is dropped.
    _shim: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
    last: u64,
}

impl Client {
    /// Starts the command and introduces itself.
    pub(crate) async fn connect(session: &Session, target: &str) -> Self {
        Self::start(command_line(session).args(["connect", target])).await
    }

    /// The same with a command that stands ready.
    pub(crate) async fn start(command: &mut Command) -> Self {
        let mut client = Self::begin(command);
        client.introduce().await;
        client
    }

    /// What a client is told whose session comes to nothing: at once, or when it calls a tool.
    pub(crate) async fn turned_away(session: &Session, target: &str) -> String {
        let mut client = Self::begin(command_line(session).args(["connect", target]));
        let introduced = client.introduce().await;
        let called = match introduced.get("error") {
            Some(error) => return error["message"].to_string(),
            None => client.ask("tools/call", json!({ "name": "any", "arguments": {} })).await,
        };
        called["result"]["content"][0]["text"].to_string()
    }

    fn begin(command: &mut Command) -> Self {
        let mut shim = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let input = shim.stdin.take().unwrap();
        let output = BufReader::new(shim.stdout.take().unwrap()).lines();
        Self { _shim: shim, input, output, last: 0 }
    }

    async fn introduce(&mut self) -> Value {
        let introduction = json!({
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "clientInfo": { "name": "Desk Client", "version": "1" },
        });
        let answer = self.ask("initialize", introduction).await;
        self.send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })).await;
        answer
    }

    /// Calls a tool; what its text says.
    pub(crate) async fn call(&mut self, tool: &str) -> String {
        let answer = self.ask("tools/call", json!({ "name": tool, "arguments": {} })).await;
        answer["result"]["content"][0]["text"].as_str().unwrap_or_default().to_owned()
    }

    /// Asks; the whole answer.
    async fn ask(&mut self, method: &str, params: Value) -> Value {
        self.last += 1;
        let id = self.last;
        self.send(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })).await;
        loop {
            let line = timeout(LIMIT, self.output.next_line()).await.expect("an answer").unwrap();
            let message: Value = serde_json::from_str(&line.expect("the session is open")).unwrap();
            if message["id"] == id {
                return message;
            }
        }
    }

    async fn send(&mut self, message: &Value) {
        self.input.write_all(format!("{message}\n").as_bytes()).await.unwrap();
    }
}
