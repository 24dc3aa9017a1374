//! A legacy client's request to a modern server, in as many rounds as the server needs
//! (<https://modelcontextprotocol.io/specification/2026-07-28/basic/patterns/mrtr>).

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::try_join_all;
use http::HeaderMap;
use tokio::time::{Instant, sleep, timeout};

use crate::failure::{Code, Failure};
use crate::mcp::translate::answer::{Outcome, to_legacy};
use crate::mcp::translate::input::{self, InputRequired, Question};
use crate::mcp::translate::meta::Level;
use crate::mcp::translate::request::{Answered, ForModern, for_modern, to_modern, with_input};
use crate::mcp::{self, Message, RequestId};
use crate::upstream::Incoming;

use super::ask::ask_with;
use super::authorized::Refused;
use super::crossing::LegacyClient;
use super::link::Ready;
use super::request::{Attempt, Ending, Request};
use super::{modern_tools, questions};

/// A server that wants to know more and more is not followed for longer.
const MOST_ROUNDS: usize = 32;
/// How long a person may take to answer one question.
const QUESTION_LIMIT: Duration = Duration::from_secs(600);
/// The first wait before a request is sent again of which the server wants nothing but that.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LAST_PAUSE: Duration = Duration::from_secs(30);
/// The server speaks no modern version that we do, any more.
const UNSUPPORTED_PROTOCOL_VERSION: &str = "-32022";

impl Request {
    /// One attempt at a request that crosses from the legacy era to the modern one.
    pub(super) async fn attempt_to_modern(&self, ready: &Ready, client: &LegacyClient) -> Attempt {
        let (Some(id), Some(method)) = (self.message.request_id(), self.message.method()) else {
            return Attempt::Done(Ending::Answered);
        };
        if let ForModern::Answered(answered) = for_modern(method) {
            return Attempt::Done(Ending::Answer(self.answer_here(id, ready, answered).await));
        }
        let Some(first) = to_modern(&self.message, &client.client, self.link.level()) else {
            let answer = mcp::error_response(Some(id), mcp::INVALID_PARAMS, "params must be an object", None);
            return Attempt::Done(Ending::Answer(answer));
        };
        let fresh = self.context.fresh.answer_to(&self.message, Instant::now()).filter(|_| !self.is_own);
        if let Some(Outcome::Complete(answer)) =
            fresh.map(|fresh| to_legacy(method, &fresh, id, &client.version))
        {
            return self.complete(answer, Vec::new()).await;
        }
        if self.is_dispatched(id).await.is_err() {
            return Attempt::Done(Ending::Answered);
        }
        self.rounds(ready, client, first, (id, method)).await
    }

    async fn rounds(
        &self,
        ready: &Ready,
        client: &LegacyClient,
        mut next: Message,
        (id, method): (&RequestId, &str),
    ) -> Attempt {
        let mut pages = Vec::new();
        let mut pause = FIRST_PAUSE;
        let mut tools_are_fresh = false;
        for _ in 0..MOST_ROUNDS {
            let response = match self.exchange(ready, &next, tools_are_fresh).await {
                Ok(response) => response,
                Err(refused) => return self.refused(ready, refused).await,
            };
            match response.raw_at(&["error", "code"]) {
                Some(modern_tools::HEADER_MISMATCH) if !tools_are_fresh => {
                    tools_are_fresh = true;
                    continue;
                }
                Some(UNSUPPORTED_PROTOCOL_VERSION) => {
                    self.context.forget_era();
                    self.link.gone(ready.generation).await;
                    return Attempt::Again;
                }
                Some(_) | None => {}
            }
            self.context.fresh.keep(&self.message, &response, Instant::now());
            let needed = match to_legacy(method, &response, id, &client.version) {
                Outcome::Complete(answer) => return self.complete(answer, pages).await,
                Outcome::InputRequired(needed) => needed,
                Outcome::UnknownResult => return Attempt::Done(Ending::Failed(self.not_understood())),
            };
            if needed.questions.is_empty() {
                sleep(pause).await;
                pause = (pause * 2).min(LAST_PAUSE);
            }
            let responses = match self.answers_of(client, &needed, &mut pages).await {
                Ok(responses) => responses,
                Err(failure) => return Attempt::Done(Ending::Failed(failure)),
            };
            let own = self.context.questions.next_id();
            let Some(retry) = with_input(&next, &own, responses.as_deref(), needed.state.as_deref()) else {
                return Attempt::Done(Ending::Failed(self.not_understood()));
            };
            next = retry;
        }
        Attempt::Done(Ending::Failed(self.endless()))
    }

    async fn exchange(
        &self,
        ready: &Ready,
        next: &Message,
        tools_are_fresh: bool,
    ) -> Result<Message, Refused> {
        let headers = match next.method() {
            Some("tools/call") => {
                modern_tools::headers(&self.context, &ready.transport, next, tools_are_fresh).await?
            }
            Some(_) | None => HeaderMap::new(),
        };
        let (_, response) = ask_with(&self.context, &ready.transport, next, headers).await?;
        Ok(response)
    }

    /// The answer takes the way of every other, so that lists are collected and come once.
    async fn complete(&self, answer: Message, pages: Vec<RequestId>) -> Attempt {
        for page in pages {
            let _ = self.context.downstream.message(input::elicitation_complete(&page)).await;
        }
        let incoming = Incoming { message: answer, for_request: None, event_id: None };
        let _ = self.context.incoming.send(incoming).await;
        Attempt::Done(Ending::Answered)
    }

    /// Asks the client what the server wants to know. `pages` are the questions that sent the
    /// person to one.
    async fn answers_of(
        &self,
        client: &LegacyClient,
        needed: &InputRequired,
        pages: &mut Vec<RequestId>,
    ) -> Result<Option<String>, Failure> {
        let capabilities = client.client.capabilities();
        if let Some(question) = needed.questions.iter().find(|asked| !asked.is_allowed_by(capabilities)) {
            return Err(self.not_offered(question));
        }
        if needed.questions.is_empty() {
            return Ok(None);
        }
        let asked: Vec<(RequestId, &Question)> =
            needed.questions.iter().map(|question| (self.context.questions.next_id(), question)).collect();
        pages.extend(asked.iter().filter(|(_, question)| question.opens_a_page()).map(|(id, _)| id.clone()));
        let answers = asked.iter().map(|(id, question)| self.answer_of(client, id, question));
        Ok(Some(input::responses(&try_join_all(answers).await?)))
    }

    async fn answer_of(
        &self,
        client: &LegacyClient,
        id: &RequestId,
        question: &Question,
    ) -> Result<(String, String), Failure> {
        let Some(request) = question.to_request(id, &client.version) else {
            return Err(self.not_understood());
        };
        let answer = match timeout(QUESTION_LIMIT, questions::ask(&self.context, &request)).await {
            Ok(Some(answer)) => answer,
            Ok(None) | Err(_) => return Err(self.nobody_answered(None)),
        };
        match answer.raw_at(&["result"]) {
            Some(result) => Ok((question.key.clone(), result.to_owned())),
            None => Err(self.nobody_answered(answer.string_at(&["error", "message"]))),
        }
    }

    /// Answers what modern servers have no method for.
    async fn answer_here(&self, id: &RequestId, ready: &Ready, answered: Answered) -> Bytes {
        let invalid = |text| mcp::error_response(Some(id), mcp::INVALID_PARAMS, text, None);
        let unknown = || mcp::error_response(Some(id), mcp::METHOD_NOT_FOUND, "Method not found", None);
        match answered {
            Answered::Ping => {}
            Answered::SetLevel => match Level::of_set_level(&self.message) {
                Some(level) => self.link.set_level(level),
                None => return invalid("Invalid log level"),
            },
            Answered::Subscribe | Answered::Unsubscribe if !ready.offers(&["resources", "subscribe"]) => {
                return unknown();
            }
            Answered::Subscribe | Answered::Unsubscribe => {
                let Some(uri) = self.message.string_at(&["params", "uri"]) else {
                    return invalid("uri is missing");
                };
                match answered == Answered::Subscribe {
                    true => self.link.subscribed().subscribe(uri).await,
                    false => self.link.subscribed().unsubscribe(&uri),
                }
            }
            Answered::NoSuchMethod => return unknown(),
        }
        mcp::result_response(id, "{}")
    }

    pub(super) fn not_understood(&self) -> Failure {
        Failure::new(
            Code::ServerError,
            format!("{} answered in a way that this client cannot understand", self.context.server()),
            "Tell the server's operator",
        )
    }

    fn endless(&self) -> Failure {
        Failure::new(
            Code::Limit,
            format!("{} went on asking and never answered", self.context.server()),
            "Tell the server's operator",
        )
    }

    pub(super) fn not_offered(&self, question: &Question) -> Failure {
        let method = crate::redact::plain(&question.method, 40);
        Failure::new(
            Code::ServerError,
            format!("{} asked for {method}, which this client does not offer", self.context.server()),
            "Use a client that offers it",
        )
    }

    fn nobody_answered(&self, said: Option<String>) -> Failure {
        let said = said.map(|said| format!(": {}", crate::redact::plain(&said, 200))).unwrap_or_default();
        Failure::new(
            Code::ServerError,
            format!("{} asked a question that got no answer{said}", self.context.server()),
            "Try again and answer it",
        )
    }
}
