//! Answers given in the server's stead: what is in the snapshot, and our own tool where
//! signing in would help. Pure: values in, JSON out.

use serde_json::{Map, Value, json as value};

use crate::failure::Failure;
use crate::host::snapshot::Snapshot;
use crate::mcp::era::{self, Era};
use crate::mcp::translate::handshake;
use crate::mcp::{RequestId, method, result_response};

/// The tool that starts a sign-in; ours, answered by the Host always.
pub(crate) const SIGN_IN_TOOL: &str = "drawbridge_sign_in";
/// Where an `initialize` answered here says so, and why: the CLI reads it.
pub(crate) const STAND_IN: &str = "drawbridge/standIn";

/// The `result` of an `initialize` that the server does not answer in time.
///
/// It promises every list, because a client never asks for what was not promised, and the
/// server may turn out to have it.
pub(super) fn initialize(
    snapshot: &Snapshot,
    server: &str,
    client_version: Option<&str>,
    why: Option<&Failure>,
) -> String {
    let known = snapshot.initialize.as_deref().or(snapshot.discover.as_deref());
    let known: Value = known.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or(Value::Null);
    let version =
        client_version.filter(|version| era::is_legacy_version(version)).unwrap_or(era::NEWEST_LEGACY);
    let mut result = value!({
        "protocolVersion": version,
        "capabilities": capabilities(known.get("capabilities")),
        "serverInfo": server_info(&known, server),
        "_meta": { STAND_IN: why },
    });
    if let Some(instructions) = instructions(&known, why) {
        result["instructions"] = instructions.into();
    }
    result.to_string()
}

/// The `result` of a `server/discover` that the server does not answer in time; it promises as much.
pub(super) fn discover(snapshot: &Snapshot, server: &str, why: Option<&Failure>) -> String {
    handshake::discover_result(&initialize(snapshot, server, None, why)).expect("an object of ours")
}

/// The `result` of a list that the server does not answer in time; `known` is what is known of it.
pub(super) fn list(method: &str, known: &str, sign_in: Option<&str>, era: Era) -> Option<String> {
    let member = method::list_member(method)?;
    let items = match sign_in.filter(|_| method == "tools/list") {
        Some(server) => with_sign_in_tool(known, server),
        None => known.to_owned(),
    };
    let modern = match era {
        Era::Legacy => "",
        Era::Modern => r#","resultType":"complete","ttlMs":0,"cacheScope":"private""#,
    };
    Some(format!(r#"{{"{member}":{items}{modern}}}"#))
}

/// An answer that lets a client go on where the server has nothing of the kind.
pub(super) fn empty(id: &RequestId, method: &str, era: Era) -> Option<bytes::Bytes> {
    let result = match method {
        "ping" | "logging/setLevel" | "resources/subscribe" | "resources/unsubscribe" => "{}".to_owned(),
        "completion/complete" => match era {
            Era::Legacy => r#"{"completion":{"values":[]}}"#.to_owned(),
            Era::Modern => r#"{"completion":{"values":[]},"resultType":"complete"}"#.to_owned(),
        },
        _ => list(method, "[]", None, era)?,
    };
    Some(result_response(id, &result))
}

/// The capability that a method needs.
pub(super) fn capability_of(method: &str) -> Option<&'static str> {
    match method {
        "tools/list" => Some("tools"),
        "prompts/list" => Some("prompts"),
        "resources/list" | "resources/templates/list" => Some("resources"),
        "logging/setLevel" => Some("logging"),
        "completion/complete" => Some("completions"),
        _ => None,
    }
}

fn capabilities(known: Option<&Value>) -> Value {
    let mut general = value!({
        "tools": { "listChanged": true },
        "prompts": { "listChanged": true },
        "resources": { "listChanged": true, "subscribe": true },
        "logging": {},
        "completions": {},
    });
    if let (Some(general), Some(known)) = (general.as_object_mut(), known.and_then(Value::as_object)) {
        for (name, value) in known {
            merge(general, name, value);
        }
    }
    general
}

/// The known capability's settings, with what is promised besides.
fn merge(general: &mut Map<String, Value>, name: &str, known: &Value) {
    match (general.get_mut(name).and_then(Value::as_object_mut), known.as_object()) {
        (Some(promised), Some(known)) => {
            for (setting, value) in known {
                promised.entry(setting).or_insert_with(|| value.clone());
            }
        }
        _ => {
            general.insert(name.to_owned(), known.clone());
        }
    }
}

fn server_info(known: &Value, server: &str) -> Value {
    let in_meta = known.get("_meta").and_then(|meta| meta.get("io.modelcontextprotocol/serverInfo"));
    known
        .get("serverInfo")
        .or(in_meta)
        .cloned()
        .unwrap_or_else(|| value!({ "name": server, "version": env!("CARGO_PKG_VERSION") }))
}

fn instructions(known: &Value, why: Option<&Failure>) -> Option<String> {
    let known = known.get("instructions").and_then(Value::as_str);
    match (known, why) {
        (Some(known), Some(why)) => Some(format!("{known}\n\n{}", why.text())),
        (Some(known), None) => Some(known.to_owned()),
        (None, why) => why.map(Failure::text),
    }
}

fn with_sign_in_tool(known: &str, server: &str) -> String {
    let tool = value!({
        "name": SIGN_IN_TOOL,
        "title": format!("Sign in to {server}"),
        "description": format!(
            "You are signed out of {server}. Call this tool to let the user sign in; \
             it returns once they have, and the server's tools work again."
        ),
        "inputSchema": { "type": "object", "properties": {} },
        "annotations": { "readOnlyHint": true, "openWorldHint": true },
    });
    let rest = known.trim_start().trim_start_matches('[').trim_start();
    let comma = if rest.starts_with(']') { "" } else { "," };
    format!("[{tool}{comma}{rest}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Code;

    fn raw(text: &str) -> Box<serde_json::value::RawValue> {
        serde_json::value::RawValue::from_string(text.into()).expect("JSON")
    }

    #[test]
    fn without_a_snapshot_everything_is_promised_and_the_reason_told() {
        let why = Failure::new(Code::SignedOut, "you are signed out", "sign in");
        let result = initialize(&Snapshot::default(), "linear", Some("2025-06-18"), Some(&why));
        let result: Value = serde_json::from_str(&result).expect("JSON");
        assert_eq!(result["protocolVersion"], "2025-06-18");
        assert_eq!(result["serverInfo"]["name"], "linear");
        assert_eq!(result["capabilities"]["resources"]["listChanged"], true);
        assert_eq!(result["instructions"], "You are signed out. Sign in.");
    }

    #[test]
    fn a_snapshot_lends_its_identity_and_capabilities() {
        let snapshot = Snapshot {
            initialize: Some(raw(
                r#"{"protocolVersion":"2024-11-05","capabilities":{"tools":{"x":1},"experimental":{"y":{}}},"serverInfo":{"name":"Real","version":"9"},"instructions":"Use it"}"#,
            )),
            ..Snapshot::default()
        };
        let result = initialize(&snapshot, "linear", Some("1999-01-01"), None);
        let result: Value = serde_json::from_str(&result).expect("JSON");
        assert_eq!(result["protocolVersion"], era::NEWEST_LEGACY);
        assert_eq!(result["serverInfo"]["name"], "Real");
        assert_eq!(result["capabilities"]["tools"], value!({ "listChanged": true, "x": 1 }));
        assert_eq!(result["capabilities"]["experimental"], value!({ "y": {} }));
        assert_eq!(result["instructions"], "Use it");
    }

    #[test]
    fn our_tool_stands_before_the_known_ones_which_keep_their_bytes() {
        let tools = list("tools/list", "[]", Some("linear"), Era::Legacy).expect("a list");
        let only: Value = serde_json::from_str(&tools).expect("JSON");
        assert_eq!(only["tools"].as_array().map(Vec::len), Some(1));
        let known = r#"[ {"name":"a", "n":1.0}]"#;
        let tools = list("tools/list", known, Some("linear"), Era::Modern).expect("a list");
        assert!(tools.contains(r#",{"name":"a", "n":1.0}]"#), "{tools}");
        let both: Value = serde_json::from_str(&tools).expect("JSON");
        assert_eq!(both["tools"][0]["name"], SIGN_IN_TOOL);
        assert_eq!(both["resultType"], "complete");
        assert_eq!(
            list("prompts/list", "[]", Some("linear"), Era::Legacy).as_deref(),
            Some(r#"{"prompts":[]}"#)
        );
    }
}
