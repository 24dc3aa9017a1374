//! What the server sends, and how requests end: every answer passes here, exactly once.

use bytes::Bytes;
use tokio::task::JoinError;

use crate::failure::{Code, Failure};
use crate::mcp::era::Era;
use crate::mcp::translate::subscription;
use crate::mcp::{Kind, Message, RequestId, method};
use crate::upstream::Incoming;

use super::held_lists::HeldList;
use super::link::LinkState;
use super::listens::Acknowledgement;
use super::request::{Ending, Request};
use super::{Pending, Session, lists, modern_tools};

impl Session {
    pub(super) async fn on_upstream(&mut self, incoming: Incoming) {
        self.on_first_word();
        let Some(message) = self.context.hand_over(incoming.message) else { return };
        let incoming = Incoming { message, ..incoming };
        let Some(message) = self.on_legacy_server(incoming).await else { return };
        match message.kind() {
            Kind::Response { id, .. } => {
                // One that names no request, or a wrong one, answers nothing: what it should have
                // answered ends as its stream does.
                if let Some(id) = id.clone() {
                    self.on_response(&id, message).await;
                }
            }
            Kind::Request { .. } if self.era == Era::Modern || self.server_era() == Era::Modern => {
                tracing::debug!(server = %self.context.server(), "a request of the server was dropped: this era has none");
            }
            Kind::Request { .. } => {
                let question = self.crossing().fitted_question(message);
                self.reply(question.line().clone()).await;
            }
            Kind::Notification if message.method() == Some(subscription::ACKNOWLEDGED) => {
                self.on_acknowledged(&message).await;
            }
            Kind::Notification | Kind::Batch => self.reply(message.line().clone()).await,
        }
    }

    /// A modern server that found a call's headers wrong has changed its tools: they are read
    /// again, and the call, which has not run, is sent once more.
    pub(super) fn sent_again_with_other_headers(&mut self, id: &RequestId, response: &Message) -> bool {
        if response.raw_at(&["error", "code"]) != Some(modern_tools::HEADER_MISMATCH) {
            return false;
        }
        let call = self.pending.get_mut(id).and_then(|pending| pending.call.take());
        let Some(request) = call.and_then(|call| self.request(call)) else { return false };
        self.spawn(id.clone(), "tools/call", Request { refresh_tools: true, ..request }.run());
        true
    }

    pub(super) async fn on_response(&mut self, id: &RequestId, message: Message) {
        if self.sent_again_with_other_headers(id, &message) {
            return;
        }
        let whole = self.collector.on_response(id, &message);
        if let Some(whole) = &whole {
            // Before anybody gets it: who then asks what has changed is told of this list.
            self.context.note_list(whole.asked, &whole.method, whole.items.clone(), self.server_era());
        }
        if let Some(method) = self.prefetching.remove(id)
            && let Some(cursor) = self.collector.next_cursor(&method).map(str::to_owned)
        {
            self.prefetch_page(method, Some(&cursor));
        }
        let is_error = matches!(message.kind(), Kind::Response { is_error: true, .. });
        // Nothing changes at a server that tells of no changes.
        if is_error && self.listens.is_promised(id) {
            return;
        }
        self.listens.end(id);
        if let Some(mut pending) = self.pending.remove(id) {
            if let Some(wish) = pending.wish.take().filter(|_| !is_error) {
                self.note_wish(wish).await;
            }
            let message = self.crossing().fitted_answer(&pending.method, message);
            let line = match &*pending.method {
                "tools/list" => self.context.usable_tools(self.server_era()).of_answer(&message),
                _ => message.line().clone(),
            };
            self.told.lists.remove(&*pending.method);
            if method::list_member(&pending.method).is_some() {
                self.given_lists.insert(pending.method.to_string());
            }
            self.reply(line).await;
            if let Some(task) = pending.task.filter(|_| !self.answers_posts()) {
                task.abort();
            }
        }
        if let Some(whole) = whole {
            self.on_whole_list(whole).await;
        }
    }

    /// Whether a request's task ends with its answer; on HTTP+SSE it waits for the stream's end.
    fn answers_posts(&self) -> bool {
        let state = self.link.as_ref().map(|link| link.state().borrow().clone());
        !matches!(state, Some(LinkState::Ready(ready)) if !ready.transport.answers_posts())
    }

    /// A list is known whole: a client that was given another one is told.
    async fn on_whole_list(&mut self, whole: lists::Whole) {
        let items = self.context.usable(&whole.method, whole.items, self.server_era());
        let told = self.told.lists.remove(&whole.method);
        if let Some(told) = told.filter(|told| *told != HeldList::of(items.text()))
            && let Some(notification) = list_changed(&whole.method)
            && !self.tell_of_list(notification).await
        {
            // It is told as soon as it listens.
            self.told.lists.insert(whole.method.clone(), told);
        }
        self.give_resume_state().await;
    }

    /// The person has accepted tools that were held back: the client has a list without them.
    pub(super) async fn on_accepted(&mut self) {
        if let Some(notification) = list_changed("tools/list").filter(|_| self.client_has_tools())
            && !self.tell_of_list(notification).await
        {
            // It is told as soon as it listens.
            self.told.lists.insert("tools/list".to_owned(), HeldList::Other);
        }
    }

    /// A task that was cancelled has nothing to say; one that panicked leaves its request to us.
    pub(super) async fn on_lost_task(&mut self, error: &JoinError) {
        if error.is_cancelled() {
            return;
        }
        tracing::error!(server = %self.context.server(), "a request's task panicked");
        let of_task = |pending: &Pending| pending.task.as_ref().is_some_and(|task| task.id() == error.id());
        let id = self.pending.iter().find(|(_, pending)| of_task(pending)).map(|(id, _)| id.clone());
        if let Some(id) = id {
            let failure = Failure::new(
                Code::Internal,
                "Drawbridge failed to carry this request, which may or may not have run",
                "Please report this",
            );
            self.on_ending(&id, Ending::Failed(failure)).await;
        }
    }

    pub(super) async fn on_ending(&mut self, id: &RequestId, ending: Ending) {
        let Some(pending) = self.pending.get(id) else {
            self.prefetching.remove(id);
            return self.collector.forget(id);
        };
        let method = pending.method.clone();
        let answer = match ending {
            Ending::Answered => return,
            Ending::Answer(line) => {
                let is_result = |answer: Message| answer.raw_at(&["result"]).is_some();
                if let Some(wish) = self.pending.get_mut(id).and_then(|pending| pending.wish.take())
                    && Message::parse(line.clone()).is_ok_and(is_result)
                {
                    self.note_wish(wish).await;
                }
                line
            }
            Ending::Held { answer, held } => {
                if let Some(given_up) = self.held.hold(*held) {
                    self.tasks.spawn(given_up.give_up());
                }
                answer
            }
            Ending::Listening { told, generation } => return self.on_listening(id, told, generation).await,
            Ending::Introduced { why } => self.stand_in_for_discover(id, why.as_ref()),
            Ending::StandIn { sign_in } => {
                if sign_in {
                    self.offer_sign_in();
                }
                let list = self.stand_in_list(id, &method, sign_in);
                self.give_resume_state().await;
                list
            }
            Ending::Failed(failure) if &*method == "tools/call" => self.tool_failure(id, &failure),
            Ending::Failed(failure) => failure.response(id),
        };
        self.pending.remove(id);
        self.collector.forget(id);
        self.listens.end(id);
        self.reply(answer).await;
    }

    /// A modern server tells of changes from now on. What was acknowledged before may have changed meanwhile.
    async fn on_acknowledged(&mut self, notification: &Message) {
        let uris = match self.listens.on_acknowledged(notification) {
            Some(Acknowledgement::Again(uris)) => uris,
            Some(Acknowledgement::First) | None => {
                self.reply(notification.line().clone()).await;
                return self.prefetch();
            }
        };
        self.compare_given_lists();
        self.prefetch();
        for uri in uris {
            if let Ok(updated) = Message::parse(subscription::updated(&uri)) {
                self.tell_of_change(&updated).await;
            }
        }
    }

    /// Tells the client of another list than it was given; whether it hears of that, as a modern one does while it
    /// listens.
    pub(super) async fn tell_of_list(&self, notification: &'static [u8]) -> bool {
        let line = Bytes::from_static(notification);
        match self.era {
            Era::Legacy => {
                self.reply(line).await;
                true
            }
            Era::Modern => self.tell_of_change(&Message::parse(line).expect("a notification of ours")).await,
        }
    }
}

pub(super) fn list_changed(method: &str) -> Option<&'static [u8]> {
    match method {
        "tools/list" => Some(br#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#),
        "prompts/list" => Some(br#"{"jsonrpc":"2.0","method":"notifications/prompts/list_changed"}"#),
        "resources/list" | "resources/templates/list" => {
            Some(br#"{"jsonrpc":"2.0","method":"notifications/resources/list_changed"}"#)
        }
        _ => None,
    }
}
