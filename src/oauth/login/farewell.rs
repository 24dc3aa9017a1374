//! The end of a sign-in: its tokens, and the last page of its browser, which is shown once they are safe.

use tokio::sync::oneshot;

use crate::oauth::loopback::{Answer, Serving};
use crate::oauth::token::TokenSet;

/// A sign-in that worked; its browser still waits for a word.
pub struct Finished {
    /// What it brought.
    pub tokens: TokenSet,
    /// Shows the last page.
    pub farewell: Farewell,
}

/// The last page of a sign-in, not yet shown.
pub struct Farewell(pub(super) Option<LastPage>);

pub(super) struct LastPage {
    pub(super) server_name: String,
    pub(super) reply: oneshot::Sender<Answer>,
    pub(super) serving: Option<Serving>,
}

impl Farewell {
    /// For a sign-in whose browser is elsewhere.
    pub(in crate::oauth) fn without_page() -> Self {
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

/// Closes the listener, if one was started.
pub(super) async fn close(serving: Option<Serving>) {
    if let Some(serving) = serving {
        serving.close().await;
    }
}
