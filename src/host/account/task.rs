//! The task of an account. It never waits for network or vault itself: those run as jobs beside it, and what they
//! bring is handled here, in order.
//!
//! Three rules hold throughout. One refresh at a time, and everybody who needs it waits for that one. A token is
//! published only after its record is in the vault, or the vault has failed. What was started before a sign-out or
//! another sign-in (an older *epoch*) never becomes the account's tokens.

mod renewal;
mod saving;
mod self_opened;
mod sign_in;
mod sign_out;
mod step_up;
mod tokens;
mod unattended;
mod under_way;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use secrecy::SecretString;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use self::renewal::Pause;
use self::saving::Saving;
use self::self_opened::SelfOpened;
use self::step_up::StepUps;
use self::tokens::Waiter;
use self::under_way::{Stage, UnderWay};
use super::clock::Age;
use super::{
    AccountDeps, AccountSpec, AccountState, Current, Error, Reply, Request, SignIn, SignInRequest, SignedOut,
};
use crate::oauth;
use crate::oauth::challenge::Challenge;
use crate::oauth::login::{Finished, Former, LoginHandle, Prepared};
use crate::oauth::registration::Registrations;
use crate::oauth::token::TokenSet;
use crate::secret::{self, ItemName};

/// How long saving, refreshing and signing out may go on when the Host stops.
const LAST_WORDS: Duration = Duration::from_secs(5);

pub(super) struct Task {
    spec: Arc<AccountSpec>,
    deps: AccountDeps,
    item: ItemName,
    registrations: Registrations,
    current: watch::Sender<Option<Current>>,
    state: watch::Sender<AccountState>,
    /// How many upstream sessions are open in its name.
    sessions: watch::Sender<usize>,
    jobs: JoinSet<Done>,
    held: Held,
    /// When the tokens came, by the steady clock.
    came: Option<Duration>,
    /// Changes with every sign-out and sign-in.
    epoch: u64,
    refreshing: bool,
    /// When a token was renewed because the server refused one that should have been good.
    renewed_for_refusal: Option<SystemTime>,
    pause: Pause,
    waiters: Vec<Waiter>,
    /// People who want to see a token got.
    obtaining: Vec<Reply<()>>,
    saving: Saving,
    login: Option<UnderWay>,
    logins: u64,
    challenge: Option<Challenge>,
    step_ups: StepUps,
    self_opened: SelfOpened,
    /// Sign-ins that wait for the vault, or for a sign-out.
    signing_in: Vec<(SignInRequest, Reply<SignIn>)>,
    /// Sign-outs that wait for the vault, or for the sessions to end.
    signing_out: Vec<Reply<()>>,
    /// Whether the sessions are ending.
    ending: bool,
    /// Who was signed in before.
    former: Option<Former>,
    met_refusal: bool,
    /// When something was last refused, for which old metadata may be the reason.
    doubted: Option<Instant>,
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

enum Done {
    Read(Result<Option<SecretString>, secret::Error>),
    Refreshed {
        epoch: u64,
        outcome: Result<Box<TokenSet>, oauth::Error>,
    },
    /// The tokens are worth nothing any more.
    Lost {
        epoch: u64,
        why: SignedOut,
    },
    Saved {
        number: u64,
        outcome: Result<(), secret::Error>,
    },
    SaveAgain {
        number: u64,
    },
    Prepared {
        id: u64,
        outcome: Result<Prepared, oauth::Error>,
    },
    Finished {
        id: u64,
        outcome: Result<Box<Finished>, oauth::Error>,
    },
    /// The sessions have ended, or have had the time for it.
    Ended,
    Nothing,
}

impl Task {
    pub(super) fn new(
        spec: AccountSpec,
        deps: AccountDeps,
        current: watch::Sender<Option<Current>>,
        state: watch::Sender<AccountState>,
        sessions: watch::Sender<usize>,
    ) -> Self {
        let is_unattended = spec.oauth.grant.is_unattended();
        Self {
            item: ItemName::new("account", &spec.stored_as, &spec.key.label),
            registrations: Registrations::new(deps.vault.clone(), spec.stored_as.as_str()),
            spec: Arc::new(spec),
            deps,
            current,
            state,
            sessions,
            jobs: JoinSet::new(),
            // Nothing of an unattended grant is ever stored.
            held: if is_unattended { Held::Nothing(SignedOut::NeverSignedIn) } else { Held::Unread },
            came: None,
            epoch: 0,
            refreshing: false,
            renewed_for_refusal: None,
            pause: Pause::default(),
            waiters: Vec::new(),
            obtaining: Vec::new(),
            saving: Saving::default(),
            login: None,
            logins: 0,
            challenge: None,
            step_ups: StepUps::default(),
            self_opened: SelfOpened::default(),
            signing_in: Vec::new(),
            signing_out: Vec::new(),
            ending: false,
            former: None,
            met_refusal: false,
            doubted: None,
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

    /// A rotated refresh token that is on its way must still reach the vault, and the tokens of a sign-in that is
    /// called off their server.
    async fn end(mut self) {
        let mut finishing = self.login.take().is_some_and(|login| {
            login.cancel.cancel();
            matches!(login.stage, Stage::Waiting { .. })
        });
        let last_words = async {
            while finishing || self.refreshing || self.saving.running || self.ending {
                let Some(done) = self.jobs.join_next().await else { break };
                finishing &= !matches!(done, Ok(Done::Finished { .. }) | Err(_));
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
            Request::Look { reply } => {
                self.waiters.push(Waiter::Look(reply));
                self.serve_waiters();
            }
            Request::Refused { refusal, reply } => self.refused(refusal, reply),
            Request::SignIn { request, reply } => self.sign_in(request, reply),
            Request::Obtain { reply } => self.obtain(reply),
            Request::Login { reply } => {
                let open = self.login.as_ref().and_then(|login| match &login.stage {
                    Stage::Waiting { handle, .. } => {
                        handle.clone().map(|handle| (handle, login.outcome.subscribe()))
                    }
                    Stage::Preparing { .. } => None,
                });
                answer(reply, open.ok_or(Error::NoSignIn));
            }
            Request::CancelSignIn => {
                if let Some(login) = &self.login {
                    login.cancel.cancel();
                }
                self.fail_signing_in(&oauth::Error::Cancelled.into());
            }
            Request::Withdraw { id, is_no } => self.withdraw(id, is_no),
            Request::SignOut { reply } => self.sign_out(reply),
        }
    }

    fn done(&mut self, done: Result<Done, tokio::task::JoinError>) {
        match done {
            Ok(Done::Read(outcome)) => self.read(outcome),
            Ok(Done::Refreshed { epoch, outcome }) => self.refreshed(epoch, outcome),
            Ok(Done::Lost { epoch, why }) => self.lost(epoch, why),
            Ok(Done::Saved { number, outcome }) => self.saved(number, outcome),
            Ok(Done::SaveAgain { number }) => self.save_again(number),
            Ok(Done::Prepared { id, outcome }) => self.prepared(id, outcome),
            Ok(Done::Finished { id, outcome }) => self.finished(id, outcome),
            Ok(Done::Ended) => self.sessions_ended(),
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
                self.fail_obtaining(&Error::Stopped);
                self.fail_signing_in(&Error::Stopped);
                if self.ending {
                    self.sessions_ended();
                }
            }
        }
    }

    /// How the account stands.
    fn standing(&self) -> AccountState {
        if let Some(login) = &self.login {
            return match &login.stage {
                Stage::Preparing { .. } => AccountState::SigningIn { facts: None, in_browser: false },
                Stage::Waiting { pages, handle } => AccountState::SigningIn {
                    facts: Some(pages.facts.clone()),
                    in_browser: handle.as_ref().is_some_and(LoginHandle::is_in_browser),
                },
            };
        }
        match (&self.held, &self.last_failure) {
            (Held::Tokens(_), Some(Error::SignedOut { why })) => AccountState::SignedOut { why: *why },
            (Held::Tokens(tokens), _) => self.standing_with(tokens),
            (Held::Nothing(_) | Held::Unread | Held::Reading, Some(error)) => {
                AccountState::Failed { error: error.clone() }
            }
            (Held::Nothing(SignedOut::NeverSignedIn), None) if !self.met_refusal => AccountState::Unknown,
            (Held::Nothing(why), None) => AccountState::SignedOut { why: *why },
            (Held::Unread | Held::Reading, None) => AccountState::Unknown,
        }
    }

    /// A renewal that failed shows once the token it should have replaced has ended.
    fn standing_with(&self, tokens: &TokenSet) -> AccountState {
        let alive = tokens.access.is_some() && self.age(tokens) != Age::Dead;
        match &self.pause.error {
            Some(error) if !alive => AccountState::Failed { error: error.clone() },
            Some(_) | None => AccountState::SignedIn {
                expires: tokens.expires_at,
                issuer: tokens.issuer.clone(),
                renewed: tokens.issued_at,
                scopes: tokens.scopes.iter().map(str::to_owned).collect(),
                identity: tokens.identity.clone(),
                unsaved: self.saving.failed,
                ending: self.ending,
            },
        }
    }

    fn publish(&self) {
        let state = self.standing();
        self.state.send_if_modified(|known| {
            let changed = !known.same_as(&state);
            if changed {
                *known = state;
            }
            changed
        });
    }
}

/// A caller that has gone needs no answer.
fn answer<T>(reply: oneshot::Sender<T>, value: T) {
    reply.send(value).ok();
}
