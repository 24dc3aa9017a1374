//! Which HTTP stream a message from the server belongs on. Pure: it keeps the streams and sends
//! nothing itself.
//!
//! Follows "Listening for Messages from the Server" of the transports pages up to 2025-11-25: an
//! answer goes on its request's stream, progress too; what else the server says goes on one
//! stream and never on two.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::mcp::{Kind, Message, RequestId};

/// Messages that wait for a stream to be opened.
const MOST_HELD: usize = 64;
/// How long a message waits for a stream.
const HOLD_LIMIT: Duration = Duration::from_secs(60);

/// One message on its way to the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Item {
    /// Answers a request of the client.
    Answer(Bytes),
    /// Anything else.
    Other(Bytes),
}

impl Item {
    pub(super) fn line(&self) -> &Bytes {
        match self {
            Self::Answer(line) | Self::Other(line) => line,
        }
    }
}

/// The sending end of one HTTP stream.
pub(super) type Lane = mpsc::Sender<Item>;

/// A request of the client.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) id: RequestId,
    /// Its progress token as raw JSON.
    pub(super) progress: Option<RequestId>,
}

impl Asked {
    /// Reads what routing needs of a request.
    pub(super) fn of(message: &Message) -> Option<Self> {
        let progress = message.raw_at(&["params", "_meta", "progressToken"]).map(RequestId::from_raw);
        Some(Self { id: message.request_id()?.clone(), progress })
    }
}

/// A POST whose requests are not all answered.
#[derive(Debug)]
struct Post {
    lane: Lane,
    open: Vec<Asked>,
    /// Whether its client reads a stream; otherwise it gets its answer and nothing else.
    takes_others: bool,
}

#[derive(Debug)]
struct Held {
    line: Bytes,
    request: Option<RequestId>,
    until: Instant,
}

/// A request under this id is still open.
#[derive(Debug)]
pub(super) struct Taken;

/// The streams of one session.
#[derive(Debug, Default)]
pub(super) struct Routes {
    next: u64,
    posts: BTreeMap<u64, Post>,
    waiting: HashMap<RequestId, u64>,
    listener: Option<Lane>,
    held: VecDeque<Held>,
}

impl Routes {
    /// Notes the requests of a POST before they are sent; they are all answered on its stream.
    pub(super) fn post(&mut self, lane: Lane, open: Vec<Asked>, takes_others: bool) -> Result<(), Taken> {
        let is_taken = |(at, asked): (usize, &Asked)| {
            self.waiting.contains_key(&asked.id) || open[..at].iter().any(|before| before.id == asked.id)
        };
        if open.iter().enumerate().any(is_taken) {
            return Err(Taken);
        }
        self.next += 1;
        self.waiting.extend(open.iter().map(|asked| (asked.id.clone(), self.next)));
        self.posts.insert(self.next, Post { lane, open, takes_others });
        Ok(())
    }

    /// Opens the server's own stream; what waited for it.
    ///
    /// # Errors
    /// The stream that is open already.
    pub(super) fn listen(&mut self, lane: Lane) -> Result<Vec<Item>, Lane> {
        if let Some(other) = self.listener.as_ref().filter(|other| !other.is_closed()) {
            return Err(other.clone());
        }
        self.listener = Some(lane);
        Ok(self.held.drain(..).map(|held| Item::Other(held.line)).collect())
    }

    /// The client no longer wants an answer.
    pub(super) fn cancel(&mut self, id: &RequestId) {
        self.close(id);
    }

    /// Forgets a stream, so that it ends.
    pub(super) fn close_lane(&mut self, lane: &Lane) {
        self.listener.take_if(|listener| listener.same_channel(lane));
        self.posts.retain(|_, post| !post.lane.same_channel(lane));
        self.waiting.retain(|_, key| self.posts.contains_key(key));
    }

    /// The stream for a message of the server; `None` where nobody waits for it, or nobody yet.
    pub(super) fn route(&mut self, message: &Message, now: Instant) -> Option<(Lane, Item)> {
        let line = message.line().clone();
        match message.kind() {
            Kind::Response { id, .. } => self.close(id.as_ref()?).map(|lane| (lane, Item::Answer(line))),
            Kind::Request { .. } | Kind::Notification | Kind::Batch => match self.lane_for(message) {
                Some(lane) => Some((lane, Item::Other(line))),
                None => {
                    self.hold(message, now);
                    None
                }
            },
        }
    }

    /// Forgets what no stream was opened for in time; the requests of the server among it.
    pub(super) fn given_up(&mut self, now: Instant) -> Vec<RequestId> {
        let mut given_up = Vec::new();
        while let Some(oldest) = self.held.front() {
            if oldest.until > now && self.held.len() <= MOST_HELD {
                break;
            }
            given_up.extend(self.held.pop_front().and_then(|held| held.request));
        }
        given_up
    }

    fn close(&mut self, id: &RequestId) -> Option<Lane> {
        let key = self.waiting.remove(id)?;
        let post = self.posts.get_mut(&key)?;
        post.open.retain(|asked| asked.id != *id);
        let lane = post.lane.clone();
        if post.open.is_empty() {
            self.posts.remove(&key);
        }
        Some(lane)
    }

    fn lane_for(&self, message: &Message) -> Option<Lane> {
        let listener = || self.listener.as_ref().filter(|lane| !lane.is_closed());
        let progress = message.method() == Some("notifications/progress");
        let own =
            progress.then(|| message.raw_at(&["params", "progressToken"])).flatten().and_then(|token| {
                let token = RequestId::from_raw(token);
                let asked_for =
                    |post: &&Post| post.open.iter().any(|asked| asked.progress.as_ref() == Some(&token));
                self.streams().find(asked_for)
            });
        if let Some(post) = own {
            return Some(post.lane.clone());
        }
        let only = || {
            let mut streams = self.streams();
            streams.next().filter(|_| streams.next().is_none()).map(|post| &post.lane)
        };
        let newest = || self.streams().last().map(|post| &post.lane);
        let lane = match message.method() {
            Some(_) if !may_belong_to_a_request(message) => listener().or_else(newest),
            _ => only().or_else(listener).or_else(newest),
        };
        lane.cloned()
    }

    /// The POSTs that can carry more than their answers, oldest first.
    fn streams(&self) -> impl Iterator<Item = &Post> {
        self.posts.values().filter(|post| post.takes_others && !post.lane.is_closed())
    }

    fn hold(&mut self, message: &Message, now: Instant) {
        let request = message.request_id().cloned();
        self.held.push_back(Held { line: message.line().clone(), request, until: now + HOLD_LIMIT });
    }
}

/// Whether a message is of a kind that servers send while they work on a request: questions and
/// log lines. Other notifications are about the server as a whole.
fn may_belong_to_a_request(message: &Message) -> bool {
    message.request_id().is_some() || message.method() == Some("notifications/message")
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::mpsc::{Receiver, channel};

    fn message(text: &str) -> Message {
        Message::parse(Bytes::copy_from_slice(text.as_bytes())).expect("a message")
    }

    fn asked(text: &str) -> Vec<Asked> {
        message(text).split().iter().flatten().filter_map(Asked::of).collect()
    }

    struct Streams(Routes);

    impl Streams {
        fn post(&mut self, request: &str) -> Receiver<Item> {
            let (lane, items) = channel(8);
            self.0.post(lane, asked(request), true).expect("a free id");
            items
        }

        fn listen(&mut self) -> Receiver<Item> {
            let (lane, items) = channel(8);
            for item in self.0.listen(lane.clone()).expect("no other") {
                lane.try_send(item).expect("room");
            }
            items
        }

        fn say(&mut self, text: &str) -> bool {
            match self.0.route(&message(text), Instant::now()) {
                Some((lane, item)) => lane.try_send(item).is_ok(),
                None => false,
            }
        }
    }

    fn next(items: &mut Receiver<Item>) -> Option<String> {
        items.try_recv().ok().map(|item| String::from_utf8_lossy(item.line()).into_owned())
    }

    const PROGRESS: &str = r#"{"method":"notifications/progress","params":{"progressToken":"b"}}"#;

    #[test]
    fn answers_and_progress_go_to_their_own_request() {
        let mut streams = Streams(Routes::default());
        let mut one = streams.post(r#"{"id":1,"method":"m","params":{"_meta":{"progressToken":1}}}"#);
        let mut two = streams.post(r#"{"id":"1","method":"m","params":{"_meta":{"progressToken":"b"}}}"#);
        let mut get = streams.listen();
        assert!(streams.say(PROGRESS));
        assert!(streams.say(r#"{"id":"1","result":{}}"#));
        assert_eq!(next(&mut two).as_deref(), Some(PROGRESS));
        assert_eq!(next(&mut two).as_deref(), Some(r#"{"id":"1","result":{}}"#));
        assert!(two.is_closed() || two.try_recv().is_err(), "the stream ends with its answer");
        assert!(streams.say(r#"{"id":1,"error":{}}"#));
        assert!(next(&mut one).is_some() && next(&mut get).is_none());
        assert!(!streams.say(r#"{"id":1,"result":{}}"#), "nobody waits for a second answer");
    }

    #[test]
    fn the_server_asks_on_the_only_open_request_else_on_its_own_stream() {
        let mut streams = Streams(Routes::default());
        let mut get = streams.listen();
        let mut one = streams.post(r#"{"id":1,"method":"m"}"#);
        let ask = r#"{"id":9,"method":"elicitation/create"}"#;
        assert!(streams.say(ask));
        assert_eq!(next(&mut one).as_deref(), Some(ask));
        let mut two = streams.post(r#"{"id":2,"method":"m"}"#);
        assert!(streams.say(ask));
        assert_eq!(next(&mut get).as_deref(), Some(ask), "which of two requests it belongs to is not known");
        assert!(next(&mut one).is_none() && next(&mut two).is_none());
        assert!(streams.say(r#"{"method":"notifications/tools/list_changed"}"#));
        assert!(next(&mut get).is_some());
    }

    #[test]
    fn what_nobody_listens_for_waits_for_a_listener_and_not_for_ever() {
        let mut streams = Streams(Routes::default());
        assert!(!streams.say(r#"{"method":"notifications/tools/list_changed"}"#));
        assert!(!streams.say(r#"{"id":9,"method":"ping"}"#));
        assert!(streams.0.given_up(Instant::now()).is_empty());
        let mut get = streams.listen();
        assert!(next(&mut get).is_some() && next(&mut get).is_some());
        drop(get);
        assert!(!streams.say(r#"{"method":"notifications/tools/list_changed"}"#), "it holds nothing up");
        assert!(!streams.say(r#"{"id":10,"method":"ping"}"#));
        let given_up = streams.0.given_up(Instant::now() + HOLD_LIMIT);
        assert_eq!(given_up, [RequestId::from_raw("10")]);
        for _ in 0..2 * MOST_HELD {
            streams.say(r#"{"method":"notifications/tools/list_changed"}"#);
            streams.0.given_up(Instant::now());
        }
        assert_eq!(streams.0.held.len(), MOST_HELD);
    }

    #[test]
    fn there_is_one_listener_until_it_leaves() {
        let mut streams = Streams(Routes::default());
        let get = streams.listen();
        assert!(streams.0.listen(channel(1).0).is_err());
        drop(get);
        assert!(streams.0.listen(channel(1).0).is_ok());
    }

    #[test]
    fn an_id_is_free_again_once_it_is_answered_or_cancelled() {
        let mut streams = Streams(Routes::default());
        let request = r#"{"id":1,"method":"m"}"#;
        let _one = streams.post(request);
        assert!(streams.0.post(channel(1).0, asked(request), true).is_err());
        let twice = format!("[{0},{0}]", r#"{"id":2,"method":"m"}"#);
        assert!(streams.0.post(channel(1).0, asked(&twice), true).is_err());
        streams.0.cancel(&RequestId::from_raw("1"));
        let _again = streams.post(request);
    }

    #[test]
    fn a_client_that_reads_no_stream_gets_its_answer_and_nothing_else() {
        let mut routes = Routes::default();
        let (lane, mut items) = channel(8);
        let request = r#"{"id":1,"method":"m","params":{"_meta":{"progressToken":"b"}}}"#;
        routes.post(lane, asked(request), false).expect("free");
        assert!(routes.route(&message(PROGRESS), Instant::now()).is_none());
        let (lane, item) = routes.route(&message(r#"{"id":1,"result":{}}"#), Instant::now()).expect("a lane");
        lane.try_send(item).expect("room");
        assert!(matches!(items.try_recv(), Ok(Item::Answer(_))));
    }
}
