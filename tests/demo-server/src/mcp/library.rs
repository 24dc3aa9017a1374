//! The few resources and prompts, and what completes their arguments.

use rmcp::ErrorData;
use rmcp::model::{
    ArgumentInfo, CompletionInfo, GetPromptRequestParams, GetPromptResult, Prompt, PromptArgument,
    PromptMessage, ReadResourceResult, Resource, ResourceContents, ResourceTemplate, Role,
};
use serde_json::json;

use crate::shared::Shared;

const WELCOME: &str = "demo://welcome";
const STATS: &str = "demo://stats";
const NOTE: &str = "demo://note/";
/// What the arguments `text` and `name` are completed with.
const WORDS: [&str; 3] = ["bridge", "bascule", "moat"];

pub(super) fn resources() -> Vec<Resource> {
    vec![
        Resource::new(WELCOME, "welcome")
            .with_title("Welcome")
            .with_description("What this server is for")
            .with_mime_type("text/markdown"),
        Resource::new(STATS, "stats")
            .with_title("Statistics")
            .with_description("What this server counted so far")
            .with_mime_type("application/json"),
    ]
}

pub(super) fn templates() -> Vec<ResourceTemplate> {
    vec![ResourceTemplate::new(format!("{NOTE}{{name}}"), "note").with_title("Notes")]
}

/// The known words that begin with what was typed so far.
pub(super) fn complete(argument: &ArgumentInfo) -> Result<CompletionInfo, ErrorData> {
    let words = WORDS.iter().filter(|word| word.starts_with(argument.value.as_str()));
    CompletionInfo::with_all_values(words.map(|word| (*word).to_owned()).collect())
        .map_err(|error| ErrorData::internal_error(error, None))
}

pub(super) fn resource(shared: &Shared, uri: &str) -> Result<ReadResourceResult, ErrorData> {
    let (text, kind) = match uri {
        WELCOME => ("# Welcome\n\nThis server is for trying things out.".to_owned(), "text/markdown"),
        STATS => (json!(*shared.recorder.watch().borrow()).to_string(), "application/json"),
        _ if uri.starts_with(NOTE) => (format!("A note on {}", &uri[NOTE.len()..]), "text/plain"),
        _ => {
            let data = Some(json!({ "uri": uri }));
            return Err(ErrorData::resource_not_found("no such resource", data));
        }
    };
    Ok(ReadResourceResult::new(vec![ResourceContents::text(text, uri).with_mime_type(kind)]))
}

pub(super) fn prompts() -> Vec<Prompt> {
    let text = PromptArgument::new("text").with_description("What to explain").with_required(true);
    vec![Prompt::new("explain", Some("Asks for a short explanation"), Some(vec![text]))]
}

pub(super) fn prompt(request: &GetPromptRequestParams) -> Result<GetPromptResult, ErrorData> {
    if request.name != "explain" {
        return Err(ErrorData::invalid_params("no such prompt", None));
    }
    let arguments = request.arguments.as_ref();
    let text = arguments.and_then(|arguments| arguments.get("text")).and_then(|text| text.as_str());
    let text = text.ok_or_else(|| ErrorData::invalid_params("text is missing", None))?;
    let message = format!("Explain in two sentences: {text}");
    Ok(GetPromptResult::new(vec![PromptMessage::new_text(Role::User, message)]))
}
