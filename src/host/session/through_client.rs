//! Signing in through the client: it shows the person the page (URL-mode elicitation), where no window of ours can.
//!
//! The page is a one-time one of ours on this computer, never the authorization server's
//! (<https://modelcontextprotocol.io/specification/2026-07-28/client/elicitation>).

use std::future::pending;

use serde_json::json;

use crate::host::account::{AccountHandle, SecretUrl, Shown};
use crate::mcp::era::NEWEST_LEGACY;
use crate::mcp::translate::input::{self, Question};
use crate::mcp::{Message, json as raw};
use crate::registry::SignInChoice;

use super::context::Context;
use super::held::answer_in;
use super::questions::ask;

/// Our question among those of a result.
const KEY: &str = "drawbridge_sign_in";

/// Whether a client of these capabilities shows the page, because it can and nothing better is there.
pub(super) fn is_shown(context: &Context, capabilities: &str) -> bool {
    let has_window = context.account().is_some_and(AccountHandle::has_window);
    let is_wanted = context.connection.entry.sign_in == SignInChoice::Window;
    is_wanted
        && !has_window
        && raw::member_at(capabilities, &["elicitation", "url"]).is_some_and(|url| url != "null")
}

/// What the client is asked.
pub(super) fn question(context: &Context, page: &SecretUrl) -> Question {
    let message = format!("{} wants you to sign in.", context.server());
    let params = json!({ "mode": "url", "message": message, "url": page.expose().as_str() });
    Question {
        key: KEY.to_owned(),
        method: "elicitation/create".to_owned(),
        params: Some(params.to_string()),
    }
}

/// Whether a modern client comes back from the page, rather than from not having opened it.
pub(super) fn has_opened(retry: &Message) -> bool {
    answer_in(retry, KEY).is_some_and(is_yes)
}

/// Asks a legacy client to show the page, and waits for the end of the sign-in; `None` where the person does not
/// want to or the client does not show it.
pub(super) async fn show<T>(
    context: &Context,
    page: &SecretUrl,
    mut shown: Shown,
    ended: impl Future<Output = T>,
) -> Option<T> {
    let id = context.questions.next_id();
    let request = question(context, page).to_request(&id, NEWEST_LEGACY)?;
    let declined = async {
        let answer = ask(context, &request).await;
        if !answer.as_ref().and_then(|answer| answer.raw_at(&["result"])).is_some_and(is_yes) {
            return shown.is_refused();
        }
        shown.is_open();
        pending().await
    };
    let ended = tokio::select! {
        ended = ended => ended,
        () = declined => return None,
    };
    let _ = context.downstream.message(input::elicitation_complete(&id)).await;
    Some(ended)
}

fn is_yes(result: &str) -> bool {
    raw::member(result, "action").and_then(raw::string).is_some_and(|action| action == "accept")
}
