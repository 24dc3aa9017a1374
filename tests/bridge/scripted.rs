//! A server that answers calls when its test says so, in any order, and counts nothing twice.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use futures_util::stream;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::support::LIMIT;

const QUEUE: usize = 64;
const SESSION: &str = "mcp-session-id";
const SUBSCRIPTION: &str = "io.modelcontextprotocol/subscriptionId";

/// Which of the eras a server speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Era {
    Legacy,
    Modern,
}

/// The server.
pub(crate) struct Scripted {
    pub(crate) url: String,
    world: Arc<World>,
    arrivals: mpsc::Receiver<Arrived>,
    serving: JoinHandle<()>,
}

/// A call that came and waits for its answer.
pub(crate) struct Arrived {
    pub(crate) body: Value,
    stream: mpsc::Sender<Part>,
}

/// A piece of a response.
enum Part {
    Event(Value),
    /// The connection breaks.
    Break,
}

struct World {
    era: Era,
    arrived: mpsc::Sender<Arrived>,
    state: Mutex<Known>,
    /// How many streams wait for what the server tells by itself.
    listening: watch::Sender<usize>,
}

#[derive(Default)]
struct Known {
    sessions: u64,
    /// The sessions that live, and the stream of each that listens.
    live: HashMap<String, Option<mpsc::Sender<Part>>>,
    /// The subscriptions of modern clients: id and stream.
    subscriptions: Vec<(Value, mpsc::Sender<Part>)>,
    cancelled: Vec<Value>,
}

impl Scripted {
    pub(crate) async fn start(era: Era) -> Self {
        let (arrived, arrivals) = mpsc::channel(QUEUE);
        let (state, listening) = (Mutex::default(), watch::Sender::new(0));
        let world = Arc::new(World { era, arrived, state, listening });
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let url = format!("http://{}/mcp", listener.local_addr().expect("an address"));
        let app = Router::new().route("/mcp", any(serve)).with_state(world.clone());
        let serving = tokio::spawn(async move { axum::serve(listener, app).await.expect("it serves") });
        Self { url, world, arrivals, serving }
    }

    /// The next call that comes.
    pub(crate) async fn call(&mut self) -> Arrived {
        timeout(LIMIT, self.arrivals.recv()).await.expect("it comes").expect("the server runs")
    }

    /// Whether a call came that nobody took.
    pub(crate) fn has_more_calls(&mut self) -> bool {
        self.arrivals.try_recv().is_ok()
    }

    /// Tells everybody of other tools, once so many listen.
    pub(crate) async fn change_tools(&self, listeners: usize) {
        let mut listening = self.world.listening.subscribe();
        let they_listen = listening.wait_for(|listening| *listening == listeners);
        timeout(LIMIT, they_listen).await.expect("they listen").expect("the server runs");
        let all = self.world.changes();
        for (stream, change) in all {
            // A stream that has just ended hears nothing.
            let _ = stream.send(Part::Event(change)).await;
        }
    }

    /// Forgets all sessions.
    pub(crate) fn forget_sessions(&self) {
        self.world.known().live.clear();
    }

    /// The ids of the requests that were cancelled so far.
    pub(crate) fn cancelled(&self) -> Vec<Value> {
        self.world.known().cancelled.clone()
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Arrived {
    /// Reports progress under the call's token, then answers; whoever has gone hears nothing.
    pub(crate) async fn answer(self, text: &str) {
        let token = &self.body["params"]["_meta"]["progressToken"];
        let progress = json!({ "progressToken": token, "progress": 1, "message": text });
        let progress = json!({ "jsonrpc": "2.0", "method": "notifications/progress", "params": progress });
        let result = json!({ "content": [{ "type": "text", "text": text }], "resultType": "complete" });
        let answer = json!({ "jsonrpc": "2.0", "id": self.body["id"], "result": result });
        for event in [progress, answer] {
            let _ = self.stream.send(Part::Event(event)).await;
        }
    }

    /// Breaks the connection in the midst of the answer.
    pub(crate) async fn drop_connection(self) {
        let _ = self.stream.send(Part::Break).await;
    }

    /// Waits until nobody waits for the answer any more.
    pub(crate) async fn given_up(self) {
        timeout(LIMIT, self.stream.closed()).await.expect("the stream is closed");
    }
}

impl World {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.state.lock().expect("no test panicked with it")
    }

    /// What everybody who listens is told of other tools.
    fn changes(&self) -> Vec<(mpsc::Sender<Part>, Value)> {
        let method = "notifications/tools/list_changed";
        let change = |params: Value| json!({ "jsonrpc": "2.0", "method": method, "params": params });
        let known = self.known();
        let plain = known.live.values().flatten().map(|stream| (stream.clone(), change(json!({}))));
        let tagged = known
            .subscriptions
            .iter()
            .map(|(id, stream)| (stream.clone(), change(json!({ "_meta": { SUBSCRIPTION: id } }))));
        plain.chain(tagged).collect()
    }

    /// Takes whoever has gone off the list; how many listen now.
    fn count_listening(&self) {
        let mut known = self.known();
        known.subscriptions.retain(|(_, stream)| !stream.is_closed());
        for stream in known.live.values_mut() {
            stream.take_if(|stream| stream.is_closed());
        }
        let listening = known.live.values().flatten().count() + known.subscriptions.len();
        drop(known);
        self.listening.send_replace(listening);
    }

    fn is_forgotten(&self, headers: &HeaderMap) -> bool {
        let session = headers.get(SESSION).and_then(|id| id.to_str().ok());
        session.is_some_and(|id| !self.known().live.contains_key(id))
    }
}

async fn serve(State(world): State<Arc<World>>, method: Method, headers: HeaderMap, body: Bytes) -> Response {
    if world.is_forgotten(&headers) {
        return StatusCode::NOT_FOUND.into_response();
    }
    if method == Method::GET && world.era == Era::Legacy {
        let (stream, response) = events();
        let id = headers[SESSION].to_str().expect("an id").to_owned();
        world.known().live.insert(id, Some(stream.clone()));
        watch_end(&world, stream);
        return response;
    }
    if method == Method::DELETE {
        world.known().live.retain(|id, _| headers[SESSION] != id.as_str());
        return StatusCode::OK.into_response();
    }
    match serde_json::from_slice(&body) {
        Ok(message) if method == Method::POST => posted(&world, message).await,
        Ok(_) | Err(_) => StatusCode::METHOD_NOT_ALLOWED.into_response(),
    }
}

async fn posted(world: &Arc<World>, message: Value) -> Response {
    let is_modern = world.era == Era::Modern;
    match message["method"].as_str() {
        Some("notifications/cancelled") => {
            world.known().cancelled.push(message["params"]["requestId"].clone());
            StatusCode::ACCEPTED.into_response()
        }
        Some("tools/call") => {
            let (stream, response) = events();
            world.arrived.send(Arrived { body: message, stream }).await.expect("the test runs");
            response
        }
        Some("tools/list") => {
            let tools = json!([{ "name": "wait", "inputSchema": { "type": "object" } }]);
            answer(&message, json!({ "tools": tools, "ttlMs": 0, "cacheScope": "private" }))
        }
        Some("server/discover") if is_modern => {
            answer(&message, introduction("supportedVersions", json!(["2026-07-28"])))
        }
        Some("initialize") if !is_modern => {
            let mut known = world.known();
            known.sessions += 1;
            let id = format!("session-{}", known.sessions);
            known.live.insert(id.clone(), None);
            let version = message["params"]["protocolVersion"].clone();
            let introduced = answer(&message, introduction("protocolVersion", version));
            ([(SESSION, id)], introduced).into_response()
        }
        Some("subscriptions/listen") if is_modern => {
            let (stream, response) = events();
            let meta = json!({ SUBSCRIPTION: message["id"] });
            let params = json!({ "_meta": meta, "notifications": message["params"]["notifications"] });
            let acknowledged = json!({ "jsonrpc": "2.0", "method": "notifications/subscriptions/acknowledged", "params": params });
            stream.send(Part::Event(acknowledged)).await.expect("there is room");
            world.known().subscriptions.push((message["id"].clone(), stream.clone()));
            watch_end(world, stream);
            response
        }
        Some(_) if message.get("id").is_none() => StatusCode::ACCEPTED.into_response(),
        Some("initialize" | "server/discover") => {
            let error = json!({ "code": -32600, "message": "not in this era" });
            let error = json!({ "jsonrpc": "2.0", "id": message["id"], "error": error });
            (StatusCode::BAD_REQUEST, axum::Json(error)).into_response()
        }
        Some(_) => answer(&message, json!({})),
        None => StatusCode::ACCEPTED.into_response(),
    }
}

fn introduction(version: &str, spoken: Value) -> Value {
    let mut result = json!({ "capabilities": { "tools": { "listChanged": true } } });
    let info = json!({ "name": "scripted", "version": "1" });
    result[version] = spoken;
    result["serverInfo"] = info.clone();
    result["_meta"] = json!({ "io.modelcontextprotocol/serverInfo": info });
    result
}

fn answer(request: &Value, mut result: Value) -> Response {
    result["resultType"] = "complete".into();
    axum::Json(json!({ "jsonrpc": "2.0", "id": request["id"], "result": result })).into_response()
}

/// A response that goes on as long as somebody sends parts of it.
fn events() -> (mpsc::Sender<Part>, Response) {
    let (sender, receiver) = mpsc::channel(QUEUE);
    let parts = stream::unfold(receiver, |mut receiver| async {
        let bytes = match receiver.recv().await? {
            Part::Event(event) => Ok(Bytes::from(format!("data: {event}\n\n"))),
            Part::Break => Err(std::io::Error::other("the test breaks it")),
        };
        Some((bytes, receiver))
    });
    let headers = [("content-type", "text/event-stream")];
    (sender, (headers, Body::from_stream(parts)).into_response())
}

/// Counts who listens, now and when this stream has ended.
fn watch_end(world: &Arc<World>, stream: mpsc::Sender<Part>) {
    world.count_listening();
    let world = world.clone();
    tokio::spawn(async move {
        stream.closed().await;
        world.count_listening();
    });
}
