//! The task between a client's POSTs and GETs and the Host's session: what comes from either side goes its way here.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{DuplexStream, ReadHalf};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::{Command, Open};
use crate::api::mcp::routes::{Item, Lane, Routes};
use crate::endpoint::frame::Frame;
use crate::endpoint::{Line, LineReader};
use crate::mcp::{self, Message};

/// How long a stream that its client does not read holds up the others before it is closed.
const STALL_LIMIT: Duration = Duration::from_secs(5);
/// How often the task looks after what waits.
const LOOK_EVERY: Duration = Duration::from_secs(15);

/// The task of one session.
pub(super) struct Task {
    pub(super) open: Arc<Open>,
    pub(super) frames: LineReader<ReadHalf<DuplexStream>>,
    pub(super) queue: mpsc::Receiver<Command>,
    pub(super) lines: mpsc::WeakSender<Bytes>,
    pub(super) routes: Routes,
    pub(super) idle: Duration,
}

impl Task {
    pub(super) async fn run(mut self, shutdown: CancellationToken) {
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
