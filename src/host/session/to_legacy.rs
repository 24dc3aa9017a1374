//! A modern client's request to a legacy server. What the server asks meanwhile goes to the
//! client in a result, and the server's request is held open until the client comes back
//! (<https://modelcontextprotocol.io/specification/2026-07-28/basic/patterns/mrtr>).

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use crate::failure::{Code, Failure};
use crate::mcp::translate::input::{self, Question};
use crate::mcp::translate::meta::{Client, Level};
use crate::mcp::translate::request::{self, ForLegacy, for_legacy};
use crate::mcp::translate::subscription::{self, Filter};
use crate::mcp::translate::{answer, handshake};
use crate::mcp::{self, Kind, Message, RequestId, era};
use crate::upstream::{Incoming, Posted};

use super::ask::ask;
use super::authorized::{Refused, operation};
use super::calls::Place;
use super::context::Shared;
use super::held::{Asked, Held, Waits, answer_in};
use super::link::Ready;
use super::request::{Attempt, Ending, Request};

/// Legacy: the person has to visit pages before the request can run.
const URL_ELICITATION_REQUIRED: &str = "-32042";

impl Request {
    /// One attempt at a request that crosses from the modern era to the legacy one.
    pub(super) async fn attempt_to_legacy(&self, ready: &Arc<Ready>) -> Attempt {
        let (Some(id), Some(method)) = (self.message.request_id(), self.message.method()) else {
            return Attempt::Done(Ending::Answered);
        };
        let Some(client) = Client::of_request(&self.message).filter(|_| self.names_a_version()) else {
            return Attempt::Done(Ending::Answer(self.unsupported(id)));
        };
        match for_legacy(method) {
            ForLegacy::Sent => {}
            ForLegacy::Discover => return Attempt::Done(Ending::Answer(discovered(id, ready))),
            ForLegacy::Listen => return self.listen(ready).await,
            ForLegacy::NoSuchMethod => {
                let unknown = mcp::error_response(Some(id), mcp::METHOD_NOT_FOUND, "Method not found", None);
                return Attempt::Done(Ending::Answer(unknown));
            }
        }
        let call = match self.taken_up().await {
            Ok(Some(call)) => call,
            Ok(None) => {
                if self.is_dispatched(id).await.is_err() {
                    return Attempt::Done(Ending::Answered);
                }
                match self.call(ready).await {
                    Some(call) => call,
                    None => return Attempt::Done(Ending::Answer(self.unsupported(id))),
                }
            }
            Err(attempt) => return *attempt,
        };
        self.see_through(call, &client, (id, method)).await
    }

    /// Goes on with the request that this one is a retry of.
    async fn taken_up(&self) -> Result<Option<Call>, Box<Attempt>> {
        let failed = |failure| Err(Box::new(Attempt::Done(Ending::Failed(failure))));
        if self.message.raw_at(&["params", "requestState"]).is_none() {
            return Ok(None);
        }
        let held = self.held.lock().ok().and_then(|mut held| held.take());
        let Some(held) = held else { return failed(self.lost()) };
        if !held.is_of(&self.message) {
            held.give_up().await;
            return failed(self.lost());
        }
        let Waits::ForAnswers(call, asked) = held.waits else { return Ok(None) };
        if let Some(id) = self.message.request_id() {
            call.place.belongs_to(id);
        }
        for asked in asked {
            let answer = asked.answer(answer_in(&self.message, &asked.question.key));
            if call.tell(answer).await.is_err() {
                return failed(self.never_answered());
            }
        }
        Ok(Some(call))
    }

    async fn call(&self, ready: &Arc<Ready>) -> Option<Call> {
        let level = Level::of_request(&self.message);
        if let Some(level) = level.filter(|_| *ready.level.borrow() != level && ready.has("logging")) {
            let set = handshake::set_level(&self.context.questions.next_id(), level);
            if ask(&self.context, &ready.transport, &set).await.is_ok() {
                ready.level.send_replace(Some(level));
            }
        }
        Call::start(&self.context, ready, &self.message, level)
    }

    /// Waits for the answer, or for a question.
    async fn see_through(
        &self,
        mut call: Call,
        client: &Client,
        (id, method): (&RequestId, &str),
    ) -> Attempt {
        loop {
            let message = match call.next().await {
                Ok(message) => message,
                Err(None) => return Attempt::Done(Ending::Failed(self.never_answered())),
                Err(Some(refused)) => return self.refused(&call.ready, refused).await,
            };
            match message.kind() {
                Kind::Response { .. } => return self.answered(&message, client, (id, method)).await,
                Kind::Notification => self.pass_on(&message).await,
                Kind::Request { id } if message.method() == Some("ping") => {
                    let pong = Message::parse(mcp::result_response(id, "{}")).expect("a response");
                    let _ = call.tell(pong).await;
                }
                Kind::Request { id: question } => {
                    let Some(asked) = Question::of_request(&message, "1".to_owned()) else { continue };
                    if !asked.is_allowed_by(client.capabilities()) || !request::may_ask(method) {
                        call.cancel().await;
                        return Attempt::Done(Ending::Failed(self.not_offered(&asked)));
                    }
                    let asked = Asked { id: question.clone(), question: asked };
                    return self.ask_client(
                        id,
                        Waits::ForAnswers(call, vec![asked.clone()]),
                        &[asked.question],
                    );
                }
                Kind::Batch => {}
            }
        }
    }

    /// The answer takes the way of every other, so that lists are collected and come once.
    async fn answered(
        &self,
        response: &Message,
        client: &Client,
        (id, method): (&RequestId, &str),
    ) -> Attempt {
        if response.raw_at(&["error", "code"]) == Some(URL_ELICITATION_REQUIRED) {
            let pages = input::required_pages(response);
            let may = request::may_ask(method)
                && pages.iter().all(|page| page.is_allowed_by(client.capabilities()));
            if may && !pages.is_empty() {
                return self.ask_client(id, Waits::ToBeSentAgain, &pages);
            }
        }
        let Some(message) = answer::to_modern(method, response, id) else {
            return Attempt::Done(Ending::Failed(self.not_understood()));
        };
        let incoming = Incoming { message, for_request: None, event_id: None };
        let _ = self.context.incoming.send(incoming).await;
        Attempt::Done(Ending::Answered)
    }

    fn ask_client(&self, id: &RequestId, waits: Waits, questions: &[Question]) -> Attempt {
        let held = Held::new(&self.context.sealer, &self.message, waits);
        let answer = mcp::result_response(id, &input::input_required(questions, held.state()));
        Attempt::Done(Ending::Held { answer, held: Box::new(held) })
    }

    async fn pass_on(&self, notification: &Message) {
        let line = match notification.method() {
            Some("notifications/progress") => {
                let token = self.message.raw_at(&["params", "_meta", "progressToken"]);
                token.and_then(|token| request::progress_under(notification, token))
            }
            Some("notifications/message") => {
                let wanted = Level::of_request(&self.message);
                let level = Level::of_notification(notification);
                wanted.filter(|wanted| level >= Some(*wanted)).map(|_| notification.clone())
            }
            Some("notifications/cancelled" | "notifications/elicitation/complete") => None,
            Some(_) | None => Some(notification.clone()),
        };
        if let Some(line) = line {
            let _ = self.context.downstream.message(line.line().clone()).await;
        }
    }

    /// Answers `subscriptions/listen`: from then on the client is told what it wants of what the
    /// server tells.
    async fn listen(&self, ready: &Ready) -> Attempt {
        let mut filter = Filter::of_listen(&self.message).within(ready.capabilities());
        for uri in filter.uris.clone() {
            let subscribe = subscription::subscribe(&self.context.questions.next_id(), &uri, true);
            match ask(&self.context, &ready.transport, &subscribe).await {
                Ok((_, response)) if response.raw_at(&["result"]).is_some() => {}
                Ok(_) => _ = filter.uris.remove(&uri),
                Err(refused) => return self.refused(ready, refused).await,
            }
        }
        Attempt::Done(Ending::Listening { told: filter, generation: ready.generation })
    }

    fn names_a_version(&self) -> bool {
        self.message.meta_protocol_version().is_some_and(|version| era::is_modern_version(&version))
    }

    /// The error for a request that does not say who asks, or in a version that we do not speak.
    fn unsupported(&self, id: &RequestId) -> Bytes {
        match self.message.meta_protocol_version().filter(|version| !era::is_modern_version(version)) {
            Some(version) => {
                let data = serde_json::json!({ "supported": era::MODERN_VERSIONS, "requested": version });
                let text = "Unsupported protocol version";
                mcp::error_response(
                    Some(id),
                    mcp::UNSUPPORTED_PROTOCOL_VERSION,
                    text,
                    Some(&data.to_string()),
                )
            }
            None => mcp::error_response(
                Some(id),
                mcp::INVALID_PARAMS,
                "_meta must name protocolVersion and clientCapabilities",
                None,
            ),
        }
    }

    /// A retry of something that is no longer held must not run a second time by itself.
    pub(super) fn lost(&self) -> Failure {
        Failure::new(
            Code::MayHaveRun,
            format!(
                "{} no longer waits for this answer, and the request may or may not have run",
                self.context.server()
            ),
            "Check before you try it again",
        )
    }
}

fn discovered(id: &RequestId, ready: &Ready) -> Bytes {
    let initialized = ready.response.as_ref().and_then(|response| response.raw_at(&["result"]));
    match initialized.and_then(handshake::discover_result) {
        Some(result) => mcp::result_response(id, &result),
        None => {
            mcp::error_response(Some(id), mcp::INTERNAL_ERROR, "The server did not introduce itself", None)
        }
    }
}

/// One request at the legacy server, for as long as it is under way there.
pub(super) struct Call {
    context: Shared,
    ready: Arc<Ready>,
    place: Place,
    came: mpsc::Receiver<Incoming>,
    posting: Posting,
}

enum Posting {
    UnderWay(AbortOnDropHandle<Result<Posted, Refused>>),
    Ended(Option<Refused>),
}

impl Call {
    /// Sends the request under an id and a progress token of ours, which no other request has.
    fn start(context: &Shared, ready: &Arc<Ready>, request: &Message, level: Option<Level>) -> Option<Self> {
        let client = request.request_id()?.clone();
        let own = context.questions.next_id();
        let message = request::to_legacy(request)?;
        let message = request::under_progress_token(&request::under_id(&message, &own)?, own.as_raw())?;
        let may_ask = request.method().is_some_and(request::may_ask);
        let (place, came) = context.calls.enter(own, client, level, may_ask);
        let (shared, transport, sink) = (context.clone(), ready.transport.clone(), place.sink.clone());
        let posting = tokio::spawn(async move {
            let post = || transport.post(message.clone(), sink.clone());
            let posted = shared.authorized_for(&operation(&message), post).await?;
            if !transport.answers_posts() {
                transport.closed().await;
            }
            Ok(posted)
        });
        let posting = Posting::UnderWay(AbortOnDropHandle::new(posting));
        Some(Self { context: context.clone(), ready: ready.clone(), place, came, posting })
    }

    /// The next thing the server says about it; the reason, where there is one, when nothing will.
    async fn next(&mut self) -> Result<Message, Option<Refused>> {
        loop {
            match &mut self.posting {
                Posting::UnderWay(posting) => tokio::select! {
                    biased;
                    Some(incoming) = self.came.recv() => return Ok(incoming.message),
                    ended = posting => self.posting = Posting::Ended(ended.ok().and_then(Result::err)),
                },
                Posting::Ended(refused) => {
                    return self.came.try_recv().map(|incoming| incoming.message).map_err(|_| refused.take());
                }
            }
        }
    }

    /// Tells the server something that wants no answer.
    pub(super) async fn tell(&self, message: Message) -> Result<(), Refused> {
        let post = || self.ready.transport.post(message.clone(), self.context.incoming.clone());
        self.context.authorized(post).await.map(drop)
    }

    /// Takes the request back.
    pub(super) async fn cancel(self) {
        let _ = self.tell(request::cancelled(&self.place.id)).await;
    }
}
