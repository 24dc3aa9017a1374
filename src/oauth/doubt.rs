//! What can be odd about the tokens of a sign-in, so that a person decides whether they are used.

use super::login::LoginRequest;
use super::token::TokenSet;
use super::{Error, audience, endpoint};

/// Something odd.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Doubt {
    /// The access token is for other sites (security rule 1).
    ForeignAudience {
        /// Their hosts.
        sites: Vec<String>,
    },
    /// Another person signed in than before (security rule 16).
    OtherPerson {
        /// Who it was.
        before: String,
        /// Who it would be.
        now: String,
    },
}

/// All that is odd about these tokens.
pub(super) fn about(tokens: &TokenSet, request: &LoginRequest) -> Vec<Doubt> {
    let foreign = |access| audience::foreign_sites(access, &request.server_url, tokens.resource.as_deref());
    let sites = tokens.access.as_ref().map(foreign).filter(|sites| !sites.is_empty());
    let people =
        request.former.as_ref().and_then(|former| former.identity.as_ref()).zip(tokens.identity.as_ref());
    let other = people.filter(|(before, now)| before.is_other_than(now));
    let other = other.map(|(before, now)| Doubt::OtherPerson {
        before: before.shown().to_owned(),
        now: now.shown().to_owned(),
    });
    sites.map(|sites| Doubt::ForeignAudience { sites }).into_iter().chain(other).collect()
}

impl Doubt {
    /// As a person is asked.
    pub(super) fn sentence(&self, request: &LoginRequest) -> String {
        match self {
            Self::ForeignAudience { sites } => format!(
                "The access that came back is meant for {}. If you go on, {} can use it there in your name.",
                sites.join(", "),
                endpoint::shown_host(&request.server_url)
            ),
            Self::OtherPerson { before, now } => {
                format!("{now} has signed in, but this account was {before} so far.")
            }
        }
    }

    /// Why the sign-in fails where nobody can be asked.
    pub(super) fn to_error(&self, request: &LoginRequest) -> Error {
        match self.clone() {
            Self::ForeignAudience { sites } => {
                Error::ForeignAudience { server: endpoint::shown_host(&request.server_url), sites }
            }
            Self::OtherPerson { before, now } => Error::OtherPerson { before, now },
        }
    }

    /// The sites a person allowed by a yes.
    pub(super) fn into_sites(self) -> Vec<String> {
        match self {
            Self::ForeignAudience { sites } => sites,
            Self::OtherPerson { .. } => Vec::new(),
        }
    }
}
