//! One sign-in, from finding the authorization server to its tokens.
//!
//! [`Login::prepare`] discovers, listens and registers, so that [`Login::url`] can be opened; [`Login::finish`] waits
//! for the browser's return and exchanges the code. A client the server has forgotten is registered again, once, and
//! the browser sent round again by itself. In a window of ours nobody listens: the window tells of the return, and the
//! listener starts only if it hands over to a browser.

mod farewell;
mod handle;
mod prepared;
mod request;
mod settling;

use std::time::SystemTime;

use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use url::Url;

use self::farewell::close;
pub use self::farewell::{Farewell, Finished};
pub use self::handle::{LoginHandle, Next};
pub use self::prepared::Prepared;
pub(super) use self::request::facts;
pub use self::request::{AskedBy, Elsewhere, Former, LoginRequest, SignInFacts};
use self::settling::Place;
use super::authorization::Attempt;
use super::client::{BrowserClient, Choice};
use super::discovery::Discovered;
use super::dpop::{self, DpopKey};
use super::identity::Expected;
use super::loopback::{Answer, Confirm, Event, EventKind, Listener, Serving, confirm_path};
use super::registration::{ClientRegistration, RedirectUri, Registrations};
use super::token::{TokenClient, TokenSet};
use super::{Error, page, random_text};
use crate::net::Network;
use crate::secret::AuthorizationCode;

/// A sign-in that waits for its browser.
pub struct Login {
    network: Network,
    registrations: Registrations,
    request: LoginRequest,
    discovered: Discovered,
    registration: ClientRegistration,
    /// Whether the server may have forgotten the client, or may not take it.
    may_be_forgotten: bool,
    /// The authorization server's page.
    page: Url,
    attempt: Attempt,
    dpop: Option<DpopKey>,
    facts: SignInFacts,
    url: Url,
    page_url: Url,
    confirm: Confirm,
    /// `None` while a window of ours shows the page.
    serving: Option<Serving>,
    events: (mpsc::Sender<Event>, mpsc::Receiver<Event>),
    /// Whether a browser shows the page.
    in_browser: watch::Sender<bool>,
}

impl Login {
    /// Finds out where to sign in and gets ready for the browser's return.
    ///
    /// # Errors
    /// Any [`Error`] of discovery, registration and the listener.
    pub async fn prepare(
        network: Network,
        registrations: Registrations,
        request: LoginRequest,
    ) -> Result<Self, Error> {
        let LoginRequest { settings, options, challenge, .. } = &request;
        let discovered = request.discover(&network).await?;
        let page = discovered.server.sign_in_page()?.clone();
        let choice = Choice {
            network: &network,
            settings,
            registrations: &registrations,
            options,
            discovered: &discovered,
        };
        let BrowserClient { listener, registration, may_be_forgotten } = choice.for_browser().await?;
        let dpop = dpop::key_for(challenge.as_ref(), &discovered)?;
        let attempt = Attempt::new(&discovered, &registration, &page).bound_to(dpop.as_ref());
        let facts = facts(&request, &discovered, &page);
        let secret = random_text();
        let page_url = listener.confirm_url(&secret);
        let url = if facts.go_straight_on() { attempt.authorize_url.clone() } else { page_url.clone() };
        let html = page::confirm(&facts, &confirm_path(&secret));
        let confirm = Confirm { secret, html };
        let events = mpsc::channel(4);
        let in_browser = watch::Sender::new(!request.in_window);
        let serving = (!request.in_window).then(|| listener.serve(confirm.clone(), events.0.clone()));
        Ok(Self {
            network,
            registrations,
            request,
            discovered,
            registration,
            may_be_forgotten,
            page,
            attempt,
            dpop,
            facts,
            url,
            page_url,
            confirm,
            serving,
            events,
            in_browser,
        })
    }

    /// What to open: the authorization server's page if the person asked and nothing is unusual, else our own. Not
    /// for logs.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Our own page, which shows the facts and asks. Not for logs.
    pub fn page_url(&self) -> &Url {
        &self.page_url
    }

    /// What the person should know about it.
    pub fn facts(&self) -> &SignInFacts {
        &self.facts
    }

    /// Talks to it from elsewhere.
    pub fn handle(&self) -> LoginHandle {
        LoginHandle { events: self.events.0.clone(), in_browser: self.in_browser.subscribe() }
    }

    /// Whether the person has to agree to the facts before anything is loaded.
    pub fn asks_first(&self) -> bool {
        !self.facts.go_straight_on()
    }

    /// The authorization server's page. Not for logs.
    pub fn sign_in_page(&self) -> &Url {
        &self.attempt.authorize_url
    }

    /// The address that ends a sign-in in a window of ours; `None` where a browser shows it.
    pub fn ends_in_window(&self) -> Option<RedirectUri> {
        self.registration.redirect.filter(|_| self.serving.is_none())
    }

    /// Waits for the person, then fetches the tokens.
    ///
    /// # Errors
    /// [`Error::Cancelled`], [`Error::TimedOut`], [`Error::Denied`], [`Error::WrongResponder`] and those of the token
    /// endpoint.
    pub async fn finish(mut self, cancel: CancellationToken) -> Result<Finished, Error> {
        let limit = self.request.limit;
        let deadline = tokio::time::sleep(limit);
        tokio::pin!(deadline);
        loop {
            let Event { kind, reply } = tokio::select! {
                () = cancel.cancelled() => return self.give_up(Error::Cancelled).await,
                () = &mut deadline => return self.give_up(Error::TimedOut { limit }).await,
                Some(event) = self.events.1.recv() => event,
            };
            let (query, place) = match kind {
                EventKind::Continued => {
                    reply.send(Answer::Open(self.attempt.authorize_url.clone())).ok();
                    continue;
                }
                EventKind::Declined => {
                    reply.send(Answer::Cancelled).ok();
                    close(self.serving).await;
                    return Err(Error::Cancelled);
                }
                EventKind::HandsOver => match self.listen().await {
                    Ok(_) => {
                        reply.send(Answer::Open(self.url.clone())).ok();
                        continue;
                    }
                    Err(error) => return self.fail(error, reply).await,
                },
                EventKind::Kept | EventKind::Discarded => {
                    reply.send(Answer::Stale).ok();
                    continue;
                }
                EventKind::Returned(query) => (query, Place::Here),
                EventKind::Pasted(query) => (query, Place::Elsewhere),
            };
            let code = match self.attempt.check(&query) {
                Ok(code) => code,
                Err(Error::StateMismatch) => {
                    reply.send(Answer::Stale).ok();
                    continue;
                }
                Err(error) if self.may_be_forgotten && error.is_about_client() => {
                    match self.register_again().await {
                        Ok(()) => {
                            reply.send(Answer::Open(self.attempt.authorize_url.clone())).ok();
                            continue;
                        }
                        Err(error) => return self.fail(error, reply).await,
                    }
                }
                Err(error) => return self.fail(error, reply).await,
            };
            // Not cut short: tokens that come after a Cancel must be given back, and for that they must come.
            match self.exchange(&code).await {
                Ok(tokens) if cancel.is_cancelled() => {
                    self.token_client().give_back(&tokens).await;
                    return self.fail(Error::Cancelled, reply).await;
                }
                Err(_) if cancel.is_cancelled() => return self.fail(Error::Cancelled, reply).await,
                Ok(tokens) => {
                    let end = async {
                        tokio::select! {
                            () = cancel.cancelled() => Error::Cancelled,
                            () = &mut deadline => Error::TimedOut { limit },
                        }
                    };
                    return self.settle(tokens, reply, place, end).await;
                }
                Err(error) if self.may_be_forgotten && error.is_about_client() => {
                    match self.register_again().await {
                        Ok(()) => {
                            reply.send(Answer::Open(self.attempt.authorize_url.clone())).ok();
                        }
                        Err(error) => return self.fail(error, reply).await,
                    }
                }
                Err(error) => return self.fail(error, reply).await,
            }
        }
    }

    fn token_client(&self) -> TokenClient<'_> {
        TokenClient {
            network: &self.network,
            settings: &self.request.settings,
            registration: &self.registration,
            dpop: self.dpop.as_ref(),
        }
    }

    async fn exchange(&self, code: &AuthorizationCode) -> Result<TokenSet, Error> {
        let client = self.token_client();
        let Discovered { server, resource, .. } = &self.discovered;
        let answer = client
            .exchange(&server.token_endpoint, code, &self.attempt.verifier, resource.as_deref())
            .await?;
        let now = SystemTime::now();
        let identity = answer.id_token.as_ref().and_then(|token| {
            let expected = Expected {
                issuer: &server.issuer,
                client_id: &self.registration.client_id,
                nonce: self.attempt.nonce.as_deref(),
                now,
            };
            let identity = token.identity(expected);
            if let Err(why) = &identity {
                tracing::warn!(issuer = %server.issuer, why, "the id_token is not believed");
            }
            identity.ok()
        });
        let tokens = TokenSet::issued(answer, &self.discovered, &self.registration, self.dpop.as_ref(), now);
        if let Err(error) = self.choice().bind(&self.registration).await {
            client.give_back(&tokens).await;
            return Err(error);
        }
        Ok(TokenSet { identity, ..tokens })
    }

    /// The listener, started if it does not run yet, where browsers will return to.
    async fn listen(&mut self) -> Result<Option<&Serving>, Error> {
        if let (None, Some(RedirectUri { host, port })) = (&self.serving, self.registration.redirect) {
            let bound = Listener::bind(host, Some(port)).await.map_err(|_| Error::PortTaken { port })?;
            self.serving = Some(bound.serve(self.confirm.clone(), self.events.0.clone()));
            self.in_browser.send_replace(true);
        }
        Ok(self.serving.as_ref())
    }

    fn choice(&self) -> Choice<'_> {
        Choice {
            network: &self.network,
            settings: &self.request.settings,
            registrations: &self.registrations,
            options: &self.request.options,
            discovered: &self.discovered,
        }
    }

    async fn register_again(&mut self) -> Result<(), Error> {
        tracing::info!(issuer = %self.registration.issuer, "the authorization server does not know us; registering");
        self.registration = self.choice().register_in_place_of(&self.registration).await?;
        self.may_be_forgotten = false;
        self.attempt =
            Attempt::new(&self.discovered, &self.registration, &self.page).bound_to(self.dpop.as_ref());
        Ok(())
    }

    async fn fail<T>(self, error: Error, reply: oneshot::Sender<Answer>) -> Result<T, Error> {
        reply.send(Answer::Failed(error.to_string())).ok();
        close(self.serving).await;
        Err(error)
    }

    /// Nobody came back. A server that forgot its client shows an error page and sends nobody back, so an old
    /// registration is not trusted a second time.
    async fn give_up<T>(self, error: Error) -> Result<T, Error> {
        if self.may_be_forgotten && matches!(error, Error::TimedOut { .. }) {
            // The next sign-in meets the same vault and says what is wrong with it.
            self.registrations.forget(&self.registration.issuer).await.ok();
        }
        close(self.serving).await;
        Err(error)
    }
}
