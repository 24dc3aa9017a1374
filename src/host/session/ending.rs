//! How a session ends when its client has not left: the Host ends, or the server is changed or removed.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::endpoint::frame::Control;
use crate::host::failures;
use crate::host::standing::Standing;
use crate::mcp::RequestId;
use crate::mcp::era::Era;
use crate::mcp::translate::request;

use super::Session;
use super::crossing::Crossing;
use super::from_upstream::list_changed;
use super::held::Held;
use super::link::LinkState;

/// How long the server may take to be told that nobody waits any more.
const TAKE_BACK_LIMIT: Duration = Duration::from_secs(1);

/// What becomes of a session when the Host ends, and when that is.
#[derive(Debug, Clone)]
pub enum HostEnd {
    /// A shim takes the session to the next Host.
    Pause(CancellationToken),
    /// Nobody can take it up again.
    Leave(CancellationToken),
}

/// What becomes of the upstream session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Upstream {
    /// It stays for the next Host.
    Stays,
    /// It ends, too.
    Ends,
}

impl HostEnd {
    /// Returns once the Host ends.
    pub(super) async fn reached(&self) -> Upstream {
        match self {
            Self::Pause(end) => {
                end.cancelled().await;
                Upstream::Stays
            }
            Self::Leave(end) => {
                end.cancelled().await;
                Upstream::Ends
            }
        }
    }
}

impl Session {
    /// The entry was changed or removed. After a change the shim comes back to what is there now, and
    /// what its client was given before may be different.
    pub(super) async fn on_entry_ended(&mut self, standing: Standing) {
        match standing {
            Standing::Removed => {
                let failure = failures::removed(self.context.server());
                let _ = self.context.downstream.control(Control::Refused { failure }).await;
            }
            Standing::Changed | Standing::Holds => {
                let _ = self.context.downstream.control(Control::Resume { state: String::new() }).await;
                self.call_lists_changed().await;
            }
        }
    }

    /// The requests that a legacy server works on, by the ids that it knows. A modern one sees their streams close.
    pub(super) fn under_way_at_legacy_server(&self) -> Vec<RequestId> {
        let ids = self.pending.iter().filter(|(_, pending)| pending.task.is_some()).map(|(id, _)| id);
        match self.crossing() {
            Crossing::ToLegacy => ids.filter_map(|id| self.context.calls.id_of(id)).collect(),
            Crossing::None | Crossing::ToVersion(_) if self.era == Era::Legacy => ids.cloned().collect(),
            Crossing::None | Crossing::ToVersion(_) | Crossing::ToModern(_) => Vec::new(),
        }
    }

    /// Tells the server that nobody waits for these any more, nor for what is held.
    pub(super) async fn take_back(&mut self, under_way: Vec<RequestId>) {
        let state = self.link.as_ref().map(|link| link.state().borrow().clone());
        let Some(LinkState::Ready(ready)) = state else { return };
        let cancelled = under_way.iter().map(request::cancelled).map(|cancelled| {
            let (context, ready) = (&self.context, &ready);
            async move {
                let post = || ready.transport.post(cancelled.clone(), context.incoming.clone());
                let _ = context.authorized(post).await;
            }
        });
        let held = self.held.take_all().map(Held::give_up);
        let told = async { tokio::join!(join_all(cancelled), join_all(held)) };
        let _ = timeout(TAKE_BACK_LIMIT, told).await;
    }

    async fn call_lists_changed(&self) {
        let given = self.given_lists.iter().chain(self.told.lists.keys());
        let changed: BTreeSet<&'static [u8]> = given.filter_map(|method| list_changed(method)).collect();
        for notification in changed {
            self.tell_of_list(notification).await;
        }
    }
}
