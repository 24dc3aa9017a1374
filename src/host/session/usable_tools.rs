//! What of a server's tool list a client may get. The tools that stay keep their bytes.

use bytes::Bytes;
use serde_json::value::RawValue;

use crate::host::pins::Pinned;
use crate::host::visible_tools::VisibleTools;
use crate::mcp::era::Era;
use crate::mcp::tool_headers::ToolHeaders;
use crate::mcp::{Kind, Message, json};

/// Names that no server may use for its own tools.
const OWN_PREFIX: &str = "drawbridge_";

/// Takes tools out of lists.
#[derive(Debug)]
pub(super) struct UsableTools<'a> {
    /// The server's name, for the log.
    pub(super) server: &'a str,
    /// The server's era.
    pub(super) era: Era,
    /// What the person lets clients see.
    pub(super) visible: &'a VisibleTools,
    /// What the person accepted, where only that counts.
    pub(super) pinned: Pinned,
}

/// A list of which every item may be shown to this connection's clients.
#[derive(Debug)]
pub(super) struct UsableList(Box<RawValue>);

impl UsableList {
    /// A list of something other than tools.
    pub(super) fn of_no_tools(items: Box<RawValue>) -> Self {
        Self(items)
    }

    /// Its JSON array.
    pub(super) fn text(&self) -> &str {
        self.0.get()
    }

    /// Its JSON array, owned.
    pub(super) fn into_raw(self) -> Box<RawValue> {
        self.0
    }
}

impl UsableTools<'_> {
    /// A whole list of tools.
    pub(super) fn of_list(&self, items: Box<RawValue>) -> UsableList {
        let kept = json::elements(items.get()).and_then(|tools| self.kept(&tools));
        let kept = kept.and_then(|kept| RawValue::from_string(format!("[{}]", kept.join(","))).ok());
        UsableList(kept.unwrap_or(items))
    }

    /// The line of an answer to `tools/list`.
    pub(super) fn of_answer(&self, answer: &Message) -> Bytes {
        let line = answer.line();
        let tools = answer.raw_at(&["result", "tools"]);
        let items = tools.and_then(json::elements).unwrap_or_default();
        let kept = self.kept(&items);
        if !self.visible.is_everything() && !is_plain(answer) {
            // Some readers would find another list in it, which nobody has looked through.
            let all = || items.iter().map(|item| item.get().to_owned()).collect();
            return list_answer(answer, &kept.unwrap_or_else(all).join(","));
        }
        let (Some(tools), Some(kept)) = (tools, kept) else { return line.clone() };
        let start = tools.as_ptr() as usize - line.as_ptr() as usize;
        let kept = kept.join(",");
        [&line[..start], b"[", kept.as_bytes(), b"]", &line[start + tools.len()..]].concat().into()
    }

    /// The tools that stay; `None` where all do.
    fn kept(&self, items: &[&RawValue]) -> Option<Vec<String>> {
        let several = self.pinned.names_of_several(items);
        let is_alone = |item: &RawValue| several.is_empty() || !several.contains(&name_of(item));
        let kept = items.iter().filter(|item| self.shows(item) && is_alone(item));
        let kept: Vec<String> = kept.map(|item| item.get().to_owned()).collect();
        (kept.len() < items.len()).then_some(kept)
    }

    /// Whether a tool may be shown.
    pub(super) fn shows(&self, item: &RawValue) -> bool {
        let server = self.server;
        let name = name_of(item);
        if name.starts_with(OWN_PREFIX) {
            tracing::warn!(%server, "a tool was left out: names with {OWN_PREFIX} are Drawbridge's own");
            return false;
        }
        if !self.visible.shows(&name) {
            return false;
        }
        if !self.pinned.shows(&name, item.get()) {
            return false;
        }
        match ToolHeaders::of_tool(item.get()) {
            Err(reason) if self.era == Era::Modern => {
                let tool = crate::redact::plain(&name, 64);
                tracing::warn!(%server, %tool, "a tool was left out: x-mcp-header: {reason}");
                false
            }
            Ok(_) | Err(_) => true,
        }
    }
}

fn name_of(tool: &RawValue) -> String {
    json::member(tool.get(), "name").and_then(json::string).unwrap_or_default().into()
}

/// Whether every reader finds the same list of tools in an answer.
fn is_plain(answer: &Message) -> bool {
    let is_plain = |path: &[&str], key| answer.raw_at(path).is_none_or(|object| json::is_plain(object, key));
    is_plain(&[], "result") && is_plain(&["result"], "tools")
}

fn list_answer(answer: &Message, tools: &str) -> Bytes {
    let id = match answer.kind() {
        Kind::Response { id: Some(id), .. } => id.as_raw(),
        Kind::Response { id: None, .. } | Kind::Request { .. } | Kind::Notification | Kind::Batch => "null",
    };
    format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"tools":[{tools}]}}}}"#).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::ToolRules;

    fn kept(items: &[&str], era: Era, visible: &VisibleTools) -> String {
        let items = RawValue::from_string(format!("[{}]", items.join(","))).expect("JSON");
        UsableTools { server: "demo", era, visible, pinned: Pinned::default() }
            .of_list(items)
            .text()
            .to_owned()
    }

    #[test]
    fn tools_a_client_must_not_get_are_left_out() {
        let ours = r#"{"name":"drawbridge_sign_in"}"#;
        let fine = r#"{ "name":"a"}"#;
        let bad = r#"{"name":"b","inputSchema":{"properties":{"a":{"type":"number","x-mcp-header":"X"}}}}"#;
        let all = VisibleTools::default();
        assert_eq!(kept(&[ours, fine, bad], Era::Modern, &all), format!("[{fine}]"));
        assert_eq!(
            kept(&[fine, bad], Era::Legacy, &all),
            format!("[{fine},{bad}]"),
            "the rule is the modern transport's"
        );
        let deny = ToolRules { deny: vec!["b".into()], ..ToolRules::default() };
        assert_eq!(kept(&[fine, bad], Era::Legacy, &VisibleTools::under([&deny])), format!("[{fine}]"));
    }

    #[test]
    fn an_answer_keeps_the_bytes_of_all_that_stays() {
        let line = r#"{"id":1, "result":{"x":1.0,"tools": [ {"name":"a", "n":1e2 } ,{"name":"b"}],"nextCursor":"c"} }"#;
        let answer = Message::parse(Bytes::from_static(line.as_bytes())).expect("a message");
        let deny = ToolRules { deny: vec!["b".into()], ..ToolRules::default() };
        let visible = VisibleTools::under([&deny]);
        let tools =
            UsableTools { server: "demo", era: Era::Legacy, visible: &visible, pinned: Pinned::default() };
        let shown = tools.of_answer(&answer);
        let expected = r#"{"id":1, "result":{"x":1.0,"tools": [{"name":"a", "n":1e2 }],"nextCursor":"c"} }"#;
        assert_eq!(shown, expected);
    }

    #[test]
    fn where_tools_may_be_hidden_no_reader_finds_another_list() {
        let deny = ToolRules { deny: vec!["b".into()], ..ToolRules::default() };
        let visible = VisibleTools::under([&deny]);
        let tools =
            UsableTools { server: "demo", era: Era::Legacy, visible: &visible, pinned: Pinned::default() };
        for (line, list) in [
            (r#"{"id":1,"result":{"tools":[{"name":"b"}],"tools":[{"name":"a"}]}}"#, r#"{"name":"a"}"#),
            (r#"{"id":1,"result":{"tools":[{"name":"a"}],"Tools":[{"name":"b"}]}}"#, r#"{"name":"a"}"#),
            (r#"{"id":1,"result":{"TOOLS":[{"name":"b"}]}}"#, ""),
        ] {
            let answer = Message::parse(Bytes::from_static(line.as_bytes())).expect(line);
            let expected = format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"tools":[{list}]}}}}"#);
            assert_eq!(tools.of_answer(&answer), expected, "{line}");
        }
    }
}
