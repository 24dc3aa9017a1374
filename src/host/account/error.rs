//! Why an account could not do what it was asked.

use std::sync::Arc;

use super::SignedOut;
use crate::{oauth, secret};

/// Why an account could not do what it was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// Somebody must sign in first.
    #[error("{why}")]
    SignedOut {
        /// Why.
        why: SignedOut,
    },
    /// The authorization server, or the way to it.
    #[error(transparent)]
    OAuth(Arc<oauth::Error>),
    /// The secret store.
    #[error(transparent)]
    Vault(Arc<secret::Error>),
    /// There is no sign-in that could take this.
    #[error("no sign-in is under way")]
    NoSignIn,
    /// A page was opened by itself a short while ago, or the person said no to it; now only they can open one.
    #[error("the last sign-in was not finished")]
    NotAgain,
    /// The account was removed or the Host is stopping.
    #[error("the account has been closed")]
    Stopped,
}

impl Error {
    /// Whether it is the very same occurrence.
    pub(super) fn same_as(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::OAuth(one), Self::OAuth(two)) => Arc::ptr_eq(one, two),
            (Self::Vault(one), Self::Vault(two)) => Arc::ptr_eq(one, two),
            (Self::SignedOut { why }, Self::SignedOut { why: why2 }) => why == why2,
            (Self::NoSignIn, Self::NoSignIn)
            | (Self::NotAgain, Self::NotAgain)
            | (Self::Stopped, Self::Stopped) => true,
            (
                Self::OAuth(_)
                | Self::Vault(_)
                | Self::SignedOut { .. }
                | Self::NoSignIn
                | Self::NotAgain
                | Self::Stopped,
                _,
            ) => false,
        }
    }
}

impl From<oauth::Error> for Error {
    fn from(error: oauth::Error) -> Self {
        Self::OAuth(Arc::new(error))
    }
}

impl From<secret::Error> for Error {
    fn from(error: secret::Error) -> Self {
        Self::Vault(Arc::new(error))
    }
}
