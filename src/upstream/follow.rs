//! Following one stream of events: delivering what it carries and remembering where it stopped.

use std::sync::Arc;

use http::HeaderValue;

use super::answer::{Awaited, read_messages};
use super::backoff::Backoff;
use super::sse::{Broken, Events};
use super::{Error, Incoming, Limits, Sink};
use crate::mcp::Message;

/// Where in a stream we are: what to resume with, and when.
pub(super) struct Position {
    pub(super) last_event: Option<Arc<str>>,
    pub(super) backoff: Backoff,
}

impl Position {
    pub(super) fn start(limits: &Limits) -> Self {
        Self { last_event: None, backoff: Backoff::new(limits) }
    }
}

/// Why following a stream ended before everything was answered.
#[derive(Debug)]
pub(super) enum Follow {
    Ended,
    NotJson,
    TooLarge,
    SinkClosed,
}

impl From<Error> for Follow {
    fn from(_: Error) -> Self {
        Self::SinkClosed
    }
}

/// Reads one event and delivers what it carries.
pub(super) async fn step(
    events: &mut Events,
    delivery: &mut Delivery,
    position: &mut Position,
) -> Result<(), Follow> {
    let event = match events.next().await {
        Ok(Some(event)) => event,
        Ok(None) | Err(Broken::Connection(_)) => return Err(Follow::Ended),
        Err(Broken::TooLarge) => return Err(Follow::TooLarge),
        Err(Broken::NotText) => return Err(Follow::NotJson),
    };
    position.backoff.reset();
    if let Some(retry) = event.retry {
        position.backoff.obey(retry);
    }
    let is_message = event.is_message();
    if let Some(id) = event.id {
        let usable = !id.is_empty() && HeaderValue::from_bytes(id.as_bytes()).is_ok();
        position.last_event = usable.then(|| id.into());
    }
    let Some(data) = event.data.filter(|_| is_message) else { return Ok(()) };
    match read_messages(data) {
        Ok(messages) => Ok(delivery.all(messages, position.last_event.clone()).await?),
        Err(error) => {
            tracing::debug!(%error, "an event carried no message");
            Err(Follow::NotJson)
        }
    }
}

/// Where messages go, and what is still to come.
pub(super) struct Delivery {
    pub(super) awaited: Awaited,
    pub(super) sink: Sink,
}

impl Delivery {
    pub(super) async fn all(
        &mut self,
        messages: Vec<Message>,
        event_id: Option<Arc<str>>,
    ) -> Result<(), Error> {
        for message in messages {
            self.awaited.note(&message);
            let for_request = self.awaited.single().cloned();
            let incoming = Incoming { message, for_request, event_id: event_id.clone() };
            self.sink.send(incoming).await.map_err(|_| Error::SinkClosed)?;
        }
        Ok(())
    }
}
