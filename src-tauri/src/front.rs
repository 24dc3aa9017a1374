//! What is wished of the windows, from wherever: the Host, the tray, a second start. One task
//! fulfils the wishes, in order.

use drawbridge::host::Front;
use drawbridge::host::account::{CodeSignIn, OpenError, SignInWindows, WindowSignIn};
use tokio::sync::mpsc;

use crate::menu::Action;
use crate::tray::Tray;

/// Wishes that may wait.
const QUEUE: usize = 64;

/// Something to do with windows.
pub(crate) enum Wish {
    /// Show the main window at this route.
    Show(String),
    /// Show a sign-in.
    SignIn(Box<WindowSignIn>),
    /// Show the code of a sign-in.
    Code(Box<CodeSignIn>),
    /// Do what a click in the tray or on a notification means.
    Click(Action),
    /// Tell of a sign-in that has worked in a window: server and label.
    SignedIn(String, String),
    /// Keep this icon, which stands in the panel now.
    Tray(Box<Tray>),
}

/// Takes wishes.
#[derive(Clone)]
pub(crate) struct Wishes(mpsc::Sender<Wish>);

impl Wishes {
    /// The one who takes them, and the one who fulfils them.
    pub(crate) fn channel() -> (Self, mpsc::Receiver<Wish>) {
        let (sender, receiver) = mpsc::channel(QUEUE);
        (Self(sender), receiver)
    }

    /// Takes a wish. One more than can wait is dropped: a person clicks again.
    pub(crate) fn wish(&self, wish: Wish) {
        self.take(wish).ok();
    }

    fn take(&self, wish: Wish) -> Result<(), OpenError> {
        self.0.try_send(wish).map_err(|error| {
            tracing::warn!(%error, "too many wishes at once");
            OpenError::NoWindow
        })
    }
}

impl SignInWindows for Wishes {
    fn show(&self, sign_in: WindowSignIn) -> Result<(), OpenError> {
        self.take(Wish::SignIn(Box::new(sign_in)))
    }

    fn show_code(&self, sign_in: CodeSignIn) -> Result<(), OpenError> {
        self.take(Wish::Code(Box::new(sign_in)))
    }
}

impl Front for Wishes {
    fn show(&self, view: &str) {
        self.wish(Wish::Show(view.to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_wants_a_window_hears_that_too_many_wait() {
        let (wishes, mut wished) = Wishes::channel();
        let show = || wishes.take(Wish::Show("/".into()));
        assert!((0..QUEUE).all(|_| show().is_ok()));
        assert_eq!(show(), Err(OpenError::NoWindow));
        assert!(wished.try_recv().is_ok());
        assert_eq!(show(), Ok(()));
    }
}
