//! Opening an upstream session: which era, which transport, one `initialize`.
//!
//! Follows "Backward Compatibility" of the transports page: an unknown server is asked with a
//! modern request first; a 401 or 403 is no evidence of an era; a legacy server that does not
//! take a POST is tried with HTTP+SSE.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, StatusCode};
use serde_json::value::RawValue;
use tokio::time::timeout;

use crate::failure::Failure;
use crate::host::failures;
use crate::host::snapshot::{Generation, SeenTransport};
use crate::mcp::era::{self, Era};
use crate::mcp::translate::handshake;
use crate::mcp::translate::meta::Client;
use crate::mcp::{Kind, Message, RequestId, header, json, result_response};
use crate::registry::TransportChoice;
use crate::upstream::{self, HttpSse, Posted, Sink, StreamableHttp};

use super::ask::ask;
use super::context::{Context, Refused};
use super::crossing::{Crossing, LegacyClient};
use super::resume::Resume;

const PROBE_LIMIT: Duration = Duration::from_secs(5);
/// Error codes that only a modern server sends.
const MODERN_CODES: [&str; 3] = ["-32020", "-32021", "-32022"];

/// How a message travels upstream.
pub(super) enum Transport {
    Http(StreamableHttp),
    Sse(HttpSse),
}

impl Transport {
    /// Sends one message; what comes back goes to `sink`.
    pub(super) async fn post(&self, message: Message, sink: Sink) -> Result<Posted, upstream::Error> {
        self.post_with(message, HeaderMap::new(), sink).await
    }

    /// Sends one message with headers besides those that follow from it.
    pub(super) async fn post_with(
        &self,
        message: Message,
        extra: HeaderMap,
        sink: Sink,
    ) -> Result<Posted, upstream::Error> {
        match self {
            Self::Http(http) => {
                let mut headers = extra;
                if message.meta_protocol_version().is_some() {
                    headers.extend(header::modern_headers(&message));
                }
                http.post(message, headers, sink).await
            }
            Self::Sse(sse) => {
                sse.post(message, HeaderMap::new()).await?;
                Ok(Posted { status: StatusCode::ACCEPTED, session: None, answered: false, accepted: true })
            }
        }
    }

    /// Whether answers come on the response to the POST itself.
    pub(super) fn answers_posts(&self) -> bool {
        matches!(self, Self::Http(_))
    }

    /// Resolves when the connection has ended for good.
    pub(super) async fn closed(&self) {
        match self {
            Self::Http(_) => std::future::pending().await,
            Self::Sse(sse) => {
                let why = sse.closed().await;
                tracing::debug!(%why, "the event stream ended");
            }
        }
    }

    /// Ends the upstream session.
    pub(super) async fn delete(&self) {
        if let Self::Http(http) = self
            && http.session().is_some()
        {
            let _ = http.delete().await;
        }
    }
}

/// What is to be opened.
#[derive(Debug)]
pub(super) enum Opening {
    /// A legacy session.
    Legacy(Box<Handshake>),
    /// No session: every request stands for itself.
    Modern,
}

/// What a legacy session is opened with.
#[derive(Debug)]
pub(super) struct Handshake {
    /// The client's `initialize`.
    pub(super) initialize: Message,
    /// The session of an earlier Host.
    pub(super) resume: Option<Resume>,
    /// The client's `notifications/initialized`, where it was sent before.
    pub(super) initialized: Option<Message>,
}

impl Opening {
    pub(super) fn initialized(&self) -> Option<Message> {
        match self {
            Self::Legacy(handshake) => handshake.initialized.clone(),
            Self::Modern => None,
        }
    }
}

/// An open session.
pub(super) struct Opened {
    pub(super) transport: Arc<Transport>,
    pub(super) response: Option<Message>,
    pub(super) needs_initialized: bool,
    pub(super) resume: Option<Resume>,
    /// How messages are written for this server.
    pub(super) crossing: Crossing,
}

/// Why none could be opened.
#[derive(Debug)]
pub(super) enum OpenError {
    SignedOut,
    /// The server's own error response to `initialize`.
    Rejected(Message),
    Failed(Failure),
    /// The server asks to be left alone for a while.
    Busy {
        failure: Failure,
        retry_after: Duration,
    },
}

/// Opens the session.
pub(super) async fn open(context: &Arc<Context>, opening: &mut Opening) -> Result<Opened, OpenError> {
    match opening {
        Opening::Modern => Ok(Opened {
            transport: Arc::new(Transport::Http(context.streamable_http())),
            response: None,
            needs_initialized: false,
            resume: None,
            crossing: Crossing::None,
        }),
        Opening::Legacy(legacy) => match legacy.resume.take() {
            Some(resume) => Ok(resumed(context, resume)),
            None => handshake(context, &legacy.initialize).await,
        },
    }
}

/// Goes on with an upstream session of an earlier Host. If the server no longer knows it, the
/// first request finds out and the session is opened anew.
fn resumed(context: &Context, resume: Resume) -> Opened {
    let http = context.streamable_http();
    http.set_session(resume.session.clone());
    if let Some(version) = &resume.protocol_version {
        http.set_protocol_version(version);
    }
    Opened {
        transport: Arc::new(Transport::Http(http)),
        response: None,
        needs_initialized: false,
        resume: Some(resume),
        crossing: Crossing::None,
    }
}

async fn handshake(context: &Arc<Context>, initialize: &Message) -> Result<Opened, OpenError> {
    let known = context.seen_transport();
    match (context.connection.entry.transport, known) {
        (TransportChoice::Sse, _) | (TransportChoice::Auto, Some(SeenTransport::HttpSse)) => {
            over_http_sse(context, initialize).await
        }
        (TransportChoice::Http, _) | (TransportChoice::Auto, Some(SeenTransport::StreamableHttp)) => {
            over_streamable_http(context, initialize).await.map_err(|error| error.into_open(context))
        }
        (TransportChoice::Auto, None) => match over_streamable_http(context, initialize).await {
            Err(HandshakeError::Upstream(error)) if suggests_http_sse(&error) => {
                over_http_sse(context, initialize).await.map_err(|sse| match sse {
                    OpenError::Failed(_) => {
                        OpenError::Failed(failures::of_upstream(context.server(), &error))
                    }
                    OpenError::SignedOut | OpenError::Rejected(_) | OpenError::Busy { .. } => sse,
                })
            }
            result => result.map_err(|error| error.into_open(context)),
        },
    }
}

#[derive(Debug)]
enum HandshakeError {
    Open(OpenError),
    Upstream(upstream::Error),
}

impl HandshakeError {
    fn into_open(self, context: &Context) -> OpenError {
        match self {
            Self::Open(error) => error,
            Self::Upstream(error) => {
                let failure = failures::of_upstream(context.server(), &error);
                match error.retry_after() {
                    Some(retry_after) => OpenError::Busy { failure, retry_after },
                    None => OpenError::Failed(failure),
                }
            }
        }
    }
}

impl HandshakeError {
    /// Whether a server of the other era may have answered so to `initialize`.
    fn may_be_about_the_era(&self) -> bool {
        match self {
            Self::Open(OpenError::Rejected(_)) => true,
            Self::Open(OpenError::SignedOut | OpenError::Failed(_)) => false,
            Self::Upstream(error) => is_about_the_request(error),
        }
    }

    fn of(context: &Context, refused: Refused) -> Self {
        match refused {
            Refused::StepUpNeeded => Self::Open(OpenError::Failed(context.forbidden())),
            Refused::SignInNeeded => Self::Open(OpenError::SignedOut),
            Refused::Failed(failure) => Self::Open(OpenError::Failed(failure)),
            Refused::Upstream(error) => Self::Upstream(error),
        }
    }
}

async fn over_streamable_http(
    context: &Arc<Context>,
    initialize: &Message,
) -> Result<Opened, HandshakeError> {
    let is_assumed = context.seen_era() == Some(Era::Legacy);
    let found = if is_assumed { Found::Legacy } else { probe(context, initialize).await? };
    match found {
        Found::Modern(discovered) => Ok(modern(context, initialize, discovered)),
        Found::Legacy => match legacy(context, initialize).await {
            Err(error) if is_assumed && error.may_be_about_the_era() => {
                match probe(context, initialize).await? {
                    Found::Modern(discovered) => Ok(modern(context, initialize, discovered)),
                    Found::Legacy => Err(error),
                }
            }
            result => result,
        },
    }
}

async fn legacy(context: &Arc<Context>, initialize: &Message) -> Result<Opened, HandshakeError> {
    let transport = Transport::Http(context.streamable_http());
    let answered = answer_to_initialize(context, &transport, initialize).await;
    let answered = answered.map_err(|refused| HandshakeError::of(context, refused))?;
    settle(context, transport, answered, SeenTransport::StreamableHttp)
}

/// A modern server needs no session; its client is told in `initialize` what it said of itself.
fn modern(context: &Context, initialize: &Message, discovered: Discovered) -> Opened {
    let client = LegacyClient::of(initialize);
    let result = handshake::initialize_result(discovered.result.get(), &client.version, context.server());
    context.note_seen(Era::Modern, SeenTransport::StreamableHttp);
    context.note_initialize(discovered.asked, result.as_deref());
    let answer = initialize.request_id().zip(result).map(|(id, result)| result_response(id, &result));
    Opened {
        transport: Arc::new(Transport::Http(context.streamable_http())),
        response: answer.and_then(|answer| Message::parse(answer).ok()),
        needs_initialized: false,
        resume: None,
        crossing: Crossing::ToModern(Arc::new(client)),
    }
}

async fn over_http_sse(context: &Arc<Context>, initialize: &Message) -> Result<Opened, OpenError> {
    let connect = || HttpSse::connect(context.upstream(), context.incoming.clone());
    let open_error = |refused: Refused| HandshakeError::of(context, refused).into_open(context);
    let sse = context.authorized(connect).await.map_err(open_error)?;
    let transport = Transport::Sse(sse);
    let answered = answer_to_initialize(context, &transport, initialize).await.map_err(open_error)?;
    settle(context, transport, answered, SeenTransport::HttpSse).map_err(|error| error.into_open(context))
}

/// The server's answer to `initialize`.
struct Answered {
    /// What was known when it was asked.
    asked: Generation,
    posted: Posted,
    response: Message,
}

async fn answer_to_initialize(
    context: &Context,
    transport: &Transport,
    initialize: &Message,
) -> Result<Answered, Refused> {
    let asked = context.snapshot.generation();
    let (posted, response) = ask(context, transport, initialize).await?;
    Ok(Answered { asked, posted, response })
}

/// Reads the answer to `initialize`.
fn settle(
    context: &Context,
    transport: Transport,
    answered: Answered,
    seen: SeenTransport,
) -> Result<Opened, HandshakeError> {
    let Answered { asked, posted, response } = answered;
    if matches!(response.kind(), Kind::Response { is_error: true, .. }) {
        return Err(HandshakeError::Open(OpenError::Rejected(response)));
    }
    let version = response.string_at(&["result", "protocolVersion"]);
    let mut resume = None;
    if let Transport::Http(http) = &transport {
        http.set_session(posted.session.clone());
        if let Some(version) = &version {
            http.set_protocol_version(version);
        }
        resume = posted.session.clone().map(|session| Resume::of(session, version));
    }
    context.note_seen(Era::Legacy, seen);
    context.note_initialize(asked, response.raw_at(&["result"]));
    Ok(Opened {
        transport: Arc::new(transport),
        response: Some(response),
        needs_initialized: true,
        resume,
        crossing: Crossing::None,
    })
}

/// What a server turned out to be.
enum Found {
    /// One to be spoken to with `initialize`.
    Legacy,
    /// A modern one, and what it says of itself.
    Modern(Discovered),
}

/// A server's answer to `server/discover`.
struct Discovered {
    /// What was known when it was asked.
    asked: Generation,
    result: Box<RawValue>,
}

/// Asks a server for its era. One that answers as a modern server does, and does not list the
/// client's own version as well, counts as modern here.
async fn probe(context: &Arc<Context>, initialize: &Message) -> Result<Found, HandshakeError> {
    let asked = context.snapshot.generation();
    let transport = Transport::Http(context.streamable_http());
    let client = Client::of_initialize(initialize);
    let request = handshake::discover(&context.questions.next_id(), &client);
    let answered = timeout(PROBE_LIMIT, ask(context, &transport, &request)).await;
    let answered = answered.map(|answer| answer.map_err(|refused| HandshakeError::of(context, refused)));
    let answer = match answered {
        Err(_) => return Ok(Found::Legacy),
        Ok(Ok((_, answer))) => answer,
        Ok(Err(HandshakeError::Upstream(error))) if is_about_the_request(&error) => return Ok(Found::Legacy),
        Ok(Err(error)) => return Err(error),
    };
    let versions = listed_versions(&answer);
    let clients_own = initialize.string_at(&["params", "protocolVersion"]);
    let speaks_clients_own = clients_own.is_some_and(|version| versions.contains(&version));
    if !is_modern(&answer, &versions) || speaks_clients_own {
        return Ok(Found::Legacy);
    }
    match answer.raw_at(&["result"]).and_then(|result| RawValue::from_string(result.to_owned()).ok()) {
        Some(result) => Ok(Found::Modern(Discovered { asked, result })),
        None => Err(HandshakeError::Open(OpenError::Rejected(as_answer_to(initialize, &answer)))),
    }
}

/// The versions that a server names, in a result or in an error.
fn listed_versions(answer: &Message) -> Vec<String> {
    let listed = [["result", "supportedVersions"].as_slice(), &["error", "data", "supported"]];
    let listed = listed.iter().find_map(|path| answer.raw_at(path));
    listed.and_then(|raw| serde_json::from_str(raw).ok()).unwrap_or_default()
}

fn is_modern(answer: &Message, versions: &[String]) -> bool {
    let modern_error = answer.raw_at(&["error", "code"]).is_some_and(|code| MODERN_CODES.contains(&code));
    let is_legacy_alone =
        !versions.is_empty() && versions.iter().all(|version| era::is_legacy_version(version));
    versions.iter().any(|version| era::is_modern_version(version)) || (modern_error && !is_legacy_alone)
}

/// The server's own error, as the answer to the client's `initialize`.
fn as_answer_to(initialize: &Message, answer: &Message) -> Message {
    let error = answer.raw_at(&["error"]).unwrap_or("{}");
    let id = initialize.request_id().map_or("null", RequestId::as_raw);
    let line = format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{error}}}"#);
    Message::parse(line.into()).expect("a response made of JSON values")
}

/// A server that takes no POST at that address may be one of HTTP+SSE.
fn suggests_http_sse(error: &upstream::Error) -> bool {
    matches!(error, upstream::Error::Status { status, .. } if matches!(status.as_u16(), 400 | 404 | 405))
}

/// Whether an answer was about the modern request itself, rather than about the server's health
/// or our credentials.
fn is_about_the_request(error: &upstream::Error) -> bool {
    match error {
        upstream::Error::Status { status, .. } => {
            let passing = [408, 425, 429, 502, 503, 504];
            !passing.contains(&status.as_u16())
        }
        upstream::Error::SessionGone | upstream::Error::Cut { .. } | upstream::Error::InvalidJson => true,
        upstream::Error::Unauthorized { .. }
        | upstream::Error::Unreachable(_)
        | upstream::Error::NotMcp { .. }
        | upstream::Error::TooLarge
        | upstream::Error::Authorize(_)
        | upstream::Error::Redirect { .. }
        | upstream::Error::NoEndpoint
        | upstream::Error::SinkClosed => false,
    }
}

/// The raw result of a response, owned.
pub(super) fn raw_result(raw: Option<&str>) -> Option<Box<RawValue>> {
    raw.filter(|raw| json::member(raw, "protocolVersion").is_some())
        .and_then(|raw| RawValue::from_string(raw.to_owned()).ok())
}
