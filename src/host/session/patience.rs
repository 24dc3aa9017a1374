//! How long a server is waited for at the start of a session, before its client is answered from memory.
//!
//! Where nothing is known of it that is the whole start budget. Where its last known answers could stand in, it is
//! hardly longer than the server is used to take: one that hangs holds up nobody, and one that is well is heard itself.

use std::time::Duration;

use tokio::time::Instant;

use super::Session;
use super::context::Context;
use super::sign_in_tool::is_own_verb;
use crate::mcp::{Message, method};

/// A server may take so many times what it took before.
const MARGIN: u32 = 2;
/// What is remembered of that is a multiple of so many milliseconds.
const STEP_MS: u32 = 25;

/// The start of a session.
#[derive(Debug, Clone, Copy)]
pub(super) struct Start {
    at: Instant,
    /// Whether the client began with what every server answers at once.
    is_usual: bool,
    /// Whether the server has said anything since.
    server_spoke: bool,
}

/// A request that is answered from memory, if the server does not answer it in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Due {
    pub(super) at: Instant,
    /// Whether that is sooner than the start budget, because the server has said nothing yet.
    pub(super) is_early: bool,
}

impl Start {
    /// The client's first request.
    pub(super) fn with(request: &Message) -> Self {
        let is_usual = request.method().is_some_and(|name| {
            matches!(name, "initialize" | "server/discover") || method::list_member(name).is_some()
        });
        Self { at: Instant::now(), is_usual, server_spoke: false }
    }

    pub(super) fn at(&self) -> Instant {
        self.at
    }

    /// When a request that comes `now` is due; `patience` is there where its answer is known from before.
    pub(super) fn due(&self, now: Instant, budget: Duration, patience: Option<Duration>) -> Due {
        let end = self.at + budget;
        let whole = if end > now { end } else { now + budget };
        let Some(patience) = patience.filter(|_| !self.server_spoke) else {
            return Due { at: whole, is_early: false };
        };
        // The budget runs once: who was waited for in vain is not waited for again with the next request.
        let early = if end > now { self.at + patience } else { now + patience };
        Due { at: early.min(whole), is_early: true }
    }
}

impl Session {
    /// When a request of this method is due that comes now; none before the client's first.
    pub(super) fn due_now(&self, method: &str) -> Option<Due> {
        self.due_from(method, Instant::now())
    }

    /// The same for one that came then.
    pub(super) fn due_from(&self, method: &str, came: Instant) -> Option<Due> {
        let limits = &self.context.limits;
        let is_known = self.context.snapshot.read(|snapshot| match method::list_member(method) {
            Some(_) => snapshot.knows(method),
            None => snapshot.is_known(),
        });
        let may_stand_in = is_known && !is_own_verb(&self.context);
        let patience = may_stand_in.then(|| self.context.patience());
        self.start.map(|start| start.due(came, limits.start_budget, patience))
    }

    /// The first word of the server since the client came: how long it took is known from now on.
    pub(super) fn on_first_word(&mut self) {
        let Some(start) = self.start.as_mut().filter(|start| !start.server_spoke) else { return };
        start.server_spoke = true;
        let took = start.at.elapsed();
        if start.is_usual && took < self.context.limits.start_budget {
            self.context.note_first_word(Some(took));
        }
    }
}

impl Context {
    /// How long a server is waited for whose last known answers could stand in for it.
    fn patience(&self) -> Duration {
        let usual = self.snapshot.read(|snapshot| snapshot.first_word_ms).unwrap_or(0);
        let usual = Duration::from_millis(usual.into()) * MARGIN;
        usual.max(self.limits.snapshot_budget).min(self.limits.start_budget)
    }

    /// Remembers how long the server took for its first word, so roughly that it is mostly the same; or that it did not
    /// come in time.
    pub(super) fn note_first_word(&self, took: Option<Duration>) {
        let millis =
            took.and_then(|took| u32::try_from(took.as_millis()).ok()?.checked_next_multiple_of(STEP_MS));
        self.snapshot.change(self.snapshot.generation(), |snapshot| {
            std::mem::replace(&mut snapshot.first_word_ms, millis) != millis
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUDGET: Duration = Duration::from_secs(3);
    const SHORT: Duration = Duration::from_millis(50);

    fn start(server_spoke: bool) -> Start {
        Start { at: Instant::now(), is_usual: true, server_spoke }
    }

    #[test]
    fn the_whole_budget_is_for_servers_of_which_nothing_is_known_or_that_have_spoken() {
        let whole = |start: Start| Due { at: start.at + BUDGET, is_early: false };
        let (silent, heard) = (start(false), start(true));
        assert_eq!(silent.due(silent.at, BUDGET, None), whole(silent));
        assert_eq!(heard.due(heard.at, BUDGET, Some(SHORT)), whole(heard));
        let later = heard.at + BUDGET * 2;
        assert_eq!(heard.due(later, BUDGET, Some(SHORT)).at, later + BUDGET);
    }

    #[test]
    fn a_silent_server_is_waited_for_once() {
        let silent = start(false);
        let due = |after: Duration| silent.due(silent.at + after, BUDGET, Some(SHORT)).at;
        assert_eq!(due(Duration::ZERO), silent.at + SHORT);
        assert_eq!(due(SHORT * 2), silent.at + SHORT, "at once");
        assert_eq!(due(BUDGET), silent.at + BUDGET + SHORT, "long after the start it has another chance");
        assert_eq!(
            silent.due(silent.at, SHORT, Some(BUDGET)).at,
            silent.at + SHORT,
            "never more than the budget"
        );
    }
}
