//! A client of either era on a shim's stdio.

use serde_json::{Value, json};

use crate::support::{Client, Home};

/// The client.
pub(crate) struct Speaker {
    pub(crate) client: Client,
    is_modern: bool,
}

impl Speaker {
    pub(crate) fn connect(home: &Home, server: &str, is_modern: bool) -> Self {
        Self { client: home.connect(&[server]), is_modern }
    }

    /// Begins a session; what it is told of the server. A modern client listens for other tools from now on.
    pub(crate) async fn begin(&mut self) -> Value {
        let mut answer = if self.is_modern {
            self.ask("subscriptions/listen", json!({ "notifications": { "toolsListChanged": true } })).await;
            self.request("server/discover", json!({})).await
        } else {
            self.client.initialize().await
        };
        assert!(answer["result"].to_string().contains("drawbridge-demo"), "{answer}");
        answer["result"].take()
    }

    pub(crate) async fn ask(&mut self, method: &str, mut params: Value) -> i64 {
        if self.is_modern {
            params["_meta"] = json!({
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientInfo": { "name": "modern", "version": "1" },
                "io.modelcontextprotocol/clientCapabilities": {},
            });
        }
        self.client.ask(method, params).await
    }

    pub(crate) async fn request(&mut self, method: &str, params: Value) -> Value {
        let id = self.ask(method, params).await;
        self.client.answer_to(id).await.0
    }

    pub(crate) async fn echo(&mut self, message: &str) -> Value {
        let arguments = json!({ "name": "echo_message", "arguments": { "message": message } });
        self.request("tools/call", arguments).await
    }

    /// The tools, which have the demo server's among them.
    pub(crate) async fn tools(&mut self) -> String {
        let list = self.request("tools/list", json!({})).await["result"]["tools"].to_string();
        assert!(list.contains("echo_message"), "{list}");
        list
    }
}
