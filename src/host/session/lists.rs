//! Collects the pages of a server's lists until they are whole.

use std::collections::HashMap;

use serde_json::value::RawValue;

use crate::host::snapshot::Generation;
use crate::mcp::{Message, RequestId, json, method};

/// More items than any client shows; a list that goes on after them counts as whole.
const MOST_ITEMS: usize = 50_000;

#[derive(Debug)]
struct Asked {
    method: String,
    cursor: Option<String>,
    generation: Generation,
}

#[derive(Debug)]
struct Partial {
    asked: Generation,
    items: Vec<Box<RawValue>>,
    next: Option<String>,
}

/// A list that is whole.
#[derive(Debug)]
pub(super) struct Whole {
    pub(super) method: String,
    /// What its first page was asked for on top of.
    pub(super) asked: Generation,
    /// Its items as one JSON array.
    pub(super) items: Box<RawValue>,
}

/// Puts pages together as they pass by.
#[derive(Debug, Default)]
pub(super) struct Collector {
    asked: HashMap<RequestId, Asked>,
    partial: HashMap<String, Partial>,
}

impl Collector {
    /// Notes a list request on its way to the server, on top of what is known.
    pub(super) fn on_request(&mut self, message: &Message, generation: Generation) {
        let (Some(id), Some(method)) = (message.request_id(), message.method()) else { return };
        if method::list_member(method).is_some() {
            let cursor = message.string_at(&["params", "cursor"]);
            self.asked.insert(id.clone(), Asked { method: method.to_owned(), cursor, generation });
        }
    }

    /// Notes the server's answer; yields the list once its last page is there.
    pub(super) fn on_response(&mut self, id: &RequestId, response: &Message) -> Option<Whole> {
        let Asked { method, cursor, generation } = self.asked.remove(id)?;
        let items = response.raw_at(&["result", method::list_member(&method)?])?;
        let mut partial = match cursor {
            None => Partial { asked: generation, items: Vec::new(), next: None },
            Some(cursor) => {
                self.partial.remove(&method).filter(|page| page.next.as_ref() == Some(&cursor))?
            }
        };
        partial.items.extend(json::elements(items)?.into_iter().map(ToOwned::to_owned));
        partial.next = response.string_at(&["result", "nextCursor"]).filter(|next| !next.is_empty());
        if partial.next.is_some() && partial.items.len() < MOST_ITEMS {
            self.partial.insert(method, partial);
            return None;
        }
        Some(Whole { method, asked: partial.asked, items: array(&partial.items) })
    }

    /// The cursor of the page that is still missing.
    pub(super) fn next_cursor(&self, method: &str) -> Option<&str> {
        self.partial.get(method)?.next.as_deref()
    }

    /// Forgets a request that will not be answered.
    pub(super) fn forget(&mut self, id: &RequestId) {
        self.asked.remove(id);
    }
}

fn array(items: &[Box<RawValue>]) -> Box<RawValue> {
    let texts: Vec<&str> = items.iter().map(|item| item.get()).collect();
    RawValue::from_string(format!("[{}]", texts.join(","))).expect("joined JSON values make an array")
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn message(text: String) -> Message {
        Message::parse(Bytes::from(text)).expect("a message")
    }

    fn page(lists: &mut Collector, id: u32, cursor: Option<&str>, result: &str) -> Option<String> {
        let cursor = cursor.map(|cursor| format!(r#","params":{{"cursor":"{cursor}"}}"#)).unwrap_or_default();
        let request = message(format!(r#"{{"id":{id},"method":"tools/list"{cursor}}}"#));
        lists.on_request(&request, Generation::default());
        let response = message(format!(r#"{{"id":{id},"result":{result}}}"#));
        let whole = lists.on_response(request.request_id().expect("an id"), &response);
        whole.map(|whole| whole.items.get().to_owned())
    }

    #[test]
    fn pages_make_a_whole_list() {
        let mut lists = Collector::default();
        assert_eq!(page(&mut lists, 1, None, r#"{"tools":[{"a": 1}],"nextCursor":"p2"}"#), None);
        assert_eq!(lists.next_cursor("tools/list"), Some("p2"));
        let whole = page(&mut lists, 2, Some("p2"), r#"{"tools":[2]}"#);
        assert_eq!(whole.as_deref(), Some(r#"[{"a": 1},2]"#));
        assert_eq!(lists.next_cursor("tools/list"), None);
    }

    #[test]
    fn pages_that_do_not_follow_each_other_make_none() {
        let mut lists = Collector::default();
        assert_eq!(page(&mut lists, 1, None, r#"{"tools":[1],"nextCursor":"p2"}"#), None);
        assert_eq!(page(&mut lists, 2, Some("p3"), r#"{"tools":[3]}"#), None);
        assert_eq!(page(&mut lists, 3, None, r#"{"prompts":[]}"#), None);
        assert_eq!(page(&mut lists, 4, None, r#"{"tools":[]}"#).as_deref(), Some("[]"));
    }
}
