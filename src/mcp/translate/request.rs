//! Requests and notifications of clients.

use super::edit::{Edit, edit_at};
use super::meta::{Client, Level, take_out_of};
use crate::mcp::{Message, RequestId};

/// What becomes of a legacy client's message on its way to a modern server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForModern {
    /// It goes on, as [`to_modern`] writes it.
    Sent,
    /// It is answered here: modern servers know nothing of it, and need not.
    Answered(Answered),
    /// It says nothing that a modern server wants to know.
    Dropped,
}

/// What is answered in a modern server's stead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answered {
    /// `ping`.
    Ping,
    /// `logging/setLevel`: from now on every request names the level.
    SetLevel,
    /// `resources/subscribe`: one more for the listening stream.
    Subscribe,
    /// `resources/unsubscribe`.
    Unsubscribe,
    /// A method of the legacy tasks, which were never offered.
    NoSuchMethod,
}

/// Sorts a legacy client's request or notification by its method.
pub fn for_modern(method: &str) -> ForModern {
    match method {
        "ping" => ForModern::Answered(Answered::Ping),
        "logging/setLevel" => ForModern::Answered(Answered::SetLevel),
        "resources/subscribe" => ForModern::Answered(Answered::Subscribe),
        "resources/unsubscribe" => ForModern::Answered(Answered::Unsubscribe),
        "tasks/get" | "tasks/list" | "tasks/result" | "tasks/cancel" => {
            ForModern::Answered(Answered::NoSuchMethod)
        }
        "notifications/initialized"
        | "notifications/cancelled"
        | "notifications/progress"
        | "notifications/roots/list_changed"
        | "notifications/tasks/status" => ForModern::Dropped,
        _ => ForModern::Sent,
    }
}

/// What becomes of a modern client's request on its way to a legacy server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForLegacy {
    /// It goes on, as [`to_legacy`] writes it.
    Sent,
    /// `server/discover`: the handshake has the answer.
    Discover,
    /// `subscriptions/listen`: a legacy server tells of changes on its own stream.
    Listen,
    /// A method that this era no longer has.
    NoSuchMethod,
}

/// Sorts a modern client's request by its method.
pub fn for_legacy(method: &str) -> ForLegacy {
    match method {
        "server/discover" => ForLegacy::Discover,
        "subscriptions/listen" => ForLegacy::Listen,
        "initialize"
        | "ping"
        | "logging/setLevel"
        | "resources/subscribe"
        | "resources/unsubscribe"
        | "tasks/get"
        | "tasks/update"
        | "tasks/cancel" => ForLegacy::NoSuchMethod,
        _ => ForLegacy::Sent,
    }
}

/// `notifications/cancelled` of a request.
pub fn cancelled(id: &RequestId) -> Message {
    let id = id.as_raw();
    let line =
        format!(r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{id}}}}}"#);
    Message::parse(line.into()).expect("a notification made of JSON values")
}

/// Whether a modern client may be asked something before its request of this method is answered.
pub fn may_ask(method: &str) -> bool {
    matches!(method, "tools/call" | "prompts/get" | "resources/read")
}

/// A progress notification under the token that the client chose, raw.
pub fn progress_under(notification: &Message, token: &str) -> Option<Message> {
    let params = notification.raw_at(&["params"])?;
    let params = edit_at(params, &[], |params| _ = params.set("progressToken", token))?;
    with(notification, |edit| _ = edit.set("params", params))
}

/// A legacy request as a modern server wants it: with `_meta` that says who asks, and without the
/// legacy tasks' `task`. `None` where `params` is no object.
pub fn to_modern(request: &Message, client: &Client, level: Option<Level>) -> Option<Message> {
    let params = request.raw_at(&["params"]).filter(|params| *params != "null").unwrap_or("{}");
    let params = edit_at(params, &["_meta"], |meta| client.put_into(meta, level))?;
    let params = edit_at(&params, &[], |params| _ = params.remove("task"))?;
    with(request, |edit| _ = edit.set("params", params))
}

/// A modern request as a legacy server wants it: without what the handshake says.
pub fn to_legacy(request: &Message) -> Option<Message> {
    let Some(params) = request.raw_at(&["params"]) else { return Some(request.clone()) };
    let Some(meta) = Edit::of(params)?.member("_meta").map(str::to_owned) else {
        return Some(request.clone());
    };
    let params = edit_at(params, &[], |params| {
        let Some(mut meta) = Edit::of(&meta) else { return };
        take_out_of(&mut meta);
        if meta.is_empty() {
            params.remove("_meta");
        } else {
            params.set("_meta", meta.text());
        }
        params.remove("inputResponses");
        params.remove("requestState");
    })?;
    with(request, |edit| _ = edit.set("params", params))
}

/// A request under another id.
pub fn under_id(request: &Message, id: &RequestId) -> Option<Message> {
    with(request, |edit| _ = edit.set("id", id.as_raw()))
}

/// A request whose progress is reported under another token; as it is where it has none.
pub fn under_progress_token(request: &Message, token: &str) -> Option<Message> {
    if request.raw_at(&["params", "_meta", "progressToken"]).is_none() {
        return Some(request.clone());
    }
    let params = request.raw_at(&["params"])?;
    let params = edit_at(params, &["_meta"], |meta| _ = meta.set("progressToken", token))?;
    with(request, |edit| _ = edit.set("params", params))
}

/// A modern request once more, with what the server asked for. `state` is the `requestState` as
/// it came, raw.
pub fn with_input(
    request: &Message,
    id: &RequestId,
    responses: Option<&str>,
    state: Option<&str>,
) -> Option<Message> {
    let params = request.raw_at(&["params"])?;
    let params = edit_at(params, &[], |params| {
        for (key, value) in [("inputResponses", responses), ("requestState", state)] {
            params.remove(key);
            if let Some(value) = value {
                params.set(key, value);
            }
        }
    })?;
    with(request, |edit| _ = edit.set("id", id.as_raw()).set("params", params))
}

/// A message with changed members.
pub(super) fn with(message: &Message, change: impl FnOnce(&mut Edit<'_>)) -> Option<Message> {
    let line = edit_at(message.raw_at(&[])?, &[], change)?;
    Message::parse(line.into()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    const META: &str = r#"{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"c"},"io.modelcontextprotocol/clientCapabilities":{"roots":{}}}"#;

    fn message(text: &str) -> Message {
        Message::parse(Bytes::copy_from_slice(text.as_bytes())).expect(text)
    }

    fn client() -> Client {
        Client::of_initialize(&message(
            r#"{"id":0,"method":"initialize","params":{"capabilities":{"roots":{}},"clientInfo":{"name":"c"}}}"#,
        ))
    }

    fn text(message: Option<Message>) -> String {
        String::from_utf8(message.expect("an object").line().to_vec()).expect("text")
    }

    #[test]
    fn every_request_says_who_asks() {
        for (legacy, params) in [
            (r#"{"id":1,"method":"tools/list"}"#, format!(r#"{{"_meta":{META}}}"#)),
            (r#"{"id":1,"method":"tools/list","params":null}"#, format!(r#"{{"_meta":{META}}}"#)),
            (
                r#"{"id":1,"method":"tools/call","params":{"name":"t", "arguments":{"n":1.10},"task":{"ttl":1}}}"#,
                format!(r#"{{"name":"t", "arguments":{{"n":1.10}},"_meta":{META}}}"#),
            ),
            (
                r#"{"id":1,"method":"tools/call","params":{"_meta":{"progressToken":7}}}"#,
                format!(r#"{{"_meta":{{"progressToken":7,{}}}"#, &META[1..]),
            ),
        ] {
            let modern = to_modern(&message(legacy), &client(), None).expect("an object");
            assert_eq!(modern.raw_at(&["params"]), Some(params.as_str()));
        }
        assert!(to_modern(&message(r#"{"id":1,"method":"m","params":[1]}"#), &client(), None).is_none());
    }

    #[test]
    fn the_log_level_goes_with_every_request() {
        let modern = to_modern(&message(r#"{"id":1,"method":"m"}"#), &client(), Level::named("notice"));
        assert!(text(modern).contains(r#""io.modelcontextprotocol/logLevel":"notice""#));
    }

    #[test]
    fn a_legacy_server_gets_what_it_knows() {
        let modern = message(&format!(r#"{{"id":1,"method":"tools/list","params":{{"_meta":{META}}}}}"#));
        assert_eq!(text(to_legacy(&modern)), r#"{"id":1,"method":"tools/list","params":{}}"#);
        let with_token = message(&format!(
            r#"{{"id":1,"method":"m","params":{{"a": 1,"_meta":{{"progressToken":"p",{}}}}}"#,
            &META[1..]
        ));
        assert_eq!(
            text(to_legacy(&with_token)),
            r#"{"id":1,"method":"m","params":{"a": 1,"_meta":{"progressToken":"p"}}}"#
        );
        let bare = message(r#"{"id":1,"method":"m"}"#);
        assert_eq!(text(to_legacy(&bare)), r#"{"id":1,"method":"m"}"#);
    }

    #[test]
    fn a_retry_has_another_id_and_what_was_asked_for() {
        let call = message(r#"{"id":1,"method":"tools/call","params":{"name":"t"}}"#);
        let id = RequestId::from_raw("\"drawbridge-2\"");
        let retry = with_input(&call, &id, Some(r#"{"k":{}}"#), Some(r#""s\u00e9""#)).expect("an object");
        assert_eq!(
            text(Some(retry.clone())),
            r#"{"id":"drawbridge-2","method":"tools/call","params":{"name":"t","inputResponses":{"k":{}},"requestState":"s\u00e9"}}"#
        );
        let next = with_input(&retry, &id, None, None);
        assert_eq!(text(next), r#"{"id":"drawbridge-2","method":"tools/call","params":{"name":"t"}}"#);
    }

    #[test]
    fn progress_comes_under_the_clients_own_token() {
        let told =
            message(r#"{"method":"notifications/progress","params":{"progressToken":"d", "progress":0.50}}"#);
        assert_eq!(
            text(progress_under(&told, "7")),
            r#"{"method":"notifications/progress","params":{"progressToken":7, "progress":0.50}}"#
        );
    }

    #[test]
    fn tokens_are_replaced_only_where_there_are_some() {
        let call = message(r#"{"id":1,"method":"m","params":{"_meta":{"progressToken":1,"x":2}}}"#);
        let other = text(under_progress_token(&call, "\"d\""));
        assert_eq!(other, r#"{"id":1,"method":"m","params":{"_meta":{"progressToken":"d","x":2}}}"#);
        let without = message(r#"{"id":1,"method":"m"}"#);
        assert_eq!(text(under_progress_token(&without, "\"d\"")), r#"{"id":1,"method":"m"}"#);
    }
}
