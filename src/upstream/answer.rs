//! Reading messages out of an answer, and knowing when everything asked is answered.

use bytes::Bytes;

use crate::mcp::{self, Kind, Message, RequestId};

/// The requests of a posted message that still wait for their response.
#[derive(Debug, Default)]
pub(super) struct Awaited {
    ids: Vec<RequestId>,
    /// The request, where the posted message was exactly one.
    single: Option<RequestId>,
}

impl Awaited {
    /// What `message` asks.
    pub(super) fn of(message: &Message) -> Self {
        match message.kind() {
            Kind::Request { id } => Self { ids: vec![id.clone()], single: Some(id.clone()) },
            Kind::Batch => {
                let parts = message.clone().split();
                let ids = parts.iter().flatten().filter_map(|part| part.request_id().cloned()).collect();
                Self { ids, single: None }
            }
            Kind::Notification | Kind::Response { .. } => Self::default(),
        }
    }

    /// Asks nothing more, but what comes still belongs to `request`.
    pub(super) fn about(request: Option<RequestId>) -> Self {
        Self { ids: Vec::new(), single: request }
    }

    /// The one request that was posted; none for batches and what asks nothing.
    pub(super) fn single(&self) -> Option<&RequestId> {
        self.single.as_ref()
    }

    /// Whether nothing is asked, or nothing any more.
    pub(super) fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Whether `message` is a response to something asked.
    pub(super) fn is_answered_by(&self, message: &Message) -> bool {
        response_id(message).is_some_and(|id| self.ids.contains(id))
    }

    /// Takes note of a message that came.
    pub(super) fn note(&mut self, message: &Message) {
        if let Some(id) = response_id(message) {
            self.ids.retain(|awaited| awaited != id);
        }
    }
}

fn response_id(message: &Message) -> Option<&RequestId> {
    match message.kind() {
        Kind::Response { id, .. } => id.as_ref(),
        Kind::Request { .. } | Kind::Notification | Kind::Batch => None,
    }
}

/// The messages of a JSON body or of an event's data: one, or those of a batch. A byte order
/// mark in front is not part of them.
pub(super) fn read_messages(body: Bytes) -> Result<Vec<Message>, mcp::Error> {
    let body = if body.starts_with(b"\xef\xbb\xbf") { body.slice(3..) } else { body };
    let message = Message::parse(body)?;
    if *message.kind() == Kind::Batch { message.split().into_iter().collect() } else { Ok(vec![message]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &'static str) -> Message {
        Message::parse(Bytes::from_static(text.as_bytes())).expect(text)
    }

    #[test]
    fn a_batch_is_answered_when_all_its_requests_are() {
        let batch = r#"[{"id":1,"method":"a"},{"method":"b"},{"id":"x","method":"c"}]"#;
        let mut awaited = Awaited::of(&message(batch));
        awaited.note(&message(r#"{"id":"x","result":{}}"#));
        awaited.note(&message(r#"{"id":2,"result":{}}"#));
        assert!(!awaited.is_empty());
        assert!(awaited.is_answered_by(&message(r#"{"id":1,"error":{}}"#)));
        awaited.note(&message(r#"{"id":1,"error":{}}"#));
        assert!(awaited.is_empty());
    }

    #[test]
    fn a_request_of_the_server_is_no_answer() {
        let mut awaited = Awaited::of(&message(r#"{"id":1,"method":"tools/call"}"#));
        awaited.note(&message(r#"{"id":1,"method":"ping"}"#));
        assert!(!awaited.is_empty());
    }

    #[test]
    fn bodies_keep_their_bytes_but_for_the_mark_and_line_breaks() {
        let read = |text: &'static str| {
            let messages = read_messages(Bytes::from_static(text.as_bytes())).expect(text);
            messages.iter().map(|m| String::from_utf8(m.line().to_vec()).expect("text")).collect::<Vec<_>>()
        };
        assert_eq!(read("\u{feff}{\"id\": 1.0,\"result\":null}"), ["{\"id\": 1.0,\"result\":null}"]);
        assert_eq!(
            read("[{\"method\":\"a\"}, {\"id\":2,\"result\":1e400} ]"),
            ["{\"method\":\"a\"}", "{\"id\":2,\"result\":1e400}"]
        );
        assert_eq!(read("{\r\n  \"method\": \"a\\n\"\r\n}\r\n"), [r#"{"method": "a\n"}"#]);
        assert!(read_messages(Bytes::new()).is_err());
    }
}
