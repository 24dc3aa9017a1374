//! A call that somebody has to sign in for: it is parked meanwhile, or its modern client shows the page and comes back.

use std::time::Duration;

use tokio::time::{Instant, interval, sleep_until, timeout_at};

use crate::failure::{Code, Failure};
use crate::host::account::OpenWith;
use crate::host::failures;
use crate::host::session::held::{Held, Waits, is_ours};
use crate::host::session::sign_in_tool::{self, Wish};
use crate::host::session::through_client;
use crate::mcp;
use crate::mcp::translate::input::{Input, input_required};
use crate::mcp::translate::meta::Client;
use crate::mcp::translate::request::may_ask;

use super::{Ending, Missing, Request};

const PROGRESS_EVERY: Duration = Duration::from_secs(5);

impl Request {
    /// Sees to a sign-in: none when somebody has signed in, else what the client is told.
    pub(super) async fn bring(&self, missing: Missing, until: Instant) -> Option<Ending> {
        let outcome = if self.client_shows_page() {
            self.hold(missing, Wish::Needed, until).await
        } else {
            self.park(missing, until).await.map(|()| None)
        };
        outcome.unwrap_or_else(|failure| Some(Ending::Failed(failure)))
    }

    /// A call of our own tool; a modern client shows the page and comes back, like with any other call.
    pub(in crate::host::session) async fn run_own_tool(mut self) -> Ending {
        if let Err(failure) = self.come_back().await {
            return Ending::Failed(failure);
        }
        let until = Instant::now() + self.context.limits.park;
        if self.client_shows_page() && !self.is_signed_in() {
            match self.hold(Missing::SignIn, Wish::Explicit, until).await {
                Ok(None) => {}
                Ok(Some(ending)) => return ending,
                Err(failure) => return Ending::Failed(failure),
            }
        }
        sign_in_tool::run(self.context.clone(), self.link.clone(), self.message.clone()).await
    }

    /// Goes on with a call whose client was asked to show our page. What it brings back from there is ours; the server
    /// gets what the call came with before.
    pub(super) async fn come_back(&mut self) -> Result<(), Failure> {
        let Some(state) = self.message.string_at(&["params", "requestState"]) else { return Ok(()) };
        let held = self.held.get_mut().ok();
        let held = held.and_then(|held| held.take_if(|held| held.is_for_sign_in()));
        let Some(held) = held else { return self.is_known(&state) };
        if !held.is_of(&self.message) {
            return Err(self.lost());
        }
        let restored = held.restored(&self.message);
        if let Waits::ForSignIn { mut shown, .. } = held.waits {
            if through_client::has_opened(&self.message) {
                shown.is_open();
            } else if !self.is_signed_in() {
                shown.is_refused();
                return Err(failures::signed_out(self.context.server()));
            }
        }
        self.was_shown_page = true;
        if let Some(restored) = restored {
            self.message = restored;
        }
        Ok(())
    }

    /// A state of ours that nothing is held under any more is not for the server.
    fn is_known(&self, state: &str) -> Result<(), Failure> {
        let is_held = self.held.lock().is_ok_and(|held| held.is_some());
        if !is_held && is_ours(&self.context.sealer, state) { Err(self.lost()) } else { Ok(()) }
    }

    /// Whether this is a modern client's request in whose stead the page can be asked for.
    fn client_shows_page(&self) -> bool {
        let is_modern = self.message.meta_protocol_version().is_some();
        let Some(client) = Client::of_request(&self.message).filter(|_| is_modern) else { return false };
        !self.was_shown_page
            && self.message.method().is_some_and(may_ask)
            && through_client::is_shown(&self.context, client.capabilities())
    }

    /// Asks a modern client to show the page; the call goes on when it comes back.
    async fn hold(&self, missing: Missing, wish: Wish, until: Instant) -> Result<Option<Ending>, Failure> {
        let late = |_| self.nobody_signed_in_for(missing);
        let Some(id) = self.message.request_id() else { return Ok(None) };
        let begun = sign_in_tool::begin(&self.context, wish, OpenWith::Caller);
        let begun = timeout_at(until, begun).await.map_err(late)?;
        let begun = begun.map_err(|failure| self.why_not(missing, failure))?;
        let Some(mut begun) = begun else { return Ok(None) };
        let Some(shown) = begun.shown.take() else {
            return timeout_at(until, begun.ended(&self.context)).await.map_err(late)?.map(|()| None);
        };
        let waits = Waits::ForSignIn { shown, input: Input::of(&self.message) };
        let held = Held::new(&self.context.sealer, &self.message, waits);
        let question = through_client::question(&self.context, &begun.sign_in.url);
        let answer = mcp::result_response(id, &input_required(&[question], held.state()));
        drop(begun.page.keep_until(begun.sign_in.outcome()));
        Ok(Some(Ending::Held { answer, held: Box::new(held) }))
    }

    /// Parks the call: one prompt opens, and progress keeps the client patient.
    async fn park(&self, missing: Missing, until: Instant) -> Result<(), Failure> {
        let signing_in = self.signed_in_for(missing);
        tokio::pin!(signing_in);
        let mut ticks = interval(PROGRESS_EVERY);
        let mut progress = 0;
        loop {
            tokio::select! {
                outcome = &mut signing_in => return outcome,
                _ = ticks.tick() => {
                    progress += 1;
                    self.report_progress(progress).await;
                }
                () = sleep_until(until) => return Err(self.nobody_signed_in_for(missing)),
            }
        }
    }

    /// Has somebody sign in for it, and waits for the end.
    pub(super) async fn signed_in_for(&self, missing: Missing) -> Result<(), Failure> {
        let signed_in = sign_in_tool::sign_in(&self.context, Wish::Needed).await;
        signed_in.map_err(|failure| self.why_not(missing, failure))
    }

    fn why_not(&self, missing: Missing, failure: Failure) -> Failure {
        if failure.code == Code::SignedOut { self.nobody_signed_in_for(missing) } else { failure }
    }

    pub(super) fn nobody_signed_in_for(&self, missing: Missing) -> Failure {
        match missing {
            Missing::SignIn => failures::signed_out(self.context.server()),
            Missing::Permission => self.context.more_permission(),
        }
    }

    async fn report_progress(&self, progress: u32) {
        let Some(token) = self.message.raw_at(&["params", "_meta", "progressToken"]) else { return };
        let text = format!("Waiting for you to sign in to {}", self.context.server());
        let text = serde_json::Value::from(text);
        let line = format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"progressToken":{token},"progress":0.{progress:04},"message":{text}}}}}"#
        );
        let _ = self.context.downstream.message(line.into()).await;
    }
}
