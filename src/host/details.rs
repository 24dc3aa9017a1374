//! What a server last said to one of its accounts, as it is shown: read from the snapshot, made
//! safe, and without asking the server.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer as _, SeqAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use super::connection::ConnectionKey;
use super::snapshot::{SharedSnapshot, Snapshot};
use super::{AccountRef, Error, HostHandle};
use crate::api::types::{DetailsView, HeldToolsView, ToolEffect, ToolView};
use crate::redact::plain;
use crate::registry::{AccountLabel, ServerEntry};

/// How much of a name, and of a text, is shown.
const LONGEST_NAME: usize = 128;
const LONGEST_TEXT: usize = 4000;
/// How many tools are. A server may list any number.
const MOST_TOOLS: usize = 1000;
/// Where a modern server names itself.
const INFO_IN_META: &str = "io.modelcontextprotocol/serverInfo";

/// A tool as far as people see it; what is odd about it counts as not said.
#[derive(Deserialize)]
struct Tool<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow, default)]
    title: Option<&'a RawValue>,
    #[serde(borrow, default)]
    description: Option<&'a RawValue>,
    #[serde(borrow, default)]
    annotations: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Annotations<'a> {
    #[serde(borrow)]
    title: Option<&'a RawValue>,
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
        let held = self.held_tools_of(&entry, &label).await;
        Ok(self.snapshot_of(&entry, &label).await.read(|snapshot| of_snapshot(snapshot, held)))
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

fn of_snapshot(snapshot: &Snapshot, mut held: Option<HeldToolsView>) -> DetailsView {
    let (tools, left_out) = snapshot.list("tools/list").map(|list| tools(list, held.as_ref())).unzip();
    if let Some(held) = &mut held {
        shorten(held);
    }
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
        tools,
        tools_left_out: left_out.unwrap_or_default(),
        held,
    }
}

/// The version that was agreed, or the newest that a modern server names.
fn protocol_version(said: &Value) -> Option<String> {
    let supported = said.get("supportedVersions").and_then(Value::as_array);
    let newest = supported.and_then(|versions| versions.iter().filter_map(Value::as_str).max());
    let agreed = said.get("protocolVersion").and_then(Value::as_str);
    agreed.or(newest).map(|version| plain(version, LONGEST_NAME))
}

/// The first tools that are not held back, and how many more there are.
fn tools(list: &str, held: Option<&HeldToolsView>) -> (Vec<ToolView>, usize) {
    let held = held.into_iter().flat_map(|held| &held.tools).map(|tool| tool.name.as_str()).collect();
    let mut tools = Tools { held, shown: Vec::new(), left_out: 0 };
    match serde_json::Deserializer::from_str(list).deserialize_seq(&mut tools) {
        Ok(()) => (tools.shown, tools.left_out),
        Err(_) => Default::default(),
    }
}

/// What of a list was looked at so far.
struct Tools<'a> {
    held: HashSet<&'a str>,
    shown: Vec<ToolView>,
    left_out: usize,
}

impl Tools<'_> {
    fn take(&mut self, tool: &Tool<'_>) {
        if self.held.contains(plain(&tool.name, LONGEST_NAME).as_str()) {
            return;
        }
        match self.shown.len() < MOST_TOOLS {
            true => self.shown.push(of_tool(tool)),
            false => self.left_out += 1,
        }
    }
}

/// One tool after the other, because all of a list at once may be much.
impl<'de> Visitor<'de> for &mut Tools<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list of tools")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while let Some(tool) = list.next_element::<&RawValue>()? {
            if let Ok(tool) = serde_json::from_str(tool.get()) {
                self.take(&tool);
            }
        }
        Ok(())
    }
}

/// Leaves what can be accepted, which is bounded, and the first of what cannot.
fn shorten(held: &mut HeldToolsView) {
    let (all, mut room) = (held.tools.len(), MOST_TOOLS);
    held.tools.retain(|tool| {
        let has_room = room > 0;
        room = room.saturating_sub(1);
        has_room || tool.why.is_shown()
    });
    held.left_out = all - held.tools.len();
}

/// What a server does not say about a tool is taken for the worst (security rule 16).
fn of_tool(tool: &Tool<'_>) -> ToolView {
    let annotations: Annotations<'_> =
        tool.annotations.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default();
    ToolView {
        name: plain(&tool.name, LONGEST_NAME),
        title: raw_text(tool.title, LONGEST_NAME).or_else(|| raw_text(annotations.title, LONGEST_NAME)),
        description: raw_text(tool.description, LONGEST_TEXT),
        effect: match (annotations.read_only_hint, annotations.destructive_hint) {
            (true, _) => ToolEffect::Reads,
            (false, Some(false)) => ToolEffect::Adds,
            (false, Some(true) | None) => ToolEffect::Changes,
        },
    }
}

fn text(value: Option<&Value>, longest: usize) -> Option<String> {
    shown(value?.as_str()?, longest)
}

fn raw_text(raw: Option<&RawValue>, longest: usize) -> Option<String> {
    let text: String = serde_json::from_str(raw?.get()).ok()?;
    shown(&text, longest)
}

fn shown(text: &str, longest: usize) -> Option<String> {
    let text = plain(text, longest);
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::api::types::{HeldToolView, HeldWhy};
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
        let view = of_snapshot(&snapshot, None);
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
        assert_eq!(view.tools_left_out, 0);
    }

    fn listing(count: usize) -> Snapshot {
        let long = "x".repeat(LONGEST_TEXT * 2);
        let tools: Vec<_> =
            (0..count).map(|n| json!({ "name": format!("t{n}"), "description": long })).collect();
        let mut snapshot = Snapshot::default();
        snapshot.lists.insert("tools/list".into(), raw(&json!(tools).to_string()));
        snapshot
    }

    #[test]
    fn a_list_without_end_is_cut_and_the_rest_is_counted() {
        let view = of_snapshot(&listing(MOST_TOOLS), None);
        assert_eq!((view.tools.map(|tools| tools.len()), view.tools_left_out), (Some(MOST_TOOLS), 0));

        let view = of_snapshot(&listing(MOST_TOOLS + 7), None);
        let tools = view.tools.expect("a list");
        assert_eq!((tools.len(), view.tools_left_out), (MOST_TOOLS, 7));
        assert_eq!(tools[MOST_TOOLS - 1].name, format!("t{}", MOST_TOOLS - 1));
        let description = tools[0].description.as_deref().expect("one");
        assert!(description.chars().count() <= LONGEST_TEXT + 1, "{}", description.len());
    }

    #[test]
    fn tools_that_are_held_back_stand_in_their_own_list_alone_however_long_it_is() {
        let of = |name: String, why| HeldToolView { name, why, lines: Vec::new() };
        let mut held: Vec<_> = (0..MOST_TOOLS + 5).map(|n| of(format!("t{n}"), HeldWhy::Later)).collect();
        held[MOST_TOOLS + 3].why = HeldWhy::New;
        let held = HeldToolsView { seen: "s".into(), tools: held, left_out: 0 };

        let view = of_snapshot(&listing(MOST_TOOLS + 7), Some(held));
        let names: Vec<_> = view.tools.expect("a list").into_iter().map(|tool| tool.name).collect();
        assert_eq!(names, [format!("t{}", MOST_TOOLS + 5), format!("t{}", MOST_TOOLS + 6)]);
        let held = view.held.expect("a list");
        assert_eq!((held.tools.len(), held.left_out), (MOST_TOOLS + 1, 4));
        assert_eq!(
            held.tools[MOST_TOOLS].name,
            format!("t{}", MOST_TOOLS + 3),
            "what can be accepted is there"
        );
    }

    #[test]
    fn a_modern_server_is_named_by_its_metadata() {
        let discover = format!(
            r#"{{"supportedVersions":["2026-07-28","2025-11-25"],"_meta":{{"{INFO_IN_META}":{{"name":"y","version":"2"}}}}}}"#
        );
        let snapshot =
            Snapshot { era: Some(Era::Modern), discover: Some(raw(&discover)), ..Snapshot::default() };
        let view = of_snapshot(&snapshot, None);
        assert_eq!(view.server.as_deref(), Some("y"));
        assert_eq!(view.protocol_version.as_deref(), Some("2026-07-28"));
        assert_eq!(view.tools, None, "nobody has asked for them yet");
    }

    #[test]
    fn of_a_server_that_nobody_has_met_nothing_is_known() {
        let view = of_snapshot(&Snapshot::default(), None);
        assert_eq!((view.server, view.era, view.tools), (None, None, None));
    }
}
