//! What a server can do, for people: its tools as it last listed them to an account.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::connection::ConnectionKey;
use super::{AccountRef, Error, HostHandle};
use crate::api::types::ToolView;
use crate::redact::plain;

const LONGEST_NAME: usize = 200;
const LONGEST_DESCRIPTION: usize = 4000;

/// A tool as far as people see it; what is odd about it counts as not said.
#[derive(Deserialize)]
struct Listed<'a> {
    name: String,
    title: Option<String>,
    description: Option<String>,
    #[serde(borrow)]
    annotations: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Annotations {
    title: Option<String>,
    read_only_hint: Option<bool>,
    destructive_hint: Option<bool>,
}

impl HostHandle {
    /// An account's tools, from the last answers that are kept; empty where there are none.
    ///
    /// # Errors
    /// [`Error::UnknownServer`]
    pub async fn tools(&self, account: &AccountRef) -> Result<Vec<ToolView>, Error> {
        let entry = self.entry(&account.server).await?;
        let label = account.label.clone().unwrap_or_else(|| entry.default_account());
        let (entry, account) = (entry.id.as_str().to_owned(), label.to_string());
        let key = ConnectionKey { entry, account, options: None, tools: None };
        let snapshot = self.inner.sessions.snapshots.open(&key.to_string()).await;
        Ok(snapshot.read(|snapshot| views(snapshot.list("tools/list").unwrap_or("[]"))))
    }
}

fn views(list: &str) -> Vec<ToolView> {
    let items: Vec<&RawValue> = serde_json::from_str(list).unwrap_or_default();
    items.iter().filter_map(|item| serde_json::from_str(item.get()).ok()).map(view).collect()
}

/// What a server does not say about a tool is taken for the worst (security rule 16).
fn view(tool: Listed<'_>) -> ToolView {
    let annotations: Annotations =
        tool.annotations.and_then(|text| serde_json::from_str(text.get()).ok()).unwrap_or_default();
    let read_only = annotations.read_only_hint.unwrap_or(false);
    ToolView {
        name: plain(&tool.name, LONGEST_NAME),
        title: tool.title.or(annotations.title).map(|title| plain(&title, LONGEST_NAME)),
        description: tool.description.map(|text| plain(&text, LONGEST_DESCRIPTION)),
        read_only,
        destructive: !read_only && annotations.destructive_hint.unwrap_or(true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tools_are_shown_in_plain_words_and_taken_for_the_worst() {
        let list = r#"[
            {"name":"read\u001b[31m","annotations":{"title":"Read","readOnlyHint":true}},
            {"name":"write","title":"Write","description":"two\nlines","annotations":{"destructiveHint":false}},
            {"name":"silent"},
            {"name":"odd","annotations":{"readOnlyHint":"yes"}},
            {"title":"nameless"}, 7]"#;
        let tools = views(list);
        let seen: Vec<_> =
            tools.iter().map(|tool| (tool.name.as_str(), tool.read_only, tool.destructive)).collect();
        let wanted =
            [("read", true, false), ("write", false, false), ("silent", false, true), ("odd", false, true)];
        assert_eq!(seen, wanted);
        assert_eq!(tools[0].title.as_deref(), Some("Read"));
        assert_eq!(tools[1].title.as_deref(), Some("Write"));
        assert_eq!(tools[1].description.as_deref(), Some("two lines"));
        assert!(views("nothing").is_empty());
    }
}
