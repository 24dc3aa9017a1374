//! One account of one server: its tokens, their renewal, its sign-in.
//!
//! Each account is one task that owns all of it; an [`AccountHandle`] talks to it. A fresh access token is read from
//! a leaf beside the task, so requests pay nothing for it; everything else goes through the task, which therefore
//! refreshes once however many callers wait. How a sign-in works is `oauth`'s matter, where secrets rest `secret`'s.

mod clock;
mod giving_back;
mod record;
mod refusal;
mod task;
mod window;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderValue};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use url::Url;

use crate::net::{ConnectionSettings, Network};
use crate::oauth::dpop::DpopKey;
use crate::oauth::{self, Issuer, OAuthOptions};
use crate::registry::{ServerId, SignInChoice};
use crate::secret::{self, AccessToken, Vault};
use clock::{Age, Life};

pub use crate::oauth::browser::{OpenError, PageOpener, SystemBrowser};
pub use crate::oauth::grant::device::DevicePrompt;
pub use crate::oauth::identity::Identity;
pub use crate::oauth::login::{AskedBy, Elsewhere, LoginHandle, SignInFacts};
pub use clock::Clock;
pub use giving_back::GivingBack;
pub use refusal::{Operation, Refusal, Retry};
pub use window::{SignInWindows, WindowSignIn};

/// Requests that may wait for the task.
const QUEUE: usize = 64;

/// Which account.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AccountKey {
    /// The id of the server entry.
    pub entry: ServerId,
    /// The label of the account there.
    pub label: String,
}

/// What an account is about. An entry that changes gets new accounts.
#[derive(Debug, Clone)]
pub struct AccountSpec {
    /// Which account.
    pub key: AccountKey,
    /// What the person calls the server.
    pub server_name: String,
    /// The MCP server.
    pub server_url: Url,
    /// How it is reached.
    pub settings: ConnectionSettings,
    /// What its entry says about OAuth.
    pub oauth: OAuthOptions,
    /// Where its entry wants the sign-in page.
    pub sign_in: SignInChoice,
}

impl AccountSpec {
    /// Whether a window of ours can show the page as the server is reached: it knows neither the
    /// entry's certificates nor its proxy.
    fn fits_window(&self) -> bool {
        let ConnectionSettings { proxy, ca, client_cert, .. } = &self.settings;
        self.sign_in == SignInChoice::Window && proxy.is_none() && ca.is_none() && client_cert.is_none()
    }
}

/// What an account needs from the Host.
#[derive(Clone)]
pub struct AccountDeps {
    /// The way out.
    pub network: Network,
    /// Where tokens rest.
    pub vault: Vault,
    /// Opens sign-in pages.
    pub opener: Arc<dyn PageOpener>,
    /// Shows them in windows of this program, where it has any.
    pub windows: Option<Arc<dyn SignInWindows>>,
    /// Ends the account.
    pub shutdown: CancellationToken,
    /// Keeps count of the tasks of the Host.
    pub tasks: TaskTracker,
    /// Times.
    pub limits: AccountLimits,
    /// The time.
    pub clock: Clock,
    /// Gives tokens back to their servers.
    pub giving_back: GivingBack,
    /// The servers that somebody signed in to, and with whom.
    pub served: watch::Receiver<Arc<Vec<Served>>>,
}

/// A server that somebody signed in to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Served {
    /// Its entry.
    pub entry: ServerId,
    /// The server, and who signs in for it.
    pub server: Elsewhere,
}

/// The times of an account.
#[derive(Debug, Clone)]
pub struct AccountLimits {
    /// How long before its end a token is renewed; a tenth of its lifetime if that is less.
    pub refresh_ahead: Duration,
    /// How long a person has to sign in.
    pub sign_in: Duration,
    /// How long revoking tokens may take.
    pub revoke: Duration,
    /// The first pause after a failure.
    pub retry_first: Duration,
    /// The longest pause.
    pub retry_last: Duration,
}

impl Default for AccountLimits {
    fn default() -> Self {
        Self {
            refresh_ahead: Duration::from_secs(60),
            sign_in: Duration::from_secs(5 * 60),
            revoke: Duration::from_secs(10),
            retry_first: Duration::from_millis(500),
            retry_last: Duration::from_secs(30),
        }
    }
}

/// How an account stands.
#[derive(Debug, Clone)]
pub enum AccountState {
    /// No tokens, and nobody has asked for any.
    Unknown,
    /// Signed in.
    SignedIn {
        /// When the access token ends; it is renewed before.
        expires: Option<SystemTime>,
        /// Who signed it in.
        issuer: Issuer,
        /// When it was last renewed.
        renewed: SystemTime,
        /// What was granted.
        scopes: Vec<String>,
        /// Who is signed in, where that is known.
        identity: Option<Identity>,
        /// The tokens could not be saved and would be lost at the end of the Host; it keeps trying.
        unsaved: bool,
    },
    /// A sign-in is under way.
    SigningIn {
        /// What it is about, once that is known.
        facts: Option<SignInFacts>,
    },
    /// Somebody must sign in.
    SignedOut {
        /// Why.
        why: SignedOut,
    },
    /// The last attempt failed.
    Failed {
        /// Why.
        error: Error,
    },
}

impl AccountState {
    /// Whether there are tokens to use.
    pub fn is_signed_in(&self) -> bool {
        matches!(self, Self::SignedIn { .. })
    }

    /// Whether a sign-in is under way.
    pub fn is_signing_in(&self) -> bool {
        matches!(self, Self::SigningIn { .. })
    }

    /// Whether nobody has ever signed in, so that a first connect may offer it.
    pub fn was_never_signed_in(&self) -> bool {
        matches!(self, Self::Unknown | Self::SignedOut { why: SignedOut::NeverSignedIn })
    }

    fn same_as(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Unknown, Self::Unknown) => true,
            (
                Self::SignedIn { expires, renewed, issuer, scopes, identity, unsaved },
                Self::SignedIn {
                    expires: expires2,
                    renewed: renewed2,
                    issuer: issuer2,
                    scopes: scopes2,
                    identity: identity2,
                    unsaved: unsaved2,
                },
            ) => {
                (expires, renewed, issuer, scopes, identity, unsaved)
                    == (expires2, renewed2, issuer2, scopes2, identity2, unsaved2)
            }
            (Self::SigningIn { facts }, Self::SigningIn { facts: facts2 }) => facts == facts2,
            (Self::SignedOut { why }, Self::SignedOut { why: why2 }) => why == why2,
            (Self::Failed { error }, Self::Failed { error: error2 }) => error.same_as(error2),
            (
                Self::Unknown
                | Self::SignedIn { .. }
                | Self::SigningIn { .. }
                | Self::SignedOut { .. }
                | Self::Failed { .. },
                _,
            ) => false,
        }
    }
}

/// Why somebody must sign in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignedOut {
    /// Nobody ever has.
    NeverSignedIn,
    /// The authorization server ended it.
    Expired,
    /// The server does not take what the authorization server issued.
    Refused,
    /// The authorization server does not know this client any more.
    ClientForgotten,
    /// The server names another authorization server now, which these tokens must not meet.
    Moved,
    /// The person wanted it.
    ByPerson,
}

impl std::fmt::Display for SignedOut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::NeverSignedIn => "nobody has signed in yet",
            Self::Expired => "the sign-in has expired",
            Self::Refused => "the server does not accept the sign-in any more",
            Self::ClientForgotten => "the authorization server has forgotten this program",
            Self::Moved => "the server has changed where you sign in",
            Self::ByPerson => "you have signed out",
        })
    }
}

/// Why an account could not do what it was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// Somebody must sign in first.
    #[error("{why}")]
    SignedOut {
        /// Why.
        why: SignedOut,
    },
    /// The authorization server, or the way to it.
    #[error(transparent)]
    OAuth(Arc<oauth::Error>),
    /// The secret store.
    #[error(transparent)]
    Vault(Arc<secret::Error>),
    /// There is no sign-in that could take this.
    #[error("no sign-in is under way")]
    NoSignIn,
    /// A page was opened by itself a short while ago, or the person said no to it; now only they can open one.
    #[error("the last sign-in was not finished")]
    NotAgain,
    /// The account was removed or the Host is stopping.
    #[error("the account has been closed")]
    Stopped,
}

impl Error {
    /// Whether it is the very same occurrence.
    fn same_as(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::OAuth(one), Self::OAuth(two)) => Arc::ptr_eq(one, two),
            (Self::Vault(one), Self::Vault(two)) => Arc::ptr_eq(one, two),
            (Self::SignedOut { why }, Self::SignedOut { why: why2 }) => why == why2,
            (Self::NoSignIn, Self::NoSignIn)
            | (Self::NotAgain, Self::NotAgain)
            | (Self::Stopped, Self::Stopped) => true,
            (
                Self::OAuth(_)
                | Self::Vault(_)
                | Self::SignedOut { .. }
                | Self::NoSignIn
                | Self::NotAgain
                | Self::Stopped,
                _,
            ) => false,
        }
    }
}

impl From<oauth::Error> for Error {
    fn from(error: oauth::Error) -> Self {
        Self::OAuth(Arc::new(error))
    }
}

impl From<secret::Error> for Error {
    fn from(error: secret::Error) -> Self {
        Self::Vault(Arc::new(error))
    }
}

/// A wish to sign in.
#[derive(Debug, Clone)]
pub struct SignInRequest {
    /// Who wants it.
    pub asked_by: AskedBy,
    /// Whether the person waits for the page.
    pub prompt: Prompt,
    /// Who opens the page.
    pub open: OpenWith,
    /// The challenge that asked for it; empty for the one remembered.
    pub challenge: Vec<HeaderValue>,
}

/// What made a program want a sign-in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prompt {
    /// The person, by a click or a command.
    Clicked,
    /// A request that got no further. Such a page comes seldom, and after a Cancel not at all.
    ByItself,
}

/// Who opens the sign-in page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenWith {
    /// The Host: in a window of its own where the entry and the page allow it, else in a browser.
    Host,
    /// The Host, in a browser.
    HostInBrowser,
    /// The caller.
    Caller,
}

/// A sign-in under way.
#[derive(Debug, Clone)]
pub struct SignIn {
    /// What to open: a one-time page of ours unless the person asked, else the authorization server's. It holds a
    /// secret: not for logs.
    pub url: SecretUrl,
    /// The code to enter there, where it takes one.
    pub prompt: Option<DevicePrompt>,
    /// What it is about.
    pub facts: SignInFacts,
    /// Why the Host could not open the page, if it should have.
    pub not_opened: Option<OpenError>,
    outcome: watch::Receiver<Option<Outcome>>,
}

/// How a sign-in ended.
type Outcome = Result<(), Arc<oauth::Error>>;

impl SignIn {
    /// Resolves once the sign-in has ended, either way.
    ///
    /// # Errors
    /// Why it failed.
    pub async fn outcome(mut self) -> Result<(), Arc<oauth::Error>> {
        match self.outcome.wait_for(Option::is_some).await {
            Ok(outcome) => outcome.clone().unwrap_or(Ok(())),
            Err(_) => Err(Arc::new(oauth::Error::Cancelled)),
        }
    }
}

/// An address with a one-time secret in it; prints as its host.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretUrl(Url);

impl SecretUrl {
    /// The address itself, for the program that opens it.
    pub fn expose(&self) -> &Url {
        &self.0
    }
}

impl std::fmt::Debug for SecretUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SecretUrl({})", self.0.host_str().unwrap_or_default())
    }
}

impl std::fmt::Debug for AccountHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "AccountHandle({:?})", self.key)
    }
}

/// Talks to the task of an account. Clones talk to the same; the account ends with the last of them.
#[derive(Clone)]
pub struct AccountHandle {
    key: Arc<AccountKey>,
    server: Arc<Url>,
    requests: mpsc::Sender<Request>,
    current: watch::Receiver<Option<Current>>,
    state: watch::Receiver<AccountState>,
    clock: Clock,
    is_unattended: bool,
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
struct Current {
    credential: Credential,
    life: Option<Life>,
}

enum Request {
    Token { reply: Reply<Option<Credential>> },
    Look { reply: Reply<AccountState> },
    Refused { refusal: Refusal, reply: Reply<Retry> },
    SignIn { request: SignInRequest, reply: Reply<SignIn> },
    Obtain { reply: Reply<()> },
    Login { reply: Reply<(LoginHandle, watch::Receiver<Option<Outcome>>)> },
    CancelSignIn,
    SignOut { reply: Reply<()> },
}

type Reply<T> = oneshot::Sender<Result<T, Error>>;

impl AccountHandle {
    /// Starts the task of an account. Nothing is read from the vault before somebody asks.
    pub fn spawn(spec: AccountSpec, deps: AccountDeps) -> Self {
        let (requests, received) = mpsc::channel(QUEUE);
        let (current, current_seen) = watch::channel(None);
        let (state, state_seen) = watch::channel(AccountState::Unknown);
        let handle = Self {
            key: Arc::new(spec.key.clone()),
            server: Arc::new(spec.server_url.clone()),
            requests,
            current: current_seen,
            state: state_seen,
            clock: deps.clock.clone(),
            is_unattended: spec.oauth.grant.is_unattended(),
        };
        let tasks = deps.tasks.clone();
        tasks.spawn(task::Task::new(spec, deps, current, state).run(received));
        handle
    }

    /// Whether its tokens are meant for that address: they go to the origin they were got for, also
    /// while the entry is just being given another one.
    pub fn is_for(&self, url: &Url) -> bool {
        self.server.origin() == url.origin()
    }

    /// Which account this is.
    pub fn key(&self) -> &AccountKey {
        &self.key
    }

    /// How it stands, now and from now on.
    pub fn state(&self) -> watch::Receiver<AccountState> {
        self.state.clone()
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
        self.ask(|reply| Request::Refused { refusal, reply }).await
    }

    /// Starts a sign-in, or joins the one under way. Resolves once there is a page to open.
    ///
    /// # Errors
    /// [`Error::OAuth`] when it fails before that, [`Error::NotAgain`] when nobody clicked for it and it may not
    /// open by itself now.
    pub async fn sign_in(&self, request: SignInRequest) -> Result<SignIn, Error> {
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
    /// [`Error::NoSignIn`], or [`Error::OAuth`] with why it failed; after [`oauth::Error::NotARedirect`] and
    /// [`oauth::Error::StateMismatch`] the sign-in still waits.
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

    /// Forgets the tokens at once and gives them back to the authorization server, as far as it takes them.
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
