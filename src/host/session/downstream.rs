//! The way back to the client: a bounded queue and the task that writes it to the shim's stream.

use bytes::{Bytes, BytesMut};
use serde_json::value::RawValue;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::{mpsc, oneshot};

use crate::endpoint::frame::{self, Control};
use crate::mcp::RequestId;

const QUEUE: usize = 256;
const MOST_IN_ONE_WRITE: usize = 256 * 1024;

enum Item {
    Message(Bytes),
    Control(Control),
    /// A control word whose sender waits until it is written.
    Flushed(Control, oneshot::Sender<()>),
    /// Nothing is written after it.
    End,
}

/// The client's end has gone; the session is over.
#[derive(Debug)]
pub(super) struct Gone;

/// Sends to one client.
#[derive(Debug, Clone)]
pub(super) struct Downstream {
    queue: mpsc::Sender<Item>,
}

impl Downstream {
    /// Starts the task that writes to `stream`; it ends with the last handle or by [`end`](Self::end).
    pub(super) fn spawn(
        stream: impl AsyncWrite + Send + Unpin + 'static,
    ) -> (Self, tokio::task::JoinHandle<()>) {
        let (queue, items) = mpsc::channel(QUEUE);
        (Self { queue }, tokio::spawn(write_all(stream, items)))
    }

    /// Ends it behind what was sent so far, whoever still has a handle.
    pub(super) async fn end(&self) {
        let _ = self.queue.send(Item::End).await;
    }

    /// Sends a message on one line.
    pub(super) async fn message(&self, line: Bytes) -> Result<(), Gone> {
        self.queue.send(Item::Message(line)).await.map_err(|_| Gone)
    }

    /// Sends a message where there is room for it, for who cannot wait.
    pub(super) fn message_if_there_is_room(&self, line: Bytes) {
        let _ = self.queue.try_send(Item::Message(line));
    }

    /// Sends a word to the shim.
    pub(super) async fn control(&self, control: Control) -> Result<(), Gone> {
        self.queue.send(Item::Control(control)).await.map_err(|_| Gone)
    }

    /// Tells the shim that a request is about to go upstream; returns once that is written, so
    /// that a request never runs without the shim knowing that it may have.
    pub(super) async fn dispatched(&self, id: &RequestId) -> Result<(), Gone> {
        let id = RawValue::from_string(id.as_raw().to_owned()).map_err(|_| Gone)?;
        let (written, waits) = oneshot::channel();
        self.queue.send(Item::Flushed(Control::Dispatched { id }, written)).await.map_err(|_| Gone)?;
        waits.await.map_err(|_| Gone)
    }
}

async fn write_all(mut stream: impl AsyncWrite + Unpin, mut items: mpsc::Receiver<Item>) {
    let mut buffer = BytesMut::new();
    let mut waiting = Vec::new();
    let mut goes_on = true;
    while goes_on && let Some(item) = items.recv().await {
        goes_on = put(item, &mut buffer, &mut waiting);
        while goes_on
            && buffer.len() < MOST_IN_ONE_WRITE
            && let Ok(item) = items.try_recv()
        {
            goes_on = put(item, &mut buffer, &mut waiting);
        }
        if stream.write_all_buf(&mut buffer).await.is_err() {
            return;
        }
        for written in waiting.drain(..) {
            let _ = written.send(());
        }
        if buffer.capacity() > MOST_IN_ONE_WRITE {
            buffer = BytesMut::new();
        }
    }
    let _ = stream.shutdown().await;
}

/// Whether there may be more.
fn put(item: Item, buffer: &mut BytesMut, waiting: &mut Vec<oneshot::Sender<()>>) -> bool {
    match item {
        Item::End => return false,
        Item::Message(line) => frame::put_message(buffer, &line),
        Item::Control(control) => frame::put_control(buffer, &control),
        Item::Flushed(control, written) => {
            frame::put_control(buffer, &control);
            waiting.push(written);
        }
    }
    true
}
