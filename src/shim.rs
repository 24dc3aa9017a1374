//! `drawbridge connect`: the client's stdin and stdout on one side, the Host's stream on the
//! other. It frames lines and forwards them; it knows neither servers nor tokens.
//!
//! One task does everything, so nothing here is shared: it reads from one side only as long as
//! what waits for the other side stays small, and never blocks on a write. When the Host goes
//! away it connects to the next one and the session continues.

pub(crate) mod link;
mod pending;
mod stdio;
mod to_host;

use std::future::{Future, pending as never};
use std::io;
use std::pin::Pin;

use bytes::{Buf as _, Bytes, BytesMut};
use serde_json::value::RawValue;
use tokio::io::AsyncWriteExt;
use tokio::time::{Duration, Instant, sleep_until};

use crate::endpoint::frame::{self, Control, Frame, Hello};
use crate::endpoint::{Line, LineReader, Place};
use crate::failure::{Code, Failure};
use crate::mcp::oversized::IdScanner;
use crate::mcp::{self, Kind, Message, RequestId};

use link::{Link, NoLink};
use pending::Pending;
use stdio::{Input, Output};
use to_host::ToHost;

/// Reading stops while this much waits to be written to the other side.
const MOST_WAITING: usize = 1024 * 1024;
/// How long answers may still come after the client has closed stdin.
const LAST_ANSWERS: Duration = Duration::from_secs(2);
/// How often an idle shim looks for a new Host after its own went away.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// What a shim connects to.
#[derive(Debug)]
pub struct ShimConfig {
    /// Where the Host is found.
    pub place: Place,
    /// A server's name, `name@account`, or a URL.
    pub target: String,
    /// The server options of this connection, as the control API spells them.
    pub options: Box<RawValue>,
    /// Whether everything is to stay as it is.
    pub only_looks: bool,
    /// Trouble that was found before connecting; every request is answered with it.
    pub trouble: Option<Failure>,
}

/// Bridges stdin and stdout to the Host until stdin ends.
///
/// # Errors
/// When the client's end cannot be read or written any more.
pub async fn run(config: ShimConfig) -> io::Result<()> {
    let shim = Shim::new(config, stdio::output());
    shim.run(LineReader::new(stdio::input(), frame::MESSAGE_CAP)).await
}

type Opening = Pin<Box<dyn Future<Output = Result<Link, NoLink>> + Send>>;

enum Host {
    /// Not there; looked for again at that time, started by the next message.
    Away {
        look_at: Option<Instant>,
    },
    Opening(Opening),
    Open(Box<Link>),
    /// Will never serve this target.
    Refusing(Failure),
}

struct Shim {
    config: ShimConfig,
    output: Output,
    host: Host,
    pending: Pending,
    resume: Option<String>,
    to_client: BytesMut,
    to_host: ToHost,
    oversized: Option<IdScanner>,
}

/// What happened next.
enum Event {
    FromClient(Option<Line>),
    FromHost(io::Result<Option<Line>>),
    Opened(Result<Link, NoLink>),
    LookAgain,
    Written,
}

impl Shim {
    fn new(mut config: ShimConfig, output: Output) -> Self {
        let host = match config.trouble.take() {
            Some(trouble) => Host::Refusing(trouble),
            None => Host::Away { look_at: None },
        };
        Self {
            config,
            output,
            host,
            pending: Pending::default(),
            resume: None,
            to_client: BytesMut::new(),
            to_host: ToHost::default(),
            oversized: None,
        }
    }

    async fn run(mut self, mut input: LineReader<Input>) -> io::Result<()> {
        if matches!(self.host, Host::Away { .. }) {
            self.open(true);
        }
        let mut end: Option<Instant> = None;
        loop {
            let finished =
                !self.pending.expects_answers() && self.to_client.is_empty() && !self.to_host.has_remaining();
            if end.is_some_and(|end| finished || Instant::now() >= end) {
                return Ok(());
            }
            match self.next(&mut input, end).await? {
                Event::FromClient(Some(line)) => self.on_client_line(line),
                Event::FromClient(None) => end = Some(Instant::now() + LAST_ANSWERS),
                Event::FromHost(Ok(Some(Line::Full(line)))) => self.on_host_line(line),
                Event::FromHost(_) => self.on_host_lost(),
                Event::Opened(result) => self.on_opened(result),
                Event::LookAgain => self.open(false),
                Event::Written => {}
            }
        }
    }

    async fn next(&mut self, input: &mut LineReader<Input>, end: Option<Instant>) -> io::Result<Event> {
        let client_may_send = end.is_none() && self.to_host.remaining() < MOST_WAITING;
        let host_may_send = self.to_client.len() < MOST_WAITING;
        tokio::select! {
            biased;
            written = self.output.write_buf(&mut self.to_client), if !self.to_client.is_empty() => {
                written?;
                if self.to_client.is_empty() { self.output.flush().await?; }
                Ok(Event::Written)
            }
            event = host_event(&mut self.host, &mut self.to_host, host_may_send) => Ok(event),
            line = input.next(), if client_may_send => Ok(Event::FromClient(line?)),
            () = until(end), if end.is_some() => Ok(Event::Written),
        }
    }

    fn on_client_line(&mut self, line: Line) {
        let line = match line {
            Line::Full(line) => line,
            Line::Piece { bytes, last } => return self.on_oversized(&bytes, last),
        };
        match Message::parse(line) {
            Ok(message) => self.forward(message),
            Err(error) => {
                let (id, code) = match &error {
                    mcp::Error::NotJson => (None, mcp::PARSE_ERROR),
                    mcp::Error::NotJsonRpc { id } => (id.clone(), mcp::INVALID_REQUEST),
                };
                let failure = Failure::new(Code::Invalid, error.to_string(), "");
                self.say(&mcp::error_response(id.as_ref(), code, &failure.sentence, None));
            }
        }
    }

    /// Lets an oversized line pass by, then answers its request if its id could be read.
    fn on_oversized(&mut self, piece: &[u8], last: bool) {
        let mut scanner = self.oversized.take().unwrap_or_default();
        scanner.feed(piece);
        if !last {
            self.oversized = Some(scanner);
            return;
        }
        let id = scanner.request_id();
        let text = format!("The message is longer than {} MiB.", frame::MESSAGE_CAP / (1024 * 1024));
        self.say(&mcp::error_response(id.as_ref(), mcp::INVALID_REQUEST, &text, None));
    }

    fn forward(&mut self, message: Message) {
        if *message.kind() == Kind::Batch {
            for part in message.split() {
                match part {
                    Ok(part) => self.forward(part),
                    Err(error) => {
                        self.say(&mcp::error_response(None, mcp::INVALID_REQUEST, &error.to_string(), None))
                    }
                }
            }
            return;
        }
        if let (Host::Refusing(failure), Some(id)) = (&self.host, message.request_id()) {
            let response = failure.response(id);
            return self.say(&response);
        }
        let order = self.pending.note_sent(&message);
        if let Some(id) = pending::cancelled(&message) {
            self.pending.note_cancelled(&id);
        }
        match &self.host {
            Host::Open(_) => self.to_host.put(order, message.line().clone()),
            Host::Refusing(_) => {}
            Host::Away { .. } | Host::Opening(_) => {
                self.pending.hold(order, &message);
                if matches!(self.host, Host::Away { .. }) {
                    self.open(true);
                }
            }
        }
    }

    fn on_host_line(&mut self, line: Bytes) {
        match Frame::parse(line) {
            Ok(Frame::Message(line)) => self.on_host_message(line),
            Ok(Frame::Control(Control::Dispatched { id })) => {
                self.pending.note_dispatched(&RequestId::from_raw(id.get()));
            }
            Ok(Frame::Control(Control::Resume { state })) => self.resume = Some(state),
            Ok(Frame::Control(Control::Refused { failure })) if failure.is_lasting() => self.refuse(failure),
            Ok(Frame::Control(Control::Refused { failure })) => self.on_no_session(&failure),
            Ok(Frame::Control(Control::Hello(_) | Control::Welcome)) | Err(_) => self.on_host_lost(),
        }
    }

    fn on_host_message(&mut self, line: Bytes) {
        let Ok(message) = Message::parse(line) else { return };
        if let Kind::Response { id: Some(id), is_error } = message.kind() {
            self.pending.note_answered(id, *is_error);
        }
        self.say(message.line());
    }

    fn on_opened(&mut self, result: Result<Link, NoLink>) {
        match result {
            Ok(link) => {
                self.host = Host::Open(Box::new(link));
                for (order, line) in self.pending.take_waiting() {
                    self.to_host.put(order, line);
                }
            }
            Err(NoLink::NotRunning | NoLink::Vanished) if !self.pending.is_empty() => self.open(true),
            Err(NoLink::NotRunning | NoLink::Vanished) => {
                self.host = Host::Away { look_at: Some(Instant::now() + LOOK_AGAIN) }
            }
            Err(NoLink::Refused(failure)) => self.refuse(failure),
            Err(NoLink::Failed(failure)) => self.on_no_session(&failure),
        }
    }

    /// There is no session just now, and there may be one later.
    fn on_no_session(&mut self, failure: &Failure) {
        self.abandon(failure);
        self.to_host = ToHost::default();
        self.host = Host::Away { look_at: Some(Instant::now() + LOOK_AGAIN) };
    }

    /// The Host went away: what may have run is told so, the rest goes to the next Host.
    fn on_host_lost(&mut self) {
        for (order, line) in self.to_host.take_back() {
            if let Ok(message) = Message::parse(line) {
                self.pending.hold(order, &message);
            }
        }
        let uncertain = self.pending.recover();
        let failure = Failure::new(
            Code::MayHaveRun,
            "The session was opened anew while this request was under way, so it may or may not have run",
            "Check before you try it again",
        );
        for id in uncertain {
            self.say(&failure.response(&id));
        }
        if self.pending.is_empty() {
            self.host = Host::Away { look_at: Some(Instant::now()) };
        } else {
            self.open(true);
        }
    }

    fn refuse(&mut self, failure: Failure) {
        self.abandon(&failure);
        self.to_host = ToHost::default();
        self.host = Host::Refusing(failure);
    }

    fn abandon(&mut self, failure: &Failure) {
        for id in self.pending.abandon() {
            self.say(&failure.response(&id));
        }
    }

    fn open(&mut self, may_start: bool) {
        let (initialize, initialized) = self.pending.initialize();
        let hello = Hello {
            protocol: frame::PROTOCOL,
            version: env!("CARGO_PKG_VERSION").into(),
            target: self.config.target.clone(),
            options: self.config.options.clone(),
            resume: self.resume.clone(),
            initialize: initialize.filter(|_| initialized).and_then(raw),
            initialized,
            only_looks: self.config.only_looks,
        };
        let place = self.config.place.clone();
        self.host = Host::Opening(Box::pin(async move { link::open(&place, &hello, may_start).await }));
    }

    fn say(&mut self, line: &[u8]) {
        self.to_client.extend_from_slice(line);
        self.to_client.extend_from_slice(b"\n");
    }
}

fn raw(line: &Bytes) -> Option<Box<RawValue>> {
    let text = std::str::from_utf8(line).ok()?;
    RawValue::from_string(text.to_owned()).ok()
}

async fn host_event(host: &mut Host, to_host: &mut ToHost, may_read: bool) -> Event {
    match host {
        Host::Opening(opening) => Event::Opened(opening.await),
        Host::Open(link) => {
            let Link { frames, writer, is_deaf } = &mut **link;
            tokio::select! {
                biased;
                written = writer.write_buf(to_host), if to_host.has_remaining() && !*is_deaf => {
                    // What the Host has said before it went still counts, so it is read to its end.
                    *is_deaf = written.is_err();
                    Event::Written
                }
                line = frames.next(), if may_read => Event::FromHost(line),
                else => never().await,
            }
        }
        Host::Away { look_at: Some(at) } => {
            sleep_until(*at).await;
            Event::LookAgain
        }
        Host::Away { look_at: None } | Host::Refusing(_) => never().await,
    }
}

async fn until(end: Option<Instant>) {
    match end {
        Some(end) => sleep_until(end).await,
        None => never().await,
    }
}
