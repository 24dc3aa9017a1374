//! Tools that ask back. Legacy clients get a request of their own; modern ones an
//! `input_required` result, and call again with the answers.

use rmcp::ErrorData;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ClientCapabilities, ElicitRequestParams,
    InputRequest, InputRequiredResult, ServerRequest,
};
use rmcp::service::{RequestContext, RoleServer};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::gate::eras::MODERN;
use crate::mcp::calls::{failure, text};

const KEY: &str = "answer";
const STATE: &str = "asked-once";

pub(super) async fn elicit(
    request: &CallToolRequestParams,
    context: &RequestContext<RoleServer>,
) -> Result<CallToolResponse, ErrorData> {
    let params = json!({
        "mode": "form",
        "message": "What is your favourite colour?",
        "requestedSchema": {
            "type": "object",
            "properties": { "colour": { "type": "string", "title": "Colour" } },
            "required": ["colour"],
        },
    });
    let capable = context.client_capabilities().is_some_and(|able| able.elicitation.is_some());
    if !capable {
        let needed = ClientCapabilities::builder().enable_elicitation().build();
        return cannot_ask(context, needed);
    }
    if is_modern(context) {
        return ask_modern(request, "elicitation/create", params, colour);
    }
    let params: ElicitRequestParams = parse(params)?;
    match context.peer.create_elicitation(params).await {
        Ok(answer) => Ok(colour(&json!(answer)).into()),
        Err(error) => Ok(failure(&format!("Nobody answered: {error}")).into()),
    }
}

pub(super) async fn sample(
    request: &CallToolRequestParams,
    context: &RequestContext<RoleServer>,
) -> Result<CallToolResponse, ErrorData> {
    let params = json!({
        "messages": [{
            "role": "user",
            "content": { "type": "text", "text": "Write a haiku about a drawbridge." },
        }],
        "maxTokens": 100,
    });
    let capable = context.client_capabilities().is_some_and(|able| sampling(&able));
    if !capable {
        return cannot_ask(context, parse(json!({ "sampling": {} }))?);
    }
    if is_modern(context) {
        return ask_modern(request, "sampling/createMessage", params, haiku);
    }
    let question: ServerRequest = parse(json!({ "method": "sampling/createMessage", "params": params }))?;
    match context.peer.send_request(question).await {
        Ok(answer) => Ok(haiku(&json!(answer)).into()),
        Err(error) => Ok(failure(&format!("Nobody answered: {error}")).into()),
    }
}

fn sampling(capabilities: &ClientCapabilities) -> bool {
    capabilities.sampling.is_some()
}

fn is_modern(context: &RequestContext<RoleServer>) -> bool {
    context.protocol_version().is_some_and(|version| version.as_str() >= MODERN)
}

fn cannot_ask(
    context: &RequestContext<RoleServer>,
    needed: ClientCapabilities,
) -> Result<CallToolResponse, ErrorData> {
    if is_modern(context) {
        return Err(ErrorData::missing_required_client_capability(needed));
    }
    Ok(failure("Your client cannot be asked.").into())
}

fn ask_modern(
    request: &CallToolRequestParams,
    method: &str,
    params: Value,
    finish: fn(&Value) -> CallToolResult,
) -> Result<CallToolResponse, ErrorData> {
    let answer = request.input_responses.as_ref().and_then(|answers| answers.get(KEY));
    if let Some(answer) = answer {
        return match request.request_state.as_deref() {
            Some(STATE) => Ok(finish(answer).into()),
            Some(_) | None => Err(ErrorData::invalid_params("requestState is not ours", None)),
        };
    }
    let question: InputRequest = parse(json!({ "method": method, "params": params }))?;
    let questions = [(KEY.to_owned(), question)].into_iter().collect();
    Ok(InputRequiredResult::new(Some(questions), Some(STATE.to_owned())).into())
}

fn colour(answer: &Value) -> CallToolResult {
    match (answer["action"].as_str(), answer["content"]["colour"].as_str()) {
        (Some("accept"), Some(colour)) => text(format!("You like {colour}.")),
        (action, _) => text(format!("No colour: {}", action.unwrap_or("no action"))),
    }
}

fn haiku(answer: &Value) -> CallToolResult {
    let content = &answer["content"];
    let written = content["text"].as_str().or(content[0]["text"].as_str());
    text(format!("Your model wrote: {}", written.unwrap_or("nothing")))
}

fn parse<T: DeserializeOwned>(value: Value) -> Result<T, ErrorData> {
    serde_json::from_value(value).map_err(|error| ErrorData::internal_error(error.to_string(), None))
}
