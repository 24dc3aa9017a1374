//! Where client and server are of different eras: in whose words their messages travel.

use std::sync::Arc;

use crate::mcp::Message;
use crate::mcp::era::Era;
use crate::mcp::translate::meta::Client;
use crate::mcp::translate::request::ForModern;
use crate::mcp::translate::{answer, handshake, request, versions};

use super::ask::ask;
use super::authorized::Refused;
use super::context::Context;
use super::transport::Transport;

/// How an upstream session's messages are written.
#[derive(Debug, Clone)]
pub(super) enum Crossing {
    /// As they are: client and server are of one era.
    None,
    /// A legacy client's, for a modern server.
    ToModern(Arc<LegacyClient>),
    /// A modern client's, for a legacy server.
    ToLegacy,
    /// As they are, from a legacy server of another version than the client's; what comes back is
    /// fitted to this one.
    ToVersion(Arc<str>),
}

/// A legacy client, as it introduced itself.
#[derive(Debug)]
pub(super) struct LegacyClient {
    /// What a modern server is told of it with every request.
    pub(super) client: Client,
    /// The version it was told that the server speaks.
    pub(super) version: String,
}

impl LegacyClient {
    /// The client that sent this `initialize`.
    pub(super) fn of(initialize: &Message) -> Self {
        Self { client: Client::of_initialize(initialize), version: handshake::version_for(initialize) }
    }
}

impl Crossing {
    /// The server's era, where it is not the client's.
    pub(super) fn server_era(&self) -> Option<Era> {
        match self {
            Self::None | Self::ToVersion(_) => None,
            Self::ToModern(_) => Some(Era::Modern),
            Self::ToLegacy => Some(Era::Legacy),
        }
    }

    /// An answer to a request of that method, as the client's version can read it.
    pub(super) fn fitted_answer(&self, method: &str, response: Message) -> Message {
        let Self::ToVersion(version) = self else { return response };
        versions::fit_answer(method, &response, version).unwrap_or(response)
    }

    /// A question of the server, as the client's version can read it.
    pub(super) fn fitted_question(&self, question: Message) -> Message {
        let Self::ToVersion(version) = self else { return question };
        versions::fit_question(&question, version).unwrap_or(question)
    }

    /// A message that wants no answer, as the server wants it; `None` where it does not.
    pub(super) fn aside(&self, message: Message) -> Option<Message> {
        match self {
            Self::None | Self::ToVersion(_) => Some(message),
            Self::ToModern(client) => match message.method().map(request::for_modern)? {
                ForModern::Sent => request::to_modern(&message, &client.client, None),
                ForModern::Answered(_) | ForModern::Dropped => None,
            },
            Self::ToLegacy => request::to_legacy(&message),
        }
    }
}

/// Sends a request of ours, written as a client of the session's era would, and waits for its
/// answer in the same words; `None` where the server answers with something else than a result or
/// an error.
pub(super) async fn ask_across(
    context: &Context,
    transport: &Transport,
    crossing: &Crossing,
    question: &Message,
) -> Result<Option<Message>, Refused> {
    let client = match crossing {
        Crossing::ToModern(client) => client,
        // Ours are written as legacy ones.
        Crossing::None | Crossing::ToLegacy | Crossing::ToVersion(_) => {
            return ask(context, transport, question).await.map(|(_, response)| Some(response));
        }
    };
    let (Some(id), Some(method)) = (question.request_id(), question.method()) else { return Ok(None) };
    let Some(modern) = request::to_modern(question, &client.client, None) else { return Ok(None) };
    let (_, response) = ask(context, transport, &modern).await?;
    Ok(match answer::to_legacy(method, &response, id, &client.version) {
        answer::Outcome::Complete(message) => Some(message),
        answer::Outcome::InputRequired(_) | answer::Outcome::UnknownResult => None,
    })
}
