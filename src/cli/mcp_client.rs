//! A small MCP client on the Host's stream, for looking and trying by hand. What it is not asked
//! to understand it leaves as it came.

use bytes::{Bytes, BytesMut};
use serde::Deserialize;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;

use super::client;
use super::target::NamedAccount;
use crate::endpoint::Line;
use crate::endpoint::frame::{self, Control, Frame, Hello};
use crate::failure::{Code, Failure};
use crate::host::failures;
use crate::host::session::stand_in::{SIGN_IN_TOOL, STAND_IN};
use crate::mcp::era::NEWEST_LEGACY;
use crate::mcp::{self, Kind, Message, RequestId};
use crate::redact::plain;
use crate::shim::link::{self, Link, NoLink};

/// Pages of a list that are fetched before the server is taken for mad.
const MOST_PAGES: usize = 1000;

/// An open session with one server.
pub(super) struct McpClient {
    link: Link,
    server: NamedAccount,
    next_id: u64,
}

#[derive(Deserialize)]
struct Answer {
    result: Option<Box<RawValue>>,
    error: Option<RpcError>,
}

#[derive(Deserialize)]
struct RpcError {
    message: String,
    #[serde(default)]
    data: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    tools: Vec<Box<RawValue>>,
    next_cursor: Option<String>,
}

impl McpClient {
    /// Opens a session; fails where nobody is signed in or the server cannot be reached.
    pub(super) async fn open(server: NamedAccount) -> Result<Self, Failure> {
        let hello = Hello {
            protocol: frame::PROTOCOL,
            version: env!("CARGO_PKG_VERSION").into(),
            target: server.to_string(),
            options: to_raw_value(&json!({})).unwrap_or_else(|_| RawValue::NULL.to_owned()),
            resume: None,
            initialize: None,
            initialized: false,
            only_looks: false,
        };
        let link = link::open(&client::place()?, &hello, true).await.map_err(|error| match error {
            NoLink::Refused(failure) | NoLink::Failed(failure) => failure,
            NoLink::NotRunning | NoLink::Vanished => gone(),
        })?;
        let mut client = Self { link, server, next_id: 0 };
        let answer = client.request("initialize", &introduction()).await?;
        client
            .send(json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }).to_string().as_bytes())
            .await?;
        match stand_in(&answer, &client.server) {
            Some(failure) => Err(failure),
            None => Ok(client),
        }
    }

    /// All tools, each as the server wrote it.
    pub(super) async fn tools(&mut self) -> Result<Vec<Box<RawValue>>, Failure> {
        let (mut tools, mut params) = (Vec::new(), json!({}));
        for _ in 0..MOST_PAGES {
            let answer = self.request("tools/list", &params).await?;
            let page: Page = serde_json::from_str(answer.get()).map_err(|_| not_mcp(&self.server))?;
            if page.tools.iter().any(|tool| name_of(tool).as_deref() == Some(SIGN_IN_TOOL)) {
                return Err(failures::signed_out(&self.server.to_string()));
            }
            tools.extend(page.tools);
            let Some(cursor) = page.next_cursor else { return Ok(tools) };
            params = json!({ "cursor": cursor });
        }
        Err(not_mcp(&self.server))
    }

    /// Sends a request and waits for its result.
    pub(super) async fn request(&mut self, method: &str, params: &Value) -> Result<Box<RawValue>, Failure> {
        self.next_id += 1;
        let id = RequestId::from_raw(&self.next_id.to_string());
        let request = json!({ "jsonrpc": "2.0", "id": self.next_id, "method": method, "params": params });
        // What the Host has said before it hung up still counts.
        let _ = self.send(request.to_string().as_bytes()).await;
        loop {
            let message = self.next_message().await?;
            match message.kind() {
                Kind::Response { id: Some(answered), .. } if *answered == id => {
                    return result_of(&message, &self.server);
                }
                Kind::Request { id } => {
                    let reply = reply_to(id, message.method());
                    self.send(&reply).await?;
                }
                Kind::Response { .. } | Kind::Notification | Kind::Batch => {}
            }
        }
    }

    async fn next_message(&mut self) -> Result<Message, Failure> {
        loop {
            let Ok(Some(Line::Full(line))) = self.link.frames.next().await else { return Err(gone()) };
            match Frame::parse(line) {
                Ok(Frame::Message(line)) => return Message::parse(line).map_err(|_| not_mcp(&self.server)),
                Ok(Frame::Control(Control::Refused { failure })) => return Err(failure),
                Ok(Frame::Control(_)) => {}
                Err(_) => return Err(gone()),
            }
        }
    }

    async fn send(&mut self, message: &[u8]) -> Result<(), Failure> {
        let mut line = BytesMut::new();
        frame::put_message(&mut line, message);
        self.link.writer.write_all(&line).await.map_err(|_| gone())
    }
}

/// What a response says.
pub(super) fn result_of(message: &Message, server: &NamedAccount) -> Result<Box<RawValue>, Failure> {
    let answer: Answer = serde_json::from_slice(message.line()).map_err(|_| not_mcp(server))?;
    match (answer.result, answer.error) {
        (_, Some(error)) => Err(failure_of(error)),
        (Some(result), None) => Ok(result),
        (None, None) => Err(not_mcp(server)),
    }
}

/// Why the Host answered `initialize` in the server's stead, if it did.
pub(super) fn stand_in(answer: &RawValue, server: &NamedAccount) -> Option<Failure> {
    let answer: Value = serde_json::from_str(answer.get()).ok()?;
    let why = answer.get("_meta")?.get(STAND_IN)?;
    let slow = || {
        let sentence = format!("{server} does not answer in time");
        Failure::new(Code::TimedOut, sentence, "Try again in a moment")
    };
    Some(serde_json::from_value(why.clone()).unwrap_or_else(|_| slow()))
}

/// The parameters of `initialize` of a client that can do nothing in particular.
pub(super) fn introduction() -> Value {
    let info = json!({ "name": "drawbridge", "version": env!("CARGO_PKG_VERSION") });
    json!({ "protocolVersion": NEWEST_LEGACY, "capabilities": {}, "clientInfo": info })
}

/// The name of a tool.
pub(super) fn name_of(tool: &RawValue) -> Option<String> {
    #[derive(Deserialize)]
    struct Named {
        name: String,
    }
    serde_json::from_str::<Named>(tool.get()).ok().map(|named| named.name)
}

/// Nobody is there who could answer a server's questions.
fn reply_to(id: &RequestId, method: Option<&str>) -> Bytes {
    match method {
        Some("ping") => mcp::result_response(id, "{}"),
        _ => mcp::error_response(Some(id), mcp::METHOD_NOT_FOUND, "not offered by this client", None),
    }
}

/// Errors of the Host carry their code and next step; others are the server's own.
fn failure_of(error: RpcError) -> Failure {
    let next_step = error.data.get("nextStep").and_then(Value::as_str).unwrap_or_default();
    let code = error.data.get("code").and_then(|code| serde_json::from_value(code.clone()).ok());
    let text = plain(&error.message, 2000);
    match code {
        Some(code) => {
            Failure::new(code, text.strip_suffix(next_step).unwrap_or(&text), plain(next_step, 500))
        }
        None => Failure::new(Code::ServerError, format!("the server answered: {text}"), ""),
    }
}

fn not_mcp(server: &NamedAccount) -> Failure {
    let next_step = format!("Check its address with `drawbridge show {}`", server.server);
    Failure::new(Code::NotMcp, format!("{server} sent an answer that is not MCP"), next_step)
}

fn gone() -> Failure {
    Failure::new(Code::HostGone, "Drawbridge went away", "Try again")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(error: Value) -> Failure {
        failure_of(serde_json::from_value(error).expect("an error"))
    }

    #[test]
    fn failures_of_the_host_come_back_whole() {
        let told = Failure::new(Code::SignedOut, "you are signed out", "sign in");
        let reply = told.response(&RequestId::from_raw("1"));
        let reply: Value = serde_json::from_slice(&reply).expect("JSON");
        assert_eq!(failure(reply["error"].clone()), told);
    }

    #[test]
    fn errors_of_a_server_are_shown_without_their_tricks() {
        let shown = failure(json!({ "code": -1, "message": "no\u{1b}[2J way\nback" }));
        assert_eq!(
            (shown.code, shown.sentence.as_str()),
            (Code::ServerError, "The server answered: no way back.")
        );
    }
}
