//! What the pages of an account's sign-in window store: gone with the window, unless the person has it kept (security
//! rule 9). A kept profile is a folder of its own, and goes at sign-out and with its account or server.
//!
//! A web view writes to its folder when it likes, also after that was deleted. So a folder is a profile only while our
//! own file is in it, and no name is used twice.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use tokio::task::spawn_blocking;

use super::HostHandle;
use super::account::AccountKey;
use super::connection::ConnectionKey;
use crate::registry::{AccountLabel, ServerId};

/// The file that makes a folder a profile.
const MARK: &str = "kept";
/// How often it is tried to delete a folder that somebody writes to.
const REMOVALS: u32 = 20;

impl HostHandle {
    /// The folder of an account's profile, where the person has it kept; it is there then, and theirs alone.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn kept_profile(&self, account: &AccountKey) -> io::Result<Option<PathBuf>> {
        if !self.inner.controller.kept_profiles().contains(account) {
            return Ok(None);
        }
        let prefix = ConnectionKey::account_prefix(account.entry.as_str(), &account.label);
        open(&self.inner.profiles, &prefix).map(Some)
    }

    /// Deletes what a window of this account has written after its profile was deleted.
    pub async fn tidy_profile(&self, account: &AccountKey) {
        let prefix = ConnectionKey::account_prefix(account.entry.as_str(), &account.label);
        self.delete_profiles(prefix, |folder| !is_profile(folder)).await;
    }

    /// Deletes what the pages of an account's window have stored.
    pub(super) async fn forget_profile(&self, entry: &ServerId, label: &AccountLabel) {
        self.delete_profiles(ConnectionKey::account_prefix(entry.as_str(), label.as_str()), |_| true).await;
    }

    async fn delete_profiles(&self, prefix: String, which: fn(&Path) -> bool) {
        let profiles = self.inner.profiles.clone();
        let deleted = spawn_blocking(move || delete(&profiles, &prefix, which)).await;
        if let Ok(Err(error)) = deleted {
            tracing::warn!(%error, "what a sign-in page has stored could not be deleted");
        }
    }
}

/// The profile of that account; a new one if there is none.
fn open(profiles: &Path, prefix: &str) -> io::Result<PathBuf> {
    delete(profiles, prefix, |folder| !is_profile(folder))?;
    if let Some(profile) = of_account(profiles, prefix)?.into_iter().next() {
        return Ok(profile);
    }
    let folder = profiles.join(format!("{prefix}{:016x}", rand::random::<u64>()));
    make_private(&folder)?;
    std::fs::write(folder.join(MARK), "")?;
    Ok(folder)
}

/// Deletes folders of that account. The mark goes first, so that what is left of a folder is no profile.
fn delete(profiles: &Path, prefix: &str, which: fn(&Path) -> bool) -> io::Result<()> {
    for folder in of_account(profiles, prefix)?.into_iter().filter(|folder| which(folder)) {
        or_gone(std::fs::remove_file(folder.join(MARK)))?;
        remove(&folder)?;
    }
    Ok(())
}

/// A window that is just being closed may still write to it.
fn remove(folder: &Path) -> io::Result<()> {
    for _ in 1..REMOVALS {
        match std::fs::remove_dir_all(folder) {
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {}
            ended => return or_gone(ended),
        }
    }
    or_gone(std::fs::remove_dir_all(folder))
}

fn of_account(profiles: &Path, prefix: &str) -> io::Result<Vec<PathBuf>> {
    let folders = match std::fs::read_dir(profiles) {
        Ok(folders) => folders.collect::<io::Result<Vec<_>>>()?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let is_of_account = |name: &OsStr| name.to_str().is_some_and(|name| name.starts_with(prefix));
    Ok(folders.iter().filter(|entry| is_of_account(&entry.file_name())).map(|entry| entry.path()).collect())
}

fn is_profile(folder: &Path) -> bool {
    folder.join(MARK).exists()
}

fn or_gone(deleted: io::Result<()>) -> io::Result<()> {
    match deleted {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_is_found_again_until_it_is_deleted_whatever_is_written_there_later() {
        let home = tempfile::tempdir().expect("a folder");
        let profiles = home.path().join("profiles");
        let first = open(&profiles, "a.work.").expect("made");
        let other = open(&profiles, "a.home.").expect("made");
        std::fs::write(first.join("cookies"), "known").expect("written");
        assert_eq!(open(&profiles, "a.work.").expect("there"), first);

        delete(&profiles, "a.work.", |_| true).expect("deleted");
        std::fs::create_dir_all(&first).expect("a late web view");
        std::fs::write(first.join("cookies"), "known").expect("written");
        let second = open(&profiles, "a.work.").expect("made");

        assert_ne!(second, first);
        assert!(!first.exists() && other.exists());
    }
}
