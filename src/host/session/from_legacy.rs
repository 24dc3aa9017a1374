//! What a legacy server says on its own streams to a modern client: every message finds the
//! request or the subscription it belongs to, or nobody.

use std::collections::BTreeSet;

use tokio::time::Instant;

use crate::endpoint::frame::Control;
use crate::mcp::translate::subscription::Filter;
use crate::mcp::translate::{request, subscription};
use crate::mcp::{self, Kind, Message, RequestId};
use crate::upstream::Incoming;

use super::Session;
use super::calls::Sorted;
use super::crossing::Crossing;
use super::link::{LinkState, Ready};
use super::resume::Kept;
use super::wishes::Wish;

impl Session {
    /// Sorts a message of a legacy server whose client is modern; gives back what takes the usual way.
    pub(super) async fn on_legacy_server(&mut self, incoming: Incoming) -> Option<Message> {
        if !self.is_with_legacy_server() {
            return Some(incoming.message);
        }
        let message = match self.context.calls.sort(incoming) {
            Sorted::Taken => return None,
            Sorted::TooMuch(message) => {
                self.turn_away(&message);
                return None;
            }
            Sorted::Unclaimed(message) => message,
        };
        match (message.kind(), message.method()) {
            (Kind::Response { .. }, _) => return Some(message),
            (Kind::Request { id }, Some("ping")) => self.answer_server(mcp::result_response(id, "{}")),
            (Kind::Request { .. }, _) => {
                if let Err(message) = self.context.calls.keep(message, Instant::now()) {
                    self.turn_away(&message);
                }
            }
            (Kind::Notification, Some("notifications/message")) => {
                if self.context.calls.want(&message, Instant::now()) {
                    self.reply(message.line().clone()).await;
                }
            }
            (Kind::Notification, Some(method)) if subscription::is_change(method) => {
                self.tell_of_change(&message).await;
            }
            (
                Kind::Notification,
                Some(
                    "notifications/progress"
                    | "notifications/cancelled"
                    | "notifications/elicitation/complete",
                ),
            ) => {}
            (Kind::Notification, _) => self.reply(message.line().clone()).await,
            (Kind::Batch, _) => {}
        }
        None
    }

    /// A request that cannot take more loses what it is told; a question is answered all the same.
    fn turn_away(&mut self, message: &Message) {
        if let Kind::Request { id } = message.kind() {
            let text = "The client has too many questions to answer already";
            self.answer_server(mcp::error_response(Some(id), mcp::INTERNAL_ERROR, text, None));
        }
    }

    /// Tells a modern client of a change, once for each time that it listens for it; whether it does.
    pub(super) async fn tell_of_change(&self, change: &Message) -> bool {
        let tagged = self.listens.tagged(change);
        for tagged in &tagged {
            self.reply(tagged.line().clone()).await;
        }
        !tagged.is_empty()
    }

    fn answer_server(&mut self, answer: bytes::Bytes) {
        if let Ok(answer) = Message::parse(answer) {
            self.post_aside(answer);
        }
    }

    /// A modern client cancels; a legacy server has to be told, under the id that it knows.
    pub(super) fn cancel_at_legacy_server(&mut self, id: &RequestId) {
        if let Some(own) = self.context.calls.id_of(id) {
            self.post_aside(request::cancelled(&own));
        }
        let ended = self.listens.end(id).filter(|_| self.is_with_legacy_server());
        for uri in ended.map(|filter| filter.uris).unwrap_or_default() {
            if !self.listens.uris().contains(&uri) {
                let own = self.context.questions.next_id();
                self.post_aside(subscription::subscribe(&own, &uri, false));
            }
        }
    }

    /// A legacy server tells a modern client of these from now on, in the upstream session that was asked to.
    pub(super) async fn on_listening(&mut self, id: &RequestId, told: Filter, generation: u64) {
        let state = self.link.as_ref().map(|link| link.state().borrow().clone());
        if let Some(LinkState::Ready(ready)) = state
            && ready.generation == generation
        {
            // What it is told of what was asked for earlier; this it knows.
            self.on_new_session(&ready);
        }
        let uris = told.uris.clone();
        if let Some(acknowledged) = self.listens.is_told(id, told) {
            self.reply(acknowledged).await;
        }
        if generation < self.told_session {
            self.subscribe_at_legacy_server(&uris);
        }
        // What it has from before may be another list by now.
        self.prefetch();
    }

    fn subscribe_at_legacy_server(&mut self, uris: &BTreeSet<String>) {
        for uri in uris {
            let own = self.context.questions.next_id();
            self.post_aside(subscription::subscribe(&own, uri, true));
        }
    }

    /// An upstream session that was opened anew knows nothing of what the one before was told.
    pub(super) fn on_new_session(&mut self, ready: &Ready) {
        if !ready.settled || std::mem::replace(&mut self.told_session, ready.generation) == ready.generation {
            return;
        }
        match &ready.crossing {
            Crossing::ToLegacy => self.subscribe_at_legacy_server(&self.listens.uris()),
            // One of an earlier Host's that goes on has not forgotten.
            Crossing::None | Crossing::ToVersion(_) if ready.response.is_none() => {}
            Crossing::None | Crossing::ToVersion(_) => {
                let requests = self.wishes.requests(|| self.context.questions.next_id());
                for request in requests {
                    self.post_aside(request);
                }
            }
            // Its link keeps what it is told.
            Crossing::ToModern(_) => {}
        }
    }

    /// Should the server turn out to be a modern one, it is told on the stream that is kept open, and with every request.
    pub(super) fn wish_at_modern_server(&mut self) {
        let Some(link) = &self.link else { return };
        if let Some(level) = self.wishes.level() {
            link.set_level(level);
        }
        let uris: Vec<_> = self.wishes.subscribed().cloned().collect();
        for uri in uris {
            self.subscribe_at_modern_server(uri);
        }
    }

    pub(super) fn subscribe_at_modern_server(&mut self, uri: String) {
        let Some(link) = &self.link else { return };
        let subscribed = link.subscribed().clone();
        self.tasks.spawn(async move { subscribed.subscribe(uri).await });
    }

    /// The server has to remember this, or will once it is there; so has the next Host.
    pub(super) async fn note_wish(&mut self, wish: Wish) {
        self.wishes.note(wish);
        self.give_resume_state().await;
    }

    /// Gives the shim what the next Host needs to go on with this session.
    pub(super) async fn give_resume_state(&self) {
        let state = self.link.as_ref().map(|link| link.state().borrow().clone());
        let upstream = match state {
            Some(LinkState::Ready(ready)) => ready.resume.clone(),
            Some(
                LinkState::Opening
                | LinkState::Rejected(_)
                | LinkState::SignedOut
                | LinkState::StepUpNeeded(_)
                | LinkState::Down { .. },
            )
            | None => self.handed_over.clone(),
        };
        let kept = Kept { upstream, wishes: self.wishes.clone(), lists: self.held_lists() };
        if let Some(state) = kept.seal(&self.context.sealer) {
            let _ = self.context.downstream.control(Control::Resume { state }).await;
        }
    }

    /// Nobody came back with answers, or could be asked at all.
    pub(super) fn give_up_on_late(&mut self, now: Instant) {
        while let Some(held) = self.held.take_expired(now) {
            self.tasks.spawn(held.give_up());
        }
        while let Some(question) = self.context.calls.take_late(now) {
            let text = "No request is under way with which the client could be asked";
            self.answer_server(mcp::error_response(question.request_id(), mcp::INTERNAL_ERROR, text, None));
        }
    }

    fn is_with_legacy_server(&self) -> bool {
        matches!(self.crossing(), Crossing::ToLegacy)
    }
}
