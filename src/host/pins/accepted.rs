//! A list of tools as the person accepted it, and what of a later list is not in it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::value::RawValue;

use crate::mcp::json;

/// Tools byte for byte, by name.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Accepted(BTreeMap<String, String>);

/// What is accepted of an account at one moment, the same for all tools of a list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pinned(pub(super) Option<Arc<Accepted>>);

/// A tool that is not as it was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Held {
    /// None of that name was accepted.
    New {
        /// Its name.
        name: String,
        /// What the server says of it.
        now: String,
    },
    /// Another one of that name was.
    Changed {
        /// Its name.
        name: String,
        /// As it was accepted.
        before: String,
        /// As the server describes it now.
        now: String,
    },
    /// The server lists several of that name, and a client may call any of them: none can be accepted.
    Several {
        /// Their name.
        name: String,
    },
}

impl Held {
    /// Its name.
    pub fn name(&self) -> &str {
        match self {
            Self::New { name, .. } | Self::Changed { name, .. } | Self::Several { name } => name,
        }
    }
}

impl Pinned {
    /// Whether anything was accepted, so that everything else is held back.
    pub fn is_there(&self) -> bool {
        self.0.is_some()
    }

    /// Whether a client may get this tool; any, as long as nothing was accepted.
    pub fn shows(&self, name: &str, tool: &str) -> bool {
        self.0.as_ref().is_none_or(|accepted| accepted.0.get(name).is_some_and(|known| known == tool))
    }

    /// The names that several of these tools have, of which no client may get any; none, as long as nothing was
    /// accepted.
    pub fn names_of_several(&self, tools: &[&RawValue]) -> BTreeSet<String> {
        if self.is_there() { several(tools) } else { BTreeSet::new() }
    }

    /// Whether a client may call a tool, as far as the server's last list tells.
    pub fn lets_call(&self, name: &str, list: Option<&str>) -> bool {
        let Some(accepted) = &self.0 else { return true };
        let Some(known) = accepted.0.get(name) else { return false };
        let tools = list.and_then(json::elements).unwrap_or_default();
        let is_other = |tool: &&RawValue| name_of(tool).as_deref() == Some(name) && tool.get() != known;
        !tools.iter().any(is_other)
    }

    /// What of a list of tools is not as it was accepted, in the list's order.
    pub fn held(&self, list: &str) -> Vec<Held> {
        let (Some(accepted), Some(tools)) = (&self.0, json::elements(list)) else { return Vec::new() };
        let several = several(&tools);
        let mut named = BTreeSet::new();
        let held = tools.iter().filter_map(|tool| {
            let name = name_of(tool).filter(|name| named.insert(name.clone()))?;
            let now = tool.get().to_owned();
            match accepted.0.get(&name) {
                _ if several.contains(&name) => Some(Held::Several { name }),
                None => Some(Held::New { name, now }),
                Some(before) if *before != now => Some(Held::Changed { name, before: before.clone(), now }),
                Some(_) => None,
            }
        });
        held.collect()
    }

    /// The tools that are accepted, as a list.
    pub fn list(&self) -> Option<String> {
        self.0.as_ref().map(|accepted| accepted.list())
    }
}

impl Accepted {
    /// The tools of a list, without those of which there are several.
    pub(super) fn of(list: &str) -> Option<Self> {
        let tools: Vec<&RawValue> = json::elements(list)?;
        let several = several(&tools);
        let named = tools.iter().filter_map(|tool| Some((name_of(tool)?, tool.get().to_owned())));
        Some(Self(named.filter(|(name, _)| !several.contains(name)).collect()))
    }

    /// The same, but of these names what was accepted before.
    pub(super) fn leaving<'a>(mut self, before: &Pinned, names: impl Iterator<Item = &'a str>) -> Self {
        for name in names {
            match before.0.as_ref().and_then(|before| before.0.get(name)) {
                Some(tool) => drop(self.0.insert(name.to_owned(), tool.clone())),
                None => drop(self.0.remove(name)),
            }
        }
        self
    }

    /// As [`of`](Self::of) reads it.
    pub(super) fn list(&self) -> String {
        let tools: Vec<&str> = self.0.values().map(String::as_str).collect();
        format!("[{}]", tools.join(","))
    }
}

/// The names that stand for several tools in a list: a client may call any of these.
pub fn names_of_several(list: &str) -> BTreeSet<String> {
    json::elements(list).map(|tools| several(&tools)).unwrap_or_default()
}

fn several(tools: &[&RawValue]) -> BTreeSet<String> {
    let mut by_name: BTreeMap<String, &str> = BTreeMap::new();
    let named = tools.iter().filter_map(|tool| Some((name_of(tool)?, tool.get())));
    let again = named.filter_map(|(name, tool)| {
        let is_another = *by_name.entry(name.clone()).or_insert(tool) != tool;
        is_another.then_some(name)
    });
    again.collect()
}

fn name_of(tool: &RawValue) -> Option<String> {
    json::member(tool.get(), "name").and_then(json::string).map(String::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = r#"[{"name":"a","x":1.0},{"name":"b"}]"#;

    fn pinned() -> Pinned {
        Pinned(Accepted::of(LIST).map(Arc::new))
    }

    #[test]
    fn only_what_was_accepted_byte_for_byte_is_shown_and_called() {
        let pins = pinned();
        assert!(pins.shows("a", r#"{"name":"a","x":1.0}"#) && pins.lets_call("a", Some(LIST)));
        assert!(!pins.shows("a", r#"{"name":"a","x":1}"#) && !pins.shows("c", r#"{"name":"c"}"#));
        assert!(!pins.lets_call("a", Some(r#"[{"name":"a","x":1}]"#)), "it has changed");
        assert!(!pins.lets_call("c", Some(LIST)), "no list names it");
        assert!(pins.lets_call("a", None), "the server has not been asked yet");
        assert!(!pins.lets_call("b", Some(r#"[{"name":"b"},{"name":"b","x":2}]"#)), "it may mean either");
    }

    #[test]
    fn what_is_held_is_told_with_why() {
        let list = r#"[{"name":"b","x":2},{"name":"a","x":1.0},{"name":"c"},{"name":"d"},{"name":"e"},
            {"name":"d","x":1},{"name":"e"}]"#;
        let (before, now) = (r#"{"name":"b"}"#.to_owned(), r#"{"name":"b","x":2}"#.to_owned());
        assert_eq!(
            pinned().held(list),
            [
                Held::Changed { name: "b".into(), before, now },
                Held::New { name: "c".into(), now: r#"{"name":"c"}"#.into() },
                Held::Several { name: "d".into() },
                Held::New { name: "e".into(), now: r#"{"name":"e"}"#.into() },
            ]
        );
        assert_eq!(names_of_several(list), BTreeSet::from(["d".to_owned()]));
        assert_eq!(Pinned::default().held(list), [], "nothing is pinned");
    }

    #[test]
    fn what_nobody_has_seen_stays_as_it_was_accepted() {
        let list = r#"[{"name":"a","x":2},{"name":"b","x":2},{"name":"c"}]"#;
        let accepted = Accepted::of(list).expect("a list").leaving(&pinned(), ["a", "c"].into_iter());
        assert_eq!(accepted.list(), r#"[{"name":"a","x":1.0},{"name":"b","x":2}]"#);
    }
}
