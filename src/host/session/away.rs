//! What a client is answered at once while its server is away, or left alone because the person wants that: nothing
//! that it asks in passing fails for that, and what it wants the server to remember is told later.

use bytes::Bytes;

use crate::mcp::era::Era;
use crate::mcp::{Message, RequestId};

use super::crossing::Crossing;
use super::link::{Link, LinkState};
use super::wishes::Wish;
use super::{Session, stand_in};

impl Session {
    /// The answer to such a request, if the server is not asked for it now.
    pub(super) async fn answer_while_away(&mut self, id: &RequestId, request: &Message) -> Option<Bytes> {
        let is_left_alone = self.context.pause.is_on();
        let method = request.method()?;
        match method {
            "ping" if self.era == Era::Legacy && (is_left_alone || !self.is_open()) => {}
            "completion/complete" if is_left_alone || self.is_away() => {}
            _ => {
                let wish = Wish::of(request).filter(|_| self.era == Era::Legacy)?;
                match &wish {
                    _ if is_left_alone => {
                        self.untold.retain(|other| !other.is_about_same(&wish));
                        self.untold.push(wish.clone());
                    }
                    Wish::Level(level) if self.is_away() => {
                        if let Some(link) = &self.link {
                            link.set_level(*level);
                        }
                    }
                    Wish::Level(_) | Wish::Subscribe(_) | Wish::Unsubscribe(_) => return None,
                }
                self.note_wish(wish).await;
            }
        }
        stand_in::empty(id, method, self.era)
    }

    /// Tells the server what it missed while it was left alone, if its session has gone on; a new one is told everything.
    pub(super) fn tell_of_wishes(&mut self) {
        let untold = std::mem::take(&mut self.untold);
        if untold.is_empty() {
            return;
        }
        let Some(link) = self.link.clone().filter(|_| self.is_open()) else {
            return self.wish_at_modern_server();
        };
        for wish in untold {
            match (self.crossing(), wish) {
                (Crossing::ToModern(_), Wish::Level(level)) => link.set_level(level),
                (Crossing::ToModern(_), Wish::Unsubscribe(uri)) => link.subscribed().unsubscribe(&uri),
                (Crossing::ToModern(_), Wish::Subscribe(uri)) => self.subscribe_at_modern_server(uri),
                (Crossing::None | Crossing::ToVersion(_) | Crossing::ToLegacy, wish) => {
                    self.post_aside(wish.request(&self.context.questions.next_id()));
                }
            }
        }
    }

    /// Whether the server is known not to be there just now.
    fn is_away(&self) -> bool {
        let away = |link: &Link| match &*link.state().borrow() {
            LinkState::SignedOut | LinkState::StepUpNeeded(_) | LinkState::Down { .. } => true,
            LinkState::Opening | LinkState::Ready(_) | LinkState::Rejected(_) => false,
        };
        self.link.as_ref().is_some_and(away)
    }

    fn is_open(&self) -> bool {
        let open = |link: &Link| matches!(&*link.state().borrow(), LinkState::Ready(ready) if ready.settled);
        self.link.as_ref().is_some_and(open)
    }
}
