//! What a session is given by its Host, and what it may spend.

use std::time::Duration;

use super::{Aside, Sealer};
use crate::host::Pause;
use crate::host::activity::Activity;
use crate::host::pages::Pages;
use crate::host::pins::PinStore;
use crate::host::reach::Reach;
use crate::host::snapshot::SnapshotStore;
use crate::host::tool_changes::ToolChanges;
use crate::net::Network;

/// What a session may spend.
#[derive(Debug, Clone)]
pub struct Limits {
    /// `initialize` and the first lists are answered within this time, whatever the server does.
    pub start_budget: Duration,
    /// A server is given at least this long where its last known answers could stand in for it.
    pub snapshot_budget: Duration,
    /// How long a call waits for somebody to sign in.
    pub park: Duration,
    /// How long the first lists wait for a sign-in that is under way, where nothing is known.
    pub list_during_sign_in: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            start_budget: Duration::from_secs(3),
            snapshot_budget: Duration::from_millis(50),
            park: Duration::from_secs(50),
            list_during_sign_in: Duration::from_secs(15),
        }
    }
}

/// What every session of a Host shares.
#[derive(Clone)]
pub struct SessionDeps {
    /// Connects upstream.
    pub network: Network,
    /// Keeps the last known answers.
    pub snapshots: SnapshotStore,
    /// Keeps the tools that the person accepted.
    pub pins: PinStore,
    /// Seals what leaves the Host and comes back.
    pub sealer: Sealer,
    /// What a session may spend.
    pub limits: Limits,
    /// One sign-in page at a time opens by itself.
    pub pages: Pages,
    /// Opens sessions.
    pub aside: Aside,
    /// Remembers which servers could be reached.
    pub reach: Reach,
    /// Remembers which servers list other tools than before.
    pub tool_changes: ToolChanges,
    /// Whether all servers are left alone.
    pub pause: Pause,
    /// Counts what is under way.
    pub activity: Activity,
}

impl SessionDeps {
    /// For a session of one request, whose client hears of nothing afterwards: no answer from memory is given sooner
    /// than it has to be.
    #[must_use]
    pub fn for_one_request(mut self) -> Self {
        self.limits.snapshot_budget = self.limits.start_budget;
        self
    }
}
