//! Being told of changes: the GET stream and `resources/subscribe` (legacy) ⇄ `subscriptions/listen`
//! (<https://modelcontextprotocol.io/specification/2026-07-28/basic/patterns/subscriptions>).

use std::collections::BTreeSet;

use bytes::Bytes;
use serde_json::Value;

use super::edit::{Edit, edit_at};
use super::meta::{Client, SUBSCRIPTION_ID};
use super::request::with;
use crate::mcp::{Message, RequestId, json, result_response};

const TOOLS: &str = "notifications/tools/list_changed";
const PROMPTS: &str = "notifications/prompts/list_changed";
const RESOURCES: &str = "notifications/resources/list_changed";
const UPDATED: &str = "notifications/resources/updated";
/// The first word of a server on a listening stream.
pub const ACKNOWLEDGED: &str = "notifications/subscriptions/acknowledged";

/// What somebody wants to be told of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Other tools.
    pub tools: bool,
    /// Other prompts.
    pub prompts: bool,
    /// Other resources.
    pub resources: bool,
    /// New contents of these resources.
    pub uris: BTreeSet<String>,
}

impl Filter {
    /// Everything that a server of these capabilities tells of by itself.
    pub fn of_capabilities(capabilities: &str) -> Self {
        let tells = |list: &str| json::member_at(capabilities, &[list, "listChanged"]) == Some("true");
        Self {
            tools: tells("tools"),
            prompts: tells("prompts"),
            resources: tells("resources"),
            uris: BTreeSet::new(),
        }
    }

    /// What a `subscriptions/listen` asks for.
    pub fn of_listen(request: &Message) -> Self {
        let wants = |name: &str| request.raw_at(&["params", "notifications", name]) == Some("true");
        let uris = request.raw_at(&["params", "notifications", "resourceSubscriptions"]);
        Self {
            tools: wants("toolsListChanged"),
            prompts: wants("promptsListChanged"),
            resources: wants("resourcesListChanged"),
            uris: uris.and_then(|uris| serde_json::from_str(uris).ok()).unwrap_or_default(),
        }
    }

    /// The part of it that a legacy server of these capabilities can tell of.
    pub fn within(mut self, capabilities: &str) -> Self {
        let all = Self::of_capabilities(capabilities);
        self.tools &= all.tools;
        self.prompts &= all.prompts;
        self.resources &= all.resources;
        if json::member_at(capabilities, &["resources", "subscribe"]) != Some("true") {
            self.uris.clear();
        }
        self
    }

    /// Whether it wants nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether it wants this notification.
    pub fn wants(&self, notification: &Message) -> bool {
        match notification.method() {
            Some(TOOLS) => self.tools,
            Some(PROMPTS) => self.prompts,
            Some(RESOURCES) => self.resources,
            Some(UPDATED) => {
                let uri = notification.string_at(&["params", "uri"]);
                uri.is_some_and(|uri| self.uris.iter().any(|wanted| covers(wanted, &uri)))
            }
            Some(_) | None => false,
        }
    }

    /// The request that asks a modern server for it.
    pub fn listen(&self, id: &RequestId, client: &Client) -> Message {
        let mut meta = Edit::of("{}").expect("an object");
        client.put_into(&mut meta, None);
        let line = format!(
            r#"{{"jsonrpc":"2.0","id":{},"method":"subscriptions/listen","params":{{"notifications":{},"_meta":{}}}}}"#,
            id.as_raw(),
            self.to_json(),
            meta.text()
        );
        Message::parse(line.into()).expect("a request made of JSON values")
    }

    /// What a modern client is told first.
    pub fn acknowledged(&self, id: &RequestId) -> Bytes {
        format!(
            r#"{{"jsonrpc":"2.0","method":"{ACKNOWLEDGED}","params":{{"_meta":{{"{SUBSCRIPTION_ID}":{}}},"notifications":{}}}}}"#,
            id.as_raw(),
            self.to_json()
        )
        .into()
    }

    fn to_json(&self) -> Value {
        let mut filter = serde_json::Map::new();
        for (name, wanted) in [
            ("toolsListChanged", self.tools),
            ("promptsListChanged", self.prompts),
            ("resourcesListChanged", self.resources),
        ] {
            if wanted {
                filter.insert(name.into(), true.into());
            }
        }
        if !self.uris.is_empty() {
            filter.insert("resourceSubscriptions".into(), self.uris.iter().cloned().collect());
        }
        Value::Object(filter)
    }
}

/// A change may be told of a part of what was subscribed to.
fn covers(subscribed: &str, uri: &str) -> bool {
    let rest = uri.strip_prefix(subscribed);
    rest.is_some_and(|rest| rest.is_empty() || subscribed.ends_with('/') || rest.starts_with('/'))
}

/// Whether a notification is one of changes, which a modern server sends to who listens only.
pub fn is_change(method: &str) -> bool {
    matches!(method, TOOLS | PROMPTS | RESOURCES | UPDATED)
}

/// The `subscriptions/listen` that a modern server's notification belongs to.
pub fn id_of(notification: &Message) -> Option<RequestId> {
    notification.raw_at(&["params", "_meta", SUBSCRIPTION_ID]).map(RequestId::from_raw)
}

/// A change as a modern client gets it, under the id of its `subscriptions/listen`.
pub fn tagged(notification: &Message, id: &RequestId) -> Option<Message> {
    let params = notification.raw_at(&["params"]).filter(|params| *params != "null").unwrap_or("{}");
    let params = edit_at(params, &["_meta"], |meta| _ = meta.set(SUBSCRIPTION_ID, id.as_raw()))?;
    with(notification, |edit| _ = edit.set("params", params))
}

/// A change as a legacy client gets it.
pub fn untagged(notification: &Message) -> Option<Message> {
    let params = notification.raw_at(&["params"])?;
    json::member_at(params, &["_meta", SUBSCRIPTION_ID])?;
    let mut params = Edit::of(params)?;
    let meta = params.member("_meta")?.to_owned();
    let mut meta = Edit::of(&meta)?;
    meta.remove(SUBSCRIPTION_ID);
    if meta.is_empty() {
        params.remove("_meta");
    } else {
        params.set("_meta", meta.text());
    }
    with(notification, |edit| {
        if params.is_empty() {
            edit.remove("params");
        } else {
            edit.set("params", params.text());
        }
    })
}

/// The answer to a `subscriptions/listen` that ends on the server's side.
pub fn ended(id: &RequestId) -> Bytes {
    let id_text = id.as_raw();
    result_response(id, &format!(r#"{{"resultType":"complete","_meta":{{"{SUBSCRIPTION_ID}":{id_text}}}}}"#))
}

/// The notification that a resource has new contents.
pub fn updated(uri: &str) -> Bytes {
    let uri = Value::from(uri);
    format!(r#"{{"jsonrpc":"2.0","method":"{UPDATED}","params":{{"uri":{uri}}}}}"#).into()
}

/// `resources/subscribe` or `resources/unsubscribe`.
pub fn subscribe(id: &RequestId, uri: &str, is_wanted: bool) -> Message {
    let method = if is_wanted { "resources/subscribe" } else { "resources/unsubscribe" };
    let uri = Value::from(uri);
    let line =
        format!(r#"{{"jsonrpc":"2.0","id":{},"method":"{method}","params":{{"uri":{uri}}}}}"#, id.as_raw());
    Message::parse(line.into()).expect("a request made of JSON values")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str) -> Message {
        Message::parse(Bytes::copy_from_slice(text.as_bytes())).expect(text)
    }

    fn id() -> RequestId {
        RequestId::from_raw("4")
    }

    #[test]
    fn what_is_listened_for_follows_what_the_server_offers() {
        let capabilities = r#"{"tools":{"listChanged":true},"prompts":{},"resources":{"subscribe":true}}"#;
        let all = Filter::of_capabilities(capabilities);
        assert_eq!(all, Filter { tools: true, ..Filter::default() });
        let listen = message(
            r#"{"id":1,"method":"subscriptions/listen","params":{"notifications":{"toolsListChanged":true,"promptsListChanged":true,"resourceSubscriptions":["a:b"]}}}"#,
        );
        let wanted = Filter::of_listen(&listen);
        assert!(wanted.prompts);
        let honoured = wanted.within(capabilities);
        assert_eq!(
            honoured.acknowledged(&id()),
            Bytes::from_static(br#"{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":4},"notifications":{"resourceSubscriptions":["a:b"],"toolsListChanged":true}}}"#)
        );
        assert!(Filter::of_listen(&listen).within("{}").is_empty());
    }

    #[test]
    fn a_filter_asks_for_what_it_reads() {
        let client = Client::of_initialize(&message(r#"{"id":0,"method":"initialize"}"#));
        let filter =
            Filter { tools: true, resources: true, uris: ["x:y".to_owned()].into(), ..Filter::default() };
        assert_eq!(Filter::of_listen(&filter.listen(&id(), &client)), filter);
    }

    #[test]
    fn only_what_is_wanted_is_told() {
        let filter = Filter { tools: true, uris: ["file:///a".to_owned()].into(), ..Filter::default() };
        for (notification, wanted) in [
            (r#"{"method":"notifications/tools/list_changed"}"#, true),
            (r#"{"method":"notifications/prompts/list_changed"}"#, false),
            (r#"{"method":"notifications/resources/updated","params":{"uri":"file:///a"}}"#, true),
            (r#"{"method":"notifications/resources/updated","params":{"uri":"file:///a/b"}}"#, true),
            (r#"{"method":"notifications/resources/updated","params":{"uri":"file:///ab"}}"#, false),
            (r#"{"method":"notifications/progress"}"#, false),
        ] {
            assert_eq!(filter.wants(&message(notification)), wanted, "{notification}");
        }
    }

    #[test]
    fn tags_are_put_on_and_taken_off() {
        let plain = r#"{"method":"notifications/resources/updated","params":{"uri":"a", "x":1.0}}"#;
        let with_tag = tagged(&message(plain), &id()).expect("an object");
        assert_eq!(
            with_tag.raw_at(&[]),
            Some(
                r#"{"method":"notifications/resources/updated","params":{"uri":"a", "x":1.0,"_meta":{"io.modelcontextprotocol/subscriptionId":4}}}"#
            )
        );
        assert_eq!(untagged(&with_tag).expect("tagged").raw_at(&[]), Some(plain));
        let bare = r#"{"method":"notifications/tools/list_changed"}"#;
        let with_tag = tagged(&message(bare), &id()).expect("an object");
        assert_eq!(untagged(&with_tag).expect("tagged").raw_at(&[]), Some(bare));
        assert!(untagged(&message(plain)).is_none());
    }
}
