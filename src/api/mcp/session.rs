//! One legacy client's session over HTTP: a task between its POSTs and GETs on one side and the
//! Host's [`session`] on the other, which is spoken to as a shim would.

mod task;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use serde_json::value::RawValue;
use tokio::io::{AsyncWriteExt as _, DuplexStream, WriteHalf};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::routes::{Asked, Lane, Routes, Taken};
use crate::endpoint::LineReader;
use crate::endpoint::frame::{self, Hello};
use crate::host::HostHandle;
use crate::host::connection::Connection;
use crate::host::session::{self, Early, HostEnd, SessionDeps};
use crate::mcp::{Message, RequestId};

use task::Task;

/// Bytes between this task and the Host's session.
const PIPE: usize = 64 * 1024;
/// Messages of the client that may wait to be written.
const LINES: usize = 64;
/// Messages that may wait on one HTTP stream.
pub(super) const LANE: usize = 32;
/// How long what was sent before the end may still take to arrive.
const DRAIN_LIMIT: Duration = Duration::from_secs(1);

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
