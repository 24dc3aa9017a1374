//! `initialize` ⇄ `server/discover`
//! (<https://modelcontextprotocol.io/specification/2026-07-28/server/discover>).

use super::edit::{Edit, edit_at};
use super::meta::{Client, Level, SERVER_INFO};
use crate::mcp::era::{MODERN_VERSIONS, NEWEST_LEGACY, is_legacy_version};
use crate::mcp::{Message, RequestId, json};

/// `server/discover` in a client's name.
pub fn discover(id: &RequestId, client: &Client) -> Message {
    let mut meta = Edit::of("{}").expect("an object");
    client.put_into(&mut meta, None);
    let line = format!(
        r#"{{"jsonrpc":"2.0","id":{},"method":"server/discover","params":{{"_meta":{}}}}}"#,
        id.as_raw(),
        meta.text()
    );
    Message::parse(line.into()).expect("a request made of JSON values")
}

/// `initialize` in a modern client's name.
pub fn initialize(id: &RequestId, client: &Client) -> Message {
    let own = concat!(r#"{"name":"drawbridge","version":""#, env!("CARGO_PKG_VERSION"), r#""}"#);
    let line = format!(
        r#"{{"jsonrpc":"2.0","id":{},"method":"initialize","params":{{"protocolVersion":"{NEWEST_LEGACY}","capabilities":{},"clientInfo":{}}}}}"#,
        id.as_raw(),
        client.capabilities(),
        client.info().unwrap_or(own)
    );
    Message::parse(line.into()).expect("a request made of JSON values")
}

/// `logging/setLevel` of a legacy server.
pub fn set_level(id: &RequestId, level: Level) -> Message {
    let line = format!(
        r#"{{"jsonrpc":"2.0","id":{},"method":"logging/setLevel","params":{{"level":"{}"}}}}"#,
        id.as_raw(),
        level.as_str()
    );
    Message::parse(line.into()).expect("a request made of JSON values")
}

/// The legacy version a client is told: its own, where it is one we speak.
pub fn version_for(initialize: &Message) -> String {
    let asked = initialize.string_at(&["params", "protocolVersion"]);
    asked.filter(|version| is_legacy_version(version)).unwrap_or_else(|| NEWEST_LEGACY.to_owned())
}

/// The result of `initialize`, made from that of `server/discover`. A server without a name of
/// its own goes by `server`. `None` where `discovered` is no object.
pub fn initialize_result(discovered: &str, version: &str, server: &str) -> Option<String> {
    let mut result = Edit::of(discovered)?;
    for key in ["resultType", "supportedVersions", "ttlMs", "cacheScope"] {
        result.remove(key);
    }
    let info = json::member_at(discovered, &["_meta", SERVER_INFO]).map(str::to_owned);
    take_server_info(&mut result);
    if result.member("capabilities").is_none() {
        result.set("capabilities", "{}");
    }
    let name = serde_json::Value::from(server);
    let info = info.unwrap_or_else(|| format!(r#"{{"name":{name},"version":"unknown"}}"#));
    result.set("protocolVersion", format!("\"{version}\"")).set("serverInfo", info);
    Some(result.text())
}

/// The result of `server/discover`, made from that of `initialize`. `None` where that is no object.
pub fn discover_result(initialized: &str) -> Option<String> {
    let mut result = Edit::of(initialized)?;
    result.remove("protocolVersion");
    if let Some(info) = json::member(initialized, "serverInfo") {
        result.remove("serverInfo");
        let meta = result.member("_meta").filter(|meta| *meta != "null").unwrap_or("{}");
        let meta = edit_at(meta, &[], |meta| _ = meta.set(SERVER_INFO, info))?;
        result.set("_meta", meta);
    }
    if let Some(capabilities) = json::member(initialized, "capabilities") {
        let offered = edit_at(capabilities, &[], |offered| _ = offered.remove("tasks"))?;
        result.set("capabilities", offered);
    }
    let versions = MODERN_VERSIONS.map(|version| format!("\"{version}\"")).join(",");
    result.set("supportedVersions", format!("[{versions}]"));
    super::answer::mark_complete(&mut result, "server/discover");
    Some(result.text())
}

/// Takes the server's name out of a result's `_meta`.
pub(super) fn take_server_info(result: &mut Edit<'_>) {
    let Some(meta) = result.member("_meta").map(str::to_owned) else { return };
    let Some(mut meta) = Edit::of(&meta) else { return };
    if !meta.remove(SERVER_INFO) {
        return;
    }
    if meta.is_empty() {
        result.remove("_meta");
    } else {
        result.set("_meta", meta.text());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_modern_server_introduces_itself_in_the_legacy_way() {
        let discovered = r#"{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{ }},"_meta":{"io.modelcontextprotocol/serverInfo":{"name":"s","version":"1"}},"instructions":"i","ttlMs":1,"cacheScope":"public","x":1.0}"#;
        assert_eq!(
            initialize_result(discovered, "2025-06-18", "demo").as_deref(),
            Some(
                r#"{"capabilities":{"tools":{ }},"instructions":"i","x":1.0,"protocolVersion":"2025-06-18","serverInfo":{"name":"s","version":"1"}}"#
            )
        );
        assert_eq!(
            initialize_result(r#"{"_meta":{"a":1}}"#, "2025-06-18", "demo").as_deref(),
            Some(
                r#"{"_meta":{"a":1},"capabilities":{},"protocolVersion":"2025-06-18","serverInfo":{"name":"demo","version":"unknown"}}"#
            )
        );
        assert_eq!(initialize_result("[]", "2025-06-18", "demo"), None);
    }

    #[test]
    fn a_legacy_server_introduces_itself_in_the_modern_way() {
        let initialized = r#"{"protocolVersion":"2025-06-18","capabilities":{"tasks":{},"tools":{"listChanged":true}},"serverInfo":{"name":"s"},"instructions":"i"}"#;
        assert_eq!(
            discover_result(initialized).as_deref(),
            Some(
                r#"{"capabilities":{"tools":{"listChanged":true}},"instructions":"i","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"s"}},"supportedVersions":["2026-07-28"],"resultType":"complete","ttlMs":0,"cacheScope":"private"}"#
            )
        );
    }

    #[test]
    fn a_client_keeps_its_version_where_we_speak_it() {
        for (asked, told) in [("2024-11-05", "2024-11-05"), ("1999-01-01", NEWEST_LEGACY)] {
            let line =
                format!(r#"{{"id":1,"method":"initialize","params":{{"protocolVersion":"{asked}"}}}}"#);
            assert_eq!(version_for(&Message::parse(line.into()).expect("a message")), told);
        }
    }
}
