//! What a modern client listens for (`subscriptions/listen`), whoever tells it: the server itself, this session in a
//! legacy server's words, or both of an answer that was given in the server's stead.

use std::collections::{BTreeSet, HashMap};

use bytes::Bytes;

use crate::mcp::translate::subscription::{self, Filter};
use crate::mcp::{Message, RequestId};

/// The `subscriptions/listen` of one client that are open.
#[derive(Debug, Default)]
pub(super) struct Listens {
    open: HashMap<RequestId, Listen>,
}

#[derive(Debug)]
struct Listen {
    filter: Filter,
    acknowledged: Acknowledged,
}

/// Who has told the client that it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Acknowledged {
    NotYet,
    InTheServersStead,
    ByTheServer,
}

/// What a server's acknowledgement means to the client.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Acknowledgement {
    /// The first word on its stream.
    First,
    /// Nothing new, but something may have changed before it, also in these resources.
    Again(BTreeSet<String>),
}

impl Listens {
    /// The client asks for it.
    pub(super) fn ask(&mut self, request: &Message) {
        let Some(id) = request.request_id() else { return };
        let filter = Filter::of_listen(request);
        self.open.insert(id.clone(), Listen { filter, acknowledged: Acknowledged::NotYet });
    }

    /// The acknowledgement that is given in the server's stead, unless there was one.
    pub(super) fn acknowledge(&mut self, id: &RequestId) -> Option<Bytes> {
        let listen = self.open.get_mut(id).filter(|listen| listen.acknowledged == Acknowledged::NotYet)?;
        listen.acknowledged = Acknowledged::InTheServersStead;
        Some(listen.filter.acknowledged(id))
    }

    /// From now on a legacy server tells of this; the acknowledgement, unless there was one.
    pub(super) fn is_told(&mut self, id: &RequestId, told: Filter) -> Option<Bytes> {
        let listen = self.open.get_mut(id)?;
        let before = std::mem::replace(&mut listen.acknowledged, Acknowledged::ByTheServer);
        if before == Acknowledged::NotYet {
            listen.filter = told;
            return Some(listen.filter.acknowledged(id));
        }
        listen.filter.uris = told.uris;
        None
    }

    /// Reads a modern server's acknowledgement; `None` where it is of nothing that is open.
    pub(super) fn on_acknowledged(&mut self, notification: &Message) -> Option<Acknowledgement> {
        let listen = self.open.get_mut(&subscription::id_of(notification)?)?;
        let before = std::mem::replace(&mut listen.acknowledged, Acknowledged::ByTheServer);
        if before != Acknowledged::NotYet {
            return Some(Acknowledgement::Again(listen.filter.uris.clone()));
        }
        listen.filter = Filter::of_listen(notification);
        Some(Acknowledgement::First)
    }

    /// Whether the client was promised in the server's stead what the server has not confirmed.
    pub(super) fn is_promised(&self, id: &RequestId) -> bool {
        self.open.get(id).is_some_and(|listen| listen.acknowledged == Acknowledged::InTheServersStead)
    }

    /// It is over; what was listened for.
    pub(super) fn end(&mut self, id: &RequestId) -> Option<Filter> {
        self.open.remove(id).map(|listen| listen.filter)
    }

    /// A change as everybody gets it who was told to hear of it.
    pub(super) fn tagged(&self, change: &Message) -> Vec<Message> {
        let hears =
            |listen: &Listen| listen.acknowledged != Acknowledged::NotYet && listen.filter.wants(change);
        let ids = self.open.iter().filter(|(_, listen)| hears(listen)).map(|(id, _)| id);
        ids.filter_map(|id| subscription::tagged(change, id)).collect()
    }

    /// The resources that a server tells of.
    pub(super) fn uris(&self) -> BTreeSet<String> {
        let told = self.open.values().filter(|listen| listen.acknowledged == Acknowledged::ByTheServer);
        told.flat_map(|listen| listen.filter.uris.iter().cloned()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &'static str) -> Message {
        Message::parse(Bytes::from_static(text.as_bytes())).expect(text)
    }

    const ASKED: &str = r#"{"id":1,"method":"subscriptions/listen","params":{"notifications":{"toolsListChanged":true,"resourceSubscriptions":["a:b"]}}}"#;
    const ACKNOWLEDGED: &str = r#"{"method":"notifications/subscriptions/acknowledged","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":1},"notifications":{"resourceSubscriptions":["a:b"]}}}"#;
    const CHANGE: &str = r#"{"method":"notifications/tools/list_changed"}"#;

    #[test]
    fn a_client_gets_one_acknowledgement_whoever_gives_it() {
        let id = RequestId::from_raw("1");
        let mut listens = Listens::default();
        listens.ask(&message(ASKED));
        assert!(listens.tagged(&message(CHANGE)).is_empty(), "not before it is acknowledged");
        assert!(listens.acknowledge(&id).is_some() && listens.is_promised(&id));
        assert!(listens.acknowledge(&id).is_none());
        assert!(listens.uris().is_empty(), "no server tells of them yet");
        assert_eq!(listens.tagged(&message(CHANGE)).len(), 1);
        let again = listens.on_acknowledged(&message(ACKNOWLEDGED));
        assert_eq!(again, Some(Acknowledgement::Again(["a:b".to_owned()].into())));
        assert!(listens.is_told(&id, Filter::default()).is_none() && !listens.is_promised(&id));
    }

    #[test]
    fn what_the_server_does_not_tell_of_is_not_told() {
        let id = RequestId::from_raw("1");
        let mut listens = Listens::default();
        listens.ask(&message(ASKED));
        assert_eq!(listens.on_acknowledged(&message(ACKNOWLEDGED)), Some(Acknowledgement::First));
        assert!(listens.acknowledge(&id).is_none());
        assert!(listens.tagged(&message(CHANGE)).is_empty());
        assert_eq!(listens.end(&id).map(|filter| filter.uris), Some(["a:b".to_owned()].into()));
        assert_eq!(listens.on_acknowledged(&message(ACKNOWLEDGED)), None);
    }
}
