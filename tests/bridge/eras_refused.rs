//! A server that refuses our modern version and lists what it speaks instead: it is spoken to in that.

use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::support::{Client, Home, text};

const MODERN: &str = "2026-07-28";

/// A server that answers in the versions that it lists.
struct Choosy {
    url: String,
    world: Arc<World>,
    serving: JoinHandle<()>,
}

struct World {
    listed: Mutex<Vec<&'static str>>,
    came: Mutex<Vec<Value>>,
}

impl Choosy {
    async fn start(listed: &[&'static str]) -> Self {
        let world = Arc::new(World { listed: Mutex::new(listed.to_vec()), came: Mutex::default() });
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let url = format!("http://{}/mcp", listener.local_addr().expect("an address"));
        let app = Router::new().route("/mcp", post(answer)).with_state(world.clone());
        let serving = tokio::spawn(async move { axum::serve(listener, app).await.expect("it serves") });
        Self { url, world, serving }
    }

    fn lists(&self, listed: &[&'static str]) {
        *self.world.listed.lock().expect("no panic") = listed.to_vec();
    }

    /// The methods that came, those of calls with the version that they were in.
    fn came(&self) -> Vec<String> {
        let came = self.world.came.lock().expect("no panic");
        came.iter().map(|message| message["method"].as_str().unwrap_or_default().to_owned()).collect()
    }
}

impl Drop for Choosy {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

fn modern_version(message: &Value) -> Option<&str> {
    message["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"].as_str()
}

async fn answer(State(world): State<Arc<World>>, Json(message): Json<Value>) -> Response {
    world.came.lock().expect("no panic").push(message.clone());
    if message.get("id").is_none() {
        return StatusCode::ACCEPTED.into_response();
    }
    let listed = world.listed.lock().expect("no panic").clone();
    let reply = |member: &str, value: Value| {
        let mut reply = json!({ "jsonrpc": "2.0", "id": message["id"] });
        reply[member] = value;
        Json(reply)
    };
    if let Some(asked) = modern_version(&message).filter(|asked| !listed.contains(asked)) {
        let data = json!({ "supported": listed, "requested": asked });
        let error = json!({ "code": -32022, "message": "Unsupported protocol version", "data": data });
        return (StatusCode::BAD_REQUEST, reply("error", error)).into_response();
    }
    let info = json!({ "name": "choosy", "version": "1" });
    let result = match message["method"].as_str() {
        Some("server/discover") => json!({
            "supportedVersions": listed, "capabilities": { "tools": {} }, "resultType": "complete",
            "_meta": { "io.modelcontextprotocol/serverInfo": info },
        }),
        Some("initialize") => json!({
            "protocolVersion": listed[0], "capabilities": { "tools": {} }, "serverInfo": info,
        }),
        Some("tools/list") => {
            let tool = json!({ "name": "era", "inputSchema": { "type": "object" } });
            json!({ "tools": [tool], "resultType": "complete" })
        }
        Some("tools/call") => {
            let era = if modern_version(&message).is_some() { "modern" } else { "legacy" };
            json!({ "content": [{ "type": "text", "text": era }], "resultType": "complete" })
        }
        Some(_) | None => json!({}),
    };
    reply("result", result).into_response()
}

fn modern(mut params: Value) -> Value {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientInfo": { "name": "modern", "version": "1" },
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    params
}

fn connect(server: &Choosy) -> (Home, Client) {
    let home = Home::new();
    let client = home.connect(&[&server.url]);
    (home, client)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_listed_legacy_version_is_taken_instead_of_the_modern_one() {
    let call = json!({ "name": "era", "arguments": {} });
    for listed in [["2025-06-18"].as_slice(), &["2025-11-25"], &["2025-03-26", "2099-01-01"]] {
        let server = Choosy::start(listed).await;
        let (_home, mut client) = connect(&server);
        let told = client.initialize().await;
        assert_eq!(told["result"]["serverInfo"]["name"], "choosy", "{listed:?}: {told}");
        assert_eq!(text(&client.request("tools/call", call.clone()).await), "legacy", "{listed:?}");
        let came = server.came();
        assert_eq!(came[..3], ["server/discover", "initialize", "notifications/initialized"], "{listed:?}");

        let server = Choosy::start(listed).await;
        let (_home, mut client) = connect(&server);
        let answer = client.request("tools/call", modern(call.clone())).await;
        assert_eq!(text(&answer), "legacy", "a modern client, too: {listed:?}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_listed_modern_version_that_we_speak_is_kept() {
    let server = Choosy::start(&[MODERN, "2099-01-01"]).await;
    let (_home, mut client) = connect(&server);
    client.initialize().await;
    let answer = client.call("era", json!({})).await;
    assert_eq!(text(&answer), "modern", "{answer}");
    assert!(!server.came().contains(&"initialize".to_owned()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_server_that_lists_nothing_we_speak_is_not_pressed() {
    let server = Choosy::start(&["2099-01-01"]).await;
    let (_home, mut client) = connect(&server);
    let refused = client.initialize().await;
    assert_eq!(refused["error"]["code"], -32022, "{refused}");
    assert_eq!(refused["error"]["data"]["supported"], json!(["2099-01-01"]));
    assert!(!server.came().contains(&"initialize".to_owned()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_server_that_gives_up_the_modern_version_in_a_session_is_spoken_to_in_a_listed_one() {
    let server = Choosy::start(&[MODERN]).await;
    let (_home, mut client) = connect(&server);
    client.initialize().await;
    assert_eq!(text(&client.call("era", json!({})).await), "modern");
    server.lists(&["2025-06-18"]);
    let answer = client.call("era", json!({})).await;
    assert_eq!(text(&answer), "legacy", "{answer}");
}
