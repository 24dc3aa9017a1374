//! `drawbridge tools` and `drawbridge call`: a server looked at and tried by hand.

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::held_tools::{self, HeldTools};
use super::mcp_client::McpClient;
use super::output;
use super::target::NamedAccount;
use crate::failure::{Code, Failure};
use crate::redact::plain;

/// How much of a description fits on a line.
const LONGEST_DESCRIPTION: usize = 80;

#[derive(Debug, clap::Args)]
pub(super) struct ToolsArgs {
    /// A server's name, or `name@account`
    server: NamedAccount,
    /// Where they are pinned: show what has changed since you accepted them
    #[arg(long)]
    changes: bool,
    /// Accept what `--changes` showed, by the word it named at its end
    #[arg(long, value_name = "WORD", conflicts_with_all = ["changes", "json"])]
    accept: Option<String>,
    /// Print JSON: the tools as the server describes them
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A server's name, or `name@account`
    server: NamedAccount,
    /// The tool's name
    tool: String,
    /// Its arguments: a JSON object
    #[arg(value_name = "JSON", value_parser = object)]
    arguments: Option<Map<String, Value>>,
    /// Print JSON: the whole result
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Deserialize)]
struct Tool {
    name: String,
    #[serde(default)]
    description: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ToolResult {
    #[serde(default)]
    content: Vec<Value>,
    #[serde(default)]
    is_error: bool,
}

pub(super) async fn tools(args: ToolsArgs) -> Result<(), Failure> {
    if let Some(seen) = args.accept {
        return held_tools::accept(args.server, seen).await;
    }
    let tools = McpClient::open(args.server.clone()).await?.tools().await?;
    let held = HeldTools::look(args.server).await?;
    if args.changes {
        return held.show(args.json);
    }
    if args.json {
        output::print_json(&tools);
        return Ok(());
    }
    if tools.is_empty() && held.count() == 0 {
        output::tell("The server has no tools.");
    }
    if !tools.is_empty() {
        let mut rows = vec![vec!["NAME".to_owned(), "DESCRIPTION".to_owned()]];
        rows.extend(tools.iter().map(|tool| row(tool)));
        output::print_table(&rows);
    }
    if let Some(note) = held.note() {
        output::tell(&note);
    }
    Ok(())
}

pub(super) async fn run(args: Args) -> Result<(), Failure> {
    let mut client = McpClient::open(args.server).await?;
    // Asked first, because a call made while signed out would wait for somebody to sign in.
    client.tools().await?;
    let params = json!({ "name": args.tool, "arguments": args.arguments.unwrap_or_default() });
    let result = client.request("tools/call", &params).await?;
    let read: ToolResult = serde_json::from_str(result.get()).map_err(|_| odd_result())?;
    if args.json {
        output::print_json(&result);
    } else if !read.is_error {
        output::print(&text_of(&read.content));
    }
    if !read.is_error {
        return Ok(());
    }
    let said = plain(&text_of(&read.content), 2000);
    Err(Failure::new(Code::ServerError, format!("the tool failed: {said}"), ""))
}

fn row(tool: &RawValue) -> Vec<String> {
    match serde_json::from_str::<Tool>(tool.get()) {
        Ok(tool) => {
            let description = tool.description.unwrap_or_default();
            let first = description.trim().lines().next().unwrap_or_default();
            vec![plain(&tool.name, 128), plain(first, LONGEST_DESCRIPTION)]
        }
        Err(_) => vec!["?".into(), "unreadable".into()],
    }
}

/// Text as text, everything else as its JSON. What a terminal would obey is left out.
fn text_of(content: &[Value]) -> String {
    let block = |block: &Value| match block.get("text").and_then(Value::as_str) {
        Some(text) => text.trim_end_matches('\n').chars().filter(|letter| is_harmless(*letter)).collect(),
        None => block.to_string(),
    };
    content.iter().map(|part| block(part) + "\n").collect()
}

fn is_harmless(letter: char) -> bool {
    let turns_text_around = matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    matches!(letter, '\n' | '\t') || !(letter.is_control() || turns_text_around)
}

fn object(text: &str) -> Result<Map<String, Value>, &'static str> {
    serde_json::from_str(text).map_err(|_| "write a JSON object, as in '{\"query\": \"x\"}'")
}

fn odd_result() -> Failure {
    Failure::new(Code::NotMcp, "the tool's answer is not MCP", "Tell the server's operator")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_servers_text_cannot_move_the_cursor() {
        let content = [
            json!({"type": "text", "text": "one\n  two\u{1b}[1A\u{7}\n"}),
            json!({"type": "image", "data": "x"}),
        ];
        assert_eq!(text_of(&content), "one\n  two[1A\n{\"data\":\"x\",\"type\":\"image\"}\n");
    }

    #[test]
    fn arguments_are_an_object() {
        assert!(object(r#"{"a": 1}"#).is_ok());
        for bad in ["[1]", "1", "{", ""] {
            assert!(object(bad).is_err(), "{bad}");
        }
    }
}
