//! A Host in the test's own process, in a home that goes with the test.

use std::path::Path;
use std::sync::Arc;

use drawbridge::host::{Host, HostConfig, HostHandle};
use drawbridge::oauth::browser::SystemBrowser;
use drawbridge::paths::Paths;
use drawbridge::secret::StoreKind;
use tempfile::TempDir;

/// A Host without a socket, which forgets its secrets.
pub(crate) fn host() -> (HostHandle, TempDir) {
    let home = tempfile::tempdir().expect("a folder");
    (host_in(home.path()), home)
}

/// One in a folder where another may have been before.
pub(crate) fn host_in(folder: &Path) -> HostHandle {
    Host::build(config(folder)).expect("a Host").handle()
}

/// What such a one is made of: it has no window.
pub(crate) fn config(folder: &Path) -> HostConfig {
    HostConfig {
        paths: Paths::of_own_world(folder.join("home")),
        secrets: StoreKind::Memory,
        opener: Arc::new(SystemBrowser::from_environment()),
        windows: None,
        approver: None,
        front: None,
        has_display: false,
        idle_exit: None,
    }
}
