//! How each feature shows itself to a client, whatever server it has: it is all asked for over MCP.

use serde_json::{Value, json};

use crate::caller::{COLOUR, Caller, HAIKU, ROOT};
use crate::spec::Feature;

const WELCOME: &str = "demo://welcome";
const SUBSCRIPTION: &str = "io.modelcontextprotocol/subscriptionId";

/// Uses a feature. Panics where something is not as the specification wants it.
pub(crate) async fn show(feature: Feature, caller: &mut Caller) {
    match feature {
        Feature::Tools => tools(caller).await,
        Feature::Prompts => prompts(caller).await,
        Feature::Resources => resources(caller).await,
        Feature::Templates => templates(caller).await,
        Feature::Subscriptions => subscriptions(caller).await,
        Feature::Progress => progress(caller).await,
        Feature::Cancellation => cancellation(caller).await,
        Feature::Logging => logging(caller).await,
        Feature::Form => form(caller).await,
        Feature::UrlMode => url_mode(caller).await,
        Feature::Sampling => sampling(caller).await,
        Feature::Roots => roots(caller).await,
        Feature::Completion => completion(caller).await,
        Feature::ListChanges => list_changes(caller).await,
    }
}

/// Uses a feature that the pair cannot have: the client is asked nothing, and answered soon.
pub(crate) async fn show_absent(feature: Feature, caller: &mut Caller) {
    let tool = if feature == Feature::UrlMode { "elicit_url" } else { "elicit" };
    let answer = caller.request("tools/call", json!({ "name": tool, "arguments": {} })).await;
    let is_refused = answer["result"]["isError"] == true || answer["error"].is_object();
    assert!(is_refused, "{answer}");
    assert!(caller.asked.is_empty(), "{:?}", caller.asked);
}

async fn tools(caller: &mut Caller) {
    assert!(names(caller, "tools/list", "tools", "name").await.contains(&"echo_message".to_owned()));
    assert_eq!(caller.call("echo_message", json!({ "message": "hello" })).await, "hello");
    // Modern servers want this argument in a header too.
    assert_eq!(caller.call("hello_world", json!({ "region": "Zürich" })).await, "Hello, Zürich!");
}

async fn prompts(caller: &mut Caller) {
    assert!(names(caller, "prompts/list", "prompts", "name").await.contains(&"explain".to_owned()));
    let params = json!({ "name": "explain", "arguments": { "text": "moats" } });
    let prompt = caller.request("prompts/get", params).await;
    let said = prompt["result"]["messages"][0]["content"]["text"].as_str();
    assert!(said.is_some_and(|said| said.contains("moats")), "{prompt}");
}

async fn resources(caller: &mut Caller) {
    assert!(names(caller, "resources/list", "resources", "uri").await.contains(&WELCOME.to_owned()));
    assert!(read(caller, WELCOME).await.contains("Welcome"));
    let missing = caller.request("resources/read", json!({ "uri": "demo://none" })).await;
    assert!(missing["error"]["code"].is_number(), "{missing}");
}

async fn templates(caller: &mut Caller) {
    let templates = names(caller, "resources/templates/list", "resourceTemplates", "uriTemplate").await;
    assert!(templates.contains(&"demo://note/{name}".to_owned()), "{templates:?}");
    assert_eq!(read(caller, "demo://note/moats").await, "A note on moats");
}

async fn subscriptions(caller: &mut Caller) {
    let listening = if caller.is_modern() {
        Some(listen(caller, json!({ "resourceSubscriptions": [WELCOME] })).await)
    } else {
        let answer = caller.request("resources/subscribe", json!({ "uri": WELCOME })).await;
        assert!(answer["result"].is_object(), "{answer}");
        None
    };
    caller.call("streams", json!({})).await;
    caller.call("change", json!({ "what": "demo://stats" })).await;
    caller.call("change", json!({ "what": WELCOME })).await;
    let updated = caller.notification("notifications/resources/updated").await;
    assert_eq!(updated["params"]["uri"], WELCOME, "{updated}");
    match listening {
        Some(id) => {
            assert_eq!(updated["params"]["_meta"][SUBSCRIPTION], id, "{updated}");
            caller.tell("notifications/cancelled", json!({ "requestId": id })).await;
        }
        None => {
            let answer = caller.request("resources/unsubscribe", json!({ "uri": WELCOME })).await;
            assert!(answer["result"].is_object(), "{answer}");
        }
    }
}

async fn progress(caller: &mut Caller) {
    caller.with_meta(json!({ "progressToken": "mine" }));
    assert_eq!(caller.call("progress", json!({ "steps": 3 })).await, "3 steps done");
    for step in 1..=3 {
        let told = caller.notification("notifications/progress").await;
        assert_eq!(told["params"]["progressToken"], "mine", "{told}");
        assert_eq!(told["params"]["progress"].as_f64(), Some(f64::from(step)), "{told}");
    }
}

async fn cancellation(caller: &mut Caller) {
    let slow = json!({ "name": "slow", "arguments": { "until_released": true } });
    let id = caller.ask("tools/call", slow).await;
    assert_eq!(caller.call("slow_calls", json!({ "count": 1 })).await, "1 wait");
    caller.tell("notifications/cancelled", json!({ "requestId": id })).await;
    assert_eq!(caller.call("slow_calls", json!({ "count": 0 })).await, "0 wait");
    assert!(caller.unexpected.is_empty(), "what was cancelled is not answered: {:?}", caller.unexpected);
}

async fn logging(caller: &mut Caller) {
    if caller.is_modern() {
        caller.with_meta(json!({ "io.modelcontextprotocol/logLevel": "warning" }));
    } else {
        let set = caller.request("logging/setLevel", json!({ "level": "warning" })).await;
        assert!(set["result"].is_object(), "{set}");
    }
    caller.call("log", json!({})).await;
    for level in ["warning", "error"] {
        let message = caller.notification("notifications/message").await;
        assert_eq!(message["params"]["level"], level, "{message}");
    }
}

async fn form(caller: &mut Caller) {
    assert_eq!(caller.call("elicit", json!({})).await, format!("You like {COLOUR}."));
    let asked = caller.asked.remove(0);
    assert_eq!(asked.method, "elicitation/create");
    assert!(asked.params["requestedSchema"]["properties"]["colour"].is_object(), "{asked:?}");
}

async fn url_mode(caller: &mut Caller) {
    assert_eq!(caller.call("elicit_url", json!({})).await, "You went to look.");
    let asked = caller.asked.remove(0);
    assert_eq!(asked.params["url"], "https://bridge.example/look", "{asked:?}");
    let has_id = asked.params["elicitationId"].as_str().is_some_and(|id| !id.is_empty());
    assert!(has_id || caller.is_modern(), "2025-11-25 has an id for each: {asked:?}");
}

async fn sampling(caller: &mut Caller) {
    assert_eq!(caller.call("sample", json!({})).await, format!("Your model wrote: {HAIKU}"));
    let asked = caller.asked.remove(0);
    assert_eq!(asked.params["maxTokens"], 100, "{asked:?}");
}

async fn roots(caller: &mut Caller) {
    assert_eq!(caller.call("roots", json!({})).await, format!("Your roots: {ROOT}"));
    assert_eq!(caller.asked.remove(0).method, "roots/list");
}

async fn completion(caller: &mut Caller) {
    let params = json!({
        "ref": { "type": "ref/prompt", "name": "explain" },
        "argument": { "name": "text", "value": "b" },
    });
    let answer = caller.request("completion/complete", params).await;
    assert_eq!(answer["result"]["completion"]["values"], json!(["bridge", "bascule"]), "{answer}");
}

async fn list_changes(caller: &mut Caller) {
    if caller.is_modern() {
        let all = json!({
            "toolsListChanged": true,
            "promptsListChanged": true,
            "resourcesListChanged": true,
        });
        listen(caller, all).await;
    }
    caller.call("streams", json!({})).await;
    for what in ["tools", "prompts", "resources"] {
        caller.call("change", json!({ "what": what })).await;
        caller.notification(&format!("notifications/{what}/list_changed")).await;
    }
    assert!(names(caller, "tools/list", "tools", "name").await.contains(&"brand_new".to_owned()));
}

/// Listens as modern clients do; the subscription's id.
async fn listen(caller: &mut Caller, wanted: Value) -> Value {
    let id = caller.ask("subscriptions/listen", json!({ "notifications": wanted })).await;
    let acknowledged = caller.notification("notifications/subscriptions/acknowledged").await;
    assert_eq!(acknowledged["params"]["_meta"][SUBSCRIPTION], id, "{acknowledged}");
    assert_eq!(acknowledged["params"]["notifications"], wanted, "{acknowledged}");
    id
}

async fn read(caller: &mut Caller, uri: &str) -> String {
    let answer = caller.request("resources/read", json!({ "uri": uri })).await;
    let text = answer["result"]["contents"][0]["text"].as_str();
    text.unwrap_or_else(|| panic!("no text: {answer}")).to_owned()
}

async fn names(caller: &mut Caller, method: &str, list: &str, name: &str) -> Vec<String> {
    let answer = caller.request(method, json!({})).await;
    let items = answer["result"][list].as_array().unwrap_or_else(|| panic!("no list: {answer}"));
    items.iter().filter_map(|item| item[name].as_str().map(str::to_owned)).collect()
}
