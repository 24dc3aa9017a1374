//! Which sign-ins have a window, or had one, until they end.

use std::sync::{Mutex, MutexGuard, PoisonError};

use drawbridge::host::account::WindowSignIn;

use super::Shown;

/// The sign-ins that are shown. A window may be gone before its sign-in, because it was closed or a browser has taken
/// over.
#[derive(Default)]
pub(crate) struct Shows(Mutex<Vec<Shown>>);

impl Shows {
    /// How this sign-in was shown last.
    pub(super) fn find(&self, sign_in: &WindowSignIn) -> Option<Shown> {
        self.lock().iter().rfind(|shown| shown.sign_in.is_same(sign_in)).cloned()
    }

    /// Takes one.
    pub(super) fn add(&self, shown: &Shown) {
        self.lock().push(shown.clone());
    }

    /// Forgets one.
    pub(super) fn remove(&self, shown: &Shown) {
        self.lock().retain(|other| other.label != shown.label);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Shown>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
