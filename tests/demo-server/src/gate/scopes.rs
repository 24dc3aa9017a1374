//! Which scopes a request needs. A token without them gets 403 `insufficient_scope`, so that the
//! client can ask its user for more.

use crate::auth::{Caller, Refusal};
use crate::gate::peek::Message;
use crate::mcp::tools;

/// Refuses a request whose token covers too little, and calls of other than public tools by
/// nobody in particular.
pub(crate) fn check(caller: &Caller, message: &Message) -> Result<(), Refusal> {
    if caller.user.is_none() {
        return if calls_private_tool(message) { Err(Refusal::Missing) } else { Ok(()) };
    }
    let needed = needed(message);
    match caller.has_scope(needed) {
        true => Ok(()),
        false => Err(Refusal::InsufficientScope(needed.to_owned())),
    }
}

fn calls_private_tool(message: &Message) -> bool {
    message.is("tools/call") && message.params.name.as_deref().is_some_and(tools::is_private)
}

fn needed(message: &Message) -> &'static str {
    if !message.is("tools/call") || message.params.name.as_deref() != Some("web_search") {
        return "mcp";
    }
    match message.params.arguments.get("action").and_then(|action| action.as_str()) {
        Some("index") => "web-search:write",
        Some(_) | None => "web-search:read",
    }
}
