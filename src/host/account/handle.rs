//! The way to the task of an account.

use std::sync::Arc;

use http::HeaderMap;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use url::Url;

use super::clock::{Age, Clock, Life};
use super::{
    AccountDeps, AccountKey, AccountSpec, AccountState, Error, LoginHandle, Onlooker, Outcome, Refusal,
    Retry, Shows, SignIn, SignInRequest, task,
};
use crate::host::activity::Busy;
use crate::oauth::dpop::DpopKey;
use crate::secret::AccessToken;

/// Requests that may wait for the task.
const QUEUE: usize = 64;

/// Talks to the task of an account. Clones talk to the same; the account ends with the last of them.
#[derive(Clone)]
pub struct AccountHandle {
    key: Arc<AccountKey>,
    server: Arc<Url>,
    requests: mpsc::Sender<Request>,
    current: watch::Receiver<Option<Current>>,
    state: watch::Receiver<AccountState>,
    sessions: watch::Sender<usize>,
    clock: Clock,
    is_unattended: bool,
    has_window: bool,
    ended: CancellationToken,
    onlooker: Option<Arc<Onlooker>>,
}

/// An access token, and how it may be used.
#[derive(Debug, Clone)]
pub struct Credential {
    /// The token.
    pub token: AccessToken,
    /// The key it is bound to; without its proof it goes nowhere.
    pub key: Option<DpopKey>,
}

/// The token that needs no question.
#[derive(Debug, Clone)]
pub(super) struct Current {
    pub(super) credential: Credential,
    pub(super) life: Option<Life>,
}

/// What the task is asked.
pub(super) enum Request {
    Token { reply: Reply<Option<Credential>> },
    Look { reply: Reply<AccountState> },
    Refused { refusal: Refusal, reply: Reply<Retry> },
    SignIn { request: SignInRequest, reply: Reply<SignIn> },
    Obtain { reply: Reply<()> },
    Login { reply: Reply<(LoginHandle, watch::Receiver<Option<Outcome>>)> },
    CancelSignIn,
    Withdraw { id: u64, is_no: bool },
    SignOut { reply: Reply<()> },
}

pub(super) type Reply<T> = oneshot::Sender<Result<T, Error>>;

impl std::fmt::Debug for AccountHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "AccountHandle({:?})", self.key)
    }
}

impl AccountHandle {
    /// Starts the task of an account. Nothing is read from the vault before somebody asks.
    pub fn spawn(spec: AccountSpec, deps: AccountDeps) -> Self {
        let (requests, received) = mpsc::channel(QUEUE);
        let (current, current_seen) = watch::channel(None);
        let (state, state_seen) = watch::channel(AccountState::Unknown);
        let sessions = watch::Sender::new(0);
        let handle = Self {
            key: Arc::new(spec.key.clone()),
            server: Arc::new(spec.server_url.clone()),
            requests,
            current: current_seen,
            state: state_seen,
            sessions: sessions.clone(),
            clock: deps.clock.clone(),
            is_unattended: spec.oauth.grant.is_unattended(),
            has_window: deps.windows.is_some() && spec.fits_window(),
            ended: CancellationToken::new(),
            onlooker: None,
        };
        let (tasks, ended) = (deps.tasks.clone(), handle.ended.clone().drop_guard());
        let task = task::Task::new(spec, deps, current, state, sessions);
        tasks.spawn(async move {
            task.run(received).await;
            drop(ended);
        });
        handle
    }

    /// Whether its tokens are meant for that address: they go to the origin they were got for, also
    /// while the entry is just being given another one.
    pub fn is_for(&self, url: &Url) -> bool {
        self.server.origin() == url.origin()
    }

    /// Resolves once its task has ended: from then on it saves and renews nothing.
    pub async fn ended(&self) {
        self.ended.cancelled().await;
    }

    /// The same account for somebody who only looks: what the server refuses is noted there, and nothing is done about
    /// it.
    pub(in crate::host) fn looked_at(&self, shows: Shows) -> (Self, Arc<Onlooker>) {
        let onlooker = Arc::new(Onlooker::new(shows));
        (Self { onlooker: Some(onlooker.clone()), ..self.clone() }, onlooker)
    }

    /// Whether the token stays here, whatever it is asked for.
    fn hides_token(&self) -> bool {
        self.onlooker.as_ref().is_some_and(|onlooker| onlooker.shows() == Shows::Nothing)
    }

    /// Which account this is.
    pub fn key(&self) -> &AccountKey {
        &self.key
    }

    /// Has a sign-in given up that one client shows, unless the person has joined it; a no keeps pages from opening by
    /// themselves.
    pub(super) fn withdraw(&self, id: u64, is_no: bool) {
        // Where there is no room, it ends with its time.
        self.requests.try_send(Request::Withdraw { id, is_no }).ok();
    }

    /// Whether its sign-in pages come in a window of this program.
    pub fn has_window(&self) -> bool {
        self.has_window
    }

    /// How it stands, now and from now on.
    pub fn state(&self) -> watch::Receiver<AccountState> {
        self.state.clone()
    }

    /// Counts an upstream session in its name until the answer is dropped. A server wants to know who ends one, so a
    /// sign-out waits a moment for the end of all.
    pub fn session(&self) -> Busy {
        Busy::new(&self.sessions)
    }

    /// How it stands, once the vault has been read; nothing is renewed for it.
    ///
    /// # Errors
    /// [`Error::Vault`] when it cannot be read.
    pub async fn look(&self) -> Result<AccountState, Error> {
        self.ask(|reply| Request::Look { reply }).await
    }

    /// The token in use, whether it is still good or not.
    pub fn current_token(&self) -> Option<AccessToken> {
        if self.hides_token() {
            return None;
        }
        self.current.borrow().as_ref().map(|current| current.credential.token.clone())
    }

    /// Shows the head of an answer to whatever went with the request.
    pub fn observe(&self, url: &Url, answer: &HeaderMap) {
        if let Some(key) = self.current.borrow().as_ref().and_then(|current| current.credential.key.as_ref())
        {
            key.learn_nonce(url, answer);
        }
    }

    /// A token that is good for a while: see [`credential`](Self::credential).
    ///
    /// # Errors
    /// As [`credential`](Self::credential).
    pub async fn access_token(&self) -> Result<Option<AccessToken>, Error> {
        Ok(self.credential().await?.map(|credential| credential.token))
    }

    /// A token that is good for a while, renewed if need be; `None` where nobody has signed in, since not every
    /// server wants that.
    ///
    /// # Errors
    /// [`Error::SignedOut`] when a sign-in has ended, [`Error::OAuth`] when renewing failed for now and nothing is
    /// lost, [`Error::Vault`] when the stored tokens cannot be read.
    pub async fn credential(&self) -> Result<Option<Credential>, Error> {
        if self.hides_token() {
            return Ok(None);
        }
        if let Some(current) = self.current.borrow().as_ref()
            && current.life.is_none_or(|life| life.age(self.clock.now()) == Age::Fresh)
        {
            return Ok(Some(current.credential.clone()));
        }
        self.ask(|reply| Request::Token { reply }).await
    }

    /// Reports that the server refused a request with 401 or 403, and what it said. A new token is fetched at most
    /// once for it.
    ///
    /// # Errors
    /// As [`access_token`](Self::access_token), where a new token was tried for.
    pub async fn refused(&self, refusal: Refusal) -> Result<Retry, Error> {
        if let Some(onlooker) = &self.onlooker {
            let is_bound = self.current.borrow().as_ref().is_some_and(|now| now.credential.key.is_some());
            return Ok(onlooker.note(&refusal, is_bound));
        }
        self.ask(|reply| Request::Refused { refusal, reply }).await
    }

    /// Starts a sign-in, or joins the one under way. Resolves once there is a page to open.
    ///
    /// # Errors
    /// [`Error::OAuth`] when it fails before that, [`Error::NotAgain`] when nobody clicked for it and it may not
    /// open by itself now, and for somebody who only looks.
    pub async fn sign_in(&self, request: SignInRequest) -> Result<SignIn, Error> {
        if self.onlooker.is_some() {
            return Err(Error::NotAgain);
        }
        self.ask(|reply| Request::SignIn { request, reply }).await
    }

    /// Whether its tokens are got without anybody, so that there is no sign-in.
    pub fn is_unattended(&self) -> bool {
        self.is_unattended
    }

    /// Gets a token of an unattended account now.
    ///
    /// # Errors
    /// [`Error::OAuth`] with why there is none, [`Error::NoSignIn`] where somebody signs in instead.
    pub async fn obtain(&self) -> Result<(), Error> {
        self.ask(|reply| Request::Obtain { reply }).await
    }

    /// Takes the address the browser ended at, from a person whose browser is elsewhere. Resolves when the sign-in
    /// has ended.
    ///
    /// # Errors
    /// [`Error::NoSignIn`], or [`Error::OAuth`] with why it failed; after [`NotARedirect`](crate::oauth::Error::NotARedirect) and
    /// [`StateMismatch`](crate::oauth::Error::StateMismatch) the sign-in still waits.
    pub async fn sign_in_redirect(&self, pasted: &str) -> Result<(), Error> {
        let (login, mut outcome) = self.ask(|reply| Request::Login { reply }).await?;
        login.paste(pasted).await?;
        match outcome.wait_for(Option::is_some).await {
            Ok(outcome) => outcome.clone().unwrap_or(Ok(())).map_err(Error::OAuth),
            Err(_) => Err(Error::Stopped),
        }
    }

    /// Calls the sign-in off, if there is one.
    pub async fn cancel_sign_in(&self) {
        // A task that has ended has no sign-in.
        self.requests.send(Request::CancelSignIn).await.ok();
    }

    /// Has the sessions in its name ended, as far as their server takes that at once; then forgets the tokens and gives
    /// them back to the authorization server, as far as it takes them.
    ///
    /// # Errors
    /// [`Error::Vault`] when the stored tokens could not be deleted.
    pub async fn sign_out(&self) -> Result<(), Error> {
        self.ask(|reply| Request::SignOut { reply }).await
    }

    async fn ask<T>(&self, request: impl FnOnce(Reply<T>) -> Request) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        self.requests.send(request(reply)).await.map_err(|_| Error::Stopped)?;
        answer.await.map_err(|_| Error::Stopped)?
    }
}
