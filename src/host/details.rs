//! What a server last said to one of its accounts, as it is shown: read from the snapshot, made
//! safe, and without asking the server.

use serde::Deserialize;
use serde_json::Value;

use super::connection::ConnectionKey;
use super::snapshot::{SharedSnapshot, Snapshot};
use super::{AccountRef, Error, HostHandle};
use crate::api::types::{DetailsView, ToolEffect, ToolView};
use crate::redact::plain;
use crate::registry::{AccountLabel, ServerEntry};

/// How much of a name, and of a text, is shown.
const LONGEST_NAME: usize = 128;
const LONGEST_TEXT: usize = 4000;
/// Where a modern server names itself.
const INFO_IN_META: &str = "io.modelcontextprotocol/serverInfo";

/// A tool as far as people see it; what is odd about it counts as not said.
#[derive(Deserialize)]
struct Tool {
    name: String,
    #[serde(default)]
    title: Value,
    #[serde(default)]
    description: Value,
    #[serde(default)]
    annotations: Value,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Annotations {
    title: Value,
    read_only_hint: bool,
    destructive_hint: Option<bool>,
}

impl HostHandle {
    /// What a server last said to an account.
    ///
    /// # Errors
    /// [`Error::UnknownServer`], [`Error::UnknownAccount`]
    pub async fn details(&self, account: &AccountRef) -> Result<DetailsView, Error> {
        let (entry, label) = self.known_account(account).await?;
        let mut details = self.snapshot_of(&entry, &label).await.read(of_snapshot);
        details.held = self.held_tools_of(&entry, &label).await;
        if let (Some(tools), Some(held)) = (&mut details.tools, &details.held) {
            tools.retain(|tool| !held.tools.iter().any(|held| held.name == tool.name));
        }
        Ok(details)
    }

    /// The entry and label that an account goes by.
    pub(super) async fn known_account(
        &self,
        account: &AccountRef,
    ) -> Result<(ServerEntry, AccountLabel), Error> {
        let entry = self.entry(&account.server).await?;
        let label = account.label.clone().unwrap_or_else(|| entry.default_account());
        if label != entry.default_account() && !entry.has_account(&label) {
            return Err(Error::UnknownAccount { server: entry.name, label });
        }
        Ok((entry, label))
    }

    /// What is known of an account's server, as its entry has it.
    pub(super) async fn snapshot_of(&self, entry: &ServerEntry, label: &AccountLabel) -> SharedSnapshot {
        let key = ConnectionKey::of_entry(entry.id.as_str(), label.as_str());
        self.inner.sessions.snapshots.open(&key.to_string()).await
    }
}

fn of_snapshot(snapshot: &Snapshot) -> DetailsView {
    let said = snapshot.initialize.as_ref().or(snapshot.discover.as_ref());
    let said: Value = said.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default();
    let info = said.get("serverInfo").or_else(|| said.get("_meta")?.get(INFO_IN_META));
    let of_info = |name: &str| text(info?.get(name), LONGEST_NAME);
    DetailsView {
        server: of_info("title").or_else(|| of_info("name")),
        server_version: of_info("version"),
        protocol_version: protocol_version(&said),
        instructions: text(said.get("instructions"), LONGEST_TEXT),
        era: snapshot.era,
        transport: snapshot.transport,
        tools: snapshot.list("tools/list").map(tools),
        held: None,
    }
}

/// The version that was agreed, or the newest that a modern server names.
fn protocol_version(said: &Value) -> Option<String> {
    let supported = said.get("supportedVersions").and_then(Value::as_array);
    let newest = supported.and_then(|versions| versions.iter().filter_map(Value::as_str).max());
    let agreed = said.get("protocolVersion").and_then(Value::as_str);
    agreed.or(newest).map(|version| plain(version, LONGEST_NAME))
}

fn tools(list: &str) -> Vec<ToolView> {
    let tools: Vec<Value> = serde_json::from_str(list).unwrap_or_default();
    tools.into_iter().filter_map(|tool| serde_json::from_value(tool).ok()).map(of_tool).collect()
}

/// What a server does not say about a tool is taken for the worst (security rule 16).
fn of_tool(tool: Tool) -> ToolView {
    let annotations: Annotations = serde_json::from_value(tool.annotations).unwrap_or_default();
    let title = text(Some(&tool.title), LONGEST_NAME);
    ToolView {
        name: plain(&tool.name, LONGEST_NAME),
        title: title.or_else(|| text(Some(&annotations.title), LONGEST_NAME)),
        description: text(Some(&tool.description), LONGEST_TEXT),
        effect: match (annotations.read_only_hint, annotations.destructive_hint) {
            (true, _) => ToolEffect::Reads,
            (false, Some(false)) => ToolEffect::Adds,
            (false, Some(true) | None) => ToolEffect::Changes,
        },
    }
}

fn text(value: Option<&Value>, longest: usize) -> Option<String> {
    let text = plain(value?.as_str()?, longest);
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;

    use super::*;
    use crate::host::snapshot::SeenTransport;
    use crate::mcp::era::Era;

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.into()).expect("JSON")
    }

    #[test]
    fn a_legacy_servers_words_are_shown_without_their_tricks() {
        let mut snapshot = Snapshot {
            era: Some(Era::Legacy),
            transport: Some(SeenTransport::HttpSse),
            initialize: Some(raw(
                r#"{"protocolVersion":"2025-11-25","instructions":"Be\u001b[2J kind","serverInfo":{"name":"x","title":"Tickets","version":"1"}}"#,
            )),
            ..Snapshot::default()
        };
        let tools = r#"[{"name":"a","description":"One\n two","annotations":{"readOnlyHint":true}},
            {"name":"b","title":"B","annotations":{"destructiveHint":false}},{"name":"c"},
            {"name":"d","annotations":{"readOnlyHint":"yes"}},{"odd":1},7]"#;
        snapshot.lists.insert("tools/list".into(), raw(tools));
        let view = of_snapshot(&snapshot);
        assert_eq!((view.server.as_deref(), view.server_version.as_deref()), (Some("Tickets"), Some("1")));
        assert_eq!(view.protocol_version.as_deref(), Some("2025-11-25"));
        assert_eq!(view.instructions.as_deref(), Some("Be kind"));
        let tools = view.tools.expect("a list");
        let effects: Vec<_> = tools.iter().map(|tool| (tool.name.as_str(), tool.effect)).collect();
        assert_eq!(
            effects,
            [
                ("a", ToolEffect::Reads),
                ("b", ToolEffect::Adds),
                ("c", ToolEffect::Changes),
                ("d", ToolEffect::Changes)
            ]
        );
        assert_eq!(tools[0].description.as_deref(), Some("One two"));
        assert_eq!(tools[1].title.as_deref(), Some("B"));
    }

    #[test]
    fn a_modern_server_is_named_by_its_metadata() {
        let discover = format!(
            r#"{{"supportedVersions":["2026-07-28","2025-11-25"],"_meta":{{"{INFO_IN_META}":{{"name":"y","version":"2"}}}}}}"#
        );
        let view = of_snapshot(&Snapshot {
            era: Some(Era::Modern),
            discover: Some(raw(&discover)),
            ..Snapshot::default()
        });
        assert_eq!(view.server.as_deref(), Some("y"));
        assert_eq!(view.protocol_version.as_deref(), Some("2026-07-28"));
        assert_eq!(view.tools, None, "nobody has asked for them yet");
    }

    #[test]
    fn of_a_server_that_nobody_has_met_nothing_is_known() {
        let view = of_snapshot(&Snapshot::default());
        assert_eq!((view.server, view.era, view.tools), (None, None, None));
    }
}
