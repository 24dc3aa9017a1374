//! Getting tokens in other ways than by a browser's return: as a program of its own (client credentials, RFC 6749
//! §4.4), for a workload that its platform vouches for (RFC 7523 §2.1), for a person whom the company's identity
//! provider vouches for (`enterprise`), and with a code that a person types elsewhere ([`device`]).
//!
//! The first three need nobody: [`obtain`] is called for the first token and for every later one, and nothing of them
//! is stored. They run only with the issuer that the options name, so a server cannot choose who gets the secrets.

pub mod device;
mod enterprise;
mod subject;

use std::time::SystemTime;

pub use self::enterprise::IdentityProvider;
pub use self::subject::SubjectToken;
use super::client::Choice;
use super::discovery::{self, Question};
use super::registration::Registrations;
use super::scope::{OFFLINE_ACCESS, Scopes};
use super::token::{TokenClient, TokenSet};
use super::{Error, dpop};
use crate::secret::StaticSecret;

const CLIENT_CREDENTIALS: &str = "client_credentials";
const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// How the tokens of a server are got.
#[derive(Debug, Clone, Default)]
pub enum Grant {
    /// By a person in a browser.
    #[default]
    Code,
    /// By a person in a browser anywhere, with a code that we show.
    Device,
    /// By nobody: the program is its own user.
    ClientCredentials,
    /// By nobody: the platform vouches for the program.
    Workload(SubjectToken),
    /// By nobody here: the company's identity provider vouches for the person.
    Enterprise(Box<IdentityProvider>),
}

impl Grant {
    /// Whether it needs no person, so that tokens are got and renewed by themselves.
    pub fn is_unattended(&self) -> bool {
        match self {
            Self::Code | Self::Device => false,
            Self::ClientCredentials | Self::Workload(_) | Self::Enterprise(_) => true,
        }
    }

    /// Whether a person signs in by sending a browser on its way from here.
    pub fn is_by_browser(&self) -> bool {
        matches!(self, Self::Code)
    }
}

/// Whom to get a token for, and from where.
#[derive(Clone, Copy)]
pub struct Obtaining<'a> {
    /// The server, and what is known of it.
    pub question: Question<'a>,
    /// The clients of the server entry.
    pub registrations: &'a Registrations,
    /// The wall clock.
    pub now: SystemTime,
}

/// Gets tokens with a grant that needs nobody.
///
/// # Errors
/// Any [`Error`] of discovery and the token endpoint, [`Error::NoRegistration`] without a client, and
/// [`Error::SubjectToken`] where what vouches for us cannot be read.
pub async fn obtain(request: Obtaining<'_>) -> Result<TokenSet, Error> {
    let Question { network, settings, options, challenge, .. } = request.question;
    let mut discovered = discovery::discover(request.question).await?;
    if options.scope.is_none() {
        // There is nothing to refresh.
        discovered.scopes = discovered.scopes.without(&Scopes::parse(OFFLINE_ACCESS));
    }
    let choice =
        Choice { network, settings, registrations: request.registrations, options, discovered: &discovered };
    let registration = match &options.grant {
        Grant::Workload(_) => choice.given_or_unnamed().await?,
        Grant::ClientCredentials | Grant::Enterprise(_) | Grant::Code | Grant::Device => {
            choice.given().await?
        }
    };
    let dpop = dpop::key_for(challenge, &discovered)?;
    let client = TokenClient { network, settings, registration: &registration, dpop: dpop.as_ref() };
    let scope = discovered.scopes.param();
    let (grant_type, assertion) = match &options.grant {
        Grant::Workload(token) => (JWT_BEARER, Some(token.read().await?)),
        Grant::Enterprise(provider) => {
            (JWT_BEARER, Some(provider.assertion_for(request.question, &discovered).await?))
        }
        Grant::ClientCredentials | Grant::Code | Grant::Device => (CLIENT_CREDENTIALS, None),
    };
    let optional = [
        ("assertion", assertion.as_ref().map(StaticSecret::expose)),
        ("scope", scope.as_deref()),
        ("resource", discovered.resource.as_deref()),
    ];
    let mut form = vec![("grant_type", grant_type)];
    form.extend(optional.into_iter().filter_map(|(name, value)| Some((name, value?))));
    let answer = client.ask(&discovered.server.token_endpoint, form).await.map_err(Error::unattended)?;
    choice.bind(&registration).await?;
    let tokens = TokenSet::issued(answer, &discovered, &registration, dpop.as_ref(), request.now);
    // The grant itself renews, and needs no further secret.
    Ok(TokenSet { refresh: None, ..tokens })
}
