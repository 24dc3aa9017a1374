//! Reading tokens, handing them out, and renewing them.

use std::time::Duration;

use http::StatusCode;
use rand::Rng;
use secrecy::SecretString;
use tokio::time::Instant;

use super::saving::Change;
use super::unattended::AFTER_REFUSAL;
use super::{Done, Held, Task, answer};
use crate::host::account::clock::{Age, Life};
use crate::host::account::record::Record;
use crate::host::account::{
    AccountDeps, AccountLimits, AccountSpec, AccountState, Credential, Current, Error, Refusal, Reply, Retry,
    SignedOut,
};
use crate::oauth;
use crate::oauth::challenge::{self, Challenge};
use crate::oauth::login::Former;
use crate::oauth::registration::ClientKind;
use crate::oauth::token::{TokenClient, TokenSet};
use crate::oauth::{audience, discovery, dpop};
use crate::secret::{self, AccessToken};

/// A token refused this soon after it was renewed for a refusal is not worth another renewal. By the wall clock: after
/// a night's sleep it is another matter.
const JUST_RENEWED: Duration = Duration::from_secs(120);

/// Somebody who waits for the vault or a refresh.
pub(super) enum Waiter {
    Token(Reply<Option<Credential>>),
    /// Only until the vault has been read.
    Look(Reply<AccountState>),
    Refused {
        used: Option<AccessToken>,
        reply: Reply<Retry>,
    },
}

/// After a failure: not before then, and this is what went wrong.
#[derive(Default)]
pub(super) struct Pause {
    until: Option<Instant>,
    length: Duration,
    pub(super) error: Option<Error>,
}

impl Task {
    pub(super) fn start_reading(&mut self) {
        self.held = Held::Reading;
        let (vault, item) = (self.deps.vault.clone(), self.item.clone());
        self.jobs.spawn(async move { Done::Read(vault.read(&item).await) });
    }

    pub(super) fn read(&mut self, outcome: Result<Option<SecretString>, secret::Error>) {
        self.take_over(outcome);
        for reply in std::mem::take(&mut self.signing_out) {
            self.sign_out_now(reply);
        }
        for (request, reply) in std::mem::take(&mut self.signing_in) {
            self.sign_in(request, reply);
        }
        self.serve_waiters();
    }

    pub(super) fn take_over(&mut self, outcome: Result<Option<SecretString>, secret::Error>) {
        match outcome {
            Ok(text) => {
                self.last_failure = None;
                let record = text.as_ref().map(|text| Record::parse(text, &self.spec.server_url));
                self.held = match record {
                    Some(Some(Record::Tokens(tokens))) => Held::Tokens(tokens),
                    Some(Some(Record::SignedOut { why, former })) => {
                        self.former = former;
                        Held::Nothing(why)
                    }
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
                self.fail_signing_in(&error);
            }
        }
    }

    /// Answers everybody whose answer is known by now, and starts what the others wait for.
    pub(super) fn serve_waiters(&mut self) {
        for waiter in std::mem::take(&mut self.waiters) {
            if let Some(waiter) = self.serve(waiter) {
                self.waiters.push(waiter);
            }
        }
    }

    /// Gives the waiter back if it must wait on.
    pub(super) fn serve(&mut self, waiter: Waiter) -> Option<Waiter> {
        match waiter {
            Waiter::Token(reply) => match self.token() {
                Some(token) => answer(reply, token),
                None => return Some(Waiter::Token(reply)),
            },
            Waiter::Look(reply) => match &self.held {
                Held::Unread => {
                    self.start_reading();
                    return Some(Waiter::Look(reply));
                }
                Held::Reading => return Some(Waiter::Look(reply)),
                Held::Nothing(_) | Held::Tokens(_) => answer(reply, Ok(self.standing())),
            },
            Waiter::Refused { used, reply } => match self.retry(used.as_ref()) {
                Some(retry) => answer(reply, retry),
                None => return Some(Waiter::Refused { used, reply }),
            },
        }
        None
    }

    pub(super) fn token(&mut self) -> Option<Result<Option<Credential>, Error>> {
        let (access, age, renewable) = match &self.held {
            Held::Unread => {
                self.start_reading();
                return None;
            }
            Held::Reading => return None,
            Held::Nothing(SignedOut::NeverSignedIn) if self.wants_first_token() => (None, Age::Dead, true),
            // Whether that is enough is for the server to say.
            Held::Nothing(SignedOut::NeverSignedIn | SignedOut::ByPerson) => return Some(Ok(None)),
            Held::Nothing(why) => return Some(Err(Error::SignedOut { why: *why })),
            Held::Tokens(tokens) => {
                (credential(tokens), self.age(tokens), tokens.refresh.is_some() || self.is_unattended())
            }
        };
        if self.is_busy() {
            return None;
        }
        match access {
            Some(access) if age == Age::Fresh => Some(Ok(Some(access))),
            Some(access) if age == Age::Old && (!renewable || self.pause.holds()) => Some(Ok(Some(access))),
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
    pub(super) fn retry(&mut self, used: Option<&AccessToken>) -> Option<Result<Retry, Error>> {
        let (same, renewable) = match &self.held {
            Held::Unread => {
                self.start_reading();
                return None;
            }
            Held::Reading => return None,
            Held::Nothing(_) if self.wants_first_token() => (true, true),
            Held::Nothing(_) => return Some(Ok(Retry::SignInNeeded)),
            Held::Tokens(tokens) => {
                let same = match (used, &tokens.access) {
                    (Some(used), Some(access)) => used.same_as(access),
                    (None, Some(_)) => false,
                    (_, None) => true,
                };
                (same, tokens.refresh.is_some() || self.is_unattended())
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
        let now = self.deps.clock.now().wall;
        let since_renewal = self.renewed_for_refusal.map(|at| now.duration_since(at));
        if let Some(Ok(since)) = since_renewal
            && since < JUST_RENEWED
        {
            if self.is_unattended() {
                return Some(Err(self.not_accepted()));
            }
            self.last_failure = Some(Error::SignedOut { why: SignedOut::Refused });
            self.self_opened.was_in_vain();
            return Some(Ok(Retry::SignInNeeded));
        }
        if let Some(error) = self.pause.current() {
            return Some(Err(error));
        }
        self.start_refresh_after_refusal();
        self.renewed_for_refusal = Some(now);
        None
    }

    pub(super) fn refused(&mut self, refusal: Refusal, reply: Reply<Retry>) {
        let challenges = challenge::parse(&refusal.challenge);
        if self.wants_nonce(&refusal, &challenges) {
            return answer(reply, Ok(Retry::WithNonce));
        }
        let ours = challenge::for_tokens(&challenges).cloned();
        if refusal.status == StatusCode::FORBIDDEN {
            let retry = self.forbidden(refusal, ours);
            return answer(reply, Ok(retry));
        }
        self.met_refusal = true;
        if ours.is_some() {
            self.challenge = ours;
        }
        self.waiters.push(Waiter::Refused { used: refusal.used, reply });
        self.serve_waiters();
    }

    /// Whether only the proof of a bound token was refused, and nothing is wrong with the token.
    fn wants_nonce(&self, refusal: &Refusal, challenges: &[Challenge]) -> bool {
        let is_bound = matches!(&self.held, Held::Tokens(tokens) if tokens.dpop.is_some());
        let asks = |found: &Challenge| found.is("DPoP") && found.error() == Some(dpop::USE_NONCE);
        is_bound && refusal.used.is_some() && challenges.iter().any(asks)
    }

    /// Tokens are on their way, from the authorization server or into the vault.
    pub(super) fn is_busy(&self) -> bool {
        self.refreshing || (self.saving.running && self.current.borrow().is_none())
    }

    pub(super) fn fail_waiters(&mut self, error: &Error) {
        for waiter in std::mem::take(&mut self.waiters) {
            match waiter {
                Waiter::Token(reply) => answer(reply, Err(error.clone())),
                Waiter::Look(reply) => answer(reply, Err(error.clone())),
                Waiter::Refused { reply, .. } => answer(reply, Err(error.clone())),
            }
        }
    }

    /// How old the access token is; one without an end stays fresh.
    pub(super) fn age(&self, tokens: &TokenSet) -> Age {
        self.life(tokens).map_or(Age::Fresh, |life| life.age(self.deps.clock.now()))
    }

    fn life(&self, tokens: &TokenSet) -> Option<Life> {
        let length = tokens.expires_at?.duration_since(tokens.issued_at).unwrap_or_default();
        let ahead = self.deps.limits.refresh_ahead;
        Some(Life { issued: tokens.issued_at, length, came: self.came, ahead })
    }

    pub(super) fn publish_token(&self) {
        let current = match &self.held {
            Held::Tokens(tokens) => {
                credential(tokens).map(|credential| Current { credential, life: self.life(tokens) })
            }
            Held::Unread | Held::Reading | Held::Nothing(_) => None,
        };
        self.current.send_replace(current);
    }

    pub(super) fn start_refresh(&mut self) {
        if self.is_unattended() {
            return self.start_obtaining();
        }
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

    /// A refusal may mean that the server has another authorization server now; then its metadata says so, and the
    /// refresh token stays where it belongs (security rule 6).
    fn start_refresh_after_refusal(&mut self) {
        if self.is_unattended() {
            return self.start_obtaining();
        }
        let Held::Tokens(tokens) = &self.held else { return };
        let (tokens, spec, deps) = (tokens.clone(), self.spec.clone(), self.deps.clone());
        let (challenge, epoch) = (self.challenge.clone(), self.epoch);
        self.refreshing = true;
        self.renewed_for_refusal = None;
        self.jobs.spawn(async move {
            if has_moved(&tokens, challenge.as_ref(), &spec, &deps).await {
                return Done::Moved { epoch };
            }
            let outcome = refresh(&tokens, &spec, &deps).await.map(Box::new);
            Done::Refreshed { epoch, outcome }
        });
    }

    pub(super) fn moved(&mut self, epoch: u64) {
        self.refreshing = false;
        if epoch == self.epoch { self.lose(SignedOut::Moved) } else { self.serve_waiters() }
    }

    pub(super) fn refreshed(&mut self, epoch: u64, outcome: Result<Box<TokenSet>, oauth::Error>) {
        self.refreshing = false;
        if epoch != self.epoch {
            // Signed out, or in again, meanwhile: what came is nobody's, and is given back.
            if let Ok(tokens) = outcome {
                self.start_revoking(tokens);
            }
            if !self.obtaining.is_empty() {
                self.start_obtaining();
            }
            return self.serve_waiters();
        }
        match outcome {
            Ok(tokens) => self.renewed(tokens),
            Err(error) if error.refused_with("invalid_grant") => self.lose(SignedOut::Expired),
            Err(error) if error.is_about_client() && self.may_register_again() => {
                self.forget_client();
                self.lose(SignedOut::ClientForgotten);
            }
            Err(error) => {
                tracing::info!(account = %self.item, %error, "no new access token for now");
                let is_for_good = self.is_unattended() && !error.is_transient();
                let asked = if is_for_good { Some(AFTER_REFUSAL) } else { error.retry_after() };
                self.pause.extend(&self.deps.limits, asked);
                let error = Error::from(error);
                self.pause.error = Some(error.clone());
                self.last_failure = Some(error.clone());
                self.renewed_for_refusal = None;
                self.fail_obtaining(&error);
                self.answer_after_failure(&error);
            }
        }
    }

    fn renewed(&mut self, mut tokens: Box<TokenSet>) {
        tracing::debug!(account = %self.item, "access token renewed");
        self.pause = Pause::default();
        self.last_failure = None;
        let sites = tokens.access.as_ref().map_or_else(Vec::new, |access| {
            audience::foreign_sites(access, &self.spec.server_url, tokens.resource.as_deref())
        });
        if sites.iter().any(|site| !tokens.accepted_sites.contains(site)) {
            // Nobody said yes to those. The new refresh token must be kept all the same.
            tokens.access = None;
            let server = self.spec.server_url.host_str().unwrap_or_default().to_owned();
            let error = Error::from(oauth::Error::ForeignAudience { server, sites });
            self.pause.extend(&self.deps.limits, None);
            self.pause.error = Some(error.clone());
            self.last_failure = Some(error);
        }
        match self.is_unattended() {
            true => self.hold_unstored(tokens),
            false => self.hold(tokens),
        }
    }

    /// Those who waited for this refresh do not wait for the next: a token that is still alive serves on, else they
    /// get the error.
    pub(super) fn answer_after_failure(&mut self, error: &Error) {
        let alive = match &self.held {
            Held::Tokens(tokens) if self.age(tokens) != Age::Dead => credential(tokens),
            Held::Tokens(_) | Held::Unread | Held::Reading | Held::Nothing(_) => None,
        };
        for waiter in std::mem::take(&mut self.waiters) {
            match waiter {
                Waiter::Token(reply) => {
                    answer(reply, alive.clone().map_or_else(|| Err(error.clone()), |token| Ok(Some(token))));
                }
                Waiter::Look(reply) => answer(reply, Ok(self.standing())),
                Waiter::Refused { reply, .. } => answer(reply, Err(error.clone())),
            }
        }
    }

    /// Takes over new tokens: into the vault first, then to those who wait.
    pub(super) fn hold(&mut self, tokens: Box<TokenSet>) {
        let text = Record::Tokens(tokens.clone()).text(&self.spec.server_url);
        self.held = Held::Tokens(tokens);
        self.came = Some(self.deps.clock.now().steady);
        // Not to be handed out before it is saved; see `is_busy`.
        self.current.send_replace(None);
        self.save(Change::Write(text));
    }

    /// The tokens are worth nothing any more.
    pub(super) fn lose(&mut self, why: SignedOut) {
        tracing::info!(account = %self.item, %why, "signed out");
        self.epoch += 1;
        if let Held::Tokens(tokens) = std::mem::replace(&mut self.held, Held::Nothing(why)) {
            self.former = Some(Former { issuer: tokens.issuer, identity: tokens.identity });
        }
        self.met_refusal = true;
        self.last_failure = None;
        self.pause = Pause::default();
        self.current.send_replace(None);
        let text = Record::SignedOut { why, former: self.former.clone() }.text(&self.spec.server_url);
        self.save(Change::Write(text));
        self.serve_waiters();
    }

    /// A client that was given can be corrected, and then its tokens are still good.
    fn may_register_again(&self) -> bool {
        matches!(&self.held, Held::Tokens(tokens) if tokens.registration.kind == ClientKind::Dynamic)
    }

    pub(super) fn forget_client(&mut self) {
        let Held::Tokens(tokens) = &self.held else { return };
        let (registrations, issuer) = (self.registrations.clone(), tokens.issuer.clone());
        self.jobs.spawn(async move {
            if let Err(error) = registrations.forget(&issuer).await {
                tracing::warn!(%error, "a registration that is worth nothing stays in the vault");
            }
            Done::Nothing
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
    fn extend(&mut self, limits: &AccountLimits, asked: Option<Duration>) {
        self.length =
            if self.length.is_zero() { limits.retry_first } else { (self.length * 2).min(limits.retry_last) };
        let jittered = self.length.mul_f64(rand::rng().random_range(0.8..1.2));
        let asked = asked.unwrap_or_default().min(Duration::from_secs(3600));
        self.until = Some(Instant::now() + jittered.max(asked));
    }
}

/// The access token of a set, with the key it is bound to.
pub(super) fn credential(tokens: &TokenSet) -> Option<Credential> {
    Some(Credential { token: tokens.access.clone()?, key: tokens.dpop.clone() })
}

/// Whether the server's metadata names others than who issued the tokens. Where it cannot be read it says nothing.
async fn has_moved(
    tokens: &TokenSet,
    challenge: Option<&Challenge>,
    spec: &AccountSpec,
    deps: &AccountDeps,
) -> bool {
    let named =
        discovery::issuers(&deps.network, &spec.settings, &spec.server_url, challenge, &spec.oauth).await;
    let bare = |issuer: &str| issuer.trim_end_matches('/').to_owned();
    let Ok(Some(named)) = named else { return false };
    let moved = !named.iter().any(|issuer| bare(issuer) == bare(tokens.issuer.as_str()));
    if moved {
        tracing::warn!(issuer = %tokens.issuer, "the server names another authorization server now");
    }
    moved
}

async fn refresh(
    tokens: &TokenSet,
    spec: &AccountSpec,
    deps: &AccountDeps,
) -> Result<TokenSet, oauth::Error> {
    let Some(token) = &tokens.refresh else { return Ok(tokens.clone()) };
    let registration = tokens.registration.with_current(&spec.oauth);
    let client = TokenClient {
        network: &deps.network,
        settings: &spec.settings,
        registration: &registration,
        dpop: tokens.dpop.as_ref(),
    };
    let answer = client.refresh(&tokens.token_endpoint, token, tokens.resource.as_deref()).await?;
    Ok(tokens.renewed(answer, deps.clock.now().wall))
}
