//! How a session ends when its client has not left: the Host ends, or the server is changed or removed.

use std::collections::BTreeSet;

use tokio_util::sync::CancellationToken;

use crate::endpoint::frame::Control;
use crate::host::failures;
use crate::host::standing::Standing;

use super::Session;
use super::from_upstream::list_changed;

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

    async fn call_lists_changed(&self) {
        let given = self.given_lists.iter().chain(self.told.lists.keys());
        let changed: BTreeSet<&'static [u8]> = given.filter_map(|method| list_changed(method)).collect();
        for notification in changed {
            self.tell_of_list(notification).await;
        }
    }
}
