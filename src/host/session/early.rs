//! A client whose connection is still being made: a person is asked for approval, or a keychain to be unlocked. It is
//! answered within the start budget all the same, in the words for a server that nobody knows yet.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::time::{Instant, sleep_until};

use super::stand_in;
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
    pub(super) waiting: Vec<Message>,
    /// The client's `initialize`, where it was answered.
    pub(super) initialize: Option<Message>,
    /// Whether the server was introduced in its stead.
    pub(super) introduced: bool,
    /// Lists that were given empty, by method.
    pub(super) lists: Vec<String>,
    budget: Duration,
    /// When the first answers are due.
    due: Option<Instant>,
    server: String,
}

impl Early {
    /// A client of what that target names.
    pub fn new(target: &str, budget: Duration) -> Self {
        let server = match target.parse() {
            Ok(Target::Name { name, .. }) => name.to_string(),
            Ok(Target::Url(url)) => url.host_str().unwrap_or_default().to_owned(),
            Err(_) => "the server".to_owned(),
        };
        Self { budget, server, ..Self::default() }
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
            let due = self.due.filter(|_| self.waiting.iter().any(is_answered_here));
            let has_room =
                self.waiting.iter().map(|message| message.line().len()).sum::<usize>() < MOST_BYTES;
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
        self.due.get_or_insert_with(|| Instant::now() + self.budget);
        self.waiting.push(message);
    }

    /// The answers to all that can be answered here, as frames.
    fn answers(&mut self) -> BytesMut {
        let (answered, waiting): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.waiting).into_iter().partition(is_answered_here);
        self.waiting = waiting;
        let mut frames = BytesMut::new();
        for message in answered {
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
            list => {
                let result = stand_in::list(list, "[]", None, era)?;
                self.lists.push(list.to_owned());
                result
            }
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

fn is_answered_here(message: &Message) -> bool {
    let is_known = |method: &str| matches!(method, "initialize" | "server/discover" | "ping");
    message.request_id().is_some()
        && message.method().is_some_and(|method| is_known(method) || method::list_member(method).is_some())
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tokio::io::{AsyncReadExt as _, DuplexStream};

    use super::*;

    async fn say(client: &mut DuplexStream, message: &str) {
        client.write_all(format!("M{message}\n").as_bytes()).await.expect("room");
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_is_answered_within_its_budget_while_a_person_is_asked() {
        let budget = Duration::from_secs(3);
        let (mut client, host) = tokio::io::duplex(64 * 1024);
        let (reader, mut writer) = tokio::io::split(host);
        let mut frames = LineReader::new(reader, frame::LINE_CAP);
        let mut early = Early::new("demo@work", budget);
        say(&mut client, r#"{"id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18"}}"#).await;
        say(&mut client, r#"{"id":2,"method":"tools/call"}"#).await;
        say(&mut client, r#"{"id":3,"method":"tools/list"}"#).await;
        let began = Instant::now();
        let said = async {
            let mut said = BytesMut::new();
            while said.iter().filter(|byte| **byte == b'\n').count() < 2 {
                client.read_buf(&mut said).await.expect("open");
            }
            String::from_utf8_lossy(&said).into_owned()
        };
        let said = early.until(said, &mut frames, &mut writer).await.expect("the client is there");
        assert_eq!(began.elapsed(), budget);
        assert!(said.contains(r#""id":1,"#) && said.contains("demo yet"), "{said}");
        assert!(said.contains(r#"{"tools":[]}"#), "{said}");
        let waiting: Vec<_> = early.waiting.iter().filter_map(Message::method).collect();
        assert_eq!((waiting, early.lists.as_slice()), (vec!["tools/call"], &["tools/list".to_owned()][..]));
        assert!(early.introduced && early.initialize.is_some());

        drop(client);
        assert!(early.until(pending::<()>(), &mut frames, &mut writer).await.is_none(), "it has left");
    }
}
