//! The task of an account. It never waits for network or vault itself: those run as jobs beside it, and what they
//! bring is handled here, in order.
//!
//! Three rules hold throughout. One refresh at a time, and everybody who needs it waits for that one. A token is
//! published only after its record is in the vault, or the vault has failed. What was started before a sign-out or
//! another sign-in (an older *epoch*) never becomes the account's tokens.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::{HeaderValue, StatusCode};
use rand::Rng;
use secrecy::SecretString;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::record::Record;
use super::{
    AccountDeps, AccountSpec, AccountState, Current, Error, OpenWith, Outcome, Reply, Request, Retry,
    SecretUrl, SignIn, SignInRequest, SignedOut,
};
use crate::oauth;
use crate::oauth::challenge::{self, Challenge};
use crate::oauth::login::{AskedBy, Farewell, Finished, Login, LoginRequest, PasteBox, SignInFacts};
use crate::oauth::registration::Registrations;
use crate::oauth::token::{TokenClient, TokenSet};
use crate::secret::{self, AccessToken, ItemName};

/// How long saving and refreshing may go on when the Host stops.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// A token refused this soon after it was renewed for a refusal is not worth another renewal.
const JUST_RENEWED: Duration = Duration::from_secs(120);

pub(super) struct Task {
    spec: Arc<AccountSpec>,
    deps: AccountDeps,
    item: ItemName,
    registrations: Registrations,
    current: watch::Sender<Option<Current>>,
    state: watch::Sender<AccountState>,
    jobs: JoinSet<Done>,
    held: Held,
    /// Changes with every sign-out and sign-in.
    epoch: u64,
    refreshing: bool,
    /// When a token was renewed because the server refused one that should have been good.
    renewed_for_refusal: Option<Instant>,
    pause: Pause,
    waiters: Vec<Waiter>,
    saving: Saving,
    login: Option<UnderWay>,
    logins: u64,
    challenge: Option<Challenge>,
    signing_out: Vec<Reply<()>>,
    met_refusal: bool,
    last_failure: Option<Error>,
}

/// What is known of the tokens.
enum Held {
    /// The vault has not been asked, or did not answer.
    Unread,
    Reading,
    Nothing(SignedOut),
    Tokens(Box<TokenSet>),
}

/// Somebody who waits for the vault or a refresh.
enum Waiter {
    Token(Reply<Option<AccessToken>>),
    Refused { used: Option<AccessToken>, reply: Reply<Retry> },
}

/// After a failure: not before then, and this is what went wrong.
#[derive(Default)]
struct Pause {
    until: Option<Instant>,
    length: Duration,
    error: Option<Error>,
}

/// Writes to the vault, one at a time; of those that wait, only the last counts.
#[derive(Default)]
struct Saving {
    running: bool,
    next: Option<Change>,
    asked: u64,
    started: u64,
    retry: Option<Duration>,
    failed: bool,
    waiters: Vec<(u64, SaveWaiter)>,
}

#[derive(Clone)]
enum Change {
    Write(SecretString),
    Delete,
}

enum SaveWaiter {
    Deleted(oneshot::Sender<Result<(), Error>>),
    SignedIn { farewell: Box<Farewell>, outcome: watch::Sender<Option<Outcome>> },
}

struct UnderWay {
    id: u64,
    cancel: CancellationToken,
    outcome: watch::Sender<Option<Outcome>>,
    stage: Stage,
}

enum Stage {
    Preparing { waiting: Vec<(OpenWith, Reply<SignIn>)> },
    Waiting { url: SecretUrl, facts: SignInFacts, paste_box: PasteBox },
}

enum Done {
    Read(Result<Option<SecretString>, secret::Error>),
    Refreshed { epoch: u64, outcome: Result<Box<TokenSet>, oauth::Error> },
    Saved { number: u64, outcome: Result<(), secret::Error> },
    SaveAgain { number: u64 },
    Prepared { id: u64, outcome: Result<Box<Login>, oauth::Error> },
    Finished { id: u64, outcome: Result<Box<Finished>, oauth::Error> },
    Nothing,
}

impl Task {
    pub(super) fn new(
        spec: AccountSpec,
        deps: AccountDeps,
        current: watch::Sender<Option<Current>>,
        state: watch::Sender<AccountState>,
    ) -> Self {
        Self {
            item: ItemName::new("account", spec.key.entry.as_str(), &spec.key.label),
            registrations: Registrations::new(deps.vault.clone(), spec.key.entry.as_str()),
            spec: Arc::new(spec),
            deps,
            current,
            state,
            jobs: JoinSet::new(),
            held: Held::Unread,
            epoch: 0,
            refreshing: false,
            renewed_for_refusal: None,
            pause: Pause::default(),
            waiters: Vec::new(),
            saving: Saving::default(),
            login: None,
            logins: 0,
            challenge: None,
            signing_out: Vec::new(),
            met_refusal: false,
            last_failure: None,
        }
    }

    pub(super) async fn run(mut self, mut requests: mpsc::Receiver<Request>) {
        let shutdown = self.deps.shutdown.clone();
        loop {
            tokio::select! {
                () = shutdown.cancelled() => break,
                Some(done) = self.jobs.join_next() => self.done(done),
                request = requests.recv() => match request {
                    Some(request) => self.request(request),
                    None => break,
                },
            }
            self.publish();
        }
        self.end().await;
    }

    /// A rotated refresh token that is on its way must still reach the vault.
    async fn end(mut self) {
        if let Some(login) = self.login.take() {
            login.cancel.cancel();
        }
        let last_words = async {
            while self.refreshing || self.saving.running {
                let Some(done) = self.jobs.join_next().await else { break };
                self.done(done);
            }
        };
        if tokio::time::timeout(LAST_WORDS, last_words).await.is_err() {
            tracing::warn!(account = %self.item, "stopped before its tokens were saved");
        }
    }

    fn request(&mut self, request: Request) {
        match request {
            Request::Token { reply } => {
                self.waiters.push(Waiter::Token(reply));
                self.serve_waiters();
            }
            Request::Refused { used, status, challenge, reply } => {
                self.refused(used, status, &challenge, reply)
            }
            Request::SignIn { request, reply } => self.sign_in(request, reply),
            Request::PasteBox { reply } => {
                let open = self.login.as_ref().and_then(|login| match &login.stage {
                    Stage::Waiting { paste_box, .. } => Some((paste_box.clone(), login.outcome.subscribe())),
                    Stage::Preparing { .. } => None,
                });
                answer(reply, open.ok_or(Error::NoSignIn));
            }
            Request::CancelSignIn => {
                if let Some(login) = &self.login {
                    login.cancel.cancel();
                }
            }
            Request::SignOut { reply } => self.sign_out(reply),
        }
    }

    fn done(&mut self, done: Result<Done, tokio::task::JoinError>) {
        match done {
            Ok(Done::Read(outcome)) => self.read(outcome),
            Ok(Done::Refreshed { epoch, outcome }) => self.refreshed(epoch, outcome),
            Ok(Done::Saved { number, outcome }) => self.saved(number, outcome),
            Ok(Done::SaveAgain { number }) => self.save_again(number),
            Ok(Done::Prepared { id, outcome }) => self.prepared(id, outcome),
            Ok(Done::Finished { id, outcome }) => self.finished(id, outcome),
            Ok(Done::Nothing) => {}
            // A bug in a job: what waits for it must not wait for ever.
            Err(error) => {
                tracing::error!(account = %self.item, %error, "a job of the account failed");
                self.refreshing = false;
                self.saving.running = false;
                self.login = None;
                if matches!(self.held, Held::Reading) {
                    self.held = Held::Unread;
                }
                self.fail_waiters(&Error::Stopped);
            }
        }
    }

    // Reading the vault.

    fn start_reading(&mut self) {
        self.held = Held::Reading;
        let (vault, item) = (self.deps.vault.clone(), self.item.clone());
        self.jobs.spawn(async move { Done::Read(vault.read(&item).await) });
    }

    fn read(&mut self, outcome: Result<Option<SecretString>, secret::Error>) {
        // A sign-in may have been quicker.
        if matches!(self.held, Held::Reading) {
            self.take_over(outcome);
        }
        for reply in std::mem::take(&mut self.signing_out) {
            self.sign_out_now(reply);
        }
        self.serve_waiters();
    }

    fn take_over(&mut self, outcome: Result<Option<SecretString>, secret::Error>) {
        match outcome {
            Ok(text) => {
                let record = text.as_ref().map(|text| Record::parse(text, &self.spec.server_url));
                self.held = match record {
                    Some(Some(Record::Tokens(tokens))) => Held::Tokens(Box::new(tokens)),
                    Some(Some(Record::SignedOut(why))) => Held::Nothing(why),
                    Some(None) => {
                        tracing::warn!(account = %self.item, "the stored tokens are of another version or server");
                        Held::Nothing(SignedOut::NeverSignedIn)
                    }
                    None => Held::Nothing(SignedOut::NeverSignedIn),
                };
                if let Held::Tokens(tokens) = &self.held
                    && tokens.access.is_some()
                {
                    self.publish_token();
                }
            }
            // Not "nothing": the tokens may well be there. The next request asks again.
            Err(error) => {
                self.held = Held::Unread;
                let error = Error::from(error);
                self.last_failure = Some(error.clone());
                self.fail_waiters(&error);
            }
        }
    }

    // Handing out tokens.

    /// Answers everybody whose answer is known by now, and starts what the others wait for.
    fn serve_waiters(&mut self) {
        for waiter in std::mem::take(&mut self.waiters) {
            if let Some(waiter) = self.serve(waiter) {
                self.waiters.push(waiter);
            }
        }
    }

    /// Gives the waiter back if it must wait on.
    fn serve(&mut self, waiter: Waiter) -> Option<Waiter> {
        match waiter {
            Waiter::Token(reply) => match self.token() {
                Some(token) => answer(reply, token),
                None => return Some(Waiter::Token(reply)),
            },
            Waiter::Refused { used, reply } => match self.retry(used.as_ref()) {
                Some(retry) => answer(reply, retry),
                None => return Some(Waiter::Refused { used, reply }),
            },
        }
        None
    }

    fn token(&mut self) -> Option<Result<Option<AccessToken>, Error>> {
        let now = self.deps.clock.now();
        let (access, fresh, alive, renewable) = match &self.held {
            Held::Unread => {
                self.start_reading();
                return None;
            }
            Held::Reading => return None,
            Held::Nothing(SignedOut::NeverSignedIn) => return Some(Ok(None)),
            Held::Nothing(why) => return Some(Err(Error::SignedOut { why: *why })),
            Held::Tokens(tokens) => (
                tokens.access.clone(),
                self.renew_at(tokens).is_none_or(|at| now < at),
                tokens.expires_at.is_none_or(|at| now < at),
                tokens.refresh.is_some(),
            ),
        };
        if self.is_busy() {
            return None;
        }
        match access {
            Some(access) if fresh => Some(Ok(Some(access))),
            Some(access) if alive && (!renewable || self.pause.holds()) => Some(Ok(Some(access))),
            _ if !renewable => {
                self.lose(SignedOut::Expired);
                Some(Err(Error::SignedOut { why: SignedOut::Expired }))
            }
            _ => match self.pause.current() {
                Some(error) => Some(Err(error)),
                None => {
                    self.start_refresh();
                    None
                }
            },
        }
    }

    /// What to do about a refusal, knowing which token was refused.
    fn retry(&mut self, used: Option<&AccessToken>) -> Option<Result<Retry, Error>> {
        let (same, renewable) = match &self.held {
            Held::Unread => {
                self.start_reading();
                return None;
            }
            Held::Reading => return None,
            Held::Nothing(_) => return Some(Ok(Retry::SignInNeeded)),
            Held::Tokens(tokens) => {
                let same = match (used, &tokens.access) {
                    (Some(used), Some(access)) => used.same_as(access),
                    (None, Some(_)) => false,
                    (_, None) => true,
                };
                (same, tokens.refresh.is_some())
            }
        };
        if self.is_busy() {
            return None;
        }
        if !same {
            return Some(Ok(Retry::WithNewToken));
        }
        if !renewable {
            self.lose(SignedOut::Expired);
            return Some(Ok(Retry::SignInNeeded));
        }
        if self.renewed_for_refusal.is_some_and(|at| at.elapsed() < JUST_RENEWED) {
            self.last_failure = Some(Error::SignedOut { why: SignedOut::Refused });
            return Some(Ok(Retry::SignInNeeded));
        }
        if let Some(error) = self.pause.current() {
            return Some(Err(error));
        }
        self.start_refresh();
        self.renewed_for_refusal = Some(Instant::now());
        None
    }

    fn refused(
        &mut self,
        used: Option<AccessToken>,
        status: StatusCode,
        headers: &[HeaderValue],
        reply: Reply<Retry>,
    ) {
        let challenges = challenge::parse(headers);
        let ours = challenge::for_tokens(&challenges).cloned();
        if status == StatusCode::FORBIDDEN {
            let wants_scope = ours.as_ref().and_then(Challenge::error) == Some("insufficient_scope");
            if wants_scope {
                self.challenge = ours;
            }
            let retry = if wants_scope { Retry::SignInNeeded } else { Retry::Forbidden };
            return answer(reply, Ok(retry));
        }
        self.met_refusal = true;
        if ours.is_some() {
            self.challenge = ours;
        }
        self.waiters.push(Waiter::Refused { used, reply });
        self.serve_waiters();
    }

    /// Tokens are on their way, from the authorization server or into the vault.
    fn is_busy(&self) -> bool {
        self.refreshing || (self.saving.running && self.current.borrow().is_none())
    }

    fn fail_waiters(&mut self, error: &Error) {
        for waiter in std::mem::take(&mut self.waiters) {
            match waiter {
                Waiter::Token(reply) => answer(reply, Err(error.clone())),
                Waiter::Refused { reply, .. } => answer(reply, Err(error.clone())),
            }
        }
    }

    fn renew_at(&self, tokens: &TokenSet) -> Option<SystemTime> {
        let end = tokens.expires_at?;
        let lifetime = end.duration_since(tokens.issued_at).unwrap_or_default();
        end.checked_sub(self.deps.limits.refresh_ahead.min(lifetime / 10))
    }

    fn publish_token(&self) {
        let current = match &self.held {
            Held::Tokens(tokens) => {
                tokens.access.clone().map(|token| Current { token, renew_at: self.renew_at(tokens) })
            }
            Held::Unread | Held::Reading | Held::Nothing(_) => None,
        };
        self.current.send_replace(current);
    }

    // Refreshing.

    fn start_refresh(&mut self) {
        let Held::Tokens(tokens) = &self.held else { return };
        let (tokens, spec, deps) = (tokens.clone(), self.spec.clone(), self.deps.clone());
        let epoch = self.epoch;
        self.refreshing = true;
        self.renewed_for_refusal = None;
        self.jobs.spawn(async move {
            let outcome = refresh(&tokens, &spec, &deps).await.map(Box::new);
            Done::Refreshed { epoch, outcome }
        });
    }

    fn refreshed(&mut self, epoch: u64, outcome: Result<Box<TokenSet>, oauth::Error>) {
        self.refreshing = false;
        if epoch != self.epoch {
            // Signed out, or in again, meanwhile: what came is nobody's, and is given back.
            if let Ok(tokens) = outcome {
                self.start_revoking(tokens);
            }
            return self.serve_waiters();
        }
        match outcome {
            Ok(tokens) => {
                tracing::debug!(account = %self.item, "access token renewed");
                self.pause = Pause::default();
                self.last_failure = None;
                self.hold(tokens);
            }
            Err(error) if error.refused_with("invalid_grant") => self.lose(SignedOut::Expired),
            Err(error) if error.refused_with("invalid_client") => {
                self.forget_client();
                self.lose(SignedOut::ClientForgotten);
            }
            Err(error) => {
                tracing::info!(account = %self.item, %error, "access token not renewed, keeping the refresh token");
                self.pause.extend(&self.deps.limits, error.retry_after());
                let error = Error::from(error);
                self.pause.error = Some(error.clone());
                self.last_failure = Some(error);
                self.renewed_for_refusal = None;
                // A token that is still alive serves on.
                self.serve_waiters();
            }
        }
    }

    /// Takes over new tokens: into the vault first, then to those who wait.
    fn hold(&mut self, tokens: Box<TokenSet>) {
        let text = Record::Tokens((*tokens).clone()).text(&self.spec.server_url);
        self.held = Held::Tokens(tokens);
        // Not to be handed out before it is saved; see `is_busy`.
        self.current.send_replace(None);
        self.save(Change::Write(text));
    }

    /// The tokens are worth nothing any more.
    fn lose(&mut self, why: SignedOut) {
        tracing::info!(account = %self.item, %why, "signed out");
        self.epoch += 1;
        self.held = Held::Nothing(why);
        self.met_refusal = true;
        self.last_failure = None;
        self.pause = Pause::default();
        self.current.send_replace(None);
        let text = Record::SignedOut(why).text(&self.spec.server_url);
        self.save(Change::Write(text));
        self.serve_waiters();
    }

    fn forget_client(&mut self) {
        let Held::Tokens(tokens) = &self.held else { return };
        let (registrations, issuer) = (self.registrations.clone(), tokens.issuer.clone());
        self.jobs.spawn(async move {
            if let Err(error) = registrations.forget(&issuer).await {
                tracing::warn!(%error, "a registration that is worth nothing stays in the vault");
            }
            Done::Nothing
        });
    }

    // Saving.

    fn save(&mut self, change: Change) -> u64 {
        self.saving.asked += 1;
        self.saving.retry = None;
        self.saving.next = Some(change);
        self.start_saving();
        self.saving.asked
    }

    fn start_saving(&mut self) {
        if self.saving.running {
            return;
        }
        let Some(change) = self.saving.next.clone() else { return };
        self.saving.running = true;
        self.saving.started = self.saving.asked;
        let (vault, item, number) = (self.deps.vault.clone(), self.item.clone(), self.saving.started);
        self.jobs.spawn(async move {
            let outcome = match change {
                Change::Write(text) => vault.write(&item, text).await,
                Change::Delete => vault.delete(&item).await,
            };
            Done::Saved { number, outcome }
        });
    }

    fn saved(&mut self, number: u64, outcome: Result<(), secret::Error>) {
        self.saving.running = false;
        if number != self.saving.asked {
            return self.start_saving();
        }
        self.saving.failed = outcome.is_err();
        let outcome = outcome.map_err(Error::from);
        match &outcome {
            Ok(()) => {
                self.saving.next = None;
                self.saving.retry = None;
            }
            Err(error) => {
                tracing::warn!(account = %self.item, %error, "tokens could not be saved; trying again");
                self.save_later(number);
            }
        }
        self.publish_token();
        for (asked, waiter) in std::mem::take(&mut self.saving.waiters) {
            debug_assert!(asked <= number);
            self.after_saving(waiter, &outcome);
        }
        self.hand_out();
        self.serve_waiters();
    }

    /// Those who waited for the new token get it, however short it lives.
    fn hand_out(&mut self) {
        if self.refreshing {
            return;
        }
        let Held::Tokens(tokens) = &self.held else { return };
        let Some(access) = tokens.access.clone() else { return };
        for waiter in std::mem::take(&mut self.waiters) {
            match waiter {
                Waiter::Token(reply) => answer(reply, Ok(Some(access.clone()))),
                Waiter::Refused { used, reply } => {
                    if used.as_ref().is_some_and(|used| used.same_as(&access)) {
                        self.waiters.push(Waiter::Refused { used, reply });
                    } else {
                        answer(reply, Ok(Retry::WithNewToken));
                    }
                }
            }
        }
    }

    fn save_later(&mut self, number: u64) {
        let pause =
            self.saving.retry.map_or(Duration::from_secs(1), |last| (last * 2).min(Duration::from_secs(60)));
        self.saving.retry = Some(pause);
        self.jobs.spawn(async move {
            tokio::time::sleep(pause).await;
            Done::SaveAgain { number }
        });
    }

    fn save_again(&mut self, number: u64) {
        if number == self.saving.asked {
            self.start_saving();
        }
    }

    fn after_saving(&mut self, waiter: SaveWaiter, outcome: &Result<(), Error>) {
        match waiter {
            SaveWaiter::Deleted(reply) => {
                reply.send(outcome.clone()).ok();
            }
            // Not saved is still signed in, until the Host ends; the state says so.
            SaveWaiter::SignedIn { farewell, outcome } => {
                outcome.send_replace(Some(Ok(())));
                self.say_farewell(farewell, Ok(()));
            }
        }
    }

    // Signing in.

    fn sign_in(&mut self, request: SignInRequest, reply: Reply<SignIn>) {
        if self.login.is_some() {
            return self.join_sign_in(&request, reply);
        }
        let challenges = challenge::parse(&request.challenge);
        let challenge = challenge::for_tokens(&challenges).cloned().or_else(|| self.challenge.clone());
        self.logins += 1;
        let id = self.logins;
        let cancel = self.deps.shutdown.child_token();
        self.login = Some(UnderWay {
            id,
            cancel: cancel.clone(),
            outcome: watch::Sender::new(None),
            stage: Stage::Preparing { waiting: vec![(request.open, reply)] },
        });
        self.last_failure = None;
        let login = LoginRequest {
            server_name: self.spec.server_name.clone(),
            server_url: self.spec.server_url.clone(),
            settings: self.spec.settings.clone(),
            options: self.spec.oauth.clone(),
            challenge,
            asked_by: request.asked_by,
            limit: self.deps.limits.sign_in,
        };
        let (network, registrations) = (self.deps.network.clone(), self.registrations.clone());
        self.jobs.spawn(async move {
            let outcome = tokio::select! {
                () = cancel.cancelled() => Err(oauth::Error::Cancelled),
                outcome = Login::prepare(network, registrations, login) => outcome.map(Box::new),
            };
            Done::Prepared { id, outcome }
        });
    }

    fn join_sign_in(&mut self, request: &SignInRequest, reply: Reply<SignIn>) {
        let Some(login) = &mut self.login else { return };
        match &mut login.stage {
            Stage::Preparing { waiting } => waiting.push((request.open, reply)),
            Stage::Waiting { url, facts, .. } => {
                // A person who asks again has lost the page; a program that joins opens nothing.
                let again = request.open == OpenWith::Host && request.asked_by == AskedBy::Person;
                let not_opened = again.then(|| self.deps.opener.open(url.expose()).err()).flatten();
                let sign_in = SignIn {
                    url: url.clone(),
                    facts: facts.clone(),
                    not_opened,
                    outcome: login.outcome.subscribe(),
                };
                answer(reply, Ok(sign_in));
            }
        }
    }

    fn prepared(&mut self, id: u64, outcome: Result<Box<Login>, oauth::Error>) {
        let Some(mut under_way) = self.login.take_if(|login| login.id == id) else { return };
        let Stage::Preparing { waiting } = &mut under_way.stage else { return };
        let waiting = std::mem::take(waiting);
        let login = match outcome {
            Ok(login) => login,
            Err(error) => {
                tracing::info!(account = %self.item, %error, "sign-in could not begin");
                let error = Arc::new(error);
                self.last_failure = Some(Error::OAuth(error.clone()));
                under_way.outcome.send_replace(Some(Err(error.clone())));
                for (_, reply) in waiting {
                    answer(reply, Err(Error::OAuth(error.clone())));
                }
                return;
            }
        };
        let (url, facts) = (SecretUrl(login.url().clone()), login.facts().clone());
        let by_host = waiting.iter().any(|(open, _)| *open == OpenWith::Host);
        let not_opened = by_host.then(|| self.deps.opener.open(url.expose()).err()).flatten();
        for (open, reply) in waiting {
            let not_opened = not_opened.clone().filter(|_| open == OpenWith::Host);
            let outcome = under_way.outcome.subscribe();
            answer(reply, Ok(SignIn { url: url.clone(), facts: facts.clone(), not_opened, outcome }));
        }
        under_way.stage = Stage::Waiting { url, facts, paste_box: login.paste_box() };
        let cancel = under_way.cancel.clone();
        self.login = Some(under_way);
        self.jobs
            .spawn(async move { Done::Finished { id, outcome: login.finish(cancel).await.map(Box::new) } });
    }

    fn finished(&mut self, id: u64, outcome: Result<Box<Finished>, oauth::Error>) {
        let Some(under_way) = self.login.take_if(|login| login.id == id) else {
            // Signed out while the code was exchanged.
            if let Ok(finished) = outcome {
                let Finished { tokens, farewell } = *finished;
                self.start_revoking(Box::new(tokens));
                self.say_farewell(Box::new(farewell), Err("You have signed out meanwhile.".to_owned()));
            }
            return;
        };
        match outcome {
            Ok(finished) => {
                let Finished { tokens, farewell } = *finished;
                tracing::info!(account = %self.item, issuer = %tokens.issuer, "signed in");
                self.epoch += 1;
                self.renewed_for_refusal = None;
                self.pause = Pause::default();
                self.last_failure = None;
                self.hold(Box::new(tokens));
                let waiter =
                    SaveWaiter::SignedIn { farewell: Box::new(farewell), outcome: under_way.outcome };
                self.saving.waiters.push((self.saving.asked, waiter));
            }
            Err(error) => {
                tracing::info!(account = %self.item, %error, "sign-in failed");
                let error = Arc::new(error);
                self.last_failure = Some(Error::OAuth(error.clone()));
                under_way.outcome.send_replace(Some(Err(error)));
            }
        }
    }

    // Signing out.

    fn sign_out(&mut self, reply: Reply<()>) {
        // Tokens that were never read must be, to be given back.
        match &self.held {
            Held::Unread => {
                self.signing_out.push(reply);
                self.start_reading();
            }
            Held::Reading => self.signing_out.push(reply),
            Held::Nothing(_) | Held::Tokens(_) => self.sign_out_now(reply),
        }
    }

    fn sign_out_now(&mut self, reply: Reply<()>) {
        self.epoch += 1;
        self.drop_sign_in();
        let held = std::mem::replace(&mut self.held, Held::Nothing(SignedOut::ByPerson));
        self.current.send_replace(None);
        self.last_failure = None;
        self.pause = Pause::default();
        self.fail_waiters(&Error::SignedOut { why: SignedOut::ByPerson });
        let (deleted, wait) = oneshot::channel();
        let number = self.save(Change::Delete);
        self.saving.waiters.push((number, SaveWaiter::Deleted(deleted)));
        let (spec, deps) = (self.spec.clone(), self.deps.clone());
        self.jobs.spawn(async move {
            let revoked = async {
                if let Held::Tokens(tokens) = held {
                    revoke(&tokens, &spec, &deps).await;
                }
            };
            let ((), outcome) = futures_util::future::join(revoked, wait).await;
            answer(reply, outcome.unwrap_or(Err(Error::Stopped)));
            Done::Nothing
        });
    }

    /// Ends a sign-in under way, and one whose tokens are still on their way into the vault.
    fn drop_sign_in(&mut self) {
        let cancelled = || Arc::new(oauth::Error::Cancelled);
        if let Some(login) = self.login.take() {
            login.cancel.cancel();
            login.outcome.send_replace(Some(Err(cancelled())));
            if let Stage::Preparing { waiting } = login.stage {
                for (_, reply) in waiting {
                    answer(reply, Err(Error::OAuth(cancelled())));
                }
            }
        }
        for (number, waiter) in std::mem::take(&mut self.saving.waiters) {
            match waiter {
                SaveWaiter::Deleted(_) => self.saving.waiters.push((number, waiter)),
                SaveWaiter::SignedIn { farewell, outcome } => {
                    outcome.send_replace(Some(Err(cancelled())));
                    self.say_farewell(farewell, Err("You have signed out meanwhile.".to_owned()));
                }
            }
        }
    }

    fn say_farewell(&mut self, farewell: Box<Farewell>, outcome: Result<(), String>) {
        self.jobs.spawn(async move {
            farewell.say(outcome).await;
            Done::Nothing
        });
    }

    fn start_revoking(&mut self, tokens: Box<TokenSet>) {
        let (spec, deps) = (self.spec.clone(), self.deps.clone());
        self.jobs.spawn(async move {
            revoke(&tokens, &spec, &deps).await;
            Done::Nothing
        });
    }

    // Telling.

    fn publish(&self) {
        let state = match (&self.login, &self.held, &self.last_failure) {
            (Some(login), _, _) => AccountState::SigningIn {
                facts: match &login.stage {
                    Stage::Preparing { .. } => None,
                    Stage::Waiting { facts, .. } => Some(facts.clone()),
                },
            },
            (None, Held::Tokens(_), Some(Error::SignedOut { why })) => AccountState::SignedOut { why: *why },
            (None, Held::Tokens(tokens), failure) => {
                let alive =
                    tokens.access.is_some() && tokens.expires_at.is_none_or(|at| self.deps.clock.now() < at);
                match failure {
                    Some(error) if !alive => AccountState::Failed { error: error.clone() },
                    _ => AccountState::SignedIn {
                        expires: tokens.expires_at,
                        scopes: tokens.scopes.iter().map(str::to_owned).collect(),
                        identity: None,
                        unsaved: self.saving.failed,
                    },
                }
            }
            (None, Held::Nothing(_) | Held::Unread | Held::Reading, Some(error)) => {
                AccountState::Failed { error: error.clone() }
            }
            (None, Held::Nothing(SignedOut::NeverSignedIn), None) if !self.met_refusal => {
                AccountState::Unknown
            }
            (None, Held::Nothing(why), None) => AccountState::SignedOut { why: *why },
            (None, Held::Unread | Held::Reading, None) => AccountState::Unknown,
        };
        self.state.send_if_modified(|known| {
            let changed = !known.same_as(&state);
            if changed {
                *known = state;
            }
            changed
        });
    }
}

impl Pause {
    fn holds(&self) -> bool {
        self.until.is_some_and(|until| Instant::now() < until)
    }

    /// The error to answer with while the pause holds.
    fn current(&self) -> Option<Error> {
        self.error.clone().filter(|_| self.holds())
    }

    /// Twice as long as the last, with jitter, and never shorter than the server asked for.
    fn extend(&mut self, limits: &super::AccountLimits, asked: Option<Duration>) {
        self.length =
            if self.length.is_zero() { limits.retry_first } else { (self.length * 2).min(limits.retry_last) };
        let jittered = self.length.mul_f64(rand::rng().random_range(0.8..1.2));
        let asked = asked.unwrap_or_default().min(Duration::from_secs(3600));
        self.until = Some(Instant::now() + jittered.max(asked));
    }
}

async fn refresh(
    tokens: &TokenSet,
    spec: &AccountSpec,
    deps: &AccountDeps,
) -> Result<TokenSet, oauth::Error> {
    let Some(token) = &tokens.refresh else { return Ok(tokens.clone()) };
    let client =
        TokenClient { network: &deps.network, settings: &spec.settings, registration: &tokens.registration };
    let answer = client.refresh(&tokens.token_endpoint, token, tokens.resource.as_deref()).await?;
    Ok(tokens.renewed(answer, deps.clock.now()))
}

/// Best effort, and bounded: the tokens are gone here in any case.
async fn revoke(tokens: &TokenSet, spec: &AccountSpec, deps: &AccountDeps) {
    let Some(endpoint) = &tokens.revocation_endpoint else { return };
    let client =
        TokenClient { network: &deps.network, settings: &spec.settings, registration: &tokens.registration };
    let all = async {
        let refresh = tokens.refresh.as_ref().map(|token| (token.expose(), "refresh_token"));
        let access = tokens.access.as_ref().map(|token| (token.expose(), "access_token"));
        for (token, hint) in refresh.into_iter().chain(access) {
            if let Err(error) = client.revoke(endpoint, token, hint).await {
                tracing::info!(%error, hint, "the authorization server did not take a token back");
            }
        }
    };
    if tokio::time::timeout(deps.limits.revoke, all).await.is_err() {
        tracing::info!("the authorization server did not take the tokens back in time");
    }
}

/// A caller that has gone needs no answer.
fn answer<T>(reply: oneshot::Sender<T>, value: T) {
    reply.send(value).ok();
}
