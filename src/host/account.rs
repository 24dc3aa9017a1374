//! One account of one server: its tokens, their renewal, its sign-in.
//!
//! Each account is one task that owns all of it; an [`AccountHandle`] talks to it. A fresh access token is read from
//! a leaf beside the task, so requests pay nothing for it; everything else goes through the task, which therefore
//! refreshes once however many callers wait. How a sign-in works is `oauth`'s matter, where secrets rest `secret`'s.

mod clock;
mod error;
mod giving_back;
mod handle;
mod onlooker;
mod record;
mod refusal;
mod sign_in;
mod state;
mod task;
mod window;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use url::Url;

use super::proxy::has_login;
use crate::net::{ConnectionSettings, Network};
use crate::oauth::OAuthOptions;
use crate::registry::{ServerId, SignInChoice};
use crate::secret::Vault;
use handle::{Current, Reply, Request};
use sign_in::Outcome;

pub use crate::oauth::browser::{OpenError, PageOpener, SystemBrowser};
pub use crate::oauth::grant::device::DevicePrompt;
pub use crate::oauth::identity::Identity;
pub use crate::oauth::login::{AskedBy, Elsewhere, LoginHandle, SignInFacts};
pub use clock::Clock;
pub use error::Error;
pub use giving_back::GivingBack;
pub use handle::{AccountHandle, Credential};
pub use onlooker::{Asked, Onlooker, Shows};
pub use refusal::{Operation, Refusal, Retry};
pub use sign_in::{OpenWith, Prompt, SecretUrl, Shown, SignIn, SignInRequest};
pub use state::{AccountState, SignedOut};
pub use window::{CodeSignIn, SignInWindows, WindowSignIn};

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
    /// The entry's name in the names of what is stored.
    pub stored_as: String,
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
    /// Whether a window of ours can show the page as the server is reached: it knows neither the entry's certificates
    /// nor a login at its proxy.
    fn fits_window(&self) -> bool {
        let ConnectionSettings { proxy, ca, client_cert, .. } = &self.settings;
        let needs_login = proxy.as_ref().is_some_and(has_login);
        self.sign_in == SignInChoice::Window && !needs_login && ca.is_none() && client_cert.is_none()
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
    /// How long a sign-out waits for the end of what is open in the account's name.
    pub goodbye: Duration,
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
            goodbye: Duration::from_secs(2),
            revoke: Duration::from_secs(10),
            retry_first: Duration::from_millis(500),
            retry_last: Duration::from_secs(30),
        }
    }
}
