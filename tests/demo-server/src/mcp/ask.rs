//! Tools that ask back. Legacy clients get a request of their own; modern ones an
//! `input_required` result, and call again with the answers.

use rmcp::ErrorData;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, InputRequest, InputRequiredResult, ServerRequest,
};
use rmcp::service::{RequestContext, RoleServer};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::gate::eras::MODERN;
use crate::mcp::calls::{failure, text};

const KEY: &str = "answer";
const STATE: &str = "asked-once";

/// Something a client may be asked.
pub(super) struct Question {
    method: &'static str,
    /// The first version that knows it.
    since: &'static str,
    /// Where the client's capabilities promise it; any of these will do.
    promised_at: &'static [&'static str],
    /// What the client would have to promise.
    needed: Value,
    params: Value,
    finish: fn(&Value) -> CallToolResult,
}

/// What a tool asks, if it asks anything.
pub(super) fn question_of(tool: &str) -> Option<Question> {
    match tool {
        "elicit" => Some(Question {
            method: "elicitation/create",
            since: "2025-06-18",
            promised_at: &["/elicitation"],
            needed: json!({ "elicitation": {} }),
            params: json!({
                "mode": "form",
                "message": "What is your favourite colour?",
                "requestedSchema": {
                    "type": "object",
                    "properties": { "colour": { "type": "string", "title": "Colour" } },
                    "required": ["colour"],
                },
            }),
            finish: colour,
        }),
        "elicit_url" => Some(Question {
            method: "elicitation/create",
            since: "2025-11-25",
            promised_at: &["/elicitation/url"],
            needed: json!({ "elicitation": { "url": {} } }),
            params: json!({
                "mode": "url",
                "message": "Please look at the bridge.",
                "url": "https://bridge.example/look",
                "elicitationId": "look-1",
            }),
            finish: looked,
        }),
        "sample" => Some(Question {
            method: "sampling/createMessage",
            since: "2024-11-05",
            promised_at: &["/sampling"],
            needed: json!({ "sampling": {} }),
            params: json!({
                "messages": [{
                    "role": "user",
                    "content": { "type": "text", "text": "Write a haiku about a drawbridge." },
                }],
                "maxTokens": 100,
            }),
            finish: haiku,
        }),
        "roots" => Some(Question {
            method: "roots/list",
            since: "2024-11-05",
            promised_at: &["/roots"],
            needed: json!({ "roots": {} }),
            params: json!({}),
            finish: roots,
        }),
        _ => None,
    }
}

impl Question {
    /// Asks, as this version and this client allow it.
    pub(super) async fn ask(
        self,
        request: &CallToolRequestParams,
        context: &RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let version = context.protocol_version();
        let version = version.as_ref().map_or("", |version| version.as_str());
        let able = json!(context.client_capabilities());
        let is_able = self.promised_at.iter().any(|path| able.pointer(path).is_some_and(|at| !at.is_null()));
        if version < self.since || !is_able {
            return self.cannot_ask(version);
        }
        if version >= MODERN {
            return self.ask_modern(request);
        }
        let question: ServerRequest = parse(json!({ "method": self.method, "params": self.params }))?;
        match context.peer.send_request(question).await {
            Ok(answer) => Ok((self.finish)(&json!(answer)).into()),
            Err(error) => Ok(failure(&format!("Nobody answered: {error}")).into()),
        }
    }

    fn cannot_ask(self, version: &str) -> Result<CallToolResponse, ErrorData> {
        if version >= MODERN {
            return Err(ErrorData::missing_required_client_capability(parse(self.needed)?));
        }
        Ok(failure("Your client cannot be asked.").into())
    }

    fn ask_modern(self, request: &CallToolRequestParams) -> Result<CallToolResponse, ErrorData> {
        let answer = request.input_responses.as_ref().and_then(|answers| answers.get(KEY));
        if let Some(answer) = answer {
            return match request.request_state.as_deref() {
                Some(STATE) => Ok((self.finish)(answer).into()),
                Some(_) | None => Err(ErrorData::invalid_params("requestState is not ours", None)),
            };
        }
        let question: InputRequest = parse(json!({ "method": self.method, "params": self.params }))?;
        let questions = [(KEY.to_owned(), question)].into_iter().collect();
        Ok(InputRequiredResult::new(Some(questions), Some(STATE.to_owned())).into())
    }
}

fn colour(answer: &Value) -> CallToolResult {
    match (answer["action"].as_str(), answer["content"]["colour"].as_str()) {
        (Some("accept"), Some(colour)) => text(format!("You like {colour}.")),
        (action, _) => text(format!("No colour: {}", action.unwrap_or("no action"))),
    }
}

fn looked(answer: &Value) -> CallToolResult {
    match answer["action"].as_str() {
        Some("accept") => text("You went to look."),
        action => text(format!("You did not look: {}", action.unwrap_or("no action"))),
    }
}

fn haiku(answer: &Value) -> CallToolResult {
    let content = &answer["content"];
    let written = content["text"].as_str().or(content[0]["text"].as_str());
    text(format!("Your model wrote: {}", written.unwrap_or("nothing")))
}

fn roots(answer: &Value) -> CallToolResult {
    let roots = answer["roots"].as_array().map(Vec::as_slice).unwrap_or_default();
    let uris: Vec<&str> = roots.iter().filter_map(|root| root["uri"].as_str()).collect();
    text(format!("Your roots: {}", uris.join(", ")))
}

fn parse<T: DeserializeOwned>(value: Value) -> Result<T, ErrorData> {
    serde_json::from_value(value).map_err(|error| ErrorData::internal_error(error.to_string(), None))
}
