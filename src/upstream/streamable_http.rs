//! Streamable HTTP, of every revision since 2025-03-26
//! (<https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#streamable-http>,
//! <https://modelcontextprotocol.io/specification/2026-07-28/basic/transports/streamable-http>).

mod answers;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::answer::Awaited;
use super::exchange::{Outgoing, media_type, refusal};
use super::follow::{Delivery, Follow, Position};
use super::{AuthorizeError, Error, ListenEnd, Posted, SessionId, Sink, Upstream};
use crate::mcp::Message;
use crate::mcp::header::{LAST_EVENT_ID, MCP_METHOD, MCP_PROTOCOL_VERSION, MCP_SESSION_ID};
use crate::net::{Lane, Response};

const JSON: &str = "application/json";
const EVENTS: &str = "text/event-stream";
const BOTH: HeaderValue = HeaderValue::from_static("application/json, text/event-stream");
const EVENTS_ONLY: HeaderValue = HeaderValue::from_static(EVENTS);
const JSON_TYPE: HeaderValue = HeaderValue::from_static(JSON);

/// How long calls wait for the server's own stream.
const STREAM_LIMIT: Duration = Duration::from_secs(1);

/// One client session's link to a server. Requests may run side by side.
pub struct StreamableHttp {
    upstream: Upstream,
    state: Mutex<State>,
    /// Reads answers to their end after their response was delivered.
    tails: Mutex<JoinSet<()>>,
    /// Whether the server has answered the first question for its own stream.
    stream_known: watch::Sender<bool>,
}

#[derive(Default)]
struct State {
    session: Option<SessionId>,
    version: Option<HeaderValue>,
    heard: Heard,
    /// Since when its own stream is asked for.
    listening_since: Option<Instant>,
}

/// How far the server's own stream was heard, for whoever listens again.
#[derive(Default, Clone)]
struct Heard {
    /// Whether there was such a stream.
    was_open: bool,
    last_event: Option<Arc<str>>,
}

impl StreamableHttp {
    /// A link without an upstream session.
    pub fn new(upstream: Upstream) -> Self {
        Self {
            upstream,
            state: Mutex::default(),
            tails: Mutex::default(),
            stream_known: watch::Sender::new(false),
        }
    }

    /// Sends `session` with everything from now on, or none. An answer to `initialize` sets it
    /// by itself, before its messages are delivered.
    pub fn set_session(&self, session: Option<SessionId>) {
        self.state().session = session;
    }

    /// The upstream session, where the server opened one.
    pub fn session(&self) -> Option<SessionId> {
        self.state().session.clone()
    }

    /// Names the negotiated version in everything from now on (legacy; modern messages bring
    /// their own headers). What cannot be a header names none.
    pub fn set_protocol_version(&self, version: &str) {
        self.state().version = HeaderValue::from_str(version).ok();
    }

    /// Posts one message and delivers every message of its answer to `sink`, in order. `extra`
    /// are further headers, as modern requests need them. Dropping the future closes the stream,
    /// which cancels a modern request.
    ///
    /// A legacy stream that breaks off before its response is resumed where the server gave its
    /// events ids. A request for which [`Posted::answered`] is false was accepted without an answer.
    ///
    /// # Errors
    /// [`Error`]; `Unauthorized` and `SessionGone` promise that the message has not run.
    pub async fn post(&self, message: Message, extra: HeaderMap, sink: Sink) -> Result<Posted, Error> {
        let opens_session = message.method() == Some("initialize");
        let (headers, names_session) = self.headers(BOTH, extra, !opens_session);
        let resumable = !headers.contains_key(MCP_METHOD);
        let lane =
            if message.method() == Some("subscriptions/listen") { Lane::Stream } else { Lane::Request };
        let awaited = Awaited::of(&message);
        let response = self.send(lane, Method::POST, headers, message.line().clone()).await?;
        let session = opens_session.then(|| opened_session(&response)).flatten();
        if session.is_some() {
            self.set_session(session.clone());
        }
        let status = response.status;
        let mut delivery = Delivery { awaited, sink };
        let answered = if status.is_success() {
            self.read_answer(response, &mut delivery, resumable).await?
        } else {
            let messages = refusal(response, names_session, &delivery.awaited).await?;
            delivery.all(messages, None).await?;
            Some(())
        };
        Ok(Posted { status, session, answered: answered.is_some(), accepted: answered.is_none() })
    }

    /// Opens the server's own stream (legacy) and delivers its messages for as long as it takes,
    /// opening it again whenever it ends, behind the last event that was heard. Servers that have no such stream may
    /// answer 404, as for a session that is gone; in a `new_session`, which cannot be gone yet, that is what it means.
    ///
    /// # Errors
    /// `Unauthorized` and `SessionGone`, a sign-in that is missing, and what a server without a stream answers;
    /// whatever may pass is tried again, and once there was a stream everything may.
    pub async fn listen(&self, sink: Sink, new_session: bool) -> Result<ListenEnd, Error> {
        let gone = sink.clone();
        tokio::select! {
            () = gone.closed() => Ok(ListenEnd::SinkClosed),
            end = self.keep_listening(sink, new_session) => end,
        }
    }

    /// Returns once the server's own stream is open or is known not to be had, or a moment after it was asked for: some
    /// servers answer with the first event. What a server asks in the midst of a call may come on that stream, and
    /// without one it is lost.
    pub async fn stream_settled(&self) {
        if self.session().is_none() {
            return;
        }
        let mut known = self.stream_known.subscribe();
        let since = self.state().listening_since.unwrap_or_else(Instant::now);
        if timeout_at(since + STREAM_LIMIT, known.wait_for(|known| *known)).await.is_err() {
            // Nobody waits a second time.
            self.stream_known.send_replace(true);
        }
    }

    async fn keep_listening(&self, sink: Sink, new_session: bool) -> Result<ListenEnd, Error> {
        let mut position = Position::start(&self.upstream.limits);
        position.last_event = self.state().heard.last_event.clone();
        let mut delivery = Delivery { awaited: Awaited::default(), sink };
        self.state().listening_since.get_or_insert_with(Instant::now);
        loop {
            let opened = self.open_stream(position.last_event.as_deref()).await;
            self.stream_known.send_replace(true);
            let was_open = self.state().heard.was_open;
            let wait = match opened {
                Ok(Some(response)) => {
                    self.state().heard.was_open = true;
                    let end = self.follow(response, &mut delivery, &mut position).await;
                    if matches!(end, Err(Follow::TooLarge)) {
                        // It would come again for ever.
                        position.last_event = None;
                    }
                    self.state().heard.last_event.clone_from(&position.last_event);
                    match end {
                        Ok(()) | Err(Follow::Ended | Follow::NotJson) => position.backoff.after_end(),
                        Err(Follow::TooLarge) => position.backoff.after_failure(None),
                        Err(Follow::SinkClosed) => return Ok(ListenEnd::SinkClosed),
                    }
                }
                Ok(None) if was_open => position.backoff.after_failure(None),
                Ok(None) => return Ok(ListenEnd::NotOffered),
                Err(Error::SessionGone) if new_session && !was_open => return Ok(ListenEnd::NotOffered),
                Err(error) if was_open && !only_the_session_can_help(&error) => {
                    position.backoff.after_failure(error.retry_after())
                }
                Err(error) => position.backoff.after_failure(passing(error)?),
            };
            sleep(wait).await;
        }
    }

    /// Tells the server that its session is over, if it has one. A server that refuses (405)
    /// ends it by itself.
    ///
    /// # Errors
    /// [`Error`] when the server could not be told in time.
    pub async fn delete(&self) -> Result<(), Error> {
        if self.session().is_none() {
            return Ok(());
        }
        let (headers, _) = self.headers(BOTH, HeaderMap::new(), true);
        let told = self.send(Lane::Request, Method::DELETE, headers, Bytes::new());
        match timeout(self.upstream.limits.goodbye, told).await {
            Ok(Ok(_)) => {
                self.set_session(None);
                Ok(())
            }
            Ok(Err(error)) => Err(error),
            Err(_) => Err(Error::Cut { may_have_run: true }),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The headers of a request, and whether they name a session.
    fn headers(&self, accept: HeaderValue, mut headers: HeaderMap, in_session: bool) -> (HeaderMap, bool) {
        let state = self.state();
        headers.insert(ACCEPT, accept);
        if let Some(version) = state.version.as_ref().filter(|_| in_session) {
            headers.entry(MCP_PROTOCOL_VERSION).or_insert_with(|| version.clone());
        }
        match state.session.as_ref().filter(|_| in_session) {
            Some(session) => headers.insert(MCP_SESSION_ID, session.header()),
            None => headers.remove(MCP_SESSION_ID),
        };
        let names_session = headers.contains_key(MCP_SESSION_ID);
        (headers, names_session)
    }

    async fn send(
        &self,
        lane: Lane,
        method: Method,
        mut headers: HeaderMap,
        body: Bytes,
    ) -> Result<Response, Error> {
        if !body.is_empty() {
            headers.insert(CONTENT_TYPE, JSON_TYPE);
        }
        let url = self.upstream.url.clone();
        let (_, response) = self.upstream.exchange(Outgoing { lane, method, url, headers, body }).await?;
        Ok(response)
    }

    /// Opens a stream by GET; `None` where the server offers none.
    async fn open_stream(&self, last_event: Option<&str>) -> Result<Option<Response>, Error> {
        let (mut headers, names_session) = self.headers(EVENTS_ONLY, HeaderMap::new(), true);
        if let Some(id) = last_event.and_then(|id| HeaderValue::from_bytes(id.as_bytes()).ok()) {
            headers.insert(LAST_EVENT_ID, id);
        }
        let response = self.send(Lane::Stream, Method::GET, headers, Bytes::new()).await?;
        if response.status.is_success() {
            let offered = media_type(&response.headers).as_deref() == Some(EVENTS);
            return Ok(offered.then_some(response));
        }
        match refusal(response, names_session, &Awaited::default()).await {
            Ok(_) => Ok(None),
            Err(Error::Status { status, .. }) if is_no_offer(status) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// The session that an answer to `initialize` opens.
fn opened_session(response: &Response) -> Option<SessionId> {
    SessionId::new(response.headers.get(MCP_SESSION_ID)?.to_str().ok()?)
}

/// Statuses by which servers say that they have no stream of their own; 405 is the proper one.
fn is_no_offer(status: StatusCode) -> bool {
    matches!(status.as_u16(), 400 | 404 | 405 | 406 | 410 | 415 | 501)
}

/// Whether to listen again takes other credentials or another session.
fn only_the_session_can_help(error: &Error) -> bool {
    match error {
        Error::Unauthorized { .. } | Error::SessionGone | Error::Authorize(AuthorizeError::SignedOut) => true,
        Error::Unreachable(_)
        | Error::Status { .. }
        | Error::NotMcp { .. }
        | Error::InvalidJson
        | Error::TooLarge
        | Error::Cut { .. }
        | Error::Authorize(AuthorizeError::Unavailable(_))
        | Error::Redirect { .. }
        | Error::NoEndpoint
        | Error::SinkClosed => false,
    }
}

/// Lets errors through that may pass by themselves, with the wait the server asks for.
fn passing(error: Error) -> Result<Option<Duration>, Error> {
    match error {
        Error::Status { status, retry_after, .. }
            if status.is_server_error() || matches!(status.as_u16(), 408 | 425 | 429) =>
        {
            Ok(retry_after)
        }
        Error::Unreachable(_) | Error::Authorize(AuthorizeError::Unavailable(_)) => Ok(None),
        Error::Status { .. }
        | Error::Unauthorized { .. }
        | Error::SessionGone
        | Error::NotMcp { .. }
        | Error::InvalidJson
        | Error::TooLarge
        | Error::Cut { .. }
        | Error::Authorize(AuthorizeError::SignedOut)
        | Error::Redirect { .. }
        | Error::NoEndpoint
        | Error::SinkClosed => Err(error),
    }
}
