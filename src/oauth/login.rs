//! One sign-in, from finding the authorization server to its tokens.
//!
//! [`Login::prepare`] discovers, listens and registers, so that [`Login::url`] can be opened; [`Login::finish`] waits
//! for the browser's return and exchanges the code. A client the server has forgotten is registered again, once, and
//! the browser sent round again by itself. In a window of ours nobody listens: the window tells of the return, and the
//! listener starts only if it hands over to a browser.

mod prepared;

use std::time::{Duration, SystemTime};

use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use url::Url;

pub use self::prepared::Prepared;
use super::authorization::Attempt;
use super::challenge::Challenge;
use super::client::{BrowserClient, Choice};
use super::discovery::{self, Discovered};
use super::doubt::{self, Doubt};
use super::dpop::{self, DpopKey};
use super::identity::{Expected, Identity};
use super::loopback::{Answer, Confirm, Event, EventKind, Listener, QUESTION, Serving, confirm_path};
use super::registration::{ClientRegistration, RedirectUri, Registrations};
use super::scope::Scopes;
use super::token::{TokenClient, TokenSet};
use super::{Error, Issuer, OAuthOptions, endpoint, page, random_text, warning, window};
use crate::net::{ConnectionSettings, Network};
use crate::secret::AuthorizationCode;

/// How long giving unused tokens back may take.
pub(super) const GIVE_BACK: Duration = Duration::from_secs(5);

/// What a sign-in is about.
#[derive(Debug, Clone)]
pub struct LoginRequest {
    /// What the person calls the server.
    pub server_name: String,
    /// The MCP server.
    pub server_url: Url,
    /// How it is reached.
    pub settings: ConnectionSettings,
    /// What its entry says about OAuth.
    pub options: OAuthOptions,
    /// The challenge that asked for it.
    pub challenge: Option<Challenge>,
    /// Where more is wanted than was allowed before: what was allowed before, which stays.
    pub keep: Option<Scopes>,
    /// Who wants it; a person's own wish goes straight to the authorization server unless there is a warning.
    pub asked_by: AskedBy,
    /// The account before, where there was one.
    pub former: Option<Former>,
    /// Where else this program signs in.
    pub elsewhere: Vec<Elsewhere>,
    /// Whether a window of ours will show the page, where the page lets itself be shown there.
    pub in_window: bool,
    /// How long it may take.
    pub limit: Duration,
}

/// An account as it was before.
#[derive(Debug, Clone)]
pub struct Former {
    /// Who signed it in.
    pub issuer: Issuer,
    /// Who it was, where that is known.
    pub identity: Option<Identity>,
}

/// Another server, and who signs in for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Elsewhere {
    /// What the person calls it.
    pub server_name: String,
    /// Where it is.
    pub server_url: Url,
    /// Who signs in for it.
    pub issuer: Issuer,
}

/// Who wants a sign-in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AskedBy {
    /// The person, just now.
    Person,
    /// A program in the person's name; this one.
    Client(String),
}

/// What a person should see before a sign-in goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignInFacts {
    /// What the person calls the server.
    pub server_name: String,
    /// Where the server is.
    pub server_host: String,
    /// Where the sign-in page is.
    pub sign_in_host: String,
    /// What is asked for.
    pub scopes: Vec<String>,
    /// The program that asked, if not the person.
    pub asked_by: Option<String>,
    /// What is unusual about it.
    pub warnings: Vec<String>,
}

impl SignInFacts {
    /// Whether the person asked for exactly this, so that nothing stands before the sign-in page.
    pub fn go_straight_on(&self) -> bool {
        self.asked_by.is_none() && self.warnings.is_empty()
    }
}

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
}

/// Talks to a sign-in that waits, for everybody who is no browser at its listener.
#[derive(Clone)]
pub struct LoginHandle(mpsc::Sender<Event>);

/// How a sign-in goes on after a browser's return.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// At this page.
    Open(Url),
    /// As before: what returned was not its own.
    Same,
    /// Not at all: it has ended, either way.
    Ended,
}

impl LoginHandle {
    /// Takes a redirect address that a person pasted. Resolves once the sign-in has taken or refused it.
    ///
    /// # Errors
    /// [`Error::NotARedirect`] or [`Error::StateMismatch`]; the sign-in then still waits. How it ends otherwise, the
    /// sign-in itself tells.
    pub async fn paste(&self, text: &str) -> Result<(), Error> {
        let url = Url::parse(text.trim()).map_err(|_| Error::NotARedirect)?;
        let query = url.query().filter(|_| url.path() == RedirectUri::PATH).ok_or(Error::NotARedirect)?;
        match self.tell(EventKind::Pasted(query.to_owned())).await {
            Some(Answer::Stale) | None => Err(Error::StateMismatch),
            Some(
                Answer::Open(_)
                | Answer::Cancelled
                | Answer::Discarded
                | Answer::SignedIn(_)
                | Answer::Failed(_),
            ) => Ok(()),
        }
    }

    /// Takes the query of a redirect that a window of ours was sent to.
    pub async fn returned(&self, query: &str) -> Next {
        match self.tell(EventKind::Returned(query.to_owned())).await {
            Some(Answer::Open(url)) => Next::Open(url),
            Some(Answer::Stale) => Next::Same,
            Some(Answer::Cancelled | Answer::Discarded | Answer::SignedIn(_) | Answer::Failed(_)) | None => {
                Next::Ended
            }
        }
    }

    /// Ends the sign-in, as its person wants.
    pub async fn decline(&self) {
        self.tell(EventKind::Declined).await;
    }

    /// Has a browser take over from a window of ours, or from a browser that was lost: listens for its return. Returns
    /// the page to open; `None` where the sign-in has ended.
    pub async fn hand_over(&self) -> Option<Url> {
        match self.tell(EventKind::HandsOver).await {
            Some(Answer::Open(url)) => Some(url),
            Some(
                Answer::Stale
                | Answer::Cancelled
                | Answer::Discarded
                | Answer::SignedIn(_)
                | Answer::Failed(_),
            )
            | None => None,
        }
    }

    async fn tell(&self, kind: EventKind) -> Option<Answer> {
        let (reply, answer) = oneshot::channel();
        self.0.send(Event { kind, reply }).await.ok()?;
        answer.await.ok()
    }
}

/// A sign-in that worked; its browser still waits for a word.
pub struct Finished {
    /// What it brought.
    pub tokens: TokenSet,
    /// Shows the last page.
    pub farewell: Farewell,
}

/// Where the browser is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// On this computer, so that our pages can be shown in it.
    Here,
    /// Somewhere else; all that comes from it is what a person pastes.
    Elsewhere,
}

/// The last page of a sign-in, not yet shown.
pub struct Farewell(Option<LastPage>);

struct LastPage {
    server_name: String,
    reply: oneshot::Sender<Answer>,
    serving: Option<Serving>,
}

impl Farewell {
    /// For a sign-in whose browser is elsewhere.
    pub(super) fn without_page() -> Self {
        Self(None)
    }

    /// Says how it ended and closes the listener.
    pub async fn say(self, outcome: Result<(), String>) {
        let Some(page) = self.0 else { return };
        let answer = match outcome {
            Ok(()) => Answer::SignedIn(page.server_name),
            Err(why) => Answer::Failed(why),
        };
        // The tab may be gone.
        page.reply.send(answer).ok();
        close(page.serving).await;
    }
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
        let LoginRequest { server_url, settings, options, challenge, .. } = &request;
        let mut discovered =
            discovery::discover(&network, settings, server_url, challenge.as_ref(), options).await?;
        if let (Some(keep), None) = (&request.keep, &options.scope) {
            discovered.scopes = keep.union(&discovered.scopes);
        }
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
        let in_window = request.in_window && !window::is_refused(&page);
        let serving = (!in_window).then(|| listener.serve(confirm.clone(), events.0.clone()));
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
        LoginHandle(self.events.0.clone())
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
            let exchanged = tokio::select! {
                () = cancel.cancelled() => Err(Error::Cancelled),
                exchanged = self.exchange(&code) => exchanged,
            };
            match exchanged {
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

    /// Takes the tokens, after asking about what is odd with them.
    async fn settle(
        mut self,
        mut tokens: TokenSet,
        reply: oneshot::Sender<Answer>,
        place: Place,
        end: impl Future<Output = Error>,
    ) -> Result<Finished, Error> {
        let doubts = doubt::about(&tokens, &self.request);
        let reply = match (doubts.first(), place) {
            (None, _) => reply,
            (Some(doubt), Place::Elsewhere) => {
                self.give_back(&tokens).await;
                let error = doubt.to_error(&self.request);
                return self.fail(error, reply).await;
            }
            (Some(_), Place::Here) => match self.ask(&doubts, reply, end).await {
                Ok(reply) => reply,
                Err(error) => {
                    self.give_back(&tokens).await;
                    close(self.serving).await;
                    return Err(error);
                }
            },
        };
        tokens.accepted_sites = doubts.into_iter().flat_map(Doubt::into_sites).collect();
        let page = LastPage { server_name: self.request.server_name, reply, serving: self.serving };
        Ok(Finished { tokens, farewell: Farewell(Some(page)) })
    }

    /// Shows the last question; a yes brings what waits for the last page.
    async fn ask(
        &mut self,
        doubts: &[Doubt],
        reply: oneshot::Sender<Answer>,
        end: impl Future<Output = Error>,
    ) -> Result<oneshot::Sender<Answer>, Error> {
        let sentences: Vec<_> = doubts.iter().map(|doubt| doubt.sentence(&self.request)).collect();
        let path = self.page_url.path().to_owned();
        let question = page::question(&self.request.server_name, &sentences, &path);
        if let Some(serving) = self.listen().await? {
            serving.ask(question);
        }
        let mut url = self.page_url.clone();
        url.set_path(&format!("{path}/{QUESTION}"));
        reply.send(Answer::Open(url)).ok();
        tokio::pin!(end);
        loop {
            let Event { kind, reply } = tokio::select! {
                error = &mut end => return Err(error),
                Some(event) = self.events.1.recv() => event,
            };
            match kind {
                EventKind::Kept => return Ok(reply),
                EventKind::Discarded | EventKind::Declined => {
                    reply.send(Answer::Discarded).ok();
                    return Err(Error::Cancelled);
                }
                EventKind::Continued
                | EventKind::Returned(_)
                | EventKind::Pasted(_)
                | EventKind::HandsOver => {
                    reply.send(Answer::Stale).ok();
                }
            }
        }
    }

    /// Gives back tokens that are not used, as far as their server takes them.
    async fn give_back(&self, tokens: &TokenSet) {
        let Some(endpoint) = &tokens.revocation_endpoint else { return };
        let client = self.token_client();
        let given_back = tokio::time::timeout(
            GIVE_BACK,
            client.revoke_all(endpoint, tokens.refresh.as_ref(), tokens.access.as_ref()),
        )
        .await;
        if !matches!(given_back, Ok(Ok(()))) {
            tracing::info!("the authorization server did not take unused tokens back");
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
        let Discovered { server, resource, scopes, .. } = &self.discovered;
        let answer = client
            .exchange(&server.token_endpoint, code, &self.attempt.verifier, resource.as_deref())
            .await?;
        let now = SystemTime::now();
        let identity = answer.id_token.and_then(|token| {
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
        self.choice().bind(&self.registration).await?;
        Ok(TokenSet {
            issuer: server.issuer.clone(),
            token_endpoint: server.token_endpoint.clone(),
            revocation_endpoint: server.revocation_endpoint.clone(),
            registration: self.registration.clone(),
            access: Some(answer.access),
            refresh: answer.refresh,
            scopes: answer.scopes.unwrap_or_else(|| scopes.clone()),
            requested: scopes.clone(),
            resource: resource.clone(),
            issued_at: now,
            expires_at: answer.expires_in.map(|lifetime| now + lifetime),
            identity,
            dpop: self.dpop.clone(),
            accepted_sites: Vec::new(),
        })
    }

    /// The listener, started if it does not run yet, where browsers will return to.
    async fn listen(&mut self) -> Result<Option<&Serving>, Error> {
        if let (None, Some(RedirectUri { host, port })) = (&self.serving, self.registration.redirect) {
            let bound = Listener::bind(host, Some(port)).await.map_err(|_| Error::PortTaken { port })?;
            self.serving = Some(bound.serve(self.confirm.clone(), self.events.0.clone()));
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

async fn close(serving: Option<Serving>) {
    if let Some(serving) = serving {
        serving.close().await;
    }
}

/// What a person should know before they sign in at this page.
pub(super) fn facts(request: &LoginRequest, discovered: &Discovered, page: &Url) -> SignInFacts {
    SignInFacts {
        server_name: request.server_name.clone(),
        server_host: endpoint::shown_host(&request.server_url),
        sign_in_host: endpoint::shown_host(page),
        scopes: discovered.scopes.iter().map(str::to_owned).collect(),
        asked_by: match &request.asked_by {
            AskedBy::Person => None,
            AskedBy::Client(name) => Some(name.clone()),
        },
        warnings: warning::all(request, discovered, page),
    }
}
