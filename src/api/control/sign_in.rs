//! Sign-ins: begun, told of step by step to whoever watches, and called off.

use std::convert::Infallible;

use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use futures_util::{FutureExt as _, stream};
use tokio_util::task::TaskTracker;

use super::{Given, Refusal, line};
use crate::api::types::{OpenBy, SignInBody, SignInEvent};
use crate::host::account::{AccountHandle, OpenWith, SignIn};
use crate::host::{AccountRef, Busy, HostHandle, failures};
use crate::redact::plain;
use crate::registry::{AccountLabel, ServerName};

/// Starts a sign-in and tells how it goes, until it ends or whoever asked hangs up.
pub(super) async fn start(
    State(host): State<HostHandle>,
    Path((server, label)): Path<(ServerName, AccountLabel)>,
    Given(body): Given<SignInBody>,
) -> Result<Response, Refusal> {
    let account = AccountRef { server: server.to_string(), label: Some(label) };
    let handle = host.account(&account).await?;
    host.not_while_paused().map_err(Refusal)?;
    if handle.is_unattended() {
        return Ok(told(obtain(host, account, &server, &handle).await));
    }
    let open_with = match body.open_by {
        OpenBy::Caller => OpenWith::Caller,
        OpenBy::Host => OpenWith::Host,
    };
    let sign_in = host.sign_in(&account, open_with).await.map_err(Refusal)?;
    let watch = Watch { handle, sign_in, tasks: host.tasks().clone() };
    let busy = host.activity().other();
    let steps = Steps { host, account, server, watch, next: Step::Url, _busy: busy };
    Ok(told(Body::from_stream(stream::unfold(steps, Steps::tell))))
}

/// Gets a token that needs nobody, and tells how that went.
async fn obtain(host: HostHandle, account: AccountRef, server: &ServerName, handle: &AccountHandle) -> Body {
    let event = match handle.obtain().await {
        Ok(()) => {
            look(&host, &account, server).await;
            SignInEvent::Done
        }
        Err(error) => SignInEvent::Failed { failure: failures::of_account(server.as_str(), &error) },
    };
    line(&event).into()
}

/// Events, one on each line.
fn told(events: Body) -> Response {
    let mut response = events.into_response();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    response
}

/// What the account sees now is what the next client is started with.
async fn look(host: &HostHandle, account: &AccountRef, server: &ServerName) {
    if let Err(failure) = host.probe(account).await {
        tracing::info!(%server, "{}", failure.sentence);
    }
}

/// Calls the sign-in off; one that is started after the answer is another.
pub(super) async fn cancel(
    State(host): State<HostHandle>,
    Path((server, label)): Path<(String, AccountLabel)>,
) -> Result<StatusCode, Refusal> {
    let handle = host.account(&AccountRef { server, label: Some(label) }).await?;
    handle.cancel_sign_in().await;
    Ok(StatusCode::NO_CONTENT)
}

/// A sign-in that somebody watches.
struct Steps {
    host: HostHandle,
    account: AccountRef,
    server: ServerName,
    watch: Watch,
    next: Step,
    _busy: Busy,
}

/// Calls a sign-in off when the person who watches it goes away before its end.
struct Watch {
    handle: AccountHandle,
    sign_in: SignIn,
    tasks: TaskTracker,
}

impl Drop for Watch {
    fn drop(&mut self) {
        // One that has ended is not called off, as it could be another one by now.
        if self.sign_in.clone().outcome().now_or_never().is_none() {
            let handle = self.handle.clone();
            self.tasks.spawn(async move { handle.cancel_sign_in().await });
        }
    }
}

enum Step {
    Url,
    Outcome,
    End,
}

impl Steps {
    async fn tell(mut self) -> Option<(Result<Bytes, Infallible>, Self)> {
        let event = match self.next {
            Step::Url => {
                self.next = Step::Outcome;
                first_event(&self.watch.sign_in)
            }
            Step::Outcome => {
                self.next = Step::End;
                match self.watch.sign_in.clone().outcome().await {
                    Ok(()) => {
                        look(&self.host, &self.account, &self.server).await;
                        SignInEvent::Done
                    }
                    Err(error) => {
                        SignInEvent::Failed { failure: failures::of_oauth(self.server.as_str(), &error) }
                    }
                }
            }
            Step::End => return None,
        };
        Some((Ok(line(&event)), self))
    }
}

/// What the person does first.
fn first_event(sign_in: &SignIn) -> SignInEvent {
    match &sign_in.prompt {
        None => SignInEvent::Url { url: sign_in.url.expose().clone() },
        Some(prompt) => SignInEvent::Code {
            user_code: prompt.user_code.clone(),
            url: prompt.verification_uri.clone(),
            complete_url: prompt.verification_uri_complete.clone(),
            expires_in: prompt.expires_in.as_secs(),
            warnings: sign_in.facts.warnings.iter().map(|warning| plain(warning, 300)).collect(),
        },
    }
}
