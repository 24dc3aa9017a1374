//! What a config file says. Whatever is not an entry that starts Drawbridge is passed over.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonc_parser::ParseOptions;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::files::Shape;
use super::{Entries, Entry};

/// The entries of a file that start Drawbridge; `None` where it cannot be understood.
pub(super) fn of(text: &str, shape: Shape) -> Option<Entries> {
    let (document, name) = match shape {
        Shape::Json(name) => (jsonc_parser::parse_to_serde_value(text, &jsonc()).ok()?, name),
        Shape::Toml(name) => (toml::from_str(text).ok()?, name),
    };
    let document: Option<Value> = document;
    let document = document?;
    let entries = document.get(name).and_then(Value::as_object);
    let ours = entries.into_iter().flatten().filter_map(|(name, entry)| Some((name.clone(), ours(entry)?)));
    Some(ours.collect())
}

/// The entry, if what it starts is `drawbridge connect …`.
fn ours(entry: &Value) -> Option<Entry> {
    // An older form has command and arguments one level down.
    let entry = entry.get("command").filter(|command| command.is_object()).unwrap_or(entry);
    let command = entry.get("command").or_else(|| entry.get("path"))?.as_str()?;
    let args: Option<Vec<&str>> = entry.get("args")?.as_array()?.iter().map(Value::as_str).collect();
    let args = args?;
    let (verb, rest) = args.split_first()?;
    if *verb != "connect" || !is_drawbridge(command) {
        return None;
    }
    let target = rest.first().map_or_else(String::new, ToString::to_string);
    Some(Entry { target, digest: digest(command, &args) })
}

fn is_drawbridge(command: &str) -> bool {
    let file = command.rsplit(['/', '\\']).next().unwrap_or_default();
    let stem = Path::new(file).file_stem().and_then(|stem| stem.to_str());
    stem.is_some_and(|stem| stem.eq_ignore_ascii_case("drawbridge"))
}

fn digest(command: &str, args: &[&str]) -> String {
    let whole = serde_json::to_vec(&(command, args)).expect("strings are JSON");
    URL_SAFE_NO_PAD.encode(Sha256::digest(whole))
}

fn jsonc() -> ParseOptions {
    ParseOptions {
        allow_loose_object_property_names: false,
        allow_missing_commas: false,
        allow_single_quoted_strings: false,
        ..ParseOptions::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const JSON: Shape = Shape::Json("mcpServers");

    fn targets(text: &str, shape: Shape) -> Option<Vec<(String, String)>> {
        of(text, shape).map(|entries| entries.into_iter().map(|(name, entry)| (name, entry.target)).collect())
    }

    #[test]
    fn entries_that_start_drawbridge_are_found_in_every_shape() {
        let found = Some(vec![("l".to_owned(), "linear".to_owned())]);
        let command = r#""command":"/opt/drawbridge","args":["connect","linear"]"#;
        let table = [
            (format!(r#"{{"mcpServers":{{"l":{{{command}}}}},"other":[1]}}"#), JSON),
            (format!("// mine\n{{\"servers\":{{\"l\":{{{command},}}, /* x */ }},}}"), Shape::Json("servers")),
            (
                r#"{"context_servers":{"l":{"command":{"path":"drawbridge","args":["connect","linear"]}}}}"#
                    .into(),
                Shape::Json("context_servers"),
            ),
            (
                r#"{"mcpServers":{"l":{"command":"C:\\Apps\\Drawbridge.EXE","args":["connect","linear"]}}}"#
                    .into(),
                JSON,
            ),
            (
                "[mcp_servers.l]\ncommand = \"drawbridge\"\nargs = [\"connect\", \"linear\"]\n".into(),
                Shape::Toml("mcp_servers"),
            ),
        ];
        for (text, shape) in table {
            assert_eq!(targets(&text, shape), found, "{text}");
        }
    }

    #[test]
    fn what_others_start_is_passed_over() {
        for entry in [
            r#"{"command":"npx","args":["mcp-remote","https://a.example"]}"#,
            r#"{"command":"drawbridge","args":["serve"]}"#,
            r#"{"command":"drawbridge-app","args":["connect","x"]}"#,
            r#"{"command":"drawbridge"}"#,
            r#"{"command":"drawbridge","args":[]}"#,
            r#"{"command":"drawbridge","args":["connect",1]}"#,
            r#"{"url":"https://a.example"}"#,
            "7",
        ] {
            let text = format!(r#"{{"mcpServers":{{"x":{entry}}}}}"#);
            assert_eq!(of(&text, JSON), Some(Entries::new()), "{entry}");
        }
        assert_eq!(of("{}", JSON), Some(Entries::new()));
        assert_eq!(of(r#"{"mcpServers":[]}"#, JSON), Some(Entries::new()));
    }

    #[test]
    fn a_file_that_is_not_understood_says_nothing() {
        let deep = format!(r#"{{"mcpServers":{}{}}}"#, "[".repeat(200_000), "]".repeat(200_000));
        for text in ["", "{\"mcpServers\":{", "no", &deep] {
            assert_eq!(of(text, JSON), None);
        }
        assert_eq!(of("a = ", Shape::Toml("mcp_servers")), None);
    }

    #[test]
    fn a_digest_tells_commands_apart_and_names_no_secret() {
        let digest = |command: &str, args: &[&str]| digest(command, args);
        let one = digest("drawbridge", &["connect", "a", "--bearer", "hunter2"]);
        assert_eq!(one, digest("drawbridge", &["connect", "a", "--bearer", "hunter2"]));
        assert_ne!(one, digest("drawbridge", &["connect", "a", "--bearer hunter2"]));
        assert_ne!(one, digest("/x/drawbridge", &["connect", "a", "--bearer", "hunter2"]));
        assert!(!one.contains("hunter2"));
    }
}
