//! What the tools do.

use std::sync::Arc;
use std::time::Duration;

use rmcp::ErrorData;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, JsonObject, LoggingLevel,
    ProgressNotificationParam,
};
use rmcp::service::{RequestContext, RoleServer};
use serde_json::{Value, json};

use crate::auth::Caller;
use crate::mcp::{ask, caller, corpus, logging, tools};
use crate::shared::{Change, Shared};
use crate::stats::Stats;
use crate::users::{Role, User};

/// Runs a tool for whoever called it. `level` is what a legacy client wants to hear of the log.
pub(super) async fn call(
    shared: &Arc<Shared>,
    level: Option<LoggingLevel>,
    mut request: CallToolRequestParams,
    context: RequestContext<RoleServer>,
) -> Result<CallToolResponse, ErrorData> {
    let name = request.name.clone();
    let caller = caller(&context.extensions);
    if !tools::all(shared).iter().any(|tool| tool.name == name) {
        return Err(ErrorData::invalid_params(format!("no tool named {name}"), None));
    }
    if !tools::may_call(&caller, &name) {
        return Ok(failure("You may not use this tool.").into());
    }
    let arguments = request.arguments.take().unwrap_or_default();
    if let Some(question) = ask::question_of(&name) {
        return question.ask(&request, &context).await;
    }
    match name.as_ref() {
        "log" => logging::log(level, &context).await.map(Into::into),
        "streams" => Ok(once(shared, "heard", |stats| stats.open_streams > 0).await.into()),
        "slow_calls" => {
            let count = number(&arguments, "count", 0) as u64;
            let told = format!("{count} wait");
            Ok(once(shared, &told, |stats| stats.stalled == count).await.into())
        }
        "slow" => Ok(slow(shared, &arguments, &context).await.into()),
        "progress" => progress(&arguments, &context).await.map(Into::into),
        name => Ok(answer(shared, name, &arguments, &caller).into()),
    }
}

fn answer(shared: &Shared, name: &str, arguments: &JsonObject, caller: &Caller) -> CallToolResult {
    let argument = |name: &str| arguments.get(name).and_then(Value::as_str);
    match (name, caller.user) {
        ("get_greeting", user) => {
            let known = user.map(|user| user.display_name);
            text(format!("Hello, {}!", argument("name").or(known).unwrap_or("stranger")))
        }
        ("echo_message", _) => text(argument("message").unwrap_or_default()),
        ("hello_world", _) => text(format!("Hello, {}!", argument("region").unwrap_or("world"))),
        ("change", _) => change(shared, argument("what").unwrap_or_default()),
        ("auth_status", _) => auth_status(caller),
        ("oauth_info", _) => oauth_info(shared),
        ("big", _) => text("x".repeat(number(arguments, "bytes", 1_000_000))),
        ("user_profile", Some(user)) => structured(json!(user)),
        ("protected_data", Some(user)) => protected_data(user, argument("category")),
        ("web_search", Some(_)) => web_search(shared, arguments),
        ("admin_panel", Some(_)) => admin_panel(shared, argument("action"), argument("user")),
        (added, _) => text(format!("{added} does nothing in particular")),
    }
}

async fn slow(
    shared: &Arc<Shared>,
    arguments: &JsonObject,
    context: &RequestContext<RoleServer>,
) -> CallToolResult {
    let released = arguments.get("until_released").and_then(Value::as_bool).unwrap_or(false);
    let seconds = arguments.get("seconds").and_then(Value::as_f64).unwrap_or(1.0);
    let time = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::from_secs(1));
    let done = async { if released { shared.stalled().await } else { tokio::time::sleep(time).await } };
    tokio::select! {
        () = done => text("done"),
        () = context.ct.cancelled() => failure("cancelled"),
    }
}

/// Answers once the counters are so.
async fn once(shared: &Shared, told: &str, wanted: impl Fn(&Stats) -> bool) -> CallToolResult {
    match shared.recorder.watch().wait_for(|stats| wanted(stats)).await {
        Ok(_) => text(told),
        Err(_) => failure("the server stops"),
    }
}

/// Tells clients of a change.
fn change(shared: &Shared, what: &str) -> CallToolResult {
    let change = match what {
        "tools" => {
            crate::lock(&shared.tools).added.insert("brand_new".to_owned());
            Change::Tools
        }
        "prompts" => Change::Prompts,
        "resources" => Change::Resources,
        uri => Change::Updated(uri.to_owned()),
    };
    // Nobody may be listening, which is as well.
    let _ = shared.changes.send(change);
    text(format!("changed: {what}"))
}

async fn progress(
    arguments: &JsonObject,
    context: &RequestContext<RoleServer>,
) -> Result<CallToolResult, ErrorData> {
    let steps = number(arguments, "steps", 3);
    if let Some(token) = context.meta.get_progress_token() {
        for step in 1..=steps {
            let mut report = ProgressNotificationParam::new(token.clone(), step as f64);
            report.total = Some(steps as f64);
            report.message = Some(format!("step {step} of {steps}"));
            let told = context.peer.notify_progress(report).await;
            told.map_err(|error| ErrorData::internal_error(error.to_string(), None))?;
        }
    }
    Ok(text(format!("{steps} steps done")))
}

fn auth_status(caller: &Caller) -> CallToolResult {
    structured(json!({
        "authenticated": caller.user.is_some(),
        "user": caller.user.map(|user| user.name),
        "method": caller.method,
        "scopes": caller.scopes,
        "client_id": caller.client_id,
    }))
}

fn oauth_info(shared: &Shared) -> CallToolResult {
    if shared.config.oauth_config().is_none() {
        return text("This server runs without OAuth.");
    }
    structured(json!({
        "issuer": crate::oauth::issuer(shared),
        "resource": format!("{}/mcp", shared.origin),
        "scopes": crate::oauth::SCOPES,
    }))
}

fn protected_data(user: User, category: Option<&str>) -> CallToolResult {
    let (least, data) = match category {
        Some("personal") => (Role::User, json!({ "name": user.display_name, "shoe_size": 42 })),
        Some("financial") => (Role::Inspector, json!({ "balance": 1234.5, "currency": "EUR" })),
        Some("admin") => (Role::Admin, json!({ "users": crate::users::USERS })),
        Some(_) | None => return failure("There is personal, financial and admin data."),
    };
    if user.role < least {
        return failure("This data is not for you.");
    }
    structured(data)
}

fn web_search(shared: &Shared, arguments: &JsonObject) -> CallToolResult {
    let argument = |name: &str| arguments.get(name).and_then(Value::as_str).unwrap_or_default();
    let mut pages = crate::lock(&shared.corpus);
    if argument("action") != "index" {
        return structured(json!({ "results": corpus::search(&pages, argument("query")) }));
    }
    let url = format!("https://example.com/added/{}", pages.len());
    pages.push(corpus::Document {
        title: argument("title").to_owned(),
        url: url.clone(),
        text: argument("text").to_owned(),
    });
    structured(json!({ "indexed": url }))
}

fn admin_panel(shared: &Shared, action: Option<&str>, user: Option<&str>) -> CallToolResult {
    match action {
        Some("list_tokens") => {
            let grants = crate::lock(&shared.oauth).live_grants(shared.clock.now());
            structured(json!({ "tokens": grants }))
        }
        Some("revoke") => {
            crate::lock(&shared.oauth).revoke_user(user);
            text("revoked")
        }
        Some("stats") => structured(json!(*shared.recorder.watch().borrow())),
        Some(_) | None => failure("The panel can list_tokens, revoke and show stats."),
    }
}

fn number(arguments: &JsonObject, name: &str, default: usize) -> usize {
    let value = arguments.get(name).and_then(Value::as_u64);
    value.and_then(|value| usize::try_from(value).ok()).unwrap_or(default)
}

pub(super) fn text(text: impl Into<String>) -> CallToolResult {
    CallToolResult::success(vec![ContentBlock::text(text)])
}

pub(super) fn failure(text: &str) -> CallToolResult {
    CallToolResult::error(vec![ContentBlock::text(text)])
}

fn structured(value: Value) -> CallToolResult {
    CallToolResult::structured(value)
}
