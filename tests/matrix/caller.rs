//! A client of any version: one that speaks as its version does, answers what it is asked, and
//! remembers what it heard.

use serde_json::{Value, json};

use crate::spec::MODERN;
use crate::support::{Client, Home};

/// What the caller answers where it is asked.
pub(crate) const COLOUR: &str = "green";
/// The text that the caller's model writes.
pub(crate) const HAIKU: &str = "the bridge creaks";
/// The caller's only root.
pub(crate) const ROOT: &str = "file:///here";

/// A question that the caller was asked, in either era's way.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) params: Value,
}

/// A client in a session with the server of a pair.
pub(crate) struct Caller {
    client: Client,
    pub(crate) version: &'static str,
    /// What it was asked so far.
    pub(crate) asked: Vec<Asked>,
    /// The notifications that it has not looked at yet.
    heard: Vec<Value>,
    /// Answers that nobody waited for.
    pub(crate) unexpected: Vec<Value>,
    next_id: u64,
    /// What goes into the `_meta` of the next request.
    meta: Value,
}

impl Caller {
    /// Connects, and introduces itself as a client of that version does.
    pub(crate) async fn open(home: &Home, url: &str, version: &'static str) -> Self {
        let client = home.connect(&[url]);
        let (asked, heard, unexpected) = Default::default();
        let mut caller = Self { client, version, asked, heard, unexpected, next_id: 0, meta: json!({}) };
        if caller.is_modern() {
            let discovered = caller.request("server/discover", json!({})).await;
            let versions = discovered["result"]["supportedVersions"].to_string();
            assert!(versions.contains(version), "{discovered}");
            return caller;
        }
        let hello = json!({
            "protocolVersion": version,
            "capabilities": capabilities(version),
            "clientInfo": { "name": "caller", "version": "1" },
        });
        let answer = caller.request("initialize", hello).await;
        assert_eq!(answer["result"]["protocolVersion"], version, "{answer}");
        assert!(answer["result"]["serverInfo"]["name"].is_string(), "{answer}");
        caller.client.send(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#).await;
        caller
    }

    pub(crate) fn is_modern(&self) -> bool {
        self.version >= MODERN
    }

    /// Puts this into the `_meta` of the next request.
    pub(crate) fn with_meta(&mut self, meta: Value) -> &mut Self {
        self.meta = meta;
        self
    }

    /// Sends a request; its id.
    pub(crate) async fn ask(&mut self, method: &str, mut params: Value) -> Value {
        self.next_id += 1;
        let mut meta = std::mem::replace(&mut self.meta, json!({}));
        if self.is_modern() {
            meta["io.modelcontextprotocol/protocolVersion"] = self.version.into();
            meta["io.modelcontextprotocol/clientInfo"] = json!({ "name": "caller", "version": "1" });
            meta["io.modelcontextprotocol/clientCapabilities"] = capabilities(self.version);
        }
        if meta != json!({}) {
            params["_meta"] = meta;
        }
        let id = Value::from(format!("{}-{}", self.version, self.next_id));
        let request = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
        self.client.send(&request.to_string()).await;
        id
    }

    /// Sends a notification.
    pub(crate) async fn tell(&mut self, method: &str, params: Value) {
        let notification = json!({ "jsonrpc": "2.0", "method": method, "params": params });
        self.client.send(&notification.to_string()).await;
    }

    /// Sends a request and waits for its answer, in as many rounds as the server needs.
    pub(crate) async fn request(&mut self, method: &str, params: Value) -> Value {
        let mut retry = params.clone();
        loop {
            let meta = self.meta.clone();
            let id = self.ask(method, retry).await;
            let answer = self.answer_to(&id).await;
            if !self.is_modern() {
                assert!(answer["result"].get("resultType").is_none(), "a word of 2026-07-28: {answer}");
                return answer;
            }
            if answer["result"]["resultType"] != "input_required" {
                let is_complete = answer["result"]["resultType"] == "complete";
                assert!(is_complete || answer["error"].is_object(), "{answer}");
                return answer;
            }
            retry = params.clone();
            if let Some(state) = answer["result"].get("requestState") {
                retry["requestState"] = state.clone();
            }
            let questions = answer["result"]["inputRequests"].as_object().expect("questions");
            for (key, question) in questions {
                let method = question["method"].as_str().expect("a method");
                retry["inputResponses"][key] = self.answer_question(method, &question["params"]);
            }
            self.meta = meta;
        }
    }

    /// Calls a tool; its text.
    pub(crate) async fn call(&mut self, tool: &str, arguments: Value) -> String {
        let answer = self.request("tools/call", json!({ "name": tool, "arguments": arguments })).await;
        let text = answer["result"]["content"][0]["text"].as_str();
        text.unwrap_or_else(|| panic!("{tool} has no text: {answer}")).to_owned()
    }

    /// The next notification of that method, heard already or still to come.
    pub(crate) async fn notification(&mut self, method: &str) -> Value {
        loop {
            let known = self.heard.iter().position(|message| message["method"] == method);
            if let Some(at) = known {
                return self.heard.remove(at);
            }
            self.hear().await;
        }
    }

    async fn answer_to(&mut self, id: &Value) -> Value {
        loop {
            let known = self.unexpected.iter().position(|answer| answer["id"] == *id);
            if let Some(at) = known {
                return self.unexpected.remove(at);
            }
            self.hear().await;
        }
    }

    async fn hear(&mut self) {
        let message = self.client.message().await;
        let Some(method) = message["method"].as_str() else {
            self.unexpected.push(message);
            return;
        };
        if message.get("id").is_none() {
            self.heard.push(message);
            return;
        }
        assert!(!self.is_modern(), "modern servers send no requests: {message}");
        let result = self.answer_question(method, &message["params"]);
        let answer = json!({ "jsonrpc": "2.0", "id": message["id"], "result": result });
        self.client.send(&answer.to_string()).await;
    }

    fn answer_question(&mut self, method: &str, params: &Value) -> Value {
        self.asked.push(Asked { method: method.to_owned(), params: params.clone() });
        match method {
            "elicitation/create" if params["mode"] == "url" => json!({ "action": "accept" }),
            "elicitation/create" => json!({ "action": "accept", "content": { "colour": COLOUR } }),
            "sampling/createMessage" => {
                json!({ "role": "assistant", "model": "m", "content": { "type": "text", "text": HAIKU } })
            }
            "roots/list" => json!({ "roots": [{ "uri": ROOT, "name": "here" }] }),
            "ping" => json!({}),
            other => panic!("asked for {other}: {params}"),
        }
    }
}

/// All that a client of a version can declare.
fn capabilities(version: &str) -> Value {
    let mut all = json!({ "roots": {}, "sampling": {} });
    if version >= "2025-11-25" {
        all["elicitation"] = json!({ "form": {}, "url": {} });
    } else if version >= "2025-06-18" {
        all["elicitation"] = json!({});
    }
    all
}
