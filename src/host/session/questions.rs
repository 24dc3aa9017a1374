//! Requests to the client: a modern server asks in results, a legacy client wants to be asked.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::mcp::{Kind, Message, RequestId};

use super::context::Context;

/// What the client was asked, and who waits for its answers.
#[derive(Debug)]
pub(super) struct Questions {
    /// An answer may come late, to a session of the same client that another Host serves by then.
    prefix: u64,
    waiting: Mutex<HashMap<RequestId, oneshot::Sender<Message>>>,
    ids: AtomicU64,
}

impl Default for Questions {
    fn default() -> Self {
        Self { prefix: rand::random(), waiting: Mutex::default(), ids: AtomicU64::new(0) }
    }
}

impl Questions {
    /// An id that no other request of this session has, towards either side.
    pub(super) fn next_id(&self) -> RequestId {
        let number = self.ids.fetch_add(1, Ordering::Relaxed);
        RequestId::from_raw(&format!("\"drawbridge-{:x}-{number}\"", self.prefix))
    }

    /// Hands the client's answer to who asked; gives back what nobody awaits.
    pub(super) fn hand_over(&self, answer: Message) -> Option<Message> {
        let Kind::Response { id: Some(id), .. } = answer.kind() else { return Some(answer) };
        let waiting = self.waiting().remove(id);
        match waiting {
            Some(waiting) => waiting.send(answer).err(),
            None => Some(answer),
        }
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<RequestId, oneshot::Sender<Message>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Asks the client and waits for its answer; `None` where it has gone. Who stops waiting takes
/// the question back.
pub(super) async fn ask(context: &Context, question: &Message) -> Option<Message> {
    let id = question.request_id()?.clone();
    let (answer, waits) = oneshot::channel();
    context.questions.waiting().insert(id.clone(), answer);
    let _asked = Asked { context, id };
    context.downstream.message(question.line().clone()).await.ok()?;
    waits.await.ok()
}

/// A question while it is open.
struct Asked<'a> {
    context: &'a Context,
    id: RequestId,
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        if self.context.questions.waiting().remove(&self.id).is_some() {
            let line = format!(
                r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{}}}}}"#,
                self.id.as_raw()
            );
            self.context.downstream.message_if_there_is_room(line.into());
        }
    }
}
