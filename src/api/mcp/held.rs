//! Requests that wait for their client to come back with answers.
//!
//! Every POST of a modern client is a session of its own and ends with its answer, unless the answer
//! asks something of the client and a legacy server holds the request open meanwhile: then the
//! session waits for the POST that brings its `requestState` back. It waits for the same token and
//! the same server alone.

use std::collections::VecDeque;
use std::time::Duration;

use super::modern::Pipe;
use crate::host::session::HELD_STATE;
use crate::mcp::Message;

/// The most requests of one client that wait so; the oldest go first.
const MOST: usize = 16;
/// How long one waits; the session has given up by then.
pub(super) const LIFETIME: Duration = Duration::from_secs(600);

/// The requests of one client that wait.
#[derive(Default)]
pub(super) struct Held {
    waiting: VecDeque<Waiting>,
}

struct Waiting {
    state: String,
    server: String,
    pipe: Pipe,
}

impl Held {
    /// Keeps the session that gave `answer`, if it waits for a retry; its state.
    pub(super) fn keep(&mut self, server: &str, answer: &Message, pipe: Pipe) -> Option<String> {
        let state = state_of(answer)?;
        if self.waiting.len() >= MOST {
            self.waiting.pop_front();
        }
        let (server, kept) = (server.to_owned(), state.clone());
        self.waiting.push_back(Waiting { state, server, pipe });
        Some(kept)
    }

    /// Nobody came back to it.
    pub(super) fn forget(&mut self, state: &str) {
        self.waiting.retain(|waiting| waiting.state != state);
    }

    /// Takes the session that a request goes on with.
    pub(super) fn take(&mut self, server: &str, retry: &Message) -> Option<Pipe> {
        let state = retry.string_at(&["params", "requestState"])?;
        let is_it = |waiting: &Waiting| waiting.state == state && waiting.server == server;
        let at = self.waiting.iter().position(is_it)?;
        self.waiting.remove(at).map(|waiting| waiting.pipe)
    }
}

impl std::fmt::Debug for Held {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Held({})", self.waiting.len())
    }
}

/// The state of a request that is held here. One that a server keeps itself needs no session.
fn state_of(answer: &Message) -> Option<String> {
    answer.string_at(&["result", "requestState"]).filter(|state| state.starts_with(HELD_STATE))
}
