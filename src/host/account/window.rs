//! A sign-in that is shown in a window of this program instead of a browser.

use tokio::sync::watch;

use super::{AccountKey, OpenError, Outcome, SecretUrl, SignInFacts};
use crate::oauth::login::LoginHandle;
use crate::oauth::registration::RedirectUri;

/// Shows sign-ins in windows; the app does.
pub trait SignInWindows: Send + Sync {
    /// Shows one, or brings the account's own to the front. Returns at once.
    ///
    /// # Errors
    /// [`OpenError`]; nothing is shown then.
    fn show(&self, sign_in: WindowSignIn) -> Result<(), OpenError>;
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
    /// The address that ends the sign-in; it is never fetched.
    pub redirect: RedirectUri,
    /// Takes the redirect, the person's no, and the wish for a browser.
    pub handle: LoginHandle,
    pub(super) outcome: watch::Receiver<Option<Outcome>>,
}

impl WindowSignIn {
    /// Resolves once the sign-in has ended; whether somebody is signed in now.
    pub async fn ended(mut self) -> bool {
        match self.outcome.wait_for(Option::is_some).await {
            Ok(outcome) => matches!(*outcome, Some(Ok(()))),
            Err(_) => false,
        }
    }
}
