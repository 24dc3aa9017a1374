//! Which tools exist, and who sees them.

use std::borrow::Cow;
use std::sync::Arc;

use rmcp::model::Tool;
use serde_json::{Value, json};

use crate::auth::Caller;
use crate::shared::Shared;
use crate::users::Role;

/// Who sees a tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Audience {
    Everybody,
    SignedIn,
    Admins,
}

use Audience::{Admins, Everybody, SignedIn};

const TOOLS: [(&str, Audience, &str); 20] = [
    ("get_greeting", Everybody, "Greets you by name, if it knows you"),
    ("echo_message", Everybody, "Says what you say"),
    ("hello_world", Everybody, "Says hello, for a region if one is given"),
    ("auth_status", Everybody, "Tells whether and how you are signed in"),
    ("oauth_info", Everybody, "Tells how to sign in here"),
    ("slow", Everybody, "Takes its time"),
    ("progress", Everybody, "Reports its progress"),
    ("elicit", Everybody, "Asks you for your favourite colour"),
    ("elicit_url", Everybody, "Asks you to look at a page"),
    ("roots", Everybody, "Asks for your roots, and names them"),
    ("log", Everybody, "Logs a few messages"),
    ("change", Everybody, "Tells that a list, or the resource of this URI, has changed"),
    ("streams", Everybody, "Waits until somebody listens to what this server tells by itself"),
    ("slow_calls", Everybody, "Waits until so many calls of `slow` wait to be released"),
    ("sample", Everybody, "Asks your model for a haiku"),
    ("big", Everybody, "Answers with a lot of text"),
    ("user_profile", SignedIn, "Shows your profile"),
    ("protected_data", SignedIn, "Shows data not everybody may see"),
    ("web_search", SignedIn, "Searches a very small web"),
    ("admin_panel", Admins, "Lists tokens, revokes them, shows statistics"),
];

/// The tools a caller sees.
pub(super) fn visible(shared: &Shared, caller: &Caller) -> Vec<Tool> {
    let mut tools = all(shared);
    tools.retain(|tool| may_call(caller, &tool.name));
    tools
}

/// Every tool there is right now.
pub(super) fn all(shared: &Shared) -> Vec<Tool> {
    let changes = crate::lock(&shared.tools);
    let built_in = TOOLS
        .iter()
        .filter(|(name, _, _)| !changes.removed.contains(*name))
        .map(|(name, _, description)| tool(name, description));
    let added = changes.added.iter().map(|name| tool(name, "Was added while the server ran"));
    let described = |mut tool: Tool| {
        if let Some(description) = changes.described.get(&*tool.name) {
            tool.description = Some(Cow::Owned(description.clone()));
        }
        tool
    };
    built_in.chain(added).map(described).collect()
}

/// Whether a tool is more than anonymous callers see.
pub(crate) fn is_private(name: &str) -> bool {
    audience(name) != Everybody
}

/// Whether a tool exists from the start.
pub(crate) fn is_built_in(name: &str) -> bool {
    TOOLS.iter().any(|(tool, _, _)| *tool == name)
}

/// Whether a caller may call a tool.
pub(super) fn may_call(caller: &Caller, name: &str) -> bool {
    match audience(name) {
        Everybody => true,
        SignedIn => caller.user.is_some(),
        Admins => caller.user.is_some_and(|user| user.role == Role::Admin),
    }
}

fn audience(name: &str) -> Audience {
    let known = TOOLS.iter().find(|(tool, _, _)| *tool == name);
    known.map_or(Everybody, |(_, audience, _)| *audience)
}

fn tool(name: &str, description: &'static str) -> Tool {
    let (properties, required) = parameters(name);
    let schema = json!({ "type": "object", "properties": properties, "required": required });
    let schema = schema.as_object().cloned().unwrap_or_default();
    Tool::new(name.to_owned(), description, Arc::new(schema))
}

fn parameters(name: &str) -> (Value, Value) {
    match name {
        "get_greeting" => (json!({ "name": { "type": "string" } }), json!([])),
        "echo_message" => (json!({ "message": { "type": "string" } }), json!(["message"])),
        // The header annotation exercises `Mcp-Param-*` (modern transport).
        "hello_world" => (json!({ "region": { "type": "string", "x-mcp-header": "Region" } }), json!([])),
        "slow" => (
            json!({
                "seconds": { "type": "number", "default": 1 },
                "until_released": { "type": "boolean", "default": false },
            }),
            json!([]),
        ),
        "slow_calls" => (json!({ "count": { "type": "integer" } }), json!(["count"])),
        "change" => (json!({ "what": { "type": "string" } }), json!(["what"])),
        "progress" => (json!({ "steps": { "type": "integer", "default": 3 } }), json!([])),
        "big" => (json!({ "bytes": { "type": "integer", "default": 1_000_000 } }), json!([])),
        "protected_data" => {
            (json!({ "category": { "enum": ["personal", "financial", "admin"] } }), json!(["category"]))
        }
        "web_search" => (
            json!({
                "action": { "enum": ["search", "index"], "default": "search" },
                "query": { "type": "string" },
                "title": { "type": "string" },
                "text": { "type": "string" },
            }),
            json!([]),
        ),
        "admin_panel" => (
            json!({
                "action": { "enum": ["list_tokens", "revoke", "stats"] },
                "user": { "type": "string" },
            }),
            json!(["action"]),
        ),
        _ => (json!({}), json!([])),
    }
}
