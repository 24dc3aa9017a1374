//! What a sign-in is asked for with, and what is told of it.

use std::sync::Arc;

use http::HeaderValue;
use tokio::sync::watch;
use url::Url;

use super::{AccountHandle, AskedBy, DevicePrompt, OpenError, SignInFacts};
use crate::oauth;

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
    /// Whether it should be given up where the server says nothing of a sign-in: such a server may
    /// need none.
    pub only_if_offered: bool,
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
    /// The caller.
    Caller,
}

/// A sign-in under way.
#[derive(Debug, Clone)]
pub struct SignIn {
    /// Which one of its account.
    pub(super) id: u64,
    /// What to open: a one-time page of ours unless the person asked, else the authorization server's. It holds a
    /// secret: not for logs.
    pub url: SecretUrl,
    /// The code to enter there, where it takes one.
    pub prompt: Option<DevicePrompt>,
    /// What it is about.
    pub facts: SignInFacts,
    /// Why the Host could not open the page, if it should have.
    pub not_opened: Option<OpenError>,
    pub(super) outcome: watch::Receiver<Option<Outcome>>,
}

/// A sign-in that a client was asked to show. It is withdrawn when this is dropped before the client has opened it.
pub struct Shown {
    account: AccountHandle,
    id: Option<u64>,
}

impl Shown {
    /// This one, of that account.
    pub fn new(account: &AccountHandle, sign_in: &SignIn) -> Self {
        Self { account: account.clone(), id: Some(sign_in.id) }
    }

    /// The person is on the page.
    pub fn is_open(&mut self) {
        self.id = None;
    }

    /// The person does not want to sign in.
    pub fn is_refused(mut self) {
        if let Some(id) = self.id.take() {
            self.account.withdraw(id, true);
        }
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            self.account.withdraw(id, false);
        }
    }
}

/// How a sign-in ended.
pub(super) type Outcome = Result<(), Arc<oauth::Error>>;

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
pub struct SecretUrl(pub(super) Url);

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
