//! What is read of answers: one JSON body or a stream of events, which is resumed where it breaks off.

use std::sync::PoisonError;
use std::time::Duration;

use http::StatusCode;
use tokio::time::{sleep, timeout};

use super::{EVENTS, JSON, StreamableHttp, passing};
use crate::mcp::{self, Kind, Message};
use crate::net::Response;
use crate::upstream::Error;
use crate::upstream::answer::{Awaited, read_messages};
use crate::upstream::exchange::{discard, is_error, media_type, status_error};
use crate::upstream::follow::{Delivery, Follow, Position, step};
use crate::upstream::sse::Events;

/// How long a stream may go on behind its response before it is closed.
const TAIL: Duration = Duration::from_secs(2);

impl StreamableHttp {
    /// Delivers the messages of a successful answer. `None` where it holds none.
    pub(super) async fn read_answer(
        &self,
        mut response: Response,
        delivery: &mut Delivery,
        resumable: bool,
    ) -> Result<Option<()>, Error> {
        if matches!(response.status, StatusCode::ACCEPTED | StatusCode::NO_CONTENT) {
            discard(response).await;
            return Ok(None);
        }
        let content_type = media_type(&response.headers);
        let asked = !delivery.awaited.is_empty();
        match content_type.as_deref() {
            Some(EVENTS) if asked => return self.read_events(response, delivery, resumable).await.map(Some),
            Some(EVENTS) => {
                self.read_tail(Events::new(response, self.upstream.limits.message_bytes), delivery);
                return Ok(None);
            }
            Some(JSON) => {}
            // Some servers answer a notification with a word of their own.
            _ if !asked => {
                discard(response).await;
                return Ok(None);
            }
            _ => {
                let said_something = response.chunk().await?.is_some();
                return if said_something { Err(Error::NotMcp { content_type }) } else { Ok(None) };
            }
        }
        let body = response.read(self.upstream.limits.message_bytes).await.map_err(Error::of_body)?;
        if body.trim_ascii().is_empty() {
            return Ok(None);
        }
        let messages = match read_messages(body) {
            Ok(messages) => messages,
            Err(_) if !asked => return Ok(None),
            Err(mcp::Error::NotJson) => return Err(Error::InvalidJson),
            Err(mcp::Error::NotJsonRpc { .. }) => return Err(Error::NotMcp { content_type }),
        };
        if asked && messages.iter().all(names_no_request) {
            return Err(status_error(&response, messages.into_iter().find(is_error)));
        }
        delivery.all(messages, None).await?;
        match (asked, delivery.awaited.is_empty()) {
            (true, true) => Ok(Some(())),
            (true, false) => Err(Error::Cut { may_have_run: true }),
            (false, _) => Ok(None),
        }
    }

    /// Delivers a stream of events until everything asked is answered, resuming it as need be.
    async fn read_events(
        &self,
        response: Response,
        delivery: &mut Delivery,
        resumable: bool,
    ) -> Result<(), Error> {
        let mut position = Position::start(&self.upstream.limits);
        let mut end = self.follow(response, delivery, &mut position).await;
        loop {
            match end {
                Ok(()) => return Ok(()),
                Err(Follow::SinkClosed) => return Err(Error::SinkClosed),
                Err(Follow::TooLarge) => return Err(Error::TooLarge),
                Err(Follow::Ended | Follow::NotJson) if resumable && position.last_event.is_some() => {}
                Err(Follow::NotJson) => return Err(Error::InvalidJson),
                Err(Follow::Ended) => return Err(Error::Cut { may_have_run: true }),
            }
            let resumed = self.resume(&mut position).await;
            // Whatever refuses here refuses only the resumption: the request itself has run.
            let response = resumed.ok_or(Error::Cut { may_have_run: true })?;
            end = self.follow(response, delivery, &mut position).await;
        }
    }

    /// Opens a broken stream again behind the last event seen, trying several times.
    async fn resume(&self, position: &mut Position) -> Option<Response> {
        let mut wait = position.backoff.after_end();
        for _ in 0..=self.upstream.limits.resume_failures {
            sleep(wait).await;
            match self.open_stream(position.last_event.as_deref()).await {
                Ok(response) => return response,
                Err(error) => wait = position.backoff.after_failure(passing(error).ok()?),
            }
        }
        None
    }

    /// Delivers the messages of one connection's stream. Ends well once everything asked is
    /// answered; the rest of such a stream is read in the background, to keep its connection.
    pub(super) async fn follow(
        &self,
        response: Response,
        delivery: &mut Delivery,
        position: &mut Position,
    ) -> Result<(), Follow> {
        let asked = !delivery.awaited.is_empty();
        let mut events = Events::new(response, self.upstream.limits.message_bytes);
        let mut garbled = false;
        loop {
            match step(&mut events, delivery, position).await {
                Ok(()) if asked && delivery.awaited.is_empty() => break,
                Ok(()) => {}
                Err(Follow::NotJson) => garbled = true,
                Err(Follow::Ended) if garbled => return Err(Follow::NotJson),
                Err(end) => return Err(end),
            }
        }
        self.read_tail(events, delivery);
        Ok(())
    }

    #[cfg(test)]
    pub(in crate::upstream) async fn tails_are_read(&self) {
        let mut tails = std::mem::take(&mut *self.tails.lock().unwrap_or_else(PoisonError::into_inner));
        while tails.join_next().await.is_some() {}
    }

    /// Delivers, for a short while, what comes behind the end of an answer.
    fn read_tail(&self, mut events: Events, delivery: &Delivery) {
        let (sink, request) = (delivery.sink.clone(), delivery.awaited.single().cloned());
        let mut tails = self.tails.lock().unwrap_or_else(PoisonError::into_inner);
        while tails.try_join_next().is_some() {}
        let limits = self.upstream.limits.clone();
        tails.spawn(async move {
            let mut delivery = Delivery { awaited: Awaited::about(request), sink };
            let mut position = Position::start(&limits);
            let rest = async {
                while let Ok(()) | Err(Follow::NotJson) =
                    step(&mut events, &mut delivery, &mut position).await
                {}
            };
            let _ = timeout(TAIL, rest).await;
        });
    }
}

/// An error that belongs to no request: the server could not read ours.
fn names_no_request(message: &Message) -> bool {
    matches!(message.kind(), Kind::Response { id: None, .. })
}
