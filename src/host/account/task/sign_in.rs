//! Signing in, from the wish to the tokens.

use std::sync::Arc;

use tokio::sync::watch;
use tokio::time::Instant;

use super::renewal::Pause;
use super::saving::SaveWaiter;
use super::under_way::{Pages, Stage, UnderWay};
use super::{Done, Held, Task, answer};
use crate::host::account::{
    CodeSignIn, Error, OpenWith, Prompt, Reply, SecretUrl, SignIn, SignInRequest, SignedOut, WindowSignIn,
};
use crate::oauth;
use crate::oauth::challenge;
use crate::oauth::grant::Grant;
use crate::oauth::login::{AskedBy, Elsewhere, Farewell, Finished, Former, LoginRequest, Prepared};

/// Finding the authorization server is not cut shorter than this by a short limit.
const LEAST_PREPARATION: std::time::Duration = std::time::Duration::from_secs(60);

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
            Held::Tokens(_) if self.ending => return self.signing_in.push((request, reply)),
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
            by_person: false,
            is_unseen: false,
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
        login.by_person |= request.asked_by == AskedBy::Person;
        match &mut login.stage {
            Stage::Preparing { waiting } => waiting.push((request, reply)),
            Stage::Waiting { pages, handle } => {
                let sign_in = pages.sign_in(&request, None, (login.id, &login.outcome));
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
                proxy: self.deps.network.page_proxy(&self.spec.settings),
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
        let not_opened = first.and_then(|request| pages.open(request, &self.deps).err());
        under_way.is_unseen = not_opened.is_some();
        if !under_way.is_unseen && waiting.iter().all(|(request, _)| request.prompt == Prompt::ByItself) {
            self.self_opened.opens();
        }
        for (request, reply) in waiting {
            let not_opened = not_opened.clone().filter(|_| request.open != OpenWith::Caller);
            answer(reply, Ok(pages.sign_in(&request, not_opened, (id, &under_way.outcome))));
        }
        let handle = login.handle();
        if let Some(shown) = handle.clone().filter(|handle| !handle.is_in_browser()) {
            // The account then stands otherwise.
            self.jobs.spawn(async move {
                shown.in_browser().await;
                Done::Nothing
            });
        }
        under_way.stage = Stage::Waiting { pages: Box::new(pages), handle };
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
                let is_no = matches!(error, oauth::Error::Cancelled | oauth::Error::Denied { .. });
                if is_no && !under_way.is_unseen {
                    self.self_opened.declined();
                }
                let error = Arc::new(error);
                self.last_failure = Some(Error::OAuth(error.clone()));
                under_way.outcome.send_replace(Some(Err(error)));
            }
        }
    }

    /// A client that was to show the page does not.
    pub(super) fn withdraw(&mut self, id: u64, is_no: bool) {
        if let Some(login) = self.login.as_mut().filter(|login| login.id == id && !login.by_person) {
            login.is_unseen = !is_no;
            login.cancel.cancel();
        }
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

    pub(super) fn say_farewell(&mut self, farewell: Box<Farewell>, outcome: Result<(), String>) {
        self.jobs.spawn(async move {
            farewell.say(outcome).await;
            Done::Nothing
        });
    }
}
