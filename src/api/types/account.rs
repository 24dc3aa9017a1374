//! An account as it is shown.

use serde::{Deserialize, Serialize};

use super::FailureView;
use crate::registry::AccountLabel;

/// An account as it is shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "specta", derive(specta::Type))]
#[serde(rename_all = "camelCase")]
pub struct AccountView {
    /// Its label.
    pub label: AccountLabel,
    /// How it stands.
    pub state: AccountStateView,
    /// Whether its sign-in window keeps what its pages store.
    #[serde(default)]
    pub keeps_profile: bool,
}

/// How an account stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "specta", derive(specta::Type))]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "kind")]
pub enum AccountStateView {
    /// Nobody has asked for a sign-in yet; perhaps none is needed.
    Unknown,
    /// Signed in.
    SignedIn {
        /// When the access token ends, in seconds since 1970, where it does.
        expires: Option<u64>,
        /// When the access token was last renewed, in seconds since 1970.
        #[serde(default)]
        renewed: Option<u64>,
        /// What may be done.
        scopes: Vec<String>,
        /// Who it is, in the words of the authorization server.
        identity: Option<String>,
        /// Who it is, claim by claim.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        person: Option<PersonView>,
    },
    /// A sign-in page is open.
    SigningIn {
        /// The host of the page.
        host: Option<String>,
        /// Whether a browser shows it. Where that is one on another computer, the address that it ends at can be
        /// handed over.
        #[serde(default)]
        in_browser: bool,
    },
    /// Somebody has to sign in.
    SignedOut {
        /// Why.
        why: String,
        /// Whether a sign-in ended that nobody wanted to end.
        #[serde(default)]
        lapsed: bool,
    },
    /// Something else is wrong.
    Failed {
        /// What.
        failure: FailureView,
    },
}

/// Somebody, in the words of an authorization server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "specta", derive(specta::Type))]
#[serde(rename_all = "camelCase")]
pub struct PersonView {
    /// Who says so.
    pub issuer: String,
    /// The name by which the issuer tells people apart.
    pub subject: String,
    /// The address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// The name to sign in with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// The name to be called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}
