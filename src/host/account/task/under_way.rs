//! A sign-in that has begun: who waits for it, and where it can be gone on with.

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::host::account::{
    AccountDeps, CodeSignIn, OpenError, OpenWith, Outcome, Reply, SecretUrl, SignIn, SignInRequest,
    WindowSignIn,
};
use crate::oauth::grant::device::DevicePrompt;
use crate::oauth::login::{AskedBy, LoginHandle, SignInFacts};

pub(super) struct UnderWay {
    pub(super) id: u64,
    pub(super) cancel: CancellationToken,
    pub(super) outcome: watch::Sender<Option<Outcome>>,
    pub(super) stage: Stage,
    /// Whether the person asked for it, at the start or later.
    pub(super) by_person: bool,
    /// Whether the person has not even seen it, so that its end is not their no.
    pub(super) is_unseen: bool,
}

pub(super) enum Stage {
    Preparing { waiting: Vec<(SignInRequest, Reply<SignIn>)> },
    Waiting { pages: Box<Pages>, handle: Option<LoginHandle> },
}

/// Where a sign-in can be begun.
#[derive(Clone)]
pub(super) struct Pages {
    /// For the person's own wish.
    pub(super) direct: SecretUrl,
    /// Our own page, for everything that was not the person's own wish.
    pub(super) ours: SecretUrl,
    pub(super) prompt: Option<DevicePrompt>,
    pub(super) facts: SignInFacts,
    /// For a window of ours, which shows the facts itself.
    pub(super) window: Option<WindowSignIn>,
    /// The same where there is a code.
    pub(super) code: Option<CodeSignIn>,
}

impl Pages {
    pub(super) fn for_request(&self, request: &SignInRequest) -> &SecretUrl {
        match request.asked_by {
            AskedBy::Person => &self.direct,
            AskedBy::Client(_) => &self.ours,
        }
    }

    /// Opens the page for the first one who wants the Host to.
    pub(super) fn open(&self, request: &SignInRequest, deps: &AccountDeps) -> Result<(), OpenError> {
        match (&self.window, &self.code, &deps.windows) {
            (_, Some(code), Some(windows)) => windows.show_code(code.clone()),
            (Some(window), _, Some(windows)) if request.open == OpenWith::Host => {
                windows.show(window.clone())
            }
            // The page may have the code filled in, and nobody could be warned before it.
            (_, Some(code), None) if !code.facts.warnings.is_empty() => Err(OpenError::NoBrowser),
            (Some(_) | None, Some(_) | None, _) => deps.opener.open(self.for_request(request).expose()),
        }
    }

    /// A person who asks again has lost the page; a program that joins opens nothing. Whoever brings
    /// a browser to a sign-in in a window needs its listener.
    pub(super) async fn open_again(
        &self,
        request: &SignInRequest,
        handle: Option<&LoginHandle>,
        deps: &AccountDeps,
    ) -> Result<(), OpenError> {
        let by_person = request.asked_by == AskedBy::Person;
        match (request.open, handle) {
            (OpenWith::Host, _) if by_person => self.open(request, deps),
            (OpenWith::Caller, Some(handle)) => {
                handle.hand_over().await;
                Ok(())
            }
            (OpenWith::Host | OpenWith::Caller, _) => Ok(()),
        }
    }

    pub(super) fn sign_in(
        &self,
        request: &SignInRequest,
        not_opened: Option<OpenError>,
        (id, outcome): (u64, &watch::Sender<Option<Outcome>>),
    ) -> SignIn {
        let url = self.for_request(request).clone();
        let (facts, prompt) = (self.facts.clone(), self.prompt.clone());
        SignIn { id, url, prompt, facts, not_opened, outcome: outcome.subscribe() }
    }
}
