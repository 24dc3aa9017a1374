//! How others talk to a sign-in that waits: a person who pastes, and a window of ours.

use tokio::sync::{mpsc, oneshot, watch};
use url::Url;

use crate::oauth::Error;
use crate::oauth::loopback::{Answer, Event, EventKind};
use crate::oauth::registration::RedirectUri;

/// Talks to a sign-in that waits, for everybody who is no browser at its listener.
#[derive(Clone)]
pub struct LoginHandle {
    pub(super) events: mpsc::Sender<Event>,
    pub(super) in_browser: watch::Receiver<bool>,
}

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
    /// Whether a browser shows the page, and not a window of ours.
    pub fn is_in_browser(&self) -> bool {
        *self.in_browser.borrow()
    }

    /// Resolves once a browser shows the page, or the sign-in has ended.
    pub async fn in_browser(mut self) {
        // Whoever tells it goes with the sign-in.
        self.in_browser.wait_for(|shows| *shows).await.ok();
    }

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
        self.page_after(EventKind::HandsOver).await
    }

    /// The authorization server's page, for a person who has agreed to the facts. `None` where the sign-in has ended.
    pub async fn agreed(&self) -> Option<Url> {
        self.page_after(EventKind::Continued).await
    }

    /// The page at which the sign-in goes on; `None` where it has ended.
    async fn page_after(&self, kind: EventKind) -> Option<Url> {
        match self.tell(kind).await {
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
        self.events.send(Event { kind, reply }).await.ok()?;
        answer.await.ok()
    }
}
