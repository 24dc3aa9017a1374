//! The requests a client waits for, so that none is lost or answered twice when the Host goes, and what else it
//! sent while none was there.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;

use crate::mcp::{Kind, Message, RequestId, method};

/// Notifications and answers kept while no Host is there; older ones go first.
const MOST_HELD: usize = 256;

/// One request that has no answer yet.
#[derive(Debug)]
struct Open {
    order: u64,
    dispatched: bool,
    /// Whether it is answered only when the client no longer wants it.
    is_subscription: bool,
    /// The line, as long as it may have to be sent (again).
    line: Option<Bytes>,
}

/// Open requests and what waits for a Host.
#[derive(Debug, Default)]
pub(super) struct Pending {
    open: HashMap<RequestId, Open>,
    next: u64,
    held: BTreeMap<u64, Bytes>,
    initialize: Option<(RequestId, Bytes)>,
    initialized: bool,
}

impl Pending {
    /// Notes a line the client sent; its place among all of them.
    pub(super) fn note_sent(&mut self, message: &Message) -> u64 {
        self.next += 1;
        let Kind::Request { id } = message.kind() else { return self.next };
        if message.method() == Some("initialize") {
            self.initialize = Some((id.clone(), message.line().clone()));
            self.initialized = false;
        }
        let is_subscription = message.method() == Some("subscriptions/listen");
        let line = Some(message.line().clone());
        self.open.insert(id.clone(), Open { order: self.next, dispatched: false, is_subscription, line });
        self.next
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

    /// Keeps a notification or an answer until a Host is there. Requests are kept as they are open, and what the client
    /// cancelled is not.
    pub(super) fn hold(&mut self, order: u64, message: &Message) {
        let is_kept = match message.kind() {
            Kind::Notification => cancelled(message).is_none(),
            Kind::Response { .. } => true,
            Kind::Request { .. } | Kind::Batch => false,
        };
        if is_kept {
            self.held.insert(order, message.line().clone());
        }
        if self.held.len() > MOST_HELD {
            self.held.pop_first();
        }
    }

    /// What the next Host is sent, in the order in which the client sent it.
    pub(super) fn take_waiting(&mut self) -> BTreeMap<u64, Bytes> {
        let mut waiting = std::mem::take(&mut self.held);
        for open in self.open.values_mut() {
            open.dispatched = false;
            waiting.extend(open.line.clone().map(|line| (open.order, line)));
        }
        waiting
    }

    /// The client's `initialize`, for the next Host, and whether it was answered.
    pub(super) fn initialize(&self) -> (Option<&Bytes>, bool) {
        (self.initialize.as_ref().map(|(_, line)| line), self.initialized)
    }

    /// Gives up on the open requests that may have run when a Host was lost; they are to be told so.
    pub(super) fn recover(&mut self) -> Vec<RequestId> {
        let mut uncertain: Vec<_> = self.open.extract_if(|_, open| open.line.is_none()).collect();
        uncertain.sort_by_key(|(_, open)| open.order);
        uncertain.into_iter().map(|(id, _)| id).collect()
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

    /// Whether an answer is still to come without the client's doing.
    pub(super) fn expects_answers(&self) -> bool {
        self.open.values().any(|request| !request.is_subscription)
    }
}

/// The request that a notification cancels.
pub(super) fn cancelled(message: &Message) -> Option<RequestId> {
    let cancels = message.method() == Some("notifications/cancelled");
    message.raw_at(&["params", "requestId"]).filter(|_| cancels).map(RequestId::from_raw)
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

        assert_eq!(pending.recover(), [call.clone(), unknown]);
        let again: Vec<_> = pending.take_waiting().into_values().map(|line| line.slice(..7)).collect();
        assert_eq!(again, [&br#"{"id":1"#[..], br#"{"id":3"#]);
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
        assert!(pending.recover().is_empty() && pending.take_waiting().is_empty());
    }

    #[test]
    fn the_next_host_hears_everything_in_its_order() {
        let mut pending = Pending::default();
        let said = [
            r#"{"id":1,"method":"tools/list"}"#,
            r#"{"method":"notifications/roots/list_changed"}"#,
            r#"{"method":"notifications/cancelled","params":{"requestId":0}}"#,
            r#"{"id":"drawbridge-1","result":{}}"#,
            r#"{"id":2,"method":"tools/call"}"#,
        ];
        let messages = said.map(|text| Message::parse(Bytes::from_static(text.as_bytes())).expect(text));
        let orders: Vec<u64> = messages.iter().map(|message| pending.note_sent(message)).collect();
        // What was on its way is taken back after what came later.
        for at in [3, 4, 0, 1, 2] {
            pending.hold(orders[at], &messages[at]);
        }
        let waiting: Vec<_> = pending.take_waiting().into_values().collect();
        assert_eq!(waiting, [said[0], said[1], said[3], said[4]]);
        let again: Vec<_> = pending.take_waiting().into_values().collect();
        assert_eq!(again, [said[0], said[4]], "notifications and answers are sent once");
    }

    #[test]
    fn a_subscription_is_kept_and_not_waited_for() {
        let mut pending = Pending::default();
        sent(&mut pending, r#"{"id":1,"method":"subscriptions/listen"}"#);
        assert!(!pending.expects_answers());
        pending.recover();
        assert_eq!(pending.take_waiting().len(), 1, "the next Host listens for it");
        sent(&mut pending, r#"{"id":2,"method":"tools/list"}"#);
        assert!(pending.expects_answers());
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
