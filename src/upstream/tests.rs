//! Transports against small servers that answer by a script.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use futures_util::StreamExt as _;
use tokio::net::TcpListener;

use super::*;
use crate::net::{self, AddressClass, EnvProxies, SystemLookup};

mod answers;
mod http_sse;
mod refusals;
mod streams;

/// A request as the server saw it.
struct Seen {
    method: Method,
    path: String,
    headers: HeaderMap,
    body: Bytes,
    peer: SocketAddr,
    at: Instant,
}

impl Seen {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("text"))
    }
}

/// A server that gives each request the next of its answers, and 500 beyond them.
struct Fake {
    url: Url,
    seen: mpsc::Receiver<Seen>,
}

impl Fake {
    async fn start(answers: Vec<Response>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let answers = Arc::new(Mutex::new(VecDeque::from(answers)));
        let (tell, seen) = mpsc::channel(64);
        let handler = move |ConnectInfo(peer): ConnectInfo<SocketAddr>, request: Request| async move {
            let (head, body) = request.into_parts();
            let body = axum::body::to_bytes(body, usize::MAX).await.expect("a body");
            let path = head.uri.path_and_query().map(ToString::to_string).unwrap_or_default();
            let at = Instant::now();
            let _ =
                tell.send(Seen { method: head.method, path, headers: head.headers, body, peer, at }).await;
            let next = answers.lock().expect("unpoisoned").pop_front();
            next.unwrap_or_else(|| StatusCode::INTERNAL_SERVER_ERROR.into_response())
        };
        let router = Router::new().fallback(handler).into_make_service_with_connect_info::<SocketAddr>();
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url: Url::parse(&format!("http://{address}/mcp")).expect("a URL"), seen }
    }

    fn upstream(&self) -> Upstream {
        Upstream {
            network: net::Network::with(
                net::Limits::default(),
                Arc::new(SystemLookup),
                EnvProxies::default(),
            ),
            url: self.url.clone(),
            settings: ConnectionSettings { class: AddressClass::Loopback, ..Default::default() },
            authorizer: Arc::new(Key::default()),
            limits: Limits {
                first_retry: Duration::from_millis(1),
                last_retry: Duration::from_millis(4),
                ..Limits::default()
            },
        }
    }

    fn link(&self) -> StreamableHttp {
        StreamableHttp::new(self.upstream())
    }

    fn link_with(&self, change: impl FnOnce(&mut Upstream)) -> StreamableHttp {
        let mut upstream = self.upstream();
        change(&mut upstream);
        StreamableHttp::new(upstream)
    }

    async fn next(&mut self) -> Seen {
        self.seen.recv().await.expect("a request")
    }

    fn nothing_more(&mut self) -> bool {
        self.seen.try_recv().is_err()
    }
}

/// Sends an API key with everything and remembers the statuses it was told of.
#[derive(Default)]
struct Key {
    told: Mutex<Vec<u16>>,
}

impl Authorizer for Key {
    fn headers<'a>(&'a self, _: &'a Method, _: &'a Url) -> BoxFuture<'a, Result<HeaderMap, AuthorizeError>> {
        let mut headers = HeaderMap::new();
        headers.insert("x-api-key", HeaderValue::from_static("marked"));
        Box::pin(async { Ok(headers) })
    }

    fn observe(&self, response: ResponseHead<'_>) {
        self.told.lock().expect("unpoisoned").push(response.status.as_u16());
    }
}

fn message(text: &str) -> Message {
    Message::parse(Bytes::copy_from_slice(text.as_bytes())).expect(text)
}

fn call() -> Message {
    message(r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x"}}"#)
}

const ANSWER: &str = r#"{"jsonrpc":"2.0","id":1,"result":{"n":10000000000000000000001}}"#;
const NOTE: &str = r#"{"jsonrpc":"2.0","method":"notifications/message","params":null}"#;

fn json(body: &'static str) -> Response {
    ([("content-type", "application/json; charset=utf-8")], body).into_response()
}

fn with_status(status: u16, mut response: Response) -> Response {
    *response.status_mut() = StatusCode::from_u16(status).expect("a status");
    response
}

fn empty(status: u16) -> Response {
    with_status(status, Body::empty().into_response())
}

fn events(text: impl Into<String>) -> Response {
    ([("content-type", "text/event-stream")], text.into()).into_response()
}

/// A stream that stays open behind its text until the sender is dropped.
fn open_events(text: &'static str) -> (Response, mpsc::Sender<&'static str>) {
    let (say, mut said) = mpsc::channel::<&'static str>(8);
    let more = futures_util::stream::poll_fn(move |context| said.poll_recv(context));
    let all = futures_util::stream::iter([text]).chain(more).map(Ok::<_, io::Error>);
    (([("content-type", "text/event-stream")], Body::from_stream(all)).into_response(), say)
}

fn sink() -> (Sink, mpsc::Receiver<Incoming>) {
    mpsc::channel(64)
}

/// Everything in the sink, as text.
fn lines(inbox: &mut mpsc::Receiver<Incoming>) -> Vec<String> {
    std::iter::from_fn(|| inbox.try_recv().ok())
        .map(|incoming| String::from_utf8(incoming.message.line().to_vec()).expect("text"))
        .collect()
}

/// Posts one message to a server with one answer.
async fn post_to(answer: Response, message: Message) -> (Result<Posted, Error>, Vec<String>) {
    let fake = Fake::start(vec![answer]).await;
    let (sink, mut inbox) = sink();
    let posted = fake.link().post(message, HeaderMap::new(), sink).await;
    (posted, lines(&mut inbox))
}
