//! Whether servers list other tools than they did before: a leaf that sessions write, for those who tell the
//! person. Clients hear of it from their own session.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::value::RawValue;
use tokio::sync::watch;

use super::connection::ConnectionKey;
use crate::mcp::json;

/// How the tools that a server lists for an account differ from those it listed before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolChange {
    /// The server's name.
    pub server: String,
    /// The account's label.
    pub account: String,
    /// How many are new.
    pub added: usize,
    /// How many are gone.
    pub removed: usize,
    /// How many are described in other words, or take other arguments.
    pub altered: usize,
    /// How many clients do not get before the person has accepted them.
    pub held: usize,
    /// Grows with every change of this account's tools.
    pub number: u64,
}

/// The last change of each account's tools, by entry and account.
pub type LastChanges = Arc<BTreeMap<(String, String), ToolChange>>;

/// The changes of a Host's run. Clones are the same ones.
#[derive(Debug, Clone, Default)]
pub struct ToolChanges(watch::Sender<LastChanges>);

impl ToolChanges {
    /// All of them, now and whenever there is another.
    pub fn watch(&self) -> watch::Receiver<LastChanges> {
        self.0.subscribe()
    }

    /// Two lists of a server, one after the other. A connection with options or rules of its own says nothing
    /// about the account's.
    pub(super) fn note(&self, key: &ConnectionKey, server: &str, before: &str, after: &str, held: usize) {
        if key.options.is_some() || key.tools.is_some() {
            return;
        }
        let Some((added, removed, altered)) = differences(before, after) else { return };
        self.0.send_modify(|last| {
            let place = (key.entry.clone(), key.account.clone());
            let number = last.get(&place).map_or(1, |change| change.number + 1);
            let (server, account) = (server.to_owned(), key.account.clone());
            let change = ToolChange { server, account, added, removed, altered, held, number };
            Arc::make_mut(last).insert(place, change);
        });
    }
}

/// How many tools are new, gone, and other than before; `None` where they are the same.
fn differences(before: &str, after: &str) -> Option<(usize, usize, usize)> {
    let (before, after) = (by_name(before)?, by_name(after)?);
    let added = after.keys().filter(|name| !before.contains_key(*name)).count();
    let removed = before.keys().filter(|name| !after.contains_key(*name)).count();
    let is_other = |(name, tool): &(&String, &&str)| before.get(*name).is_some_and(|known| known != *tool);
    let altered = after.iter().filter(is_other).count();
    (added + removed + altered > 0).then_some((added, removed, altered))
}

fn by_name(list: &str) -> Option<BTreeMap<String, &str>> {
    let tools: Vec<&RawValue> = json::elements(list)?;
    let named = |tool: &RawValue| json::member(tool.get(), "name").and_then(json::string).map(String::from);
    Some(tools.iter().filter_map(|tool| Some((named(tool)?, tool.get()))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tools_are_told_apart_by_their_names_whatever_their_order() {
        let table = [
            (r#"[{"name":"a"},{"name":"b"}]"#, r#"[{"name":"b"},{"name":"a"}]"#, None),
            (r#"[{"name":"a"}]"#, r#"[{"name":"a"},{"name":"b"},{"name":"c"}]"#, Some((2, 0, 0))),
            (r#"[{"name":"a"},{"name":"b"}]"#, r#"[{"name":"b"}]"#, Some((0, 1, 0))),
            (r#"[{"name":"a","description":"x"}]"#, r#"[{"name":"a","description":"y"}]"#, Some((0, 0, 1))),
            (r#"[{"name":"a"}]"#, r#"[{"name":"b"}]"#, Some((1, 1, 0))),
            ("[]", r#"[{"name":"a"}]"#, Some((1, 0, 0))),
            ("not a list", r#"[{"name":"a"}]"#, None),
        ];
        for (before, after, expected) in table {
            assert_eq!(differences(before, after), expected, "{before} {after}");
        }
    }

    #[test]
    fn changes_are_counted_for_each_account_of_the_entry_itself() {
        let changes = ToolChanges::default();
        let seen = changes.watch();
        let key = ConnectionKey::of_entry("e", "work");
        let own = ConnectionKey { tools: Some("digest".into()), ..key.clone() };
        changes.note(&own, "linear", "[]", r#"[{"name":"a"}]"#, 0);
        assert!(seen.borrow().is_empty(), "a client's own rules are not the server's change");

        changes.note(&key, "linear", "[]", r#"[{"name":"a"}]"#, 0);
        changes.note(&key, "linear", r#"[{"name":"a"}]"#, r#"[{"name":"a"}]"#, 0);
        changes.note(&key, "linear", r#"[{"name":"a"}]"#, "[]", 0);

        let last = seen.borrow().get(&("e".to_owned(), "work".to_owned())).cloned();
        let expected = ToolChange {
            server: "linear".into(),
            account: "work".into(),
            added: 0,
            removed: 1,
            altered: 0,
            held: 0,
            number: 2,
        };
        assert_eq!(last, Some(expected));
    }
}
