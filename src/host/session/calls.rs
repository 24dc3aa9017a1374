//! Which requests of a modern client are under way at a legacy server, and where what the server
//! says meanwhile belongs.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc::{self, OwnedPermit};
use tokio::time::Instant;

use crate::mcp::translate::meta::Level;
use crate::mcp::{Kind, Message, RequestId};
use crate::upstream::{Incoming, Sink};

/// What may wait for one request, its answer not counted.
const QUEUE: usize = 64;
/// How long a question that belongs to no request waits for one.
const QUESTION_LIMIT: Duration = Duration::from_secs(30);
/// How long after its answer a request's log messages may still come: a legacy server may send
/// them on a stream of its own, which the answer overtakes.
const LATE_LOG_LIMIT: Duration = Duration::from_secs(2);
/// The most answered requests whose log messages are waited for.
const MOST_LATE_LOGS: usize = 64;
/// The most questions that wait so; more are of no use to anybody.
const MOST_QUESTIONS: usize = 16;

/// The requests that are under way, by the id that the server knows.
#[derive(Debug, Clone, Default)]
pub(super) struct Calls {
    open: Arc<Mutex<Open>>,
}

#[derive(Debug, Default)]
struct Open {
    routes: HashMap<RequestId, Route>,
    /// Questions that belong to no request yet, and until when they wait.
    waiting: VecDeque<(Instant, Message)>,
    /// The log messages that requests wanted which are answered, and until when they may come.
    late_logs: VecDeque<(Instant, Level)>,
}

#[derive(Debug)]
struct Route {
    sink: Sink,
    /// The answer's own place in the queue, until it has come.
    for_answer: Option<OwnedPermit<Incoming>>,
    /// The client's own id.
    client: RequestId,
    /// The log messages that the client wants with it.
    level: Option<Level>,
    /// Whether the client can be asked something before it is answered.
    may_ask: bool,
}

/// What became of a message that came on a stream of the server's own.
#[derive(Debug)]
pub(super) enum Sorted {
    /// Its request has it.
    Taken,
    /// Its request has more to read already than it can.
    TooMuch(Message),
    /// It belongs to no request.
    Unclaimed(Message),
}

/// One request's place among the others; it leaves when this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    calls: Calls,
    pub(super) id: RequestId,
    pub(super) sink: Sink,
}

impl Calls {
    /// Enters a request that the client knows as `client`. One with which the client can be asked
    /// something takes the questions that waited for it.
    pub(super) fn enter(
        &self,
        id: RequestId,
        client: RequestId,
        level: Option<Level>,
        may_ask: bool,
    ) -> (Place, mpsc::Receiver<Incoming>) {
        const { assert!(MOST_QUESTIONS <= QUEUE, "all that waits has room") };
        let (sink, came) = mpsc::channel(QUEUE + 1);
        let for_answer = sink.clone().try_reserve_owned().ok();
        let mut open = self.open();
        if may_ask {
            for (_, message) in open.waiting.drain(..) {
                let _ = sink.try_send(Incoming { message, for_request: None, event_id: None });
            }
        }
        let route = Route { sink: sink.clone(), for_answer, client, level, may_ask };
        open.routes.insert(id.clone(), route);
        drop(open);
        (Place { calls: self.clone(), id, sink }, came)
    }

    /// Sorts a message that came on a stream of the server's own: an answer goes to its request, however
    /// much that has still to read, progress to the request that asked for it, a question to the request
    /// whose stream carried it or else to the only one that can ask.
    pub(super) fn sort(&self, incoming: Incoming) -> Sorted {
        let mut open = self.open();
        let message = &incoming.message;
        let sink = match message.kind() {
            Kind::Response { id, .. } => {
                let route = id.as_ref().and_then(|id| open.routes.get_mut(id));
                let Some(route) = route else { return Sorted::Unclaimed(incoming.message) };
                // A second answer is nobody's.
                if let Some(place) = route.for_answer.take() {
                    place.send(incoming);
                }
                return Sorted::Taken;
            }
            Kind::Notification if message.method() == Some("notifications/progress") => message
                .raw_at(&["params", "progressToken"])
                .and_then(|token| open.routes.get(&RequestId::from_raw(token)))
                .map(|route| route.sink.clone()),
            Kind::Request { .. } => {
                let on_its_stream = incoming.for_request.as_ref().and_then(|id| open.routes.get(id));
                let mut able = open.routes.values().filter(|route| route.may_ask);
                let only = able.next().filter(|_| able.next().is_none());
                on_its_stream.or(only).map(|route| route.sink.clone())
            }
            Kind::Notification | Kind::Batch => None,
        };
        match sink.map(|sink| sink.try_send(incoming.clone()).is_ok()) {
            Some(true) => Sorted::Taken,
            Some(false) => Sorted::TooMuch(incoming.message),
            None => Sorted::Unclaimed(incoming.message),
        }
    }

    /// Whether any request wants a log message that is under way, or was until just now.
    pub(super) fn want(&self, log_message: &Message, now: Instant) -> bool {
        let Some(level) = Level::of_notification(log_message) else { return false };
        let open = self.open();
        let under_way = open.routes.values().filter_map(|route| route.level);
        let answered = open.late_logs.iter().filter(|(until, _)| now < *until).map(|(_, level)| *level);
        under_way.chain(answered).any(|wanted| level >= wanted)
    }

    /// The id under which the server knows the client's request.
    pub(super) fn id_of(&self, client: &RequestId) -> Option<RequestId> {
        let open = self.open();
        open.routes.iter().find(|(_, route)| route.client == *client).map(|(id, _)| id.clone())
    }

    /// Keeps a question for the next request with which the client can be asked; gives it back where too
    /// many wait already.
    pub(super) fn keep(&self, question: Message, now: Instant) -> Result<(), Message> {
        let mut open = self.open();
        if open.waiting.len() == MOST_QUESTIONS {
            return Err(question);
        }
        open.waiting.push_back((now + QUESTION_LIMIT, question));
        Ok(())
    }

    /// When the first question has waited long enough.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.open().waiting.front().map(|(until, _)| *until)
    }

    /// Takes the first question if it has waited long enough.
    pub(super) fn take_late(&self, now: Instant) -> Option<Message> {
        self.open().waiting.pop_front_if(|(until, _)| *until <= now).map(|(_, question)| question)
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// The client knows the request by another id now, that of its retry.
    pub(super) fn belongs_to(&self, client: &RequestId) {
        if let Some(route) = self.calls.open().routes.get_mut(&self.id) {
            route.client = client.clone();
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.calls.open();
        let Some(Route { level: Some(level), .. }) = open.routes.remove(&self.id) else { return };
        if open.late_logs.len() == MOST_LATE_LOGS {
            open.late_logs.pop_front();
        }
        open.late_logs.push_back((Instant::now() + LATE_LOG_LIMIT, level));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn incoming(text: &'static str, for_request: Option<&str>) -> Incoming {
        let message = Message::parse(bytes::Bytes::from_static(text.as_bytes())).expect(text);
        Incoming { message, for_request: for_request.map(RequestId::from_raw), event_id: None }
    }

    #[test]
    fn what_a_server_says_finds_its_request() {
        let calls = Calls::default();
        let client = RequestId::from_raw("\"c\"");
        let enter = |id: &str, may_ask| calls.enter(RequestId::from_raw(id), client.clone(), None, may_ask);
        let (one, mut of_one) = enter("1", true);
        let (_list, mut of_list) = enter("2", false);
        let finds = |incoming: Incoming, came: &mut mpsc::Receiver<Incoming>| {
            matches!(calls.sort(incoming), Sorted::Taken) && came.try_recv().is_ok()
        };
        assert!(finds(incoming(r#"{"id":2,"result":{}}"#, None), &mut of_list));
        let progress =
            || incoming(r#"{"method":"notifications/progress","params":{"progressToken":1}}"#, None);
        assert!(finds(progress(), &mut of_one));
        let question = r#"{"id":9,"method":"roots/list"}"#;
        assert!(finds(incoming(question, Some("2")), &mut of_list), "the stream says it");
        assert!(finds(incoming(question, None), &mut of_one), "only one can ask");
        let (_other, _came) = enter("3", true);
        assert!(
            matches!(calls.sort(incoming(question, None)), Sorted::Unclaimed(_)),
            "nobody knows whose it is"
        );
        drop(one);
        assert!(matches!(calls.sort(progress()), Sorted::Unclaimed(_)));
    }

    #[test]
    fn an_answer_has_its_place_however_much_came_before_it() {
        let calls = Calls::default();
        let (_place, mut came) = calls.enter(RequestId::from_raw("1"), RequestId::from_raw("1"), None, true);
        let progress =
            || incoming(r#"{"method":"notifications/progress","params":{"progressToken":1}}"#, None);
        while matches!(calls.sort(progress()), Sorted::Taken) {}
        assert!(matches!(calls.sort(incoming(r#"{"id":9,"method":"ping"}"#, None)), Sorted::TooMuch(_)));
        for _ in 0..2 {
            assert!(matches!(calls.sort(incoming(r#"{"id":1,"result":{}}"#, None)), Sorted::Taken));
        }
        let all: Vec<_> = std::iter::from_fn(|| came.try_recv().ok()).collect();
        let answers = all.iter().filter(|came| came.message.method().is_none()).count();
        assert_eq!((all.len(), answers), (QUEUE + 1, 1), "once, and behind the rest");
        assert!(all.last().is_some_and(|last| last.message.method().is_none()));
    }

    #[test]
    fn log_messages_go_to_who_wants_them() {
        let calls = Calls::default();
        let message = incoming(r#"{"method":"notifications/message","params":{"level":"warning"}}"#, None);
        let enter =
            |id: &str, level| calls.enter(RequestId::from_raw(id), RequestId::from_raw(id), level, true);
        let now = Instant::now();
        let (_quiet, _came) = enter("1", None);
        assert!(!calls.want(&message.message, now));
        let (wants, _came) = enter("2", Level::named("info"));
        assert!(calls.want(&message.message, now));
        drop(wants);
        assert!(calls.want(&message.message, Instant::now()), "its answer may have come first");
        assert!(!calls.want(&message.message, Instant::now() + LATE_LOG_LIMIT));
    }

    #[tokio::test]
    async fn a_question_of_no_request_waits_for_the_next_but_not_for_ever() {
        let calls = Calls::default();
        let question = || incoming(r#"{"id":9,"method":"roots/list"}"#, None).message;
        let now = Instant::now();
        calls.keep(question(), now).expect("room");
        let enter =
            |id: &str, may_ask| calls.enter(RequestId::from_raw(id), RequestId::from_raw(id), None, may_ask);
        let (_list, mut of_list) = enter("1", false);
        assert!(of_list.try_recv().is_err());
        let (_call, mut of_call) = enter("2", true);
        assert_eq!(of_call.try_recv().expect("the question").message.method(), Some("roots/list"));
        calls.keep(question(), now).expect("room");
        assert!(calls.take_late(now).is_none());
        assert!(calls.take_late(now + QUESTION_LIMIT).is_some());
        assert_eq!(calls.deadline(), None);
        for _ in 0..MOST_QUESTIONS {
            calls.keep(question(), now).expect("room");
        }
        assert!(calls.keep(question(), now).is_err(), "somebody has to answer it");
        assert_eq!(calls.id_of(&RequestId::from_raw("2")), Some(RequestId::from_raw("2")));
    }
}
