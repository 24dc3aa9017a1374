//! `Mcp-Param-*` for modern tool calls: they need the tool's schema even where the client, on
//! stdio, never asked for the list.

use http::HeaderMap;
use serde_json::value::RawValue;

use crate::mcp::era::Era;
use crate::mcp::tool_headers::ToolHeaders;
use crate::mcp::{Message, json};

use super::ask::ask;
use super::authorized::Refused;
use super::context::Context;
use super::transport::Transport;

/// A server whose list goes on for longer than this is not followed.
const MOST_PAGES: usize = 1000;

/// The error code that says that headers and body do not match.
pub(super) const HEADER_MISMATCH: &str = "-32020";

/// The headers that mirror a call's arguments. Fetches the tool list where the tool is not in the
/// one last seen, or where `refresh` says that it may be out of date.
pub(super) async fn headers(
    context: &Context,
    transport: &Transport,
    call: &Message,
    refresh: bool,
) -> Result<HeaderMap, Refused> {
    let (Some(name), Some(arguments)) =
        (call.string_at(&["params", "name"]), call.raw_at(&["params", "arguments"]))
    else {
        return Ok(HeaderMap::new());
    };
    let mut tool = if refresh { None } else { known(context, &name) };
    if tool.is_none() {
        fetch(context, transport, call).await?;
        context.check_visible(call).map_err(Refused::Failed)?;
        tool = known(context, &name);
    }
    Ok(tool.map(|tool| tool.of_call(arguments)).unwrap_or_default())
}

fn known(context: &Context, name: &str) -> Option<ToolHeaders> {
    context.snapshot.read(|snapshot| {
        let tools = json::elements(snapshot.list("tools/list")?)?;
        let is_wanted = |tool: &&&RawValue| {
            json::member(tool.get(), "name").and_then(json::string).is_some_and(|found| found == name)
        };
        tools.iter().find(is_wanted).and_then(|tool| ToolHeaders::of_tool(tool.get()).ok())
    })
}

/// Fetches all pages of the tool list, on the word of the client's own request.
async fn fetch(context: &Context, transport: &Transport, call: &Message) -> Result<(), Refused> {
    context.fresh.on_change("notifications/tools/list_changed");
    let asked = context.snapshot.generation();
    let mut items: Vec<String> = Vec::new();
    let mut cursor = String::new();
    for page in 0..MOST_PAGES {
        let request = list_request(call, page, &cursor);
        let (_, response) = ask(context, transport, &request).await?;
        let Some(tools) = response.raw_at(&["result", "tools"]).and_then(json::elements) else {
            return Ok(());
        };
        items.extend(tools.iter().map(|tool| tool.get().to_owned()));
        match response.raw_at(&["result", "nextCursor"]).filter(|next| *next != "null") {
            Some(next) => cursor = format!(r#""cursor":{next},"#),
            None => break,
        }
    }
    if let Ok(list) = RawValue::from_string(format!("[{}]", items.join(","))) {
        context.note_list(asked, "tools/list", list, Era::Modern);
    }
    Ok(())
}

fn list_request(call: &Message, page: usize, cursor: &str) -> Message {
    let members = ["protocolVersion", "clientInfo", "clientCapabilities"].iter().filter_map(|name| {
        let key = format!("io.modelcontextprotocol/{name}");
        let value = call.raw_at(&["params", "_meta", &key])?;
        Some(format!(r#""{key}":{value}"#))
    });
    let meta = members.collect::<Vec<_>>().join(",");
    let line = format!(
        r#"{{"jsonrpc":"2.0","id":"drawbridge-tools-{page}","method":"tools/list","params":{{{cursor}"_meta":{{{meta}}}}}}}"#
    );
    Message::parse(line.into()).expect("a request made of JSON values")
}
