//! The windows of a Host that has some: the app's.

use super::{Error, HostHandle};

/// Shows windows to the person.
pub trait Front: Send + Sync {
    /// Shows the main window at a view; what it does not know, it takes for its first one.
    fn show(&self, view: &str);
}

impl HostHandle {
    /// Shows the main window at a view. Without a view it only says whether there are windows. A Host that is about to
    /// end has none: whoever asks waits for its place.
    ///
    /// # Errors
    /// [`Error::NoWindows`]
    pub fn show_window(&self, view: Option<&str>) -> Result<(), Error> {
        let is_ending = self.inner.asked_to_end.is_cancelled() || self.shutdown().is_cancelled();
        let front = self.inner.front.as_ref().filter(|_| !is_ending).ok_or(Error::NoWindows)?;
        if let Some(view) = view {
            front.show(view);
        }
        Ok(())
    }
}
