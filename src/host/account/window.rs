//! A sign-in that is shown in a window of this program instead of a browser.

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{AccountKey, DevicePrompt, OpenError, Outcome, SecretUrl, SignInFacts};
use crate::net::PageProxy;
use crate::oauth::login::LoginHandle;
use crate::oauth::registration::RedirectUri;

/// Shows sign-ins in windows; the app does.
pub trait SignInWindows: Send + Sync {
    /// Shows one, or brings the account's own to the front. Returns at once.
    ///
    /// # Errors
    /// [`OpenError`]; nothing is shown then.
    fn show(&self, sign_in: WindowSignIn) -> Result<(), OpenError>;

    /// Shows the code of one, or brings its window to the front. Returns at once.
    ///
    /// # Errors
    /// [`OpenError`]; nothing is shown then.
    fn show_code(&self, sign_in: CodeSignIn) -> Result<(), OpenError>;
}

/// What a window shows, and whom it tells.
#[derive(Clone)]
pub struct WindowSignIn {
    /// Whose sign-in it is; each account has one window at most.
    pub account: AccountKey,
    /// What it is about.
    pub facts: SignInFacts,
    /// Whether the person has to agree to these facts before anything is loaded.
    pub asks_first: bool,
    /// The authorization server's page. Not for logs.
    pub page: SecretUrl,
    /// The proxy for its pages; without one, the system's counts.
    pub proxy: Option<PageProxy>,
    /// The address that ends the sign-in; it is never fetched.
    pub redirect: RedirectUri,
    /// Takes the redirect, the person's no, and the wish for a browser.
    pub handle: LoginHandle,
    pub(super) outcome: watch::Receiver<Option<Outcome>>,
}

impl WindowSignIn {
    /// Whether this is the same sign-in, and not a later one of the same account.
    pub fn is_same(&self, other: &Self) -> bool {
        self.outcome.same_channel(&other.outcome)
    }

    /// Whether it has ended, either way.
    pub fn has_ended(&self) -> bool {
        self.outcome.borrow().is_some()
    }

    /// Resolves once the sign-in has ended; whether somebody is signed in now.
    pub async fn ended(self) -> bool {
        ended(self.outcome).await
    }
}

/// A sign-in with a code that the person enters on a page (RFC 8628).
#[derive(Clone)]
pub struct CodeSignIn {
    /// Whose sign-in it is; each account has one window at most.
    pub account: AccountKey,
    /// What it is about. With a warning among it, the person agrees before the code is shown.
    pub facts: SignInFacts,
    /// The code and its page.
    pub prompt: DevicePrompt,
    pub(super) cancel: CancellationToken,
    pub(super) outcome: watch::Receiver<Option<Outcome>>,
}

impl CodeSignIn {
    /// Calls it off, unless it has ended.
    pub fn decline(&self) {
        self.cancel.cancel();
    }

    /// Resolves once the sign-in has ended; whether somebody is signed in now.
    pub async fn ended(self) -> bool {
        ended(self.outcome).await
    }
}

async fn ended(mut outcome: watch::Receiver<Option<Outcome>>) -> bool {
    match outcome.wait_for(Option::is_some).await {
        Ok(outcome) => matches!(*outcome, Some(Ok(()))),
        Err(_) => false,
    }
}
