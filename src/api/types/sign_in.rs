//! Asking for a sign-in, what happens during one, and its end.

use serde::{Deserialize, Serialize};
use url::Url;

use super::{FailureView, SecretText};

/// Who opens the page of a sign-in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "specta", derive(specta::Type))]
#[serde(rename_all = "camelCase")]
pub enum OpenBy {
    /// The program that asks: it has the person's terminal and session.
    #[default]
    Caller,
    /// The Host.
    Host,
}

/// Asks for a sign-in.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "specta", derive(specta::Type))]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct SignInBody {
    /// Who opens the page.
    pub open_by: OpenBy,
}

/// What happens during a sign-in, one JSON object on each line.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "specta", derive(specta::Type))]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "event")]
pub enum SignInEvent {
    /// The page to open.
    Url {
        /// Its URL.
        url: Url,
    },
    /// The code to enter elsewhere.
    Code {
        /// The code.
        user_code: String,
        /// Where it is entered.
        url: Url,
        /// Where it is entered already.
        complete_url: Option<Url>,
        /// For how many seconds it is good.
        expires_in: u64,
        /// What is unusual about it.
        warnings: Vec<String>,
    },
    /// It worked; the last event.
    Done,
    /// It did not; the last event.
    Failed {
        /// Why.
        failure: FailureView,
    },
}

/// How many accounts were signed out.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "specta", derive(specta::Type))]
pub struct SignedOut {
    /// The count.
    pub accounts: usize,
}

/// The redirect URL that a person copied from a browser on another computer.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "specta", derive(specta::Type))]
#[serde(rename_all = "camelCase")]
pub struct PastedRedirect {
    /// It holds a one-time code.
    pub url: SecretText,
}
