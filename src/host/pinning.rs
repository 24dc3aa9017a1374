//! What of a pinned server's tools is held back, and the person's word that accepts it.

mod shown;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use sha2::{Digest as _, Sha256};
use tokio::task::spawn_blocking;

use super::pins::Pinned;
use super::snapshot::Snapshot;
use super::{AccountRef, Error, HostHandle};
use crate::api::types::HeldToolsView;
use crate::registry::{AccountLabel, ServerEntry};

use shown::at_once;

impl HostHandle {
    /// Accepts the tools of an account as its server listed them last, if that is still what the person has `seen`, and
    /// as far as they were shown.
    ///
    /// # Errors
    /// [`Error::UnknownServer`], [`Error::UnknownAccount`], [`Error::NotPinned`], [`Error::OtherTools`], and
    /// [`Error::Folder`] where it cannot be saved.
    pub async fn accept_tools(&self, account: &AccountRef, seen: &str) -> Result<(), Error> {
        let (entry, label) = self.known_account(account).await?;
        let pins = self.inner.sessions.pins.of(entry.id.as_str(), label.as_str());
        if !(entry.tools.pinned || pins.now().is_there()) {
            return Err(Error::NotPinned { server: entry.name });
        }
        let list = self.listed_tools(&entry, &label).await.unwrap_or_default();
        let (pinned, seen) = (pins.now(), seen.to_owned());
        let comparing = spawn_blocking(move || {
            let not_shown = (digest(&list, &pinned) == seen).then(|| names_not_shown(&pinned, &list));
            (list, not_shown)
        });
        let (list, not_shown) = comparing.await.unwrap_or_default();
        let Some(not_shown) = not_shown else { return Err(Error::OtherTools { server: entry.name }) };
        let failed = |source| Error::Folder { path: self.inner.sessions.pins.folder().to_owned(), source };
        pins.accept(&list, not_shown.iter().map(String::as_str)).await.map_err(failed)?;
        tracing::info!(server = %entry.name, account = %label, "its tools were accepted as they are now");
        Ok(())
    }

    /// Pins what is known of every account, before anybody can list something else.
    pub(super) async fn pin_known_tools(&self, entry: &ServerEntry) {
        let accounts = entry.accounts.iter().map(|account| account.label.clone());
        for label in accounts.chain([entry.default_account()]) {
            if let Some(list) = self.listed_tools(entry, &label).await {
                self.inner.sessions.pins.of(entry.id.as_str(), label.as_str()).note_first(&list);
            }
        }
    }

    /// Takes that back, unless somebody else has pinned the server meanwhile.
    pub(super) async fn unpin_known_tools(&self, entry: &ServerEntry) {
        let now = self.entry(entry.name.as_str()).await;
        if !now.is_ok_and(|now| now.tools.pinned) {
            self.inner.sessions.pins.forget(&format!("{}.", entry.id)).await;
        }
    }

    /// What is held back from an account's clients; `None` where its tools are not pinned.
    pub(super) async fn held_tools_of(
        &self,
        entry: &ServerEntry,
        label: &AccountLabel,
    ) -> Option<HeldToolsView> {
        let pins = self.inner.sessions.pins.of(entry.id.as_str(), label.as_str());
        if !(entry.tools.pinned || pins.now().is_there()) {
            return None;
        }
        let Some(list) = self.listed_tools(entry, label).await else { return Some(HeldToolsView::default()) };
        let comparing = spawn_blocking(move || {
            let pinned = pins.now();
            let tools = at_once(pinned.held(&list)).iter().map(|tool| tool.view()).collect();
            HeldToolsView { seen: digest(&list, &pinned), tools, left_out: 0 }
        });
        comparing.await.ok()
    }

    async fn listed_tools(&self, entry: &ServerEntry, label: &AccountLabel) -> Option<String> {
        self.snapshot_of(entry, label).await.read(|snapshot| tools(snapshot).map(str::to_owned))
    }
}

fn tools(snapshot: &Snapshot) -> Option<&str> {
    snapshot.list("tools/list")
}

fn names_not_shown(pinned: &Pinned, list: &str) -> Vec<String> {
    let tools = at_once(pinned.held(list));
    tools.iter().filter(|tool| !tool.is_shown()).map(|tool| tool.name().to_owned()).collect()
}

/// Names what is held back: a list, and what is accepted already. Short enough for a command line, and long enough that
/// no server finds another list of that name.
fn digest(list: &str, pinned: &Pinned) -> String {
    let accepted = pinned.list().unwrap_or_default();
    BASE64.encode(&Sha256::new().chain_update(Sha256::digest(list)).chain_update(accepted).finalize()[..15])
}
