//! The requests a client waits for, so that none is lost or answered twice when the Host goes.

use std::collections::{HashMap, VecDeque};

use bytes::Bytes;

use crate::mcp::{Kind, Message, RequestId, method};

/// Notifications kept while no Host is there; older ones go first.
const MOST_HELD_NOTIFICATIONS: usize = 256;

/// One request that has no answer yet.
#[derive(Debug)]
struct Open {
    order: u64,
    dispatched: bool,
    /// The line, as long as it may have to be sent (again).
    line: Option<Bytes>,
}

/// What is to be done with the open requests after a Host was lost.
#[derive(Debug, Default)]
pub(super) struct Recovery {
    /// To be sent to the next Host, in their order.
    pub(super) again: Vec<Bytes>,
    /// May have run; to be told so.
    pub(super) uncertain: Vec<RequestId>,
}

/// Open requests and what waits for a Host.
#[derive(Debug, Default)]
pub(super) struct Pending {
    open: HashMap<RequestId, Open>,
    next: u64,
    held: VecDeque<Bytes>,
    initialize: Option<(RequestId, Bytes)>,
    initialized: bool,
}

impl Pending {
    /// Notes a line the client sent.
    pub(super) fn note_sent(&mut self, message: &Message) {
        let Kind::Request { id } = message.kind() else { return };
        if message.method() == Some("initialize") {
            self.initialize = Some((id.clone(), message.line().clone()));
            self.initialized = false;
        }
        self.next += 1;
        let line = Some(message.line().clone());
        self.open.insert(id.clone(), Open { order: self.next, dispatched: false, line });
    }

    /// Notes that a request is about to leave the Host; only a harmless one is kept to be sent again.
    pub(super) fn note_dispatched(&mut self, id: &RequestId) {
        let Some(open) = self.open.get_mut(id) else { return };
        open.dispatched = true;
        let harmless = open.line.take().filter(is_harmless);
        open.line = harmless;
    }

    /// Notes an answer; `false` where nobody waits for it.
    pub(super) fn note_answered(&mut self, id: &RequestId, is_error: bool) -> bool {
        if self.initialize.as_ref().is_some_and(|(initialize, _)| initialize == id) {
            if is_error {
                self.initialize = None;
            } else {
                self.initialized = true;
            }
        }
        self.open.remove(id).is_some()
    }

    /// Forgets a request that the client has cancelled: nobody waits for its answer any more.
    pub(super) fn note_cancelled(&mut self, id: &RequestId) -> bool {
        self.open.remove(id).is_some()
    }

    /// Keeps a notification until a Host is there.
    pub(super) fn hold(&mut self, line: Bytes) {
        if self.held.len() == MOST_HELD_NOTIFICATIONS {
            self.held.pop_front();
        }
        self.held.push_back(line);
    }

    /// Takes the notifications that wait.
    pub(super) fn take_held(&mut self) -> impl Iterator<Item = Bytes> + '_ {
        self.held.drain(..)
    }

    /// The client's `initialize`, for the next Host, and whether it was answered.
    pub(super) fn initialize(&self) -> (Option<&Bytes>, bool) {
        (self.initialize.as_ref().map(|(_, line)| line), self.initialized)
    }

    /// Sorts the open requests after a Host was lost. What may have run is no longer open.
    pub(super) fn recover(&mut self) -> Recovery {
        let mut open: Vec<_> = self.open.drain().collect();
        open.sort_by_key(|(_, request)| request.order);
        let mut recovery = Recovery::default();
        for (id, request) in open {
            match request.line.clone() {
                Some(line) => {
                    recovery.again.push(line);
                    self.open.insert(id, Open { dispatched: false, ..request });
                }
                None => recovery.uncertain.push(id),
            }
        }
        recovery
    }

    /// Gives up on every open request.
    pub(super) fn abandon(&mut self) -> Vec<RequestId> {
        let mut open: Vec<_> = self.open.drain().collect();
        open.sort_by_key(|(_, request)| request.order);
        self.held.clear();
        if !self.initialized {
            self.initialize = None;
        }
        open.into_iter().map(|(id, _)| id).collect()
    }

    /// Whether every request has its answer.
    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }
}

fn is_harmless(line: &Bytes) -> bool {
    let message = Message::parse(line.clone());
    message.is_ok_and(|message| message.method().is_some_and(method::is_harmless))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(pending: &mut Pending, text: &str) -> RequestId {
        let message = Message::parse(Bytes::copy_from_slice(text.as_bytes())).expect("a message");
        pending.note_sent(&message);
        message.request_id().expect("a request").clone()
    }

    #[test]
    fn what_may_have_run_is_not_sent_again_and_the_rest_is_in_order() {
        let mut pending = Pending::default();
        let list = sent(&mut pending, r#"{"id":1,"method":"tools/list"}"#);
        let call = sent(&mut pending, r#"{"id":2,"method":"tools/call"}"#);
        sent(&mut pending, r#"{"id":3,"method":"tools/call"}"#);
        let unknown = sent(&mut pending, r#"{"id":4,"method":"vendor/x"}"#);
        let answered = sent(&mut pending, r#"{"id":5,"method":"tools/call"}"#);
        for id in [&list, &call, &unknown] {
            pending.note_dispatched(id);
        }
        assert!(pending.note_answered(&answered, false));
        assert!(!pending.note_answered(&answered, false), "an answer counts once");

        let recovery = pending.recover();
        assert_eq!(recovery.uncertain, [call.clone(), unknown]);
        let again: Vec<_> = recovery.again.iter().map(|line| &line[..7]).collect();
        assert_eq!(again, [br#"{"id":1"#, br#"{"id":3"#]);
        assert!(!pending.note_answered(&call, false), "told once, never answered again");
        assert_eq!(pending.abandon().len(), 2);
        assert!(pending.is_empty());
    }

    #[test]
    fn a_cancelled_request_is_forgotten() {
        let mut pending = Pending::default();
        let id = sent(&mut pending, r#"{"id":1,"method":"tools/call"}"#);
        assert!(pending.note_cancelled(&id));
        assert!(pending.is_empty());
        assert!(pending.recover().again.is_empty());
    }

    #[test]
    fn a_refused_initialize_is_not_taken_to_the_next_host() {
        let mut pending = Pending::default();
        let id = sent(&mut pending, r#"{"id":0,"method":"initialize"}"#);
        pending.note_answered(&id, true);
        assert_eq!(pending.initialize(), (None, false));
        let id = sent(&mut pending, r#"{"id":1,"method":"initialize"}"#);
        pending.note_answered(&id, false);
        assert!(matches!(pending.initialize(), (Some(_), true)));
    }
}
