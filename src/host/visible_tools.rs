//! Which tools a client may see and call: the rules of the server's entry, and those of the
//! client's own connection, which can only narrow them.

use wildmatch::WildMatch;

use crate::mcp::{Message, json};
use crate::registry::ToolRules;

/// Decides by name. A tool is visible when every set of rules lets it through.
#[derive(Debug, Clone, Default)]
pub struct VisibleTools {
    all: Vec<Globs>,
    is_pinned: bool,
}

#[derive(Debug, Clone)]
struct Globs {
    allow: Vec<WildMatch>,
    deny: Vec<WildMatch>,
}

/// Why a client's message must not go to the server.
#[derive(Debug, PartialEq, Eq)]
pub enum Refused {
    /// It calls a tool that the client must not see.
    Hidden {
        /// Its name.
        tool: String,
    },
    /// It names its method or tool in a way that the server may read differently.
    Ambiguous,
}

impl VisibleTools {
    /// What all of these rules let through.
    pub fn under<'a>(rules: impl IntoIterator<Item = &'a ToolRules>) -> Self {
        let rules: Vec<&ToolRules> = rules.into_iter().filter(|rules| !rules.is_empty()).collect();
        let is_pinned = rules.iter().any(|rules| rules.pinned);
        Self { all: rules.into_iter().map(Globs::of).collect(), is_pinned }
    }

    /// Whether a tool of that name may be seen.
    pub fn shows(&self, tool: &str) -> bool {
        self.all.iter().all(|globs| globs.shows(tool))
    }

    /// Whether a tool has to be as the person accepted it, too.
    pub fn is_pinned(&self) -> bool {
        self.is_pinned
    }

    /// Whether there are no rules.
    pub fn is_everything(&self) -> bool {
        self.all.is_empty()
    }

    /// Whether a client's message may go to the server.
    ///
    /// # Errors
    /// [`Refused`]
    pub fn check(&self, message: &Message) -> Result<(), Refused> {
        if self.is_everything() {
            return Ok(());
        }
        let is_plain =
            |path: &[&str], key| message.raw_at(path).is_none_or(|object| json::is_plain(object, key));
        if !is_plain(&[], "method") || !is_plain(&[], "params") {
            return Err(Refused::Ambiguous);
        }
        if message.method() != Some("tools/call") {
            return Ok(());
        }
        let tool = message.string_at(&["params", "name"]).filter(|_| is_plain(&["params"], "name"));
        let tool = tool.ok_or(Refused::Ambiguous)?;
        if self.shows(&tool) { Ok(()) } else { Err(Refused::Hidden { tool }) }
    }
}

impl Globs {
    fn of(rules: &ToolRules) -> Self {
        let compiled = |globs: &[String]| globs.iter().map(|glob| WildMatch::new(glob)).collect();
        Self { allow: compiled(&rules.allow), deny: compiled(&rules.deny) }
    }

    fn shows(&self, tool: &str) -> bool {
        let matches = |globs: &[WildMatch]| globs.iter().any(|glob| glob.matches(tool));
        (self.allow.is_empty() || matches(&self.allow)) && !matches(&self.deny)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn rules(allow: &[&str], deny: &[&str]) -> ToolRules {
        let owned = |globs: &[&str]| globs.iter().copied().map(Into::into).collect();
        ToolRules { allow: owned(allow), deny: owned(deny), ..ToolRules::default() }
    }

    fn check(visible: &VisibleTools, line: &'static str) -> Result<(), Refused> {
        visible.check(&Message::parse(Bytes::from_static(line.as_bytes())).expect(line))
    }

    #[test]
    fn a_tool_is_seen_that_is_allowed_and_not_denied() {
        let table: [[&[&str]; 4]; 6] = [
            [&[], &[], &["list_issues", "", "a/b.c"], &[]],
            [&["list_*"], &[], &["list_", "list_issues"], &["List_issues", "relist_", "get"]],
            [&["list_*", "get"], &[], &["list_x", "get"], &["get_x"]],
            [&[], &["*delete*"], &["list"], &["delete", "bulk_delete_all"]],
            [&["*"], &["a?c"], &["ac", "abbc"], &["abc", "a/c"]],
            [&["a*"], &["ab*"], &["aa"], &["ab", "abc", "b"]],
        ];
        for [allow, deny, seen, hidden] in table {
            let visible = VisibleTools::under([&rules(allow, deny)]);
            for tool in seen {
                assert!(visible.shows(tool), "{allow:?} {deny:?}: {tool}");
            }
            for tool in hidden {
                assert!(!visible.shows(tool), "{allow:?} {deny:?}: {tool}");
            }
        }
    }

    #[test]
    fn a_connections_rules_narrow_those_of_the_entry_and_never_widen_them() {
        let (entry, own) = (rules(&["a*"], &["ax"]), rules(&["*b", "ax", "c"], &[]));
        let visible = VisibleTools::under([&entry, &own]);
        assert!(visible.shows("ab"));
        for hidden in ["a", "b", "ax", "c"] {
            assert!(!visible.shows(hidden), "{hidden}");
        }
    }

    #[test]
    fn a_pin_hides_no_name_but_wants_it_plain() {
        let visible = VisibleTools::under([&ToolRules { pinned: true, ..ToolRules::default() }]);
        assert!(visible.is_pinned() && visible.shows("anything"));
        let twice = r#"{"id":1,"method":"tools/call","params":{"name":"a","name":"b"}}"#;
        assert_eq!(check(&visible, twice), Err(Refused::Ambiguous));
    }

    #[test]
    fn calls_of_hidden_tools_are_refused_however_they_are_spelt() {
        let visible = VisibleTools::under([&rules(&["good"], &[])]);
        let hidden = |tool: &str| Err(Refused::Hidden { tool: tool.into() });
        let table = [
            (r#"{"id":1,"method":"tools/call","params":{"name":"good"}}"#, Ok(())),
            (r#"{"id":1,"method":"tools/list","params":{"name":"bad"}}"#, Ok(())),
            (r#"{"id":1,"result":{"method":"tools/call"}}"#, Ok(())),
            (r#"{"id":1,"method":"tools/call","params":{"name":"bad"}}"#, hidden("bad")),
            (r#"{"method":"tools/call","params":{"name":"bad"}}"#, hidden("bad")),
            (r#"{"id":1,"method":"tools\/call","params":{"n\u0061me":"b\u0061d"}}"#, hidden("bad")),
            (
                r#"{"id":1,"method":"tools/call","params":{"name":"bad","name":"good"}}"#,
                Err(Refused::Ambiguous),
            ),
            (
                r#"{"id":1,"method":"tools/call","params":{"name":"good","Name":"bad"}}"#,
                Err(Refused::Ambiguous),
            ),
            (r#"{"id":1,"method":"tools/call","params":{"NAME":"bad"}}"#, Err(Refused::Ambiguous)),
            (r#"{"id":1,"method":"tools/call","params":{"name":["bad"]}}"#, Err(Refused::Ambiguous)),
            (r#"{"id":1,"method":"tools/call","params":["bad"]}"#, Err(Refused::Ambiguous)),
            (r#"{"id":1,"method":"tools/call"}"#, Err(Refused::Ambiguous)),
            (
                r#"{"id":1,"method":"ping","Method":"tools/call","params":{"name":"bad"}}"#,
                Err(Refused::Ambiguous),
            ),
            (
                r#"{"id":1,"method":"tools/call","params":{"name":"good"},"paramſ":{"name":"bad"}}"#,
                Err(Refused::Ambiguous),
            ),
            (r#"{"id":1,"result":{},"METHOD":"tools/call"}"#, Err(Refused::Ambiguous)),
        ];
        for (line, expected) in table {
            assert_eq!(check(&visible, line), expected, "{line}");
            assert_eq!(check(&VisibleTools::default(), line), Ok(()), "without rules nothing is looked at");
        }
    }
}
