//! The handle with which tests steer a running server and watch what it saw.

pub(crate) mod port;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use tokio::sync::watch;

use crate::config::Auth;
use crate::fault::{Fault, Plan, Script, TokenFault};
use crate::shared::{Change, Shared};
use crate::stats::{JournalEntry, Stats};
use crate::{http_sse, listener, lock};

const WAIT_LIMIT: Duration = Duration::from_secs(60);

/// Steers a running server. The control port offers the same over HTTP.
#[derive(Clone)]
pub struct Control {
    shared: Arc<Shared>,
}

/// Tokens, clients and the issuer.
impl Control {
    /// Lets all OAuth access tokens expire; refresh tokens stay good.
    pub fn expire_access_tokens(&self) {
        lock(&self.shared.oauth).expire_access_tokens(self.shared.clock.now());
    }

    /// Ends all OAuth tokens of a user, or of everybody.
    pub fn revoke_tokens(&self, user: Option<&str>) {
        lock(&self.shared.oauth).revoke_user(user);
    }

    /// Ends all OAuth access tokens; refresh tokens stay good.
    pub fn revoke_access_tokens(&self) {
        lock(&self.shared.oauth).revoke_access_tokens();
    }

    /// Ends all refresh tokens; access tokens stay good.
    pub fn revoke_refresh_tokens(&self) {
        lock(&self.shared.oauth).revoke_refresh_tokens();
    }

    /// Forgets all clients that registered themselves.
    pub fn forget_clients(&self) {
        lock(&self.shared.oauth).forget_clients();
    }

    /// Puts another authorization server in the place of this one: another issuer, which knows
    /// neither clients nor tokens. Returns the new issuer.
    pub fn swap_issuer(&self) -> String {
        lock(&self.shared.oauth).swap();
        crate::oauth::issuer(&self.shared)
    }

    /// Wants another nonce in the proofs of keys from now on, which clients learn when they are refused.
    pub fn change_dpop_nonce(&self) {
        lock(&self.shared.oauth).dpop_nonce = None;
    }

    /// The issuer identifier in force.
    pub fn issuer(&self) -> String {
        crate::oauth::issuer(&self.shared)
    }

    /// From now on the method needs this scope.
    pub fn demand_scope(&self, method: &str, scope: &str) {
        lock(&self.shared.demanded_scopes).insert(method.to_owned(), scope.to_owned());
    }

    /// Says this in `iss` of callbacks, as in a mix-up attack; `None` is the truth.
    pub fn set_callback_iss(&self, iss: Option<&str>) {
        lock(&self.shared.oauth).callback_iss = iss.map(str::to_owned);
    }

    /// Moves the server's own time ahead: codes, forms and access tokens age.
    pub fn advance(&self, by: Duration) {
        self.shared.clock.advance(by);
    }

    /// Signs a JWT for a user; without a lifetime it is born expired.
    ///
    /// # Errors
    ///
    /// When the server does not take JWTs.
    pub fn mint_jwt(
        &self,
        user: &str,
        scope: Option<&str>,
        lifetime: Option<Duration>,
    ) -> anyhow::Result<String> {
        let jwt = self.shared.config.auth.iter().find_map(|auth| match auth {
            Auth::Jwt(jwt) => Some(jwt),
            Auth::None | Auth::Bearer(_) | Auth::ApiKey(_) | Auth::OAuth(_) => None,
        });
        crate::auth::jwt::mint(jwt.context("this server takes no JWTs")?, user, scope, lifetime)
    }
}

/// What goes wrong.
impl Control {
    /// Lets something go wrong with the next JSON-RPC request, whoever sends it.
    pub fn fault(&self, fault: Fault) {
        self.plan(fault.into());
    }

    /// Lets something go wrong with the next message of that method; `GET` and `DELETE` stand for
    /// those requests.
    pub fn fault_on(&self, method: &str, fault: Fault) {
        self.plan(Plan { fault, method: Some(method.to_owned()), times: 1 });
    }

    /// Lets something go wrong as planned.
    pub fn plan(&self, plan: Plan) {
        self.shared.queues.plan(plan);
    }

    /// Lets something go wrong with the next token request.
    pub fn token_endpoint_fault(&self, fault: TokenFault) {
        self.shared.queues.plan_token(fault);
    }

    /// Forgets faults and scripts that did not happen yet.
    pub fn clear_faults(&self) {
        self.shared.queues.clear();
    }

    /// Lets everything go on that is stalled now: requests, answers, and the tool `slow` when it
    /// waits for this.
    pub fn release_stalled(&self) {
        self.shared.release.send_modify(|count| *count += 1);
    }

    /// Ends all sessions on both transports; later requests in them get 404.
    pub async fn kill_sessions(&self) {
        http_sse::kill_all(&self.shared);
        self.shared.sessions.kill_all().await;
    }

    /// Ends all open streams cleanly; sessions live on.
    pub fn drop_streams(&self) {
        self.shared.cut.send_modify(|count| *count += 1);
    }

    /// Breaks all connections that are open now.
    pub fn drop_connections(&self) {
        listener::break_all(&self.shared);
    }
}

/// What clients are told.
impl Control {
    /// Tells clients that the tool list changed, though it did not.
    pub fn set_tools_changed(&self) {
        self.tell(Change::Tools);
    }

    /// Tells clients that the prompt list changed, though it did not.
    pub fn set_prompts_changed(&self) {
        self.tell(Change::Prompts);
    }

    /// Tells clients that the resource list changed, though it did not.
    pub fn set_resources_changed(&self) {
        self.tell(Change::Resources);
    }

    /// Tells those who subscribed to it that a resource has new content.
    pub fn set_resource_updated(&self, uri: &str) {
        self.tell(Change::Updated(uri.to_owned()));
    }

    /// Adds a public tool and tells clients.
    pub fn add_tool(&self, name: &str) {
        let mut tools = lock(&self.shared.tools);
        tools.removed.remove(name);
        if !crate::mcp::tools::is_built_in(name) {
            tools.added.insert(name.to_owned());
        }
        drop(tools);
        self.tell(Change::Tools);
    }

    /// Removes a tool, built in or added, and tells clients.
    pub fn remove_tool(&self, name: &str) {
        let mut tools = lock(&self.shared.tools);
        tools.added.remove(name);
        tools.removed.insert(name.to_owned());
        drop(tools);
        self.tell(Change::Tools);
    }

    /// Describes a tool in other words and tells clients.
    pub fn describe_tool(&self, name: &str, description: &str) {
        lock(&self.shared.tools).described.insert(name.to_owned(), description.to_owned());
        self.tell(Change::Tools);
    }

    /// Answers the next request of that method with exactly this result. `initialize` still opens
    /// a session; nothing else reaches the server proper.
    pub fn script(&self, method: &str, raw_result: impl Into<Bytes>, as_sse: bool) {
        let script = Script { member: "result", id: None, raw: raw_result.into(), as_sse };
        self.shared.queues.script(method, script);
    }

    /// As [`Control::script`], with an answer that names this id instead of the request's.
    pub fn script_for(&self, method: &str, raw_id: &str, raw_result: impl Into<Bytes>, as_sse: bool) {
        let script = Script { member: "result", id: Some(raw_id.to_owned()), raw: raw_result.into(), as_sse };
        self.shared.queues.script(method, script);
    }

    /// Answers the next request of that method with exactly this error.
    pub fn script_error(&self, method: &str, raw_error: impl Into<Bytes>, as_sse: bool) {
        let script = Script { member: "error", id: None, raw: raw_error.into(), as_sse };
        self.shared.queues.script(method, script);
    }

    /// Sends exactly this message on every open stream (GET, `subscriptions/listen`, `/sse`), and
    /// tells how many there are. See [`Control::wait_for`] for how to wait for one.
    pub fn push(&self, raw_message: impl Into<Bytes>) -> usize {
        self.shared.push.send(raw_message.into()).unwrap_or(0)
    }

    fn tell(&self, change: Change) {
        // Nobody listens once the server stops; that is as well.
        let _ = self.shared.changes.send(change);
    }
}

/// What happened.
impl Control {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Control { shared }
    }

    /// The counters now.
    pub fn stats(&self) -> Stats {
        self.shared.recorder.watch().borrow().clone()
    }

    /// The counters as they change.
    pub fn watch_stats(&self) -> watch::Receiver<Stats> {
        self.shared.recorder.watch()
    }

    /// Waits until the counters are as wanted, at once if they are.
    ///
    /// # Panics
    ///
    /// When that takes longer than a minute; a test has failed then.
    pub async fn wait_for(&self, mut wanted: impl FnMut(&Stats) -> bool) -> Stats {
        let mut stats = self.shared.recorder.watch();
        let waiting = tokio::time::timeout(WAIT_LIMIT, stats.wait_for(|stats| wanted(stats)));
        let seen = waiting.await.ok().and_then(Result::ok).map(|stats| stats.clone());
        let Some(seen) = seen else {
            panic!("waited in vain; the counters are {:?}", self.stats());
        };
        seen
    }

    /// The last MCP requests as they came, oldest first.
    pub fn journal(&self) -> Vec<JournalEntry> {
        self.shared.recorder.journal()
    }

    /// Starts counting anew; what is open stays counted.
    pub fn clear_stats(&self) {
        self.shared.recorder.clear();
    }

    /// Empties the journal.
    pub fn clear_journal(&self) {
        self.shared.recorder.clear_journal();
    }
}
