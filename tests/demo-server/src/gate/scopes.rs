//! Which scopes a request needs. A token without them gets 403 `insufficient_scope`, so that the
//! client can ask its user for more.

use crate::auth::{Caller, Refusal};
use crate::gate::peek::Message;
use crate::lock;
use crate::mcp::tools;
use crate::shared::Shared;

/// Refuses a request whose token covers too little, and calls of other than public tools by
/// nobody in particular.
pub(crate) fn check(shared: &Shared, caller: &Caller, message: &Message) -> Result<(), Refusal> {
    if caller.user.is_none() {
        return if calls_private_tool(message) { Err(Refusal::Missing) } else { Ok(()) };
    }
    let needed = demanded(shared, message).unwrap_or_else(|| needed(message).to_owned());
    match caller.has_scope(&needed) {
        true => Ok(()),
        false => Err(Refusal::InsufficientScope(needed)),
    }
}

fn calls_private_tool(message: &Message) -> bool {
    message.is("tools/call") && message.params.name.as_deref().is_some_and(tools::is_private)
}

/// What a test demands for this method.
fn demanded(shared: &Shared, message: &Message) -> Option<String> {
    lock(&shared.demanded_scopes).get(message.method.as_deref()?).cloned()
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
