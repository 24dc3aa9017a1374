//! One legacy client's session over HTTP: a task between its POSTs and GETs on one side and the
//! Host's [`session`] on the other, which is spoken to as a shim would.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use serde_json::value::RawValue;
use tokio::io::{AsyncWriteExt as _, DuplexStream, ReadHalf, WriteHalf};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::routes::{Asked, Item, Lane, Routes, Taken};
use crate::endpoint::frame::{self, Frame, Hello};
use crate::endpoint::{Line, LineReader};
use crate::host::HostHandle;
use crate::host::connection::Connection;
use crate::host::session::{self, Early, HostEnd, SessionDeps};
use crate::mcp::{self, Message, RequestId};

/// Bytes between this task and the Host's session.
const PIPE: usize = 64 * 1024;
/// Messages of the client that may wait to be written.
const LINES: usize = 64;
/// Messages that may wait on one HTTP stream.
pub(super) const LANE: usize = 32;
/// How long a stream that its client does not read holds up the others before it is closed.
const STALL_LIMIT: Duration = Duration::from_secs(5);
/// How long what was sent before the end may still take to arrive.
const DRAIN_LIMIT: Duration = Duration::from_secs(1);
/// How often the task looks after what waits.
const LOOK_EVERY: Duration = Duration::from_secs(15);

/// What the HTTP side asks of the task.
pub(super) enum Command {
    /// Sends a message; `lane` gets what it is answered.
    Post {
        /// The message as it came.
        line: Bytes,
        /// Its place among the messages to be written.
        place: mpsc::OwnedPermit<Bytes>,
        /// Where its requests are answered, and whether it takes other messages too.
        lane: Option<(Lane, bool)>,
        /// Its requests.
        asked: Vec<Asked>,
        /// A request that the client no longer wants answered.
        cancelled: Option<RequestId>,
        /// Whether it was sent.
        reply: oneshot::Sender<Result<(), Taken>>,
    },
    /// Opens the server's own stream.
    Listen {
        /// The stream.
        lane: Lane,
        /// The one that is open already, if there is one.
        reply: oneshot::Sender<Result<(), Lane>>,
    },
}

/// The session is over.
#[derive(Debug)]
pub(super) struct Over;

/// A session that is open, seen from the HTTP side.
#[derive(Debug)]
pub(super) struct Open {
    /// What its path names.
    pub(super) server: String,
    /// The protocol version that was agreed on.
    pub(super) version: OnceLock<String>,
    commands: mpsc::Sender<Command>,
    lines: mpsc::Sender<Bytes>,
    end: CancellationToken,
    in_use: AtomicUsize,
    last_used: Mutex<Instant>,
}

/// A request or stream of a session that is under way.
#[derive(Debug)]
pub(super) struct InUse(Arc<Open>);

impl Open {
    /// Starts a session's tasks. It ends when it is closed, with `revoked`, when nobody uses it
    /// for `idle`, and with the Host.
    pub(super) fn start(
        host: &HostHandle,
        connection: Connection,
        server: String,
        revoked: &CancellationToken,
        idle: Duration,
    ) -> Arc<Self> {
        let (near, far) = tokio::io::duplex(PIPE);
        let (read, write) = tokio::io::split(near);
        let (commands, queue) = mpsc::channel(LINES);
        let (lines, to_write) = mpsc::channel(LINES);
        let end = revoked.child_token();
        let hello = hello(&server);
        let open = Arc::new(Self {
            server,
            version: OnceLock::new(),
            commands,
            lines: lines.clone(),
            end: end.clone(),
            in_use: AtomicUsize::new(0),
            last_used: Mutex::new(Instant::now()),
        });
        let task = Task {
            open: open.clone(),
            frames: LineReader::new(read, frame::LINE_CAP),
            queue,
            lines: lines.downgrade(),
            routes: Routes::default(),
            idle,
        };
        let tasks = host.tasks();
        serve(host, host.session_deps(), connection, hello, far);
        tasks.spawn(write_lines(write, to_write, end));
        tasks.spawn(task.run(host.shutdown().clone()));
        open
    }

    /// Ends the session; its upstream session is ended too.
    pub(super) fn close(&self) {
        self.end.cancel();
    }

    pub(super) fn is_over(&self) -> bool {
        self.end.is_cancelled() || self.commands.is_closed()
    }

    /// Ends the session unless the guard is disarmed.
    pub(super) fn close_on_drop(&self) -> tokio_util::sync::DropGuard {
        self.end.clone().drop_guard()
    }

    pub(super) fn is_idle(&self) -> bool {
        self.in_use.load(Ordering::Acquire) == 0
    }

    pub(super) fn last_used(&self) -> Instant {
        *self.last_used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts as use until the guard is dropped.
    pub(super) fn use_now(self: &Arc<Self>) -> InUse {
        self.in_use.fetch_add(1, Ordering::AcqRel);
        self.touch();
        InUse(self.clone())
    }

    /// Sends one message or batch.
    ///
    /// # Errors
    /// [`Over`]; `Ok(Err(Taken))` where an id is in use.
    pub(super) async fn post(
        &self,
        message: &Message,
        asked: Vec<Asked>,
        lane: Option<(Lane, bool)>,
    ) -> Result<Result<(), Taken>, Over> {
        let (reply, sent) = oneshot::channel();
        let line = message.line().clone();
        let is_cancelled = message.method() == Some("notifications/cancelled");
        let cancelled = is_cancelled.then(|| message.raw_at(&["params", "requestId"])).flatten();
        let cancelled = cancelled.map(RequestId::from_raw);
        let sending = async {
            let place = self.lines.clone().reserve_owned().await.map_err(|_| Over)?;
            let command = Command::Post { line, place, lane, asked, cancelled, reply };
            self.commands.send(command).await.map_err(|_| Over)?;
            sent.await.map_err(|_| Over)
        };
        self.end.run_until_cancelled(sending).await.unwrap_or(Err(Over))
    }

    /// Opens the server's own stream.
    ///
    /// # Errors
    /// [`Over`]; `Ok(Err(_))` with the one that is open already.
    pub(super) async fn listen(&self, lane: Lane) -> Result<Result<(), Lane>, Over> {
        let (reply, opened) = oneshot::channel();
        self.commands.send(Command::Listen { lane, reply }).await.map_err(|_| Over)?;
        opened.await.map_err(|_| Over)
    }

    fn touch(&self) {
        *self.last_used.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    #[cfg(test)]
    pub(super) fn for_tests(server: &str) -> Self {
        let (commands, mut queue) = mpsc::channel(1);
        tokio::spawn(async move { while queue.recv().await.is_some() {} });
        Self {
            server: server.into(),
            version: OnceLock::new(),
            commands,
            lines: mpsc::channel(1).0,
            end: CancellationToken::new(),
            in_use: AtomicUsize::new(0),
            last_used: Mutex::new(Instant::now()),
        }
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        self.0.touch();
        self.0.in_use.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Serves the far end of a pipe as if a shim were at the near one. Nobody can take the session up
/// again, so its upstream session ends with it, also when the Host does.
pub(super) fn serve(
    host: &HostHandle,
    deps: SessionDeps,
    connection: Connection,
    hello: Hello,
    pipe: DuplexStream,
) {
    let (read, write) = tokio::io::split(pipe);
    let frames = LineReader::new(read, frame::LINE_CAP);
    let open = host.activity().session();
    let host_end = HostEnd::Leave(host.shutdown().clone());
    host.tasks().spawn(async move {
        let _open = open;
        session::serve(deps, connection, hello, Early::default(), frames, write, host_end).await;
    });
}

pub(super) fn hello(target: &str) -> Hello {
    Hello {
        protocol: frame::PROTOCOL,
        version: env!("CARGO_PKG_VERSION").into(),
        target: target.into(),
        options: RawValue::from_string("{}".into()).expect("an empty object is JSON"),
        resume: None,
        initialize: None,
        initialized: false,
        only_looks: false,
    }
}

async fn write_lines(
    mut pipe: WriteHalf<DuplexStream>,
    mut lines: mpsc::Receiver<Bytes>,
    end: CancellationToken,
) {
    while let Some(Some(line)) = end.run_until_cancelled(lines.recv()).await {
        if write_line(&mut pipe, &line).await.is_err() {
            break;
        }
    }
    lines.close();
    let rest = async {
        while let Some(line) = lines.recv().await {
            write_line(&mut pipe, &line).await?;
        }
        pipe.shutdown().await
    };
    let _ = timeout(DRAIN_LIMIT, rest).await;
}

pub(super) async fn write_line(pipe: &mut WriteHalf<DuplexStream>, line: &Bytes) -> std::io::Result<()> {
    let mut buffer = BytesMut::new();
    frame::put_message(&mut buffer, line);
    pipe.write_all(&buffer).await
}

struct Task {
    open: Arc<Open>,
    frames: LineReader<ReadHalf<DuplexStream>>,
    queue: mpsc::Receiver<Command>,
    lines: mpsc::WeakSender<Bytes>,
    routes: Routes,
    idle: Duration,
}

impl Task {
    async fn run(mut self, shutdown: CancellationToken) {
        let end = self.open.end.clone();
        let _ends_with_this_task = end.clone().drop_guard();
        let look_every = LOOK_EVERY.min(self.idle.max(Duration::from_millis(10)));
        let mut look = Instant::now() + look_every;
        loop {
            tokio::select! {
                biased;
                () = end.cancelled() => break,
                () = shutdown.cancelled() => break,
                Some(command) = self.queue.recv() => self.on_command(command).await,
                line = self.frames.next() => match line {
                    Ok(Some(Line::Full(line))) => self.on_line(line).await,
                    Ok(Some(Line::Piece { .. })) => {}
                    Ok(None) | Err(_) => break,
                },
                () = sleep_until(look) => {
                    if self.open.is_idle() && self.open.last_used().elapsed() >= self.idle {
                        tracing::info!(server = %self.open.server, "closed a session that nobody used");
                        break;
                    }
                    look = Instant::now() + look_every;
                }
            }
            self.give_up();
        }
    }

    async fn on_command(&mut self, command: Command) {
        match command {
            Command::Post { line, place, lane, asked, cancelled, reply } => {
                let noted = match lane {
                    Some((lane, takes_others)) => self.routes.post(lane, asked, takes_others),
                    None => Ok(()),
                };
                if noted.is_ok() {
                    place.send(line);
                }
                if let Some(id) = cancelled {
                    self.routes.cancel(&id);
                }
                let _ = reply.send(noted);
            }
            Command::Listen { lane, reply } => {
                let held = self.routes.listen(lane.clone());
                let _ = reply.send(held.as_ref().map(|_| ()).map_err(Lane::clone));
                for item in held.into_iter().flatten() {
                    self.deliver(&lane, item).await;
                }
            }
        }
    }

    async fn on_line(&mut self, line: Bytes) {
        let Ok(Frame::Message(line)) = Frame::parse(line) else { return };
        let Ok(message) = Message::parse(line) else { return };
        if let Some((lane, item)) = self.routes.route(&message, Instant::now()) {
            self.deliver(&lane, item).await;
        }
    }

    /// A stream whose client does not read is closed, so that it does not hold up the others.
    async fn deliver(&mut self, lane: &Lane, item: Item) {
        if timeout(STALL_LIMIT, lane.send(item)).await.is_err() {
            tracing::warn!(server = %self.open.server, "a client does not read its stream, so it was closed");
            self.routes.close_lane(lane);
        }
    }

    /// Tells the server that nobody will hear its question.
    fn give_up(&mut self) {
        for id in self.routes.given_up(Instant::now()) {
            let text = "The client has no stream open on which it could be asked.";
            let line = mcp::error_response(Some(&id), mcp::BRIDGE_ERROR, text, None);
            if let Some(lines) = self.lines.upgrade() {
                let _ = lines.try_send(line);
            }
        }
    }
}
