//! What a legacy client of an older version cannot read, said in what it can: kinds of content,
//! structured results, forms. Follows the "Key Changes" pages of all revisions.

use serde_json::{Value, json as value};

use super::edit::{Edit, edit_at, edit_each};
use super::request::with;
use crate::mcp::{Message, json};

/// The version that brought audio.
const AUDIO: &str = "2025-03-26";
/// The version that brought resource links and structured results.
const RESOURCE_LINKS: &str = "2025-06-18";
/// The version that brought modes and titled choices to elicitation.
const ELICITATION_MODES: &str = "2025-11-25";

/// A server's answer to `initialize` for a client that asked for `version`.
pub fn under_version(response: &Message, version: &str) -> Option<Message> {
    let result = edit_at(response.raw_at(&["result"])?, &[], |result| {
        result.set("protocolVersion", format!("\"{version}\""));
    })?;
    with(response, |edit| _ = edit.set("result", result))
}

/// An answer to a request of that method for a legacy client of `version`; `None` where it may
/// stay as it is.
pub fn fit_answer(method: &str, response: &Message, version: &str) -> Option<Message> {
    let result = fit_result(method, response.raw_at(&["result"])?, version)?;
    with(response, |edit| _ = edit.set("result", result))
}

/// A question of a server for a legacy client of `version`; `None` where it may stay as it is.
pub fn fit_question(question: &Message, version: &str) -> Option<Message> {
    if question.method() != Some("elicitation/create") {
        return None;
    }
    let params = fit_elicitation(question.raw_at(&["params"])?, version)?;
    with(question, |edit| _ = edit.set("params", params))
}

/// A result of a newer server for a legacy client of `version`; `None` where it may stay as it is.
pub(super) fn fit_result(method: &str, result: &str, version: &str) -> Option<String> {
    match method {
        "tools/list" => {
            let tools = edit_each(json::member(result, "tools")?, fit_tool)?;
            edit_at(result, &[], |result| _ = result.set("tools", tools))
        }
        "tools/call" => fit_tool_result(result, version),
        "prompts/get" => {
            let messages = edit_each(json::member(result, "messages")?, |message| {
                let content = fit_content(json::member(message, "content")?, version)?;
                edit_at(message, &[], |message| _ = message.set("content", content))
            })?;
            edit_at(result, &[], |result| _ = result.set("messages", messages))
        }
        _ => None,
    }
}

/// The parameters of `elicitation/create` for a client of `version`; `None` where they may stay.
pub(super) fn fit_elicitation(params: &str, version: &str) -> Option<String> {
    if version >= ELICITATION_MODES {
        return None;
    }
    let mut edit = Edit::of(params)?;
    let had_mode = edit.remove("mode");
    let properties = json::member_at(params, &["requestedSchema", "properties"]).and_then(untitled_choices);
    if let Some(properties) = &properties {
        let schema = json::member(params, "requestedSchema")?;
        let schema = edit_at(schema, &[], |schema| _ = schema.set("properties", properties.as_str()))?;
        edit.set("requestedSchema", schema);
    }
    (had_mode || properties.is_some()).then(|| edit.text())
}

/// Output schemas of legacy versions are those of objects.
fn fit_tool(tool: &str) -> Option<String> {
    let schema = json::member(tool, "outputSchema")?;
    let is_of_objects = json::member(schema, "type").and_then(json::string).as_deref() == Some("object");
    if is_of_objects {
        return None;
    }
    edit_at(tool, &[], |tool| _ = tool.remove("outputSchema"))
}

fn fit_tool_result(result: &str, version: &str) -> Option<String> {
    let content = json::member(result, "content");
    let structured = json::member(result, "structuredContent");
    let mut edit = Edit::of(result)?;
    let blocks = content.and_then(|content| edit_each(content, |block| fit_content(block, version)));
    let has_content = content.and_then(json::elements).is_some_and(|blocks| !blocks.is_empty());
    let is_readable =
        structured.is_none_or(|structured| structured.starts_with('{') && version >= RESOURCE_LINKS);
    if blocks.is_none() && is_readable {
        return None;
    }
    if let Some(blocks) = blocks {
        edit.set("content", blocks);
    }
    if let Some(structured) = structured.filter(|_| !is_readable) {
        edit.remove("structuredContent");
        if !has_content {
            edit.set("content", value!([{ "type": "text", "text": structured }]).to_string());
        }
    }
    Some(edit.text())
}

fn fit_content(block: &str, version: &str) -> Option<String> {
    let kind = json::member(block, "type").and_then(json::string)?;
    match &*kind {
        "audio" if version < AUDIO => {
            let mime_type = json::member(block, "mimeType").unwrap_or(r#""application/octet-stream""#);
            let data = json::member(block, "data")?;
            let resource = format!(r#"{{"uri":"data:audio","mimeType":{mime_type},"blob":{data}}}"#);
            edit_at(block, &[], |block| {
                block.remove("data");
                block.remove("mimeType");
                block.set("type", r#""resource""#).set("resource", resource);
            })
        }
        "resource_link" if version < RESOURCE_LINKS => {
            let text_at = |key| json::member(block, key).and_then(json::string);
            let name = text_at("title").or_else(|| text_at("name")).unwrap_or_default();
            let text = format!("{name}: {}", text_at("uri")?);
            Some(value!({ "type": "text", "text": text.trim_start_matches(": ") }).to_string())
        }
        _ => None,
    }
}

/// Choices with titles (`oneOf` of constants) as `enum` and `enumNames`.
fn untitled_choices(properties: &str) -> Option<String> {
    let mut edit = Edit::of(properties)?;
    let mut changed = false;
    for (name, property) in Edit::of(properties)?.into_members() {
        let Some(choices) = json::member(&property, "oneOf").and_then(json::elements) else { continue };
        let of = |key: &str| -> Option<Vec<Value>> {
            choices.iter().map(|choice| serde_json::from_str(json::member(choice.get(), key)?).ok()).collect()
        };
        let (Some(values), Some(titles)) = (of("const"), of("title")) else { continue };
        let plain = edit_at(&property, &[], |property| {
            property.remove("oneOf");
            property.set("enum", Value::from(values).to_string());
            property.set("enumNames", Value::from(titles).to_string());
        });
        if let Some(plain) = plain {
            edit.set(&name, plain);
            changed = true;
        }
    }
    changed.then(|| edit.text())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_that_a_version_does_not_know_is_said_otherwise() {
        let audio = r#"{"content":[{"type":"audio","data":"AA==","mimeType":"audio/wav", "x":1.0}]}"#;
        assert_eq!(fit_result("tools/call", audio, "2025-03-26"), None);
        assert_eq!(
            fit_result("tools/call", audio, "2024-11-05").as_deref(),
            Some(
                r#"{"content":[{"type":"resource", "x":1.0,"resource":{"uri":"data:audio","mimeType":"audio/wav","blob":"AA=="}}]}"#
            )
        );
        let link =
            r#"{"messages":[{"role":"user","content":{"type":"resource_link","uri":"a:b","name":"n"}}]}"#;
        assert_eq!(fit_result("prompts/get", link, "2025-06-18"), None);
        assert_eq!(
            fit_result("prompts/get", link, "2025-03-26").as_deref(),
            Some(r#"{"messages":[{"role":"user","content":{"text":"n: a:b","type":"text"}}]}"#)
        );
    }

    #[test]
    fn messages_keep_all_that_need_not_change() {
        let message =
            |text: &'static str| Message::parse(bytes::Bytes::from_static(text.as_bytes())).expect(text);
        let line =
            |message: Option<Message>| message.map(|message| message.raw_at(&[]).expect("text").to_owned());
        let hello = message(r#"{"id":1, "result":{"protocolVersion":"2025-11-25","x":1.0}}"#);
        assert_eq!(
            line(under_version(&hello, "2024-11-05")).as_deref(),
            Some(r#"{"id":1, "result":{"protocolVersion":"2024-11-05","x":1.0}}"#)
        );
        let answer = message(r#"{"id":1, "result":{"content":[],"structuredContent":{}}}"#);
        assert_eq!(
            line(fit_answer("tools/call", &answer, "2025-03-26")).as_deref(),
            Some(r#"{"id":1, "result":{"content":[{"text":"{}","type":"text"}]}}"#)
        );
        assert!(fit_answer("tools/call", &answer, "2025-06-18").is_none());
        let question = message(r#"{"id":1,"method":"elicitation/create","params":{"mode":"form", "x":1}}"#);
        assert_eq!(
            line(fit_question(&question, "2025-06-18")).as_deref(),
            Some(r#"{"id":1,"method":"elicitation/create","params":{"x":1}}"#)
        );
        assert!(fit_question(&message(r#"{"id":1,"method":"roots/list"}"#), "2024-11-05").is_none());
    }

    #[test]
    fn structured_results_are_told_as_text_to_who_knows_only_that() {
        let object = r#"{"structuredContent":{"a":1.10}}"#;
        assert_eq!(fit_result("tools/call", object, "2025-06-18"), None);
        assert_eq!(
            fit_result("tools/call", object, "2025-03-26").as_deref(),
            Some(r#"{"content":[{"text":"{\"a\":1.10}","type":"text"}]}"#)
        );
        let list = r#"{"content":[{"type":"text","text":"t"}],"structuredContent":[1]}"#;
        assert_eq!(
            fit_result("tools/call", list, "2025-11-25").as_deref(),
            Some(r#"{"content":[{"type":"text","text":"t"}]}"#)
        );
    }

    #[test]
    fn output_schemas_of_other_things_than_objects_are_left_out() {
        let tools = r#"{"tools":[{"name":"a","outputSchema":{"type":"object"}}, {"name":"b","outputSchema":{"type":"array"}}]}"#;
        assert_eq!(
            fit_result("tools/list", tools, "2025-11-25").as_deref(),
            Some(r#"{"tools":[{"name":"a","outputSchema":{"type":"object"}}, {"name":"b"}]}"#)
        );
    }

    #[test]
    fn forms_are_simplified_for_versions_without_modes() {
        let params = r#"{"mode":"form","message":"m","requestedSchema":{"type":"object","properties":{"c":{"type":"string","oneOf":[{"const":"r","title":"Red"}]},"d":{"type":"string"}}}}"#;
        assert_eq!(fit_elicitation(params, "2025-11-25"), None);
        assert_eq!(
            fit_elicitation(params, "2025-06-18").as_deref(),
            Some(
                r#"{"message":"m","requestedSchema":{"type":"object","properties":{"c":{"type":"string","enum":["r"],"enumNames":["Red"]},"d":{"type":"string"}}}}"#
            )
        );
        assert_eq!(fit_elicitation(r#"{"message":"m"}"#, "2025-06-18"), None);
    }
}
