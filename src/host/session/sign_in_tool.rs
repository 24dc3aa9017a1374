//! `drawbridge_sign_in`, the one tool of ours, and the sign-in that opens by itself.

use tokio::time::{Duration, Instant, timeout, timeout_at};

use crate::failure::Failure;
use crate::host::account::{
    self, AccountHandle, AccountState, AskedBy, OpenWith, Prompt, Shown, SignIn, SignInRequest, SignedOut,
};
use crate::host::failures;
use crate::host::pages::Page;
use crate::mcp::era::Era;
use crate::mcp::{Message, json, result_response};
use crate::oauth;
use crate::registry::SignInChoice;

use super::context::{Context, Shared};
use super::crossing::ask_across;
use super::link::{Link, LinkState};
use super::request::Ending;
use super::stand_in::SIGN_IN_TOOL;
use super::through_client;

/// The name our own verbs give themselves.
const OWN_CLIENT: &str = "drawbridge";
const TOOL_LIST_LIMIT: Duration = Duration::from_secs(10);

/// Whether a request calls our tool.
pub(super) fn is_call(message: &Message) -> bool {
    message.method() == Some("tools/call")
        && message.string_at(&["params", "name"]).is_some_and(|name| name == SIGN_IN_TOOL)
}

/// Starts a sign-in for an account that was never signed in: the person who just added the
/// server to a client is waiting for it.
pub(super) async fn offer(context: &Context) {
    let never = context.account().is_some_and(|account| account.state().borrow().was_never_signed_in());
    if never && let Err(failure) = sign_in(context, Wish::Offered).await {
        tracing::info!(server = %context.server(), "{}", failure.sentence);
    }
}

/// The same for a list that nothing can stand in for, also where a sign-in has ended by itself: the authorization
/// server is another one now, or has forgotten us.
pub(super) async fn offer_for_list(context: &Context) {
    let Some(account) = context.account() else { return };
    let Ok(state) = account.look().await else { return };
    let wish = if state.was_never_signed_in() { Wish::Offered } else { Wish::List };
    if wish.fits(account).await
        && let Err(failure) = sign_in(context, wish).await
    {
        tracing::info!(server = %context.server(), "{}", failure.sentence);
    }
}

/// How much the person wants a sign-in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    /// It would be good to have.
    Offered,
    /// A list waits for it, and nothing is known that could be given instead.
    List,
    /// A call waits for it.
    Needed,
    /// They asked for it; only this opens a page again after a Cancel.
    Explicit,
}

impl Wish {
    /// Whether it goes with how the account stands, as the account itself has it.
    async fn fits(self, account: &AccountHandle) -> bool {
        let Ok(state) = account.look().await else { return false };
        match self {
            Self::Offered => state.was_never_signed_in(),
            Self::List => match state {
                AccountState::Unknown => true,
                AccountState::SignedOut { why } => why != SignedOut::ByPerson,
                AccountState::SignedIn { .. }
                | AccountState::SigningIn { .. }
                | AccountState::Failed { .. } => false,
            },
            Self::Needed | Self::Explicit => true,
        }
    }
}

/// Whether the person may be asked to sign in: not where they have said no for good, and not by
/// our own `tools` and `call`, which just say that nobody is signed in.
fn may_ask(context: &Context) -> bool {
    context.connection.entry.sign_in != SignInChoice::None && !is_own_verb(context)
}

/// Whether the client is one of our own verbs, which look at the server itself.
pub(super) fn is_own_verb(context: &Context) -> bool {
    *context.client_name.borrow() == OWN_CLIENT
}

/// A sign-in that this session's client asks for.
fn request(context: &Context, wish: Wish, open: OpenWith) -> SignInRequest {
    let asked_by = AskedBy::Client(context.client_name.borrow().clone());
    let prompt = if wish == Wish::Explicit { Prompt::Clicked } else { Prompt::ByItself };
    SignInRequest { asked_by, prompt, open, challenge: Vec::new(), only_if_offered: false }
}

/// Signs in and waits for the end; where no page can be opened, says so at once.
pub(super) async fn sign_in(context: &Context, wish: Wish) -> Result<(), Failure> {
    let somebody_waits = matches!(wish, Wish::Needed | Wish::Explicit);
    let by_client =
        somebody_waits && through_client::is_shown(context, &context.client_capabilities.borrow());
    let open = if by_client { OpenWith::Caller } else { OpenWith::Host };
    let Some(mut begun) = begin(context, wish, open).await? else { return Ok(()) };
    let Some(shown) = begun.shown.take() else { return begun.ended(context).await };
    let page = begun.sign_in.url.clone();
    let ended = begun.ended(context);
    let ended = through_client::show(context, &page, shown, ended).await;
    ended.unwrap_or_else(|| Err(failures::signed_out(context.server())))
}

/// A sign-in that has begun, and the turn to show its page.
pub(super) struct Begun {
    pub(super) page: Page,
    pub(super) sign_in: SignIn,
    /// What the client has to be asked for: nobody else shows it.
    pub(super) shown: Option<Shown>,
}

impl Begun {
    /// Waits for its end.
    pub(super) async fn ended(self, context: &Context) -> Result<(), Failure> {
        let outcome = self.page.until(self.sign_in.outcome()).await;
        let outcome = outcome.ok_or_else(|| failures::signed_out(context.server()))?;
        outcome.map_err(|error| failures::of_oauth(context.server(), &error))
    }
}

/// Begins a sign-in; none where somebody has signed in meanwhile. One page at a time: whoever comes later waits, and
/// joins what has happened meanwhile.
pub(super) async fn begin(context: &Context, wish: Wish, open: OpenWith) -> Result<Option<Begun>, Failure> {
    let signed_out = || failures::signed_out(context.server());
    if let Some(refusal) = context.pause.refusal() {
        return Err(refusal);
    }
    let account = context.account().filter(|_| may_ask(context)).ok_or_else(signed_out)?;
    let before = account.current_token();
    let page = context.pages.turn().await;
    let now = account.current_token();
    let has_changed = match (&before, &now) {
        (Some(before), Some(now)) => !before.same_as(now),
        (None, now) => now.is_some(),
        (Some(_), None) => false,
    };
    if has_changed {
        return Ok(None);
    }
    // What one request offered, no other offers again.
    if !wish.fits(account).await || (wish == Wish::List && !context.is_first_list_to_ask()) {
        return Err(signed_out());
    }
    let joins = account.state().borrow().is_signing_in();
    let sign_in = account.sign_in(request(context, wish, open)).await;
    let sign_in = sign_in.map_err(|error| match (error, &*account.state().borrow()) {
        // No page again so soon; what went wrong with the last one is worth more than that.
        (account::Error::NotAgain, AccountState::Failed { error }) if !was_cancelled(error) => {
            failures::of_account(context.server(), error)
        }
        (error, _) => failures::of_account(context.server(), &error),
    })?;
    if sign_in.not_opened.is_some() {
        if !joins {
            account.cancel_sign_in().await;
        }
        return Err(signed_out());
    }
    let shown = (open == OpenWith::Caller && !joins).then(|| Shown::new(account, &sign_in));
    Ok(Some(Begun { page, sign_in, shown }))
}

fn was_cancelled(error: &account::Error) -> bool {
    matches!(error, account::Error::OAuth(error) if matches!(**error, oauth::Error::Cancelled))
}

/// Signs in, and answers the call with the names of the tools that are there now.
pub(super) async fn run(context: Shared, link: Link, message: Message) -> Ending {
    let deadline = Instant::now() + context.limits.park;
    let wants_more = |link: &Link| matches!(&*link.state().borrow(), LinkState::StepUpNeeded(_));
    let is_signed_in = context.account().is_some_and(|account| account.state().borrow().is_signed_in())
        && !wants_more(&link);
    let signing_in = async { if is_signed_in { Ok(()) } else { sign_in(&context, Wish::Explicit).await } };
    match timeout_at(deadline, signing_in).await {
        Err(_) => return Ending::Failed(failures::signed_out(context.server())),
        Ok(Err(failure)) => return Ending::Failed(failure),
        Ok(Ok(())) => {}
    }
    let names = timeout(TOOL_LIST_LIMIT, tool_names(&context, link)).await.unwrap_or_default();
    let text = report(context.server(), &names);
    let mut result = serde_json::json!({ "content": [{ "type": "text", "text": text }] });
    if message.meta_protocol_version().is_some() {
        result["resultType"] = "complete".into();
    }
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
    let asked = ask_across(context, &ready.transport, &ready.crossing, &request).await;
    let response = asked.ok().flatten();
    let response = response.as_ref().and_then(|message| message.raw_at(&["result", "tools"]));
    let tools = response.and_then(json::elements).unwrap_or_default();
    let usable = context.usable_tools(Era::Legacy);
    tools
        .iter()
        .filter(|tool| usable.shows(tool))
        .filter_map(|tool| json::member(tool.get(), "name").and_then(json::string))
        .map(Into::into)
        .collect()
}
