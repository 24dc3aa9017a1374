//! A sign-in that waits for its person, whichever way they take.

use tokio_util::sync::CancellationToken;
use url::Url;

use super::{Finished, Login, LoginHandle, LoginRequest, SignInFacts};
use crate::net::Network;
use crate::oauth::Error;
use crate::oauth::grant::Grant;
use crate::oauth::grant::device::{DeviceLogin, DevicePrompt};
use crate::oauth::registration::{RedirectUri, Registrations};

/// A sign-in that waits for its person.
pub enum Prepared {
    /// In a browser that returns here.
    Browser(Box<Login>),
    /// In a browser anywhere, with a code.
    Device(Box<DeviceLogin>),
}

impl Prepared {
    /// Prepares a sign-in with the grant of the options.
    ///
    /// # Errors
    /// As [`Login::prepare`] and [`DeviceLogin::prepare`].
    pub async fn new(
        network: Network,
        registrations: Registrations,
        request: LoginRequest,
    ) -> Result<Self, Error> {
        match request.options.grant {
            Grant::Device => {
                DeviceLogin::prepare(network, registrations, request).await.map(Box::new).map(Self::Device)
            }
            Grant::Code | Grant::ClientCredentials | Grant::Workload(_) | Grant::Enterprise(_) => {
                Login::prepare(network, registrations, request).await.map(Box::new).map(Self::Browser)
            }
        }
    }

    /// What the person opens; a code is entered there already, where the server can do that. Not for logs.
    pub fn url(&self) -> &Url {
        match self {
            Self::Browser(login) => login.url(),
            Self::Device(login) => {
                let prompt = login.prompt();
                prompt.verification_uri_complete.as_ref().unwrap_or(&prompt.verification_uri)
            }
        }
    }

    /// What a program is given to open. Not for logs.
    pub fn page_url(&self) -> &Url {
        match self {
            Self::Browser(login) => login.page_url(),
            Self::Device(login) => &login.prompt().verification_uri,
        }
    }

    /// What the person should know about it.
    pub fn facts(&self) -> &SignInFacts {
        match self {
            Self::Browser(login) => login.facts(),
            Self::Device(login) => login.facts(),
        }
    }

    /// Talks to it from elsewhere, where somebody returns to it.
    pub fn handle(&self) -> Option<LoginHandle> {
        match self {
            Self::Browser(login) => Some(login.handle()),
            Self::Device(_) => None,
        }
    }

    /// What a window of ours can show, and the address that ends it there.
    pub fn for_window(&self) -> Option<(&Login, RedirectUri)> {
        match self {
            Self::Browser(login) => login.ends_in_window().map(|redirect| (login.as_ref(), redirect)),
            Self::Device(_) => None,
        }
    }

    /// The code that the person enters, where there is one.
    pub fn prompt(&self) -> Option<&DevicePrompt> {
        match self {
            Self::Browser(_) => None,
            Self::Device(login) => Some(login.prompt()),
        }
    }

    /// Waits for the person, then fetches the tokens.
    ///
    /// # Errors
    /// As [`Login::finish`] and [`DeviceLogin::finish`].
    pub async fn finish(self, cancel: CancellationToken) -> Result<Finished, Error> {
        match self {
            Self::Browser(login) => login.finish(cancel).await,
            Self::Device(login) => login.finish(cancel).await,
        }
    }
}
