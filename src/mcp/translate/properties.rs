//! There and back: what both eras can say comes back as it was, and nothing of one request gets
//! into another.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::answer::{self, Outcome};
use super::edit::{Edit, edit_at};
use super::input::{self, InputRequired, Question};
use super::meta::Client;
use super::subscription::{self, Filter};
use super::{handshake, request};
use crate::mcp::era::NEWEST_LEGACY;
use crate::mcp::{Message, RequestId};

const METHODS: [&str; 8] = [
    "tools/list",
    "tools/call",
    "prompts/list",
    "prompts/get",
    "resources/list",
    "resources/read",
    "completion/complete",
    "vendor/thing",
];

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<i32>().prop_map(|eighths| Value::from(f64::from(eighths) / 8.0)),
        ".{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map("[a-z\"\\\\ é]{0,6}", inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn any_object() -> impl Strategy<Value = Value> {
    prop::collection::hash_map("[a-zA-Z_\"\\\\ é]{0,8}", any_json(), 0..6)
        .prop_map(|members| Value::Object(members.into_iter().collect()))
}

fn any_id() -> impl Strategy<Value = Value> {
    prop_oneof![any::<i64>().prop_map(Value::from), ".{0,8}".prop_map(Value::from)]
}

fn message(value: &Value) -> Message {
    Message::parse(value.to_string().into()).expect("a message")
}

fn parsed(message: &Message) -> Value {
    serde_json::from_slice(message.line()).expect("JSON")
}

fn client(capabilities: &Value) -> Client {
    Client::of_initialize(&message(&json!({
        "id": 0, "method": "initialize",
        "params": { "capabilities": capabilities, "clientInfo": { "name": "c", "version": "1" } },
    })))
}

/// Members that only one of the eras has.
fn without(mut object: Value, keys: &[&str]) -> Value {
    if let Some(object) = object.as_object_mut() {
        keys.iter().for_each(|key| _ = object.remove(*key));
    }
    object
}

proptest! {
    #[test]
    fn legacy_requests_come_back_as_they_were(
        method in prop::sample::select(&METHODS[..]), id in any_id(), params in any_object(), token in any_id(),
    ) {
        let mut params = without(params, &["task", "_meta"]);
        params["_meta"] = json!({ "progressToken": token });
        let request = message(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }));
        let modern = request::to_modern(&request, &client(&json!({})), None).expect("params are an object");
        prop_assert!(modern.meta_protocol_version().is_some());
        prop_assert_eq!(modern.request_id(), request.request_id());
        let back = request::to_legacy(&modern).expect("params are an object");
        prop_assert_eq!(back.line(), request.line());
    }

    #[test]
    fn modern_requests_come_back_as_they_were(
        method in prop::sample::select(&METHODS[..]), id in any_id(), params in any_object(),
        capabilities in any_object(), token in any_id(),
    ) {
        let own = ["task", "_meta", "inputResponses", "requestState"];
        let mut params = without(params, &own);
        params["_meta"] = json!({ "progressToken": token });
        let plain = message(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }));
        let client = client(&without(capabilities, &["tasks", "roots"]));
        let modern = request::to_modern(&plain, &client, None).expect("params are an object");
        prop_assert_eq!(Client::of_request(&modern), Some(client.clone()));
        let legacy = request::to_legacy(&modern).expect("params are an object");
        prop_assert!(legacy.meta_protocol_version().is_none());
        let back = request::to_modern(&legacy, &client, None).expect("params are an object");
        prop_assert_eq!(back.line(), modern.line());
    }

    #[test]
    fn questions_come_back_as_they_were_under_the_key_and_state_they_had(
        method in prop::sample::select(&["elicitation/create", "sampling/createMessage", "roots/list"][..]),
        params in any_object(), key in ".{0,8}", state in ".{0,8}", id in any_id(), other in any_id(),
    ) {
        let params = without(params, &["elicitationId", "task", "mode"]);
        let asked = message(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }));
        let question = Question::of_request(&asked, key.clone()).expect("a request");
        let read = InputRequired::read(&input::input_required(&[question], &state)).expect("well-formed");
        prop_assert_eq!(read.state, Some(Value::from(state).to_string()));
        prop_assert_eq!(&read.questions[0].key, &key);
        let other = RequestId::from_raw(&other.to_string());
        let back = read.questions[0].to_request(&other, NEWEST_LEGACY).expect("a request");
        prop_assert_eq!(back.request_id(), Some(&other));
        prop_assert_eq!(back.method(), asked.method());
        prop_assert_eq!(back.raw_at(&["params"]), asked.raw_at(&["params"]));
    }

    #[test]
    fn progress_and_ids_change_and_nothing_else(
        params in any_object(), id in any_id(), other in any_id(), token in any_id(), own in any_id(),
    ) {
        let mut params = without(params, &["_meta"]);
        params["_meta"] = json!({ "progressToken": token });
        let request = message(&json!({ "id": id, "method": "tools/call", "params": params }));
        let own_id = RequestId::from_raw(&other.to_string());
        let sent = request::under_progress_token(&request, &own.to_string()).expect("an object");
        let sent = request::under_id(&sent, &own_id).expect("an object");
        prop_assert_eq!(&parsed(&sent)["params"]["_meta"]["progressToken"], &own);
        prop_assert_eq!(sent.request_id(), Some(&own_id));
        let told = message(&json!({ "method": "notifications/progress", "params": { "progressToken": own } }));
        let told = request::progress_under(&told, &token.to_string()).expect("an object");
        prop_assert_eq!(&parsed(&told)["params"]["progressToken"], &token);
        let back = request::under_progress_token(&sent, &token.to_string()).expect("an object");
        let back = request::under_id(&back, &RequestId::from_raw(&id.to_string())).expect("an object");
        prop_assert_eq!(back.line(), request.line());
    }

    #[test]
    fn legacy_results_come_back_as_they_were(
        method in prop::sample::select(&METHODS[..]), id in any_id(), other in any_id(), result in any_object(),
    ) {
        let known = ["resultType", "ttlMs", "cacheScope", "_meta", "content", "structuredContent", "tools", "messages"];
        let response = message(&json!({ "jsonrpc": "2.0", "id": id, "result": without(result, &known) }));
        let raw = RequestId::from_raw(&other.to_string());
        let modern = answer::to_modern(method, &response, &raw).expect("a response");
        prop_assert_eq!(&parsed(&modern)["id"], &other);
        let own = RequestId::from_raw(&id.to_string());
        let Outcome::Complete(back) = answer::to_legacy(method, &modern, &own, NEWEST_LEGACY) else {
            return Err(TestCaseError::fail("not complete"));
        };
        prop_assert_eq!(back.line(), response.line());
    }

    #[test]
    fn a_legacy_introduction_comes_back_as_it_was(capabilities in any_object(), rest in any_object()) {
        let own = ["protocolVersion", "capabilities", "serverInfo", "_meta", "resultType", "ttlMs", "cacheScope"];
        let mut result = without(rest, &own);
        result["protocolVersion"] = NEWEST_LEGACY.into();
        result["capabilities"] = without(capabilities, &["tasks"]);
        result["serverInfo"] = json!({ "name": "s", "version": "1" });
        let discovered = handshake::discover_result(&result.to_string()).expect("an object");
        let back = handshake::initialize_result(&discovered, NEWEST_LEGACY, "demo").expect("an object");
        prop_assert_eq!(serde_json::from_str::<Value>(&back).expect("JSON"), result);
    }

    #[test]
    fn changes_come_back_as_they_were_and_name_their_subscription(params in any_object(), id in any_id()) {
        let params = without(params, &["_meta"]);
        let change = message(&json!({ "method": "notifications/resources/updated", "params": params }));
        let tagged = subscription::tagged(&change, &RequestId::from_raw(&id.to_string())).expect("an object");
        prop_assert_eq!(&parsed(&tagged)["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"], &id);
        let back = parsed(&subscription::untagged(&tagged).expect("tagged"));
        let plain = parsed(&change);
        prop_assert_eq!(without(back["params"].clone(), &[]), match plain["params"].as_object() {
            Some(params) if params.is_empty() => Value::Null,
            _ => plain["params"].clone(),
        });
    }

    #[test]
    fn filters_are_read_as_they_were_written(
        tools: bool, prompts: bool, resources: bool, uris in prop::collection::btree_set(".{0,9}", 0..4),
    ) {
        let filter = Filter { tools, prompts, resources, uris };
        let listen = filter.listen(&RequestId::from_raw("1"), &client(&json!({})));
        prop_assert_eq!(Filter::of_listen(&listen), filter);
    }

    #[test]
    fn edits_change_what_they_name_and_nothing_else(
        object in any_object(), key in "[a-z\"\\\\ é]{0,6}", value in any_json(), pretty: bool,
    ) {
        let text = if pretty { format!("{object:#}") } else { object.to_string() };
        let read = |text: &str| serde_json::from_str::<Value>(text).expect("JSON");
        let mut set = Edit::of(&text).expect("an object");
        set.set(&key, value.to_string());
        let mut expected = object.clone();
        expected[&key] = value;
        prop_assert_eq!(read(&set.text()), expected);
        let removed = edit_at(&text, &[], |edit| _ = edit.remove(&key)).expect("an object");
        prop_assert_eq!(read(&removed), without(object, &[&key]));
    }
}
