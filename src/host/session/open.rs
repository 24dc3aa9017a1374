//! Opening an upstream session: which era, which transport, one `initialize`.
//!
//! Follows "Backward Compatibility" of the transports page: a legacy server that does not take a
//! POST is tried with HTTP+SSE. The era is found out in `detect`.

mod error;

use std::sync::Arc;

use bytes::Bytes;
use serde_json::value::RawValue;

use crate::failure::Code;
use crate::host::failures;
use crate::host::snapshot::{Generation, SeenTransport};
use crate::mcp::era::{Era, is_legacy_version};
use crate::mcp::translate::handshake as handshake_words;
use crate::mcp::translate::meta::Client;
use crate::mcp::translate::versions;
use crate::mcp::{Kind, Message, json, result_response};
use crate::registry::TransportChoice;
use crate::upstream::{self, HttpSse, Posted};

use super::INITIALIZED;
use super::ask::ask;
use super::authorized::Refused;
use super::context::Context;
use super::crossing::{Crossing, LegacyClient};
use super::detect::{self, Certainty, Discovered, Found};
use super::resume::Resume;
use super::transport::Transport;
pub(super) use error::{HandshakeError, OpenError};

/// What is to be opened.
#[derive(Debug)]
pub(super) enum Opening {
    /// A legacy session.
    Legacy(Box<Handshake>),
    /// For a modern client, to which every request stands for itself.
    Modern(Client),
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
    /// Takes out the session of an earlier Host, which is gone on with once.
    pub(super) fn take_resume(&mut self) -> Option<Resume> {
        match self {
            Self::Legacy(handshake) => handshake.resume.take(),
            Self::Modern(_) => None,
        }
    }

    pub(super) fn initialized(&self) -> Option<Message> {
        match self {
            Self::Legacy(handshake) => handshake.initialized.clone(),
            Self::Modern(_) => Message::parse(Bytes::from_static(INITIALIZED)).ok(),
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

/// Opens the session, or goes on with one of an earlier Host.
pub(super) async fn open(
    context: &Arc<Context>,
    opening: &Opening,
    resume: Option<Resume>,
) -> Result<Opened, OpenError> {
    match opening {
        Opening::Modern(client) => for_modern_client(context, client).await,
        Opening::Legacy(legacy) => match resume {
            Some(resume) => Ok(resumed(context, resume, &legacy.initialize)),
            None => handshake(context, &legacy.initialize, None).await,
        },
    }
}

/// A modern client speaks for itself to a server of its era; for an older one it is introduced.
async fn for_modern_client(context: &Arc<Context>, client: &Client) -> Result<Opened, OpenError> {
    let as_it_is = || Opened {
        transport: Arc::new(Transport::Http(context.streamable_http())),
        response: None,
        needs_initialized: false,
        resume: None,
        crossing: Crossing::None,
    };
    let is_legacy = detect::is_legacy_for_modern(context, client).await;
    if !is_legacy.map_err(|error| error.into_open(context))? {
        return Ok(as_it_is());
    }
    let initialize = handshake_words::initialize(&context.questions.next_id(), client);
    match handshake(context, &initialize, Some(Found::Legacy(Certainty::Sure))).await {
        Ok(opened) => Ok(Opened { resume: None, crossing: Crossing::ToLegacy, ..opened }),
        Err(error) if error.is_the_servers_own() => {
            // No server of the other era either: its client hears from itself what is wrong.
            context.forget_era();
            Ok(as_it_is())
        }
        Err(error) => Err(error),
    }
}

/// Goes on with an upstream session of an earlier Host. If the server no longer knows it, the
/// first request finds out and the session is opened anew.
fn resumed(context: &Context, resume: Resume, initialize: &Message) -> Opened {
    let http = context.streamable_http();
    let told = handshake_words::version_for(initialize);
    let is_other = resume.protocol_version.as_ref().is_some_and(|agreed| *agreed != told);
    let crossing = if is_other { Crossing::ToVersion(told.into()) } else { Crossing::None };
    http.set_session(Some(resume.session.clone()));
    if let Some(version) = &resume.protocol_version {
        http.set_protocol_version(version);
    }
    Opened {
        transport: Arc::new(Transport::Http(http)),
        response: None,
        needs_initialized: false,
        resume: Some(resume),
        crossing,
    }
}

async fn handshake(
    context: &Arc<Context>,
    initialize: &Message,
    found: Option<Found>,
) -> Result<Opened, OpenError> {
    let known = context.seen_transport();
    match (context.connection.entry.transport, known) {
        (TransportChoice::Sse, _) | (TransportChoice::Auto, Some(SeenTransport::HttpSse)) => {
            let opened = over_http_sse(context, initialize).await;
            if let Err(OpenError::Failed(failure)) = &opened
                && failure.code != Code::Unreachable
            {
                context.forget_transport();
            }
            opened
        }
        (TransportChoice::Http, _) | (TransportChoice::Auto, Some(SeenTransport::StreamableHttp)) => {
            let opened = over_streamable_http(context, initialize, found).await;
            opened.map_err(|error| error.into_open(context))
        }
        (TransportChoice::Auto, None) => match over_streamable_http(context, initialize, found).await {
            Err(HandshakeError::Upstream(error)) if suggests_http_sse(&error) => {
                over_http_sse(context, initialize).await.map_err(|sse| match sse {
                    OpenError::Failed(_) => {
                        OpenError::Failed(failures::of_upstream(context.server(), &error))
                    }
                    OpenError::SignedOut
                    | OpenError::StepUpNeeded(_)
                    | OpenError::Rejected(_)
                    | OpenError::Busy { .. } => sse,
                })
            }
            result => result.map_err(|error| error.into_open(context)),
        },
    }
}

async fn over_streamable_http(
    context: &Arc<Context>,
    initialize: &Message,
    found: Option<Found>,
) -> Result<Opened, HandshakeError> {
    let found = match found {
        Some(found) => found,
        None => detect::era_for_legacy(context, initialize).await?,
    };
    let certainty = match found {
        Found::Modern(discovered) => return Ok(modern(context, initialize, discovered)),
        Found::Legacy(certainty) => certainty,
    };
    match legacy(context, initialize).await {
        Err(error) if certainty == Certainty::Assumed && error.may_be_about_the_era() => {
            match detect::probe(context, initialize).await? {
                Found::Modern(discovered) => Ok(modern(context, initialize, discovered)),
                Found::Legacy(_) => Err(error),
            }
        }
        result => result,
    }
}

async fn legacy(context: &Arc<Context>, initialize: &Message) -> Result<Opened, HandshakeError> {
    let transport = Transport::Http(context.streamable_http());
    match answer_to_initialize(context, &transport, initialize).await {
        Ok(answered) => settle(context, transport, initialize, answered, SeenTransport::StreamableHttp),
        Err(refused) => {
            // The head of the answer may have named a session before the rest was lost.
            transport.delete().await;
            Err(HandshakeError::of(refused))
        }
    }
}

/// A modern server needs no session; its client is told in `initialize` what it said of itself.
fn modern(context: &Context, initialize: &Message, discovered: Discovered) -> Opened {
    let client = LegacyClient::of(initialize);
    let result =
        handshake_words::initialize_result(discovered.result.get(), &client.version, context.server());
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
    let open_error = |refused: Refused| HandshakeError::of(refused).into_open(context);
    let sse = context.authorized(connect).await.map_err(open_error)?;
    let transport = Transport::Sse(sse);
    let answered = answer_to_initialize(context, &transport, initialize).await.map_err(open_error)?;
    let opened = settle(context, transport, initialize, answered, SeenTransport::HttpSse);
    opened.map_err(|error| error.into_open(context))
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
    initialize: &Message,
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
        resume = posted.session.clone().map(|session| Resume { session, protocol_version: version });
    }
    context.note_seen(Era::Legacy, seen);
    context.note_initialize(asked, response.raw_at(&["result"]));
    let (response, crossing) = under_the_clients_version(initialize, response);
    Ok(Opened {
        transport: Arc::new(transport),
        response: Some(response),
        needs_initialized: true,
        resume,
        crossing,
    })
}

/// A server that takes no POST at that address may be one of HTTP+SSE.
fn suggests_http_sse(error: &upstream::Error) -> bool {
    matches!(error, upstream::Error::Status { status, .. } if matches!(status.as_u16(), 400 | 404 | 405))
}

/// A legacy server may agree to another version than the client asked for, and not every client
/// knows others. It is told its own, where we speak that, and gets what that can say.
fn under_the_clients_version(initialize: &Message, response: Message) -> (Message, Crossing) {
    let agreed = response.string_at(&["result", "protocolVersion"]);
    let asked = initialize.string_at(&["params", "protocolVersion"]);
    let Some(asked) = asked.filter(|asked| is_legacy_version(asked) && agreed.as_ref() != Some(asked)) else {
        return (response, Crossing::None);
    };
    match versions::under_version(&response, &asked) {
        Some(told) => (told, Crossing::ToVersion(asked.into())),
        None => (response, Crossing::None),
    }
}

/// The raw result of a response, owned.
pub(super) fn raw_result(raw: Option<&str>) -> Option<Box<RawValue>> {
    raw.filter(|raw| json::member(raw, "protocolVersion").is_some())
        .and_then(|raw| RawValue::from_string(raw.to_owned()).ok())
}
