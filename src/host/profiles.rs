//! What the pages of an account's sign-in window store: gone with the window, unless the person has it kept (security
//! rule 9). A kept profile is a folder of its own, and goes at sign-out and with its account or server.

use std::io;
use std::path::{Path, PathBuf};

use tokio::task::spawn_blocking;

use super::HostHandle;
use super::account::AccountKey;
use super::connection::ConnectionKey;
use crate::registry::{AccountLabel, ServerId};

impl HostHandle {
    /// The folder of an account's profile, where the person has it kept; it is there then, and theirs alone.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn kept_profile(&self, account: &AccountKey) -> io::Result<Option<PathBuf>> {
        if !self.inner.controller.kept_profiles().contains(account) {
            return Ok(None);
        }
        let folder = self.profile_folder(account.entry.as_str(), &account.label);
        make_private(&folder)?;
        Ok(Some(folder))
    }

    /// Deletes what the pages of an account's window have stored.
    pub(super) async fn forget_profile(&self, entry: &ServerId, label: &AccountLabel) {
        let folder = self.profile_folder(entry.as_str(), label.as_str());
        let deleted = spawn_blocking(move || std::fs::remove_dir_all(folder)).await;
        if let Ok(Err(error)) = deleted
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(%error, "what a sign-in page has stored could not be deleted");
        }
    }

    fn profile_folder(&self, entry: &str, label: &str) -> PathBuf {
        let name = ConnectionKey::account_prefix(entry, label);
        self.inner.profiles.join(name.trim_end_matches('.'))
    }
}

#[cfg(unix)]
fn make_private(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

#[cfg(not(unix))]
fn make_private(folder: &Path) -> io::Result<()> {
    std::fs::create_dir_all(folder)
}
