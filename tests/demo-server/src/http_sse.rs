//! The old HTTP+SSE transport (2024-11-05): `GET /sse` opens a stream whose first event names the
//! endpoint, and every message from the client is a POST to it. rmcp has no server for this one.

use std::io;
use std::sync::{Arc, Mutex};

use axum::body::{Body, Bytes};
use axum::extract::{Query, Request, State};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};
use rmcp::RoleServer;
use rmcp::model::{ClientJsonRpcMessage, GetExtensions as _};
use rmcp::service::{RxJsonRpcMessage, TxJsonRpcMessage, serve_server_with_ct};
use rmcp::transport::Transport;
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::fault::Fault;
use crate::gate::{self, Admitted, script::event, stream::merge_pushes};
use crate::mcp::Demo;
use crate::oauth::store::random;
use crate::shared::Shared;
use crate::stats::Open;

const QUEUE: usize = 64;

/// A session of the old transport.
pub(crate) struct SseSession {
    incoming: mpsc::Sender<ClientJsonRpcMessage>,
    outgoing: mpsc::Sender<Bytes>,
    owner: &'static str,
    /// Spoils the next message that goes out.
    spoil: Arc<Mutex<Option<Fault>>>,
    closed: CancellationToken,
}

/// `GET /sse`
pub(crate) async fn open(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let admitted = match gate::admit(&shared, request).await {
        Ok(admitted) => admitted,
        Err(response) => return *response,
    };
    let id = random("sse-");
    let (incoming, from_client) = mpsc::channel(QUEUE);
    let (outgoing, to_client) = mpsc::channel(QUEUE);
    let spoil = Arc::default();
    let closed = shared.shutdown.child_token();
    let session = SseSession {
        incoming,
        outgoing: outgoing.clone(),
        owner: admitted.caller.name(),
        spoil: Arc::clone(&spoil),
        closed: closed.clone(),
    };
    crate::lock(&shared.sse_sessions).insert(id.clone(), session);
    let transport = SseTransport { incoming: from_client, outgoing };
    tokio::spawn(run(shared.clone(), id.clone(), transport, closed.clone()));
    let events = Events {
        first: Some(format!("event: endpoint\ndata: /messages?sessionId={id}\n\n")),
        messages: to_client,
        spoil,
        closed: closed.clone(),
        ended: false,
        _open: Open::new(&shared, |stats| &mut stats.open_sessions),
        _close: closed.drop_guard(),
    };
    let mut response = Response::new(Body::from_stream(stream::unfold(events, Events::next)));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    merge_pushes(&shared, response)
}

/// The query of `/messages`.
#[derive(Debug, Deserialize)]
pub(crate) struct Target {
    #[serde(rename = "sessionId")]
    session_id: String,
}

/// `POST /messages`
pub(crate) async fn message(
    State(shared): State<Arc<Shared>>,
    Query(target): Query<Target>,
    request: Request,
) -> Response {
    let admitted = match gate::admit(&shared, request).await {
        Ok(admitted) => admitted,
        Err(response) => return *response,
    };
    let found = {
        let sessions = crate::lock(&shared.sse_sessions);
        sessions
            .get(&target.session_id)
            .filter(|session| {
                // An anonymous session may be signed in; see `Sessions::may_use`.
                session.owner.is_empty() || session.owner == admitted.caller.name()
            })
            .map(|session| {
                *crate::lock(&session.spoil) = admitted.fault.clone();
                (session.incoming.clone(), session.outgoing.clone())
            })
    };
    match found {
        Some((incoming, outgoing)) => deliver(&shared, admitted, incoming, outgoing).await,
        None => (StatusCode::NOT_FOUND, "session not found").into_response(),
    }
}

/// Ends all sessions of the old transport.
pub(crate) fn kill_all(shared: &Shared) {
    for (_, session) in crate::lock(&shared.sse_sessions).drain() {
        session.closed.cancel();
    }
}

async fn deliver(
    shared: &Shared,
    admitted: Admitted,
    incoming: mpsc::Sender<ClientJsonRpcMessage>,
    outgoing: mpsc::Sender<Bytes>,
) -> Response {
    let Admitted { parts, body, message, .. } = admitted;
    let script = message.method.as_deref().and_then(|name| shared.queues.take_script(name));
    let delivered = if let Some(script) = script {
        outgoing.send(script.message(&message)).await.is_ok()
    } else {
        let Ok(mut parsed) = serde_json::from_slice::<ClientJsonRpcMessage>(&body) else {
            return (StatusCode::BAD_REQUEST, "not a JSON-RPC message").into_response();
        };
        match &mut parsed {
            ClientJsonRpcMessage::Request(request) => {
                request.request.extensions_mut().insert(parts);
            }
            ClientJsonRpcMessage::Notification(notification) => {
                notification.notification.extensions_mut().insert(parts);
            }
            ClientJsonRpcMessage::Response(_) | ClientJsonRpcMessage::Error(_) => {}
        }
        incoming.send(parsed).await.is_ok()
    };
    if delivered {
        (StatusCode::ACCEPTED, "Accepted").into_response()
    } else {
        (StatusCode::NOT_FOUND, "session not found").into_response()
    }
}

async fn run(shared: Arc<Shared>, id: String, transport: SseTransport, closed: CancellationToken) {
    match serve_server_with_ct(Demo::new(&shared), transport, closed).await {
        Ok(service) => {
            if let Err(error) = service.waiting().await {
                tracing::debug!(%error, "an old session ended badly");
            }
        }
        Err(error) => tracing::debug!(%error, "an old session did not start"),
    }
    crate::lock(&shared.sse_sessions).remove(&id);
}

/// The events of one stream; dropping it ends the session.
struct Events {
    first: Option<String>,
    messages: mpsc::Receiver<Bytes>,
    spoil: Arc<Mutex<Option<Fault>>>,
    closed: CancellationToken,
    ended: bool,
    _open: Open,
    _close: DropGuard,
}

impl Events {
    async fn next(mut self) -> Option<(io::Result<Bytes>, Self)> {
        if self.ended {
            return None;
        }
        if let Some(first) = self.first.take() {
            return Some((Ok(Bytes::from(first)), self));
        }
        let message = tokio::select! {
            message = self.messages.recv() => message?,
            () = self.closed.cancelled() => return None,
        };
        let fault = crate::lock(&self.spoil).take();
        let out = match fault {
            Some(Fault::InvalidJson) => Ok(event(b"{\"jsonrpc\":\"2.0\",\"oops\"")),
            Some(Fault::TruncatedSse) => {
                self.ended = true;
                Ok(Bytes::from_static(b"event: message\ndata: {\"jsonrpc\":\"2.0\","))
            }
            Some(Fault::DropMidBody | Fault::StallMidBody) => {
                self.ended = true;
                Err(io::Error::other("dropped on request"))
            }
            Some(Fault::Stall | Fault::Status { .. } | Fault::NotMcp | Fault::CheckUnavailable) | None => {
                Ok(event(&message))
            }
        };
        Some((out, self))
    }
}

/// rmcp's side of a session.
struct SseTransport {
    incoming: mpsc::Receiver<ClientJsonRpcMessage>,
    outgoing: mpsc::Sender<Bytes>,
}

impl Transport<RoleServer> for SseTransport {
    type Error = io::Error;

    fn send(
        &mut self,
        item: TxJsonRpcMessage<RoleServer>,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send + 'static {
        let outgoing = self.outgoing.clone();
        async move {
            let message = serde_json::to_vec(&item)?;
            outgoing.send(message.into()).await.map_err(|_| io::ErrorKind::BrokenPipe.into())
        }
    }

    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleServer>> {
        self.incoming.recv().await
    }

    async fn close(&mut self) -> Result<(), Self::Error> {
        Ok(())
    }
}
