//! How an account stands.

use std::time::SystemTime;

use super::{Error, Identity, SignInFacts};
use crate::oauth::Issuer;

/// How an account stands.
#[derive(Debug, Clone)]
pub enum AccountState {
    /// No tokens, and nobody has asked for any.
    Unknown,
    /// Signed in.
    SignedIn {
        /// When the access token ends; it is renewed before.
        expires: Option<SystemTime>,
        /// Who signed it in.
        issuer: Issuer,
        /// When it was last renewed.
        renewed: SystemTime,
        /// What was granted.
        scopes: Vec<String>,
        /// Who is signed in, where that is known.
        identity: Option<Identity>,
        /// The tokens could not be saved and would be lost at the end of the Host; it keeps trying.
        unsaved: bool,
        /// Somebody signs out. What is open in its name is ended first, as long as the tokens hold.
        ending: bool,
    },
    /// A sign-in is under way.
    SigningIn {
        /// What it is about, once that is known.
        facts: Option<SignInFacts>,
        /// Whether a browser shows its page, perhaps one on another computer.
        in_browser: bool,
    },
    /// Somebody must sign in.
    SignedOut {
        /// Why.
        why: SignedOut,
    },
    /// The last attempt failed.
    Failed {
        /// Why.
        error: Error,
    },
}

impl AccountState {
    /// Whether there are tokens to use.
    pub fn is_signed_in(&self) -> bool {
        matches!(self, Self::SignedIn { .. })
    }

    /// Whether somebody is signing out, and its tokens still hold.
    pub fn is_ending(&self) -> bool {
        matches!(self, Self::SignedIn { ending: true, .. })
    }

    /// Whether a sign-in is under way.
    pub fn is_signing_in(&self) -> bool {
        matches!(self, Self::SigningIn { .. })
    }

    /// Whether nobody has ever signed in, so that a first connect may offer it.
    pub fn was_never_signed_in(&self) -> bool {
        matches!(self, Self::Unknown | Self::SignedOut { why: SignedOut::NeverSignedIn })
    }

    pub(super) fn same_as(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Unknown, Self::Unknown) => true,
            (
                Self::SignedIn { expires, renewed, issuer, scopes, identity, unsaved, ending },
                Self::SignedIn {
                    expires: expires2,
                    renewed: renewed2,
                    issuer: issuer2,
                    scopes: scopes2,
                    identity: identity2,
                    unsaved: unsaved2,
                    ending: ending2,
                },
            ) => {
                (expires, renewed, issuer, scopes, identity, unsaved, ending)
                    == (expires2, renewed2, issuer2, scopes2, identity2, unsaved2, ending2)
            }
            (
                Self::SigningIn { facts, in_browser },
                Self::SigningIn { facts: facts2, in_browser: in_browser2 },
            ) => (facts, in_browser) == (facts2, in_browser2),
            (Self::SignedOut { why }, Self::SignedOut { why: why2 }) => why == why2,
            (Self::Failed { error }, Self::Failed { error: error2 }) => error.same_as(error2),
            (
                Self::Unknown
                | Self::SignedIn { .. }
                | Self::SigningIn { .. }
                | Self::SignedOut { .. }
                | Self::Failed { .. },
                _,
            ) => false,
        }
    }
}

/// Why somebody must sign in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignedOut {
    /// Nobody ever has.
    NeverSignedIn,
    /// The authorization server ended it.
    Expired,
    /// The server does not take what the authorization server issued.
    Refused,
    /// The authorization server does not know this client any more.
    ClientForgotten,
    /// The server names another authorization server now, which these tokens must not meet.
    Moved,
    /// The person wanted it.
    ByPerson,
}

impl SignedOut {
    /// Whether a sign-in ended that nobody wanted to end.
    pub fn is_lapse(self) -> bool {
        match self {
            Self::Expired | Self::Refused | Self::ClientForgotten | Self::Moved => true,
            Self::NeverSignedIn | Self::ByPerson => false,
        }
    }
}

impl std::fmt::Display for SignedOut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::NeverSignedIn => "nobody has signed in yet",
            Self::Expired => "the sign-in has expired",
            Self::Refused => "the server does not accept the sign-in any more",
            Self::ClientForgotten => "the authorization server has forgotten this program",
            Self::Moved => "the server has changed where you sign in",
            Self::ByPerson => "you have signed out",
        })
    }
}
