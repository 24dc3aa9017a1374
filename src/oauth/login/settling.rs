//! Tokens that came, and what is asked about them before they are taken (security rules 1 and 16).

use tokio::sync::oneshot;

use super::farewell::{LastPage, close};
use super::{Farewell, Finished, Login};
use crate::oauth::doubt::{self, Doubt};
use crate::oauth::loopback::{Answer, Event, EventKind, QUESTION};
use crate::oauth::token::TokenSet;
use crate::oauth::{Error, page};

/// Where the browser is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// On this computer, so that our pages can be shown in it.
    Here,
    /// Somewhere else; all that comes from it is what a person pastes.
    Elsewhere,
}

impl Login {
    /// Takes the tokens, after asking about what is odd with them.
    pub(super) async fn settle(
        mut self,
        mut tokens: TokenSet,
        reply: oneshot::Sender<Answer>,
        place: Place,
        end: impl Future<Output = Error>,
    ) -> Result<Finished, Error> {
        let doubts = doubt::about(&tokens, &self.request);
        let reply = match (doubts.first(), place) {
            (None, _) => reply,
            (Some(doubt), Place::Elsewhere) => {
                self.token_client().give_back(&tokens).await;
                let error = doubt.to_error(&self.request);
                return self.fail(error, reply).await;
            }
            (Some(_), Place::Here) => match self.ask(&doubts, reply, end).await {
                Ok(reply) => reply,
                Err(error) => {
                    self.token_client().give_back(&tokens).await;
                    close(self.serving).await;
                    return Err(error);
                }
            },
        };
        tokens.accepted_sites = doubts.into_iter().flat_map(Doubt::into_sites).collect();
        let page = LastPage { server_name: self.request.server_name, reply, serving: self.serving };
        Ok(Finished { tokens, farewell: Farewell(Some(page)) })
    }

    /// Shows the last question; a yes brings what waits for the last page.
    async fn ask(
        &mut self,
        doubts: &[Doubt],
        reply: oneshot::Sender<Answer>,
        end: impl Future<Output = Error>,
    ) -> Result<oneshot::Sender<Answer>, Error> {
        let sentences: Vec<_> = doubts.iter().map(|doubt| doubt.sentence(&self.request)).collect();
        let path = self.page_url.path().to_owned();
        let question = page::question(&self.request.server_name, &sentences, &path);
        if let Some(serving) = self.listen().await? {
            serving.ask(question);
        }
        let mut url = self.page_url.clone();
        url.set_path(&format!("{path}/{QUESTION}"));
        reply.send(Answer::Open(url)).ok();
        tokio::pin!(end);
        loop {
            let Event { kind, reply } = tokio::select! {
                error = &mut end => return Err(error),
                Some(event) = self.events.1.recv() => event,
            };
            match kind {
                EventKind::Kept => return Ok(reply),
                EventKind::Discarded | EventKind::Declined => {
                    reply.send(Answer::Discarded).ok();
                    return Err(Error::Cancelled);
                }
                EventKind::Continued
                | EventKind::Returned(_)
                | EventKind::Pasted(_)
                | EventKind::HandsOver => {
                    reply.send(Answer::Stale).ok();
                }
            }
        }
    }
}
