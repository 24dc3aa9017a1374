//! `drawbridge_sign_in`, the one tool of ours, and the sign-in that opens by itself.

use tokio::time::{Duration, Instant, timeout, timeout_at};

use crate::failure::Failure;
use crate::host::account::{AskedBy, OpenWith, SignInRequest};
use crate::host::failures;
use crate::mcp::{Message, json, result_response};
use crate::registry::SignInChoice;

use super::ask::ask;
use super::context::{Context, Shared};
use super::link::{Link, LinkState};
use super::request::Ending;
use super::stand_in::SIGN_IN_TOOL;

const TOOL_LIST_LIMIT: Duration = Duration::from_secs(10);

/// Whether a request calls our tool.
pub(super) fn is_call(message: &Message) -> bool {
    message.method() == Some("tools/call")
        && message.string_at(&["params", "name"]).is_some_and(|name| name == SIGN_IN_TOOL)
}

/// Starts a sign-in for an account that was never signed in: the person who just added the
/// server to a client is waiting for it.
pub(super) async fn offer(context: &Context) {
    let Some(account) = context.account() else { return };
    if !may_ask(context) || !account.state().borrow().was_never_signed_in() {
        return;
    }
    match account.sign_in(request(context)).await {
        Ok(sign_in) if sign_in.not_opened.is_some() => account.cancel_sign_in().await,
        Ok(_) => {}
        Err(error) => tracing::info!(server = %context.server(), "{error}"),
    }
}

/// Whether the person lets anybody ask them to sign in to this server.
fn may_ask(context: &Context) -> bool {
    context.connection.entry.sign_in != SignInChoice::None
}

/// A sign-in that this session's client asks for and the Host opens.
fn request(context: &Context) -> SignInRequest {
    let asked_by = AskedBy::Client(context.client_name.borrow().clone());
    SignInRequest { asked_by, open: OpenWith::Host, challenge: Vec::new() }
}

/// Signs in and waits for the end; where no page can be opened, says so at once.
pub(super) async fn sign_in(context: &Context) -> Result<(), Failure> {
    let signed_out = || failures::signed_out(context.server());
    let account = context.account().filter(|_| may_ask(context)).ok_or_else(signed_out)?;
    let sign_in = account.sign_in(request(context)).await;
    let sign_in = sign_in.map_err(|error| failures::of_account(context.server(), &error))?;
    if sign_in.not_opened.is_some() {
        account.cancel_sign_in().await;
        return Err(signed_out());
    }
    sign_in.outcome().await.map_err(|error| failures::of_oauth(context.server(), &error))
}

/// Signs in, and answers the call with the names of the tools that are there now.
pub(super) async fn run(context: Shared, link: Option<Link>, message: Message) -> Ending {
    let deadline = Instant::now() + context.limits.park;
    match timeout_at(deadline, sign_in(&context)).await {
        Err(_) => return Ending::Failed(failures::signed_out(context.server())),
        Ok(Err(failure)) => return Ending::Failed(failure),
        Ok(Ok(())) => {}
    }
    let names = match link {
        Some(link) => timeout(TOOL_LIST_LIMIT, tool_names(&context, link)).await.unwrap_or_default(),
        None => Vec::new(),
    };
    let text = report(context.server(), &names);
    let result = serde_json::json!({ "content": [{ "type": "text", "text": text }] });
    match message.request_id() {
        Some(id) => Ending::Answer(result_response(id, &result.to_string())),
        None => Ending::Answered,
    }
}

fn report(server: &str, names: &[String]) -> String {
    let names = names.iter().map(|name| crate::redact::plain(name, 64)).collect::<Vec<_>>().join(", ");
    let tools = if names.is_empty() { String::new() } else { format!(" It offers: {names}.") };
    format!("Signed in to {server}.{tools} If these tools do not appear, restart this MCP client.")
}

async fn tool_names(context: &Shared, link: Link) -> Vec<String> {
    let mut state = link.state();
    link.retry();
    let is_ready = |state: &LinkState| matches!(state, LinkState::Ready(ready) if ready.settled);
    let ready = match state.wait_for(is_ready).await.map(|state| state.clone()) {
        Ok(LinkState::Ready(ready)) => ready,
        _ => return Vec::new(),
    };
    let line = r#"{"jsonrpc":"2.0","id":"drawbridge-tools","method":"tools/list"}"#;
    let Ok(request) = Message::parse(line.into()) else { return Vec::new() };
    let response = ask(context, &ready.transport, &request).await.ok().map(|(_, response)| response);
    let response = response.as_ref().and_then(|message| message.raw_at(&["result", "tools"]));
    let tools = response.and_then(json::elements).unwrap_or_default();
    tools
        .iter()
        .filter_map(|tool| json::member(tool.get(), "name").and_then(json::string))
        .map(Into::into)
        .collect()
}
