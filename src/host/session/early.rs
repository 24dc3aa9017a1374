//! A client whose connection is still being made: a person is asked for approval, or a keychain to be unlocked. It is
//! answered within the start budget all the same, in the words for a server that nobody knows yet; other requests wait
//! as long as a call may be parked.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::time::{Instant, sleep_until};

use super::{Limits, stand_in};
use crate::endpoint::frame::{self, Frame};
use crate::endpoint::{Line, LineReader};
use crate::failure::{Code, Failure};
use crate::host::Target;
use crate::host::snapshot::Snapshot;
use crate::mcp::era::Era;
use crate::mcp::{Message, method, result_response};

/// Nothing more is read while this much waits.
const MOST_BYTES: usize = 1024 * 1024;

/// What a client said before its session began.
#[derive(Debug, Default)]
pub struct Early {
    /// What was not answered yet, in its order.
    waiting: Vec<Waiting>,
    /// The client's `initialize`, where it was answered.
    pub(super) initialize: Option<Message>,
    /// Whether the server was introduced in its stead.
    pub(super) introduced: bool,
    /// Lists that were given empty, by method.
    pub(super) lists: Vec<String>,
    budget: Duration,
    park: Duration,
    /// Until when the server may introduce itself.
    start: Option<Instant>,
    server: String,
}

/// A message that has no answer yet.
#[derive(Debug)]
struct Waiting {
    message: Message,
    /// When it is answered here; notifications never are.
    due: Option<Instant>,
}

impl Early {
    /// A client of what that target names.
    pub fn new(target: &str, limits: &Limits) -> Self {
        let server = match target.parse() {
            Ok(Target::Name { name, .. }) => name.to_string(),
            Ok(Target::Url(url)) => url.host_str().unwrap_or_default().to_owned(),
            Err(_) => "the server".to_owned(),
        };
        Self { budget: limits.start_budget, park: limits.park, server, ..Self::default() }
    }

    /// Takes what was not answered, in its order.
    pub(super) fn take_waiting(&mut self) -> Vec<Message> {
        self.waiting.drain(..).map(|waiting| waiting.message).collect()
    }

    /// Waits for the connection, and answers meanwhile; `None` where the client has left.
    pub async fn until<T>(
        &mut self,
        connected: impl Future<Output = T>,
        frames: &mut LineReader<impl AsyncRead + Unpin>,
        writer: &mut (impl AsyncWrite + Unpin),
    ) -> Option<T> {
        tokio::pin!(connected);
        loop {
            let due = self.waiting.iter().filter_map(|waiting| waiting.due).min();
            let size: usize = self.waiting.iter().map(|waiting| waiting.message.line().len()).sum();
            let has_room = size < MOST_BYTES;
            tokio::select! {
                biased;
                connected = &mut connected => return Some(connected),
                line = frames.next(), if has_room => match line {
                    Ok(Some(Line::Full(line))) => self.on_frame(line),
                    Ok(Some(Line::Piece { .. })) => {}
                    Ok(None) | Err(_) => return None,
                },
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                    let answers = self.answers();
                    writer.write_all(&answers).await.ok()?;
                }
            }
        }
    }

    fn on_frame(&mut self, line: Bytes) {
        let Ok(Frame::Message(line)) = Frame::parse(line) else { return };
        let Ok(message) = Message::parse(line) else { return };
        match message.clone().split().into_iter().collect::<Result<Vec<_>, _>>() {
            Ok(single) => single.into_iter().for_each(|message| self.wait(message)),
            // The session says what is wrong with it.
            Err(_) => self.waiting.push(Waiting { message, due: None }),
        }
    }

    fn wait(&mut self, message: Message) {
        let now = Instant::now();
        let start = *self.start.get_or_insert(now + self.budget);
        let due =
            message.request_id().map(|_| if is_answered_soon(&message) { start } else { now + self.park });
        self.waiting.push(Waiting { message, due });
    }

    /// The answers that are due, as frames.
    fn answers(&mut self) -> BytesMut {
        let now = Instant::now();
        let is_due = |waiting: &mut Waiting| waiting.due.is_some_and(|due| due <= now);
        let due: Vec<_> = self.waiting.extract_if(.., is_due).collect();
        let mut frames = BytesMut::new();
        for Waiting { message, .. } in due {
            if let Some(answer) = self.answer(message) {
                frame::put_message(&mut frames, &answer);
            }
        }
        frames
    }

    fn answer(&mut self, message: Message) -> Option<Bytes> {
        let id = message.request_id()?.clone();
        let era = if message.meta_protocol_version().is_some() { Era::Modern } else { Era::Legacy };
        let result = match message.method()? {
            "initialize" => {
                let version = message.string_at(&["params", "protocolVersion"]);
                let nothing = Snapshot::default();
                let result =
                    stand_in::initialize(&nothing, &self.server, version.as_deref(), Some(&self.not_yet()));
                (self.introduced, self.initialize) = (true, Some(message));
                result
            }
            "server/discover" => {
                self.introduced = true;
                stand_in::discover(&Snapshot::default(), &self.server, Some(&self.not_yet()))
            }
            "ping" => "{}".to_owned(),
            list if method::list_member(list).is_some() => {
                let result = stand_in::list(list, "[]", None, era)?;
                self.lists.push(list.to_owned());
                result
            }
            "tools/call" => return Some(self.not_yet().tool_result(&id, era == Era::Modern)),
            _ => return Some(self.not_yet().response(&id)),
        };
        Some(result_response(&id, &result))
    }

    fn not_yet(&self) -> Failure {
        Failure::about(
            &self.server,
            Code::TimedOut,
            format!("Drawbridge cannot connect to {} yet", self.server),
            "Answer what Drawbridge or your keychain asks you; nothing has to be restarted",
        )
    }
}

fn is_answered_soon(message: &Message) -> bool {
    let is_known = |method: &str| matches!(method, "initialize" | "server/discover" | "ping");
    message.method().is_some_and(|method| is_known(method) || method::list_member(method).is_some())
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tokio::io::{AsyncReadExt as _, DuplexStream};

    use super::*;

    async fn say(client: &mut DuplexStream, message: &str) {
        client.write_all(format!("M{message}\n").as_bytes()).await.expect("room");
    }

    async fn lines(client: &mut DuplexStream, count: usize) -> String {
        let mut said = BytesMut::new();
        while said.iter().filter(|byte| **byte == b'\n').count() < count {
            client.read_buf(&mut said).await.expect("open");
        }
        String::from_utf8_lossy(&said).into_owned()
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_is_answered_within_its_budget_while_a_person_is_asked() {
        let budget = Duration::from_secs(3);
        let (mut client, host) = tokio::io::duplex(64 * 1024);
        let (reader, mut writer) = tokio::io::split(host);
        let mut frames = LineReader::new(reader, frame::LINE_CAP);
        let limits = Limits { start_budget: budget, ..Limits::default() };
        let mut early = Early::new("demo@work", &limits);
        say(&mut client, r#"{"id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18"}}"#).await;
        say(&mut client, r#"{"id":2,"method":"tools/call"}"#).await;
        say(&mut client, r#"{"id":3,"method":"tools/list"}"#).await;
        let began = Instant::now();
        let said = early.until(lines(&mut client, 2), &mut frames, &mut writer).await;
        let said = said.expect("the client is there");
        assert_eq!(began.elapsed(), budget);
        assert!(said.contains(r#""id":1,"#) && said.contains("demo yet"), "{said}");
        assert!(said.contains(r#"{"tools":[]}"#), "{said}");
        assert_eq!(early.lists, ["tools/list"]);
        assert!(early.introduced && early.initialize.is_some());

        let said = early.until(lines(&mut client, 1), &mut frames, &mut writer).await;
        let said = said.expect("the client is there");
        assert_eq!(began.elapsed(), limits.park, "a call may wait as long as one that is parked");
        assert!(said.contains(r#""id":2,"#) && said.contains(r#""isError":true"#), "{said}");
        assert!(early.take_waiting().is_empty());

        drop(client);
        assert!(early.until(pending::<()>(), &mut frames, &mut writer).await.is_none(), "it has left");
    }
}
