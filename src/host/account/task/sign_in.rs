//! Signing in and out.

use std::sync::Arc;

use tokio::sync::{oneshot, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::renewal::Pause;
use super::saving::{Change, SaveWaiter};
use super::{Done, Held, Task, answer};
use crate::host::account::{
    AccountDeps, AccountSpec, CodeSignIn, Error, OpenError, OpenWith, Outcome, Prompt, Reply, SecretUrl,
    SignIn, SignInRequest, SignedOut, WindowSignIn,
};
use crate::oauth;
use crate::oauth::challenge;
use crate::oauth::grant::Grant;
use crate::oauth::grant::device::DevicePrompt;
use crate::oauth::login::{
    AskedBy, Elsewhere, Farewell, Finished, Former, LoginHandle, LoginRequest, Prepared, SignInFacts,
};
use crate::oauth::token::TokenSet;

/// Finding the authorization server is not cut shorter than this by a short limit.
const LEAST_PREPARATION: std::time::Duration = std::time::Duration::from_secs(60);

pub(super) struct UnderWay {
    pub(super) id: u64,
    pub(super) cancel: CancellationToken,
    pub(super) outcome: watch::Sender<Option<Outcome>>,
    pub(super) stage: Stage,
}

pub(super) enum Stage {
    Preparing { waiting: Vec<(SignInRequest, Reply<SignIn>)> },
    Waiting { pages: Box<Pages>, handle: Option<LoginHandle> },
}

/// Where a sign-in can be begun.
#[derive(Clone)]
pub(super) struct Pages {
    /// For the person's own wish.
    direct: SecretUrl,
    /// Our own page, for everything that was not the person's own wish.
    ours: SecretUrl,
    prompt: Option<DevicePrompt>,
    pub(super) facts: SignInFacts,
    /// For a window of ours, which shows the facts itself.
    window: Option<WindowSignIn>,
    /// The same where there is a code.
    code: Option<CodeSignIn>,
}

impl Pages {
    fn for_request(&self, request: &SignInRequest) -> &SecretUrl {
        match request.asked_by {
            AskedBy::Person => &self.direct,
            AskedBy::Client(_) => &self.ours,
        }
    }

    /// Opens the page for the first one who wants the Host to.
    fn open(&self, request: &SignInRequest, deps: &AccountDeps) -> Result<(), OpenError> {
        match (&self.window, &self.code, &deps.windows) {
            (_, Some(code), Some(windows)) => windows.show_code(code.clone()),
            (Some(window), _, Some(windows)) if request.open == OpenWith::Host => {
                windows.show(window.clone())
            }
            // The page may have the code filled in, and nobody could be warned before it.
            (_, Some(code), None) if !code.facts.warnings.is_empty() => Err(OpenError::NoBrowser),
            (Some(_) | None, Some(_) | None, _) => deps.opener.open(self.for_request(request).expose()),
        }
    }

    /// A person who asks again has lost the page; a program that joins opens nothing. Whoever brings
    /// a browser to a sign-in in a window needs its listener.
    async fn open_again(
        &self,
        request: &SignInRequest,
        handle: Option<&LoginHandle>,
        deps: &AccountDeps,
    ) -> Result<(), OpenError> {
        let by_person = request.asked_by == AskedBy::Person;
        match (request.open, handle) {
            (OpenWith::HostInBrowser, Some(handle)) if by_person => {
                let page = handle.hand_over().await.ok_or(OpenError::NoBrowser)?;
                deps.opener.open(&page)
            }
            (OpenWith::Host | OpenWith::HostInBrowser, _) if by_person => self.open(request, deps),
            (OpenWith::Caller, Some(handle)) => {
                handle.hand_over().await;
                Ok(())
            }
            (OpenWith::Host | OpenWith::HostInBrowser | OpenWith::Caller, _) => Ok(()),
        }
    }

    fn sign_in(
        &self,
        request: &SignInRequest,
        not_opened: Option<OpenError>,
        outcome: &watch::Sender<Option<Outcome>>,
    ) -> SignIn {
        let url = self.for_request(request).clone();
        let (facts, prompt) = (self.facts.clone(), self.prompt.clone());
        SignIn { url, prompt, facts, not_opened, outcome: outcome.subscribe() }
    }
}

impl Task {
    pub(super) fn sign_in(&mut self, request: SignInRequest, reply: Reply<SignIn>) {
        if self.is_unattended() {
            let signed_out = Error::SignedOut { why: SignedOut::ByPerson };
            return answer(reply, Err(self.last_failure.clone().unwrap_or(signed_out)));
        }
        // Nobody but the person at a terminal sees the code.
        if matches!(self.spec.oauth.grant, Grant::Device) && request.asked_by != AskedBy::Person {
            return answer(reply, Err(oauth::Error::ByHand.into()));
        }
        if self.login.is_some() {
            return self.join_sign_in(request, reply);
        }
        // Who was signed in, by whom and with what permission decides about the warnings.
        match &self.held {
            Held::Unread => {
                self.signing_in.push((request, reply));
                return self.start_reading();
            }
            Held::Reading => return self.signing_in.push((request, reply)),
            Held::Nothing(_) | Held::Tokens(_) => {}
        }
        if request.prompt == Prompt::ByItself && !self.self_opened.may_open() {
            return answer(reply, Err(Error::NotAgain));
        }
        if request.asked_by == AskedBy::Person {
            self.step_ups.forget_counts();
        }
        let challenges = challenge::parse(&request.challenge);
        let keep = self.scopes_to_keep();
        let more = self.step_ups.wanted.as_ref().filter(|_| keep.is_some());
        let challenge = challenge::for_tokens(&challenges).or(more).or(self.challenge.as_ref()).cloned();
        self.logins += 1;
        let id = self.logins;
        let cancel = self.deps.shutdown.child_token();
        self.login = Some(UnderWay {
            id,
            cancel: cancel.clone(),
            outcome: watch::Sender::new(None),
            stage: Stage::Preparing { waiting: Vec::new() },
        });
        self.last_failure = None;
        let limit = self.deps.limits.sign_in;
        let login = LoginRequest {
            server_name: self.spec.server_name.clone(),
            server_url: self.spec.server_url.clone(),
            settings: self.spec.settings.clone(),
            options: self.spec.oauth.clone(),
            challenge,
            keep,
            only_if_offered: request.only_if_offered,
            asked_by: request.asked_by.clone(),
            former: self.former(),
            elsewhere: self.elsewhere(),
            in_window: request.open == OpenWith::Host
                && self.deps.windows.is_some()
                && self.spec.fits_window(),
            since: self.doubted,
            limit,
        };
        self.join_sign_in(request, reply);
        let (network, registrations) = (self.deps.network.clone(), self.registrations.clone());
        self.jobs.spawn(async move {
            let outcome = tokio::select! {
                () = cancel.cancelled() => Err(oauth::Error::Cancelled),
                () = tokio::time::sleep(limit.max(LEAST_PREPARATION)) => Err(oauth::Error::TimedOut { limit }),
                outcome = Prepared::new(network, registrations, login) => outcome,
            };
            Done::Prepared { id, outcome }
        });
    }

    fn join_sign_in(&mut self, request: SignInRequest, reply: Reply<SignIn>) {
        let Some(login) = &mut self.login else { return };
        match &mut login.stage {
            Stage::Preparing { waiting } => waiting.push((request, reply)),
            Stage::Waiting { pages, handle } => {
                let sign_in = pages.sign_in(&request, None, &login.outcome);
                let (pages, handle) = (pages.as_ref().clone(), handle.clone());
                let deps = self.deps.clone();
                self.jobs.spawn(async move {
                    let not_opened = pages.open_again(&request, handle.as_ref(), &deps).await.err();
                    answer(reply, Ok(SignIn { not_opened, ..sign_in }));
                    Done::Nothing
                });
            }
        }
    }

    pub(super) fn prepared(&mut self, id: u64, outcome: Result<Prepared, oauth::Error>) {
        let Some(mut under_way) = self.login.take_if(|login| login.id == id) else { return };
        let Stage::Preparing { waiting } = &mut under_way.stage else { return };
        let waiting = std::mem::take(waiting);
        let login = match outcome {
            Ok(login) => login,
            Err(error) => {
                tracing::info!(account = %self.item, %error, "sign-in could not begin");
                self.doubted = Some(Instant::now());
                let error = Arc::new(error);
                // Where there is nothing to sign in to, nothing is wrong with the account.
                let is_failure = !matches!(*error, oauth::Error::NotOffered { .. });
                self.last_failure = is_failure.then(|| Error::OAuth(error.clone()));
                under_way.outcome.send_replace(Some(Err(error.clone())));
                for (_, reply) in waiting {
                    answer(reply, Err(Error::OAuth(error.clone())));
                }
                return;
            }
        };
        let pages = Pages {
            direct: SecretUrl(login.url().clone()),
            ours: SecretUrl(login.page_url().clone()),
            prompt: login.prompt().cloned(),
            facts: login.facts().clone(),
            window: login.for_window().map(|(login, redirect)| WindowSignIn {
                account: self.spec.key.clone(),
                facts: login.facts().clone(),
                asks_first: login.asks_first(),
                page: SecretUrl(login.sign_in_page().clone()),
                redirect,
                handle: login.handle(),
                outcome: under_way.outcome.subscribe(),
            }),
            code: login.prompt().map(|prompt| CodeSignIn {
                account: self.spec.key.clone(),
                facts: login.facts().clone(),
                prompt: prompt.clone(),
                cancel: under_way.cancel.clone(),
                outcome: under_way.outcome.subscribe(),
            }),
        };
        // A browser that somebody brings to a sign-in in a window returns to the listener.
        let brings_browser = waiting.iter().any(|(request, _)| request.open != OpenWith::Host);
        let taken_over = pages.window.as_ref().filter(|_| brings_browser).map(|window| window.handle.clone());
        // One page, however many asked; the person's own wish comes first.
        let mut by_host =
            waiting.iter().map(|(request, _)| request).filter(|request| request.open != OpenWith::Caller);
        let first =
            by_host.clone().find(|request| request.asked_by == AskedBy::Person).or_else(|| by_host.next());
        if first.is_some_and(|request| request.prompt == Prompt::ByItself) {
            self.self_opened.opens();
        }
        let not_opened = first.and_then(|request| pages.open(request, &self.deps).err());
        for (request, reply) in waiting {
            let not_opened = not_opened.clone().filter(|_| request.open != OpenWith::Caller);
            answer(reply, Ok(pages.sign_in(&request, not_opened, &under_way.outcome)));
        }
        under_way.stage = Stage::Waiting { pages: Box::new(pages), handle: login.handle() };
        if let Some(handle) = taken_over {
            self.jobs.spawn(async move {
                handle.hand_over().await;
                Done::Nothing
            });
        }
        let cancel = under_way.cancel.clone();
        self.login = Some(under_way);
        self.jobs
            .spawn(async move { Done::Finished { id, outcome: login.finish(cancel).await.map(Box::new) } });
    }

    pub(super) fn finished(&mut self, id: u64, outcome: Result<Box<Finished>, oauth::Error>) {
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
                self.step_ups.wanted = None;
                self.self_opened.signed_in();
                self.pause = Pause::default();
                self.last_failure = None;
                self.hold(Box::new(tokens));
                let waiter =
                    SaveWaiter::SignedIn { farewell: Box::new(farewell), outcome: under_way.outcome };
                self.saving.waiters.push((self.saving.asked, waiter));
            }
            Err(error) => {
                tracing::info!(account = %self.item, %error, "sign-in failed");
                self.doubted = Some(Instant::now());
                if matches!(error, oauth::Error::Cancelled | oauth::Error::Denied { .. }) {
                    self.self_opened.declined();
                }
                let error = Arc::new(error);
                self.last_failure = Some(Error::OAuth(error.clone()));
                under_way.outcome.send_replace(Some(Err(error)));
            }
        }
    }

    pub(super) fn sign_out(&mut self, reply: Reply<()>) {
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

    pub(super) fn sign_out_now(&mut self, reply: Reply<()>) {
        self.epoch += 1;
        self.drop_sign_in();
        let held = std::mem::replace(&mut self.held, Held::Nothing(SignedOut::ByPerson));
        self.current.send_replace(None);
        self.former = None;
        self.last_failure = None;
        self.pause = Pause::default();
        self.fail_waiters(&Error::SignedOut { why: SignedOut::ByPerson });
        self.fail_obtaining(&Error::SignedOut { why: SignedOut::ByPerson });
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

    /// The account as it is, or was before it was signed out.
    fn former(&self) -> Option<Former> {
        match &self.held {
            Held::Tokens(tokens) => {
                Some(Former { issuer: tokens.issuer.clone(), identity: tokens.identity.clone() })
            }
            Held::Nothing(_) | Held::Unread | Held::Reading => self.former.clone(),
        }
    }

    /// The servers of other entries.
    fn elsewhere(&self) -> Vec<Elsewhere> {
        let served = self.deps.served.borrow();
        let others = served.iter().filter(|served| served.entry != self.spec.key.entry);
        others.map(|served| served.server.clone()).collect()
    }

    /// Ends those that wait for the vault.
    pub(super) fn fail_signing_in(&mut self, error: &Error) {
        for (_, reply) in std::mem::take(&mut self.signing_in) {
            answer(reply, Err(error.clone()));
        }
    }

    /// Ends a sign-in under way, and one whose tokens are still on their way into the vault.
    pub(super) fn drop_sign_in(&mut self) {
        let cancelled = || Arc::new(oauth::Error::Cancelled);
        self.fail_signing_in(&Error::OAuth(cancelled()));
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

    pub(super) fn say_farewell(&mut self, farewell: Box<Farewell>, outcome: Result<(), String>) {
        self.jobs.spawn(async move {
            farewell.say(outcome).await;
            Done::Nothing
        });
    }

    pub(super) fn start_revoking(&mut self, tokens: Box<TokenSet>) {
        let (spec, deps) = (self.spec.clone(), self.deps.clone());
        self.jobs.spawn(async move {
            revoke(&tokens, &spec, &deps).await;
            Done::Nothing
        });
    }
}

/// The tokens are gone here in any case. What their server cannot take now it is offered again later.
async fn revoke(tokens: &TokenSet, spec: &AccountSpec, deps: &AccountDeps) {
    let registration = tokens.registration.with_current(&spec.oauth);
    let given_back = deps.giving_back.give_back(tokens, registration, &spec.settings);
    if tokio::time::timeout(deps.limits.revoke, given_back).await.is_err() {
        tracing::info!("the authorization server did not take the tokens back in time");
    }
}
