//! Renewing tokens: one refresh at a time, its outcome, and what follows when there is none.

use std::time::Duration;

use rand::Rng;
use tokio::time::Instant;

use super::saving::Change;
use super::tokens::{JUST_RENEWED, Waiter, credential};
use super::unattended::AFTER_REFUSAL;
use super::{Done, Held, Task, answer};
use crate::host::account::clock::Age;
use crate::host::account::record::Record;
use crate::host::account::{AccountDeps, AccountLimits, AccountSpec, Error, SignedOut};
use crate::oauth;
use crate::oauth::audience;
use crate::oauth::challenge::Challenge;
use crate::oauth::discovery::{self, Question};
use crate::oauth::login::Former;
use crate::oauth::registration::ClientKind;
use crate::oauth::token::{TokenClient, TokenSet};

/// After a failure: not before then, and this is what went wrong.
#[derive(Default)]
pub(super) struct Pause {
    until: Option<Instant>,
    length: Duration,
    pub(super) error: Option<Error>,
}

impl Task {
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
    pub(super) fn start_refresh_after_refusal(&mut self) {
        if self.is_unattended() {
            return self.start_obtaining();
        }
        let Held::Tokens(tokens) = &self.held else { return };
        let (tokens, spec, deps) = (tokens.clone(), self.spec.clone(), self.deps.clone());
        let (challenge, epoch, since) = (self.challenge.clone(), self.epoch, self.doubted);
        self.refreshing = true;
        self.renewed_for_refusal = None;
        self.jobs.spawn(async move {
            if has_moved(&tokens, question(&spec, &deps, challenge.as_ref(), since)).await {
                return Done::Lost { epoch, why: SignedOut::Moved };
            }
            if tokens.refresh.is_none() {
                return Done::Lost { epoch, why: SignedOut::Expired };
            }
            let outcome = refresh(&tokens, &spec, &deps).await.map(Box::new);
            Done::Refreshed { epoch, outcome }
        });
    }

    pub(super) fn lost(&mut self, epoch: u64, why: SignedOut) {
        self.refreshing = false;
        if epoch != self.epoch {
            return self.serve_waiters();
        }
        if why == SignedOut::Moved {
            self.self_opened.moved();
        } else if self.has_just_come() {
            self.self_opened.was_in_vain();
        }
        self.lose(why);
    }

    /// Whether somebody has just signed in for the tokens.
    fn has_just_come(&self) -> bool {
        let Held::Tokens(tokens) = &self.held else { return false };
        let since = self.deps.clock.now().wall.duration_since(tokens.issued_at);
        since.is_ok_and(|since| since < JUST_RENEWED)
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
                self.doubted = Some(Instant::now());
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
        } else {
            self.pause = Pause::default();
            self.last_failure = None;
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
    pub(super) fn holds(&self) -> bool {
        self.until.is_some_and(|until| Instant::now() < until)
    }

    /// The error to answer with while the pause holds.
    pub(super) fn current(&self) -> Option<Error> {
        self.error.clone().filter(|_| self.holds())
    }

    /// Twice as long as the last, with jitter, and never shorter than the server asked for.
    pub(super) fn extend(&mut self, limits: &AccountLimits, asked: Option<Duration>) {
        self.length =
            if self.length.is_zero() { limits.retry_first } else { (self.length * 2).min(limits.retry_last) };
        let jittered = self.length.mul_f64(rand::rng().random_range(0.8..1.2));
        let asked = asked.unwrap_or_default().min(Duration::from_secs(3600));
        self.until = Some(Instant::now() + jittered.max(asked));
    }
}

/// What the server of an account is asked about.
pub(super) fn question<'a>(
    spec: &'a AccountSpec,
    deps: &'a AccountDeps,
    challenge: Option<&'a Challenge>,
    since: Option<Instant>,
) -> Question<'a> {
    let AccountSpec { server_url, settings, oauth: options, .. } = spec;
    Question { network: &deps.network, settings, server_url, challenge, options, since }
}

/// Whether the server's metadata names others than who issued the tokens. Where it cannot be read it says nothing.
async fn has_moved(tokens: &TokenSet, question: Question<'_>) -> bool {
    let named = discovery::issuers(question).await;
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use tokio::sync::watch;
    use tokio_util::sync::CancellationToken;
    use tokio_util::task::TaskTracker;

    use super::*;
    use crate::host::account::{AccountKey, AccountState, Clock, GivingBack, SystemBrowser};
    use crate::net::{ConnectionSettings, Limits, Network};
    use crate::oauth::client_auth::ClientAuth;
    use crate::oauth::registration::ClientRegistration;
    use crate::oauth::scope::Scopes;
    use crate::oauth::{Issuer, OAuthOptions};
    use crate::registry::{ServerId, SignInChoice};
    use crate::secret::{AccessToken, RefreshToken, Vault};

    fn task() -> Task {
        let (network, vault) = (Network::new(Limits::default()), Vault::memory("home").0);
        let (tasks, shutdown) = (TaskTracker::new(), CancellationToken::new());
        let spec = AccountSpec {
            key: AccountKey { entry: ServerId::random(), label: "default".to_owned() },
            stored_as: "entry".to_owned(),
            server_name: "server".to_owned(),
            server_url: "https://mcp.server.example".parse().unwrap(),
            settings: ConnectionSettings::default(),
            oauth: OAuthOptions::default(),
            sign_in: SignInChoice::Browser,
        };
        let deps = AccountDeps {
            giving_back: GivingBack::spawn(network.clone(), vault.clone(), &tasks, shutdown.clone()),
            network,
            vault,
            opener: Arc::new(SystemBrowser::from_environment()),
            windows: None,
            shutdown,
            tasks,
            limits: AccountLimits::default(),
            clock: Clock::system(),
            served: watch::channel(Arc::default()).1,
        };
        let (current, state) = (watch::Sender::new(None), watch::Sender::new(AccountState::Unknown));
        Task::new(spec, deps, current, state, watch::Sender::new(0))
    }

    fn tokens_for(audience: &str) -> Box<TokenSet> {
        let claims = format!(r#"{{"aud":"{audience}"}}"#);
        let token = format!(
            "{}.{}.c2ln",
            URL_SAFE_NO_PAD.encode(r#"{"alg":"RS256"}"#),
            URL_SAFE_NO_PAD.encode(claims)
        );
        let issuer = Issuer::new("https://as.example");
        Box::new(TokenSet {
            issuer: issuer.clone(),
            token_endpoint: "https://as.example/token".parse().unwrap(),
            revocation_endpoint: None,
            registration: ClientRegistration {
                issuer,
                client_id: "c".to_owned(),
                auth: ClientAuth::None,
                secret_expires_at: None,
                redirect: None,
                kind: ClientKind::Dynamic,
            },
            access: Some(AccessToken::new(token)),
            refresh: Some(RefreshToken::new("r")),
            scopes: Scopes::default(),
            requested: Scopes::default(),
            resource: None,
            issued_at: std::time::SystemTime::now(),
            expires_at: None,
            identity: None,
            dpop: None,
            accepted_sites: Vec::new(),
        })
    }

    #[tokio::test]
    async fn tokens_for_somebody_else_are_asked_for_more_and_more_seldom() {
        let mut task = task();
        let mut lengths = Vec::new();
        for _ in 0..4 {
            task.renewed(tokens_for("https://api.other.example"));
            assert!(task.pause.holds());
            lengths.push(task.pause.length);
        }
        let first = AccountLimits::default().retry_first;
        assert_eq!(lengths, [first, first * 2, first * 4, first * 8]);
        task.renewed(tokens_for("https://mcp.server.example"));
        assert!(!task.pause.holds());
    }
}
