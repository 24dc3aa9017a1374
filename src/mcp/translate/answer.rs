//! Answers of servers: results, and errors whose codes changed between the eras.

use super::edit::Edit;
use super::handshake::take_server_info;
use super::input::InputRequired;
use super::request::with;
use super::versions;
use crate::mcp::{Kind, Message, RequestId, json};

/// Legacy: there is no such resource. Modern servers say [`INVALID_PARAMS`](crate::mcp::INVALID_PARAMS).
const RESOURCE_NOT_FOUND: &str = "-32002";
const INVALID_PARAMS: &str = "-32602";

/// What a modern server's answer comes to for a legacy client.
#[derive(Debug)]
pub enum Outcome {
    /// Its answer.
    Complete(Message),
    /// The server has to know more first.
    InputRequired(InputRequired),
    /// A result of a kind that nobody asked for.
    UnknownResult,
}

/// A modern server's answer to a request of that method, for a legacy client that knows it as
/// `id` and speaks `version`.
pub fn to_legacy(method: &str, response: &Message, id: &RequestId, version: &str) -> Outcome {
    let complete = |message: Option<Message>| message.map_or(Outcome::UnknownResult, Outcome::Complete);
    let Some(result) = response.raw_at(&["result"]) else {
        return complete(with(response, |edit| {
            edit.set("id", id.as_raw());
            if is_missing_resource(method, response) {
                set_code(edit, RESOURCE_NOT_FOUND);
            }
        }));
    };
    match json::member(result, "resultType").and_then(json::string).as_deref() {
        None | Some("complete") => {}
        Some("input_required") => {
            return InputRequired::read(result).map_or(Outcome::UnknownResult, Outcome::InputRequired);
        }
        Some(_) => return Outcome::UnknownResult,
    }
    let plain = without_modern_members(method, result);
    let fitted = plain.as_deref().and_then(|plain| versions::fit_result(method, plain, version));
    complete(with(response, |edit| {
        edit.set("id", id.as_raw());
        if let Some(result) = fitted.or(plain) {
            edit.set("result", result);
        }
    }))
}

/// A legacy server's answer to a request of that method, for a modern client that knows it as `id`.
pub fn to_modern(method: &str, response: &Message, id: &RequestId) -> Option<Message> {
    let result = response.raw_at(&["result"]).and_then(Edit::of).map(|mut result| {
        mark_complete(&mut result, method);
        result.text()
    });
    let is_missing = response.raw_at(&["error", "code"]) == Some(RESOURCE_NOT_FOUND);
    with(response, |edit| {
        edit.set("id", id.as_raw());
        if let Some(result) = result {
            edit.set("result", result);
        }
        if is_missing {
            set_code(edit, INVALID_PARAMS);
        }
    })
}

/// Says of a result what every modern one has to say of itself. What a legacy server gave may be
/// stale at once, and belongs to the account it was given to.
pub(super) fn mark_complete(result: &mut Edit<'_>, method: &str) {
    result.set("resultType", r#""complete""#);
    if is_cacheable(method) {
        result.set("ttlMs", "0").set("cacheScope", r#""private""#);
    }
}

/// Whether results of a method say how long they are fresh
/// (<https://modelcontextprotocol.io/specification/2026-07-28/server/utilities/caching>).
fn is_cacheable(method: &str) -> bool {
    matches!(
        method,
        "server/discover"
            | "tools/list"
            | "prompts/list"
            | "resources/list"
            | "resources/templates/list"
            | "resources/read"
    )
}

fn without_modern_members(method: &str, result: &str) -> Option<String> {
    let mut edit = Edit::of(result)?;
    edit.remove("resultType");
    if is_cacheable(method) {
        edit.remove("ttlMs");
        edit.remove("cacheScope");
    }
    take_server_info(&mut edit);
    Some(edit.text())
}

/// Modern servers answer [`INVALID_PARAMS`] and name the resource that does not exist.
fn is_missing_resource(method: &str, response: &Message) -> bool {
    method == "resources/read"
        && matches!(response.kind(), Kind::Response { is_error: true, .. })
        && response.raw_at(&["error", "code"]) == Some(INVALID_PARAMS)
        && response.raw_at(&["error", "data", "uri"]).is_some()
}

fn set_code(response: &mut Edit<'_>, code: &str) {
    let Some(error) = response.member("error").map(str::to_owned) else { return };
    let Some(mut error) = Edit::of(&error) else { return };
    error.set("code", code);
    response.set("error", error.text());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mcp::era::NEWEST_LEGACY;
    use bytes::Bytes;

    fn message(text: &str) -> Message {
        Message::parse(Bytes::copy_from_slice(text.as_bytes())).expect(text)
    }

    fn line(message: &Message) -> &str {
        message.raw_at(&[]).expect("text")
    }

    fn legacy(method: &str, text: &str) -> String {
        let outcome = to_legacy(method, &message(text), &RequestId::from_raw("7"), NEWEST_LEGACY);
        let Outcome::Complete(message) = outcome else { panic!("{outcome:?}") };
        line(&message).to_owned()
    }

    #[test]
    fn what_only_modern_clients_read_is_taken_out_of_results() {
        assert_eq!(
            legacy(
                "tools/list",
                r#"{"jsonrpc":"2.0","id":"x","result":{"resultType":"complete","tools":[ ],"ttlMs":5,"cacheScope":"public","_meta":{"io.modelcontextprotocol/serverInfo":{}}}}"#
            ),
            r#"{"jsonrpc":"2.0","id":7,"result":{"tools":[ ]}}"#
        );
        assert_eq!(
            legacy("vendor/x", r#"{"id":1,"result":{"ttlMs":5,"n":1.10}}"#),
            r#"{"id":7,"result":{"ttlMs":5,"n":1.10}}"#
        );
    }

    #[test]
    fn a_result_that_nobody_asked_for_is_none() {
        let response = message(r#"{"id":1,"result":{"resultType":"task","taskId":"t"}}"#);
        let outcome = to_legacy("tools/call", &response, &RequestId::from_raw("7"), NEWEST_LEGACY);
        assert!(matches!(outcome, Outcome::UnknownResult));
    }

    #[test]
    fn every_modern_result_says_that_it_is_complete() {
        let modern = |method, text| {
            let answer = to_modern(method, &message(text), &RequestId::from_raw("\"a\"")).expect("an object");
            line(&answer).to_owned()
        };
        assert_eq!(
            modern("tools/list", r#"{"id":1,"result":{"tools":[ ]}}"#),
            r#"{"id":"a","result":{"tools":[ ],"resultType":"complete","ttlMs":0,"cacheScope":"private"}}"#
        );
        assert_eq!(
            modern("tools/call", r#"{"id":1,"result":{}}"#),
            r#"{"id":"a","result":{"resultType":"complete"}}"#
        );
    }

    #[test]
    fn a_resource_that_does_not_exist_has_another_code_in_each_era() {
        let modern = r#"{"id":7,"error":{"code":-32602,"message":"m","data":{"uri":"u"}}}"#;
        let old = r#"{"id":7,"error":{"code":-32002,"message":"m","data":{"uri":"u"}}}"#;
        assert_eq!(legacy("resources/read", modern), old);
        assert_eq!(legacy("prompts/get", modern), modern);
        let back = to_modern("resources/read", &message(old), &RequestId::from_raw("7")).expect("an object");
        assert_eq!(line(&back), modern);
        let other = r#"{"id":7,"error":{"code":-32602,"message":"cursor"}}"#;
        assert_eq!(legacy("resources/read", other), other);
    }
}
