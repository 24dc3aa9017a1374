//! What a legacy client has told its server for as long as their session lasts. One that is opened anew behind the
//! client's back is told again, also by the next Host.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::mcp::translate::meta::Level;
use crate::mcp::translate::{handshake, subscription};
use crate::mcp::{Message, RequestId};

/// Something that the server is to remember.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wish {
    Subscribe(String),
    Unsubscribe(String),
    Level(Level),
}

impl Wish {
    /// What a request asks the server to remember, if anything.
    pub(super) fn of(request: &Message) -> Option<Self> {
        let uri = || request.string_at(&["params", "uri"]);
        match request.method()? {
            "resources/subscribe" => uri().map(Self::Subscribe),
            "resources/unsubscribe" => uri().map(Self::Unsubscribe),
            "logging/setLevel" => Level::of_set_level(request).map(Self::Level),
            _ => None,
        }
    }

    /// Whether the later one of both is what counts.
    pub(super) fn is_about_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Level(_), Self::Level(_)) => true,
            (
                Self::Subscribe(one) | Self::Unsubscribe(one),
                Self::Subscribe(two) | Self::Unsubscribe(two),
            ) => one == two,
            (Self::Level(_), Self::Subscribe(_) | Self::Unsubscribe(_))
            | (Self::Subscribe(_) | Self::Unsubscribe(_), Self::Level(_)) => false,
        }
    }

    /// The request that tells the server of it.
    pub(super) fn request(&self, id: &RequestId) -> Message {
        match self {
            Self::Subscribe(uri) => subscription::subscribe(id, uri, true),
            Self::Unsubscribe(uri) => subscription::subscribe(id, uri, false),
            Self::Level(level) => handshake::set_level(id, *level),
        }
    }
}

/// All of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Wishes {
    subscribed: BTreeSet<String>,
    level: Option<String>,
}

impl Wishes {
    /// The server has it.
    pub(super) fn note(&mut self, wish: Wish) {
        match wish {
            Wish::Subscribe(uri) => _ = self.subscribed.insert(uri),
            Wish::Unsubscribe(uri) => _ = self.subscribed.remove(&uri),
            Wish::Level(level) => self.level = Some(level.as_str().to_owned()),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The resources that the client wants to hear of.
    pub(super) fn subscribed(&self) -> impl Iterator<Item = &String> {
        self.subscribed.iter()
    }

    /// The log messages that the client wants.
    pub(super) fn level(&self) -> Option<Level> {
        Level::named(self.level.as_deref()?)
    }

    /// The requests that tell a new session of it.
    pub(super) fn requests(&self, mut next_id: impl FnMut() -> RequestId) -> Vec<Message> {
        let subscribed = self.subscribed.iter().cloned().map(Wish::Subscribe);
        let wishes = subscribed.chain(self.level().map(Wish::Level));
        wishes.map(|wish| wish.request(&next_id())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(method: &str, params: &str) -> Option<Wish> {
        let line = format!(r#"{{"id":1,"method":"{method}","params":{params}}}"#);
        Wish::of(&Message::parse(line.into()).expect("a request"))
    }

    #[test]
    fn a_new_session_is_told_what_still_holds() {
        let mut wishes = Wishes::default();
        for (method, params) in [
            ("resources/subscribe", r#"{"uri":"a:1"}"#),
            ("resources/subscribe", r#"{"uri":"a:2"}"#),
            ("logging/setLevel", r#"{"level":"debug"}"#),
            ("resources/unsubscribe", r#"{"uri":"a:1"}"#),
            ("logging/setLevel", r#"{"level":"error"}"#),
        ] {
            wishes.note(wish(method, params).expect(method));
        }
        let requests = wishes.requests(|| RequestId::from_raw("9"));
        let told: Vec<_> = requests.iter().filter_map(Wish::of).collect();
        let error = Level::named("error").expect("a level");
        assert_eq!(told, [Wish::Subscribe("a:2".into()), Wish::Level(error)]);
    }

    #[test]
    fn nothing_else_is_remembered() {
        assert_eq!(wish("resources/read", r#"{"uri":"a:1"}"#), None);
        assert_eq!(wish("logging/setLevel", r#"{"level":"loud"}"#), None);
        assert_eq!(wish("resources/subscribe", "{}"), None);
    }
}
