//! Why a sign-in or refresh did not succeed.

use std::io;
use std::time::Duration;

use crate::redact::SafeUrl;
use crate::{net, secret};

/// Entra's code for a `resource` that does not go with the scopes.
const ENTRA_RESOURCE: &str = "AADSTS9010010";

/// Why a sign-in or refresh did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The resource metadata does not name the issuer of the options.
    #[error("{server} does not name {wanted} as its authorization server")]
    NoAuthorizationServer {
        /// The MCP server.
        server: SafeUrl,
        /// The issuer from the options.
        wanted: String,
    },
    /// The server says nothing of a sign-in, and may need none.
    #[error("{server} offers no sign-in")]
    NotOffered {
        /// The MCP server.
        server: SafeUrl,
    },
    /// The resource metadata is about something else.
    #[error("the metadata of {server} is about another resource, {named}")]
    ResourceMismatch {
        /// The MCP server.
        server: SafeUrl,
        /// What the document names.
        named: String,
    },
    /// A metadata document lacks what it must have.
    #[error("the metadata at {url} cannot be used: {why}")]
    InvalidMetadata {
        /// Where it came from.
        url: SafeUrl,
        /// What is wrong.
        why: &'static str,
    },
    /// The authorization server calls itself by another name than the one that led to it.
    #[error("the authorization server says it is {found}, not {expected}")]
    IssuerMismatch {
        /// The name that led there.
        expected: String,
        /// The name it gives.
        found: String,
    },
    /// The authorization server publishes nothing about itself.
    #[error("{issuer} publishes no authorization server metadata")]
    NoMetadata {
        /// The issuer.
        issuer: String,
    },
    /// An endpoint that must not be opened or posted to.
    #[error("the {what} is not an address that can be used: {why}")]
    UnsafeEndpoint {
        /// Which one.
        what: &'static str,
        /// What is wrong.
        why: &'static str,
    },
    /// The authorization server does not protect the code against interception.
    #[error("{issuer} does not support PKCE with S256, which MCP requires")]
    NoPkce {
        /// The issuer.
        issuer: String,
    },
    /// There is no page to send a person to.
    #[error("{issuer} has no page where people sign in")]
    NoSignInPage {
        /// The issuer.
        issuer: String,
    },
    /// The authorization server gives no codes for other computers.
    #[error("{issuer} does not offer signing in with a code")]
    NoDeviceGrant {
        /// The issuer.
        issuer: String,
    },
    /// Nobody typed the code in while it was good.
    #[error("nobody entered the code in time")]
    CodeExpired,
    /// A program wants a sign-in that begins at a command.
    #[error("signing in to this server begins with a command, as it takes a code")]
    ByHand,
    /// What vouches for us could not be read.
    #[error("there is no token to show who we are: {why}")]
    SubjectToken {
        /// Why.
        why: String,
    },
    /// The company's identity provider said no.
    #[error("the identity provider refused{}", reason(&Some(code.clone()), description))]
    IdentityProviderRefused {
        /// RFC 6749 §5.2.
        code: String,
        /// Its words.
        description: Option<String>,
    },
    /// The authorization server does not take what shows who we are.
    #[error("the authorization server does not give this program a token{}", reason(&Some(code.clone()), description))]
    GrantRefused {
        /// RFC 6749 §5.2.
        code: String,
        /// Its words.
        description: Option<String>,
    },
    /// The MCP server does not take what its authorization server just issued to us.
    #[error("the server does not accept the token that {issuer} issued")]
    TokenNotAccepted {
        /// The issuer.
        issuer: String,
    },
    /// The authorization server registers nobody, and no client id was given.
    #[error("{issuer} does not let programs register themselves; it needs a client id from its operator")]
    NoRegistration {
        /// The issuer.
        issuer: String,
    },
    /// The authorization server did not register us.
    #[error("{issuer} refused to register Drawbridge{}", reason(code, description))]
    RegistrationRefused {
        /// The issuer.
        issuer: String,
        /// Its error code.
        code: Option<String>,
        /// Its words.
        description: Option<String>,
    },
    /// The authorization server does not let us have our browsers return to this computer.
    #[error("{issuer} does not take {redirect} as the address a sign-in returns to{}", reason(&None, description))]
    RedirectRefused {
        /// The issuer.
        issuer: String,
        /// The address.
        redirect: String,
        /// Its words.
        description: Option<String>,
    },
    /// Client id and secret belong to another authorization server.
    #[error("the client id was registered with {expected}, but the server now names {found}")]
    ForeignCredentials {
        /// The issuer they were used with.
        expected: String,
        /// The issuer that is named now.
        found: String,
    },
    /// The port that the redirect URI needs is in use.
    #[error("port {port}, which the sign-in must return to, is in use by another program")]
    PortTaken {
        /// The port.
        port: u16,
    },
    /// The listener for the browser's return could not be opened.
    #[error("could not listen for the browser's return")]
    Listener(#[source] io::Error),
    /// A response belongs to no sign-in under way.
    #[error("this response belongs to another sign-in, or to one that has ended")]
    StateMismatch,
    /// The pasted text is not where the browser was sent.
    #[error("this is not the address the sign-in page ended at")]
    NotARedirect,
    /// The response does not come from the authorization server that was asked, or does not say so.
    #[error("the response did not come from {expected}")]
    WrongResponder {
        /// The issuer that was asked.
        expected: String,
    },
    /// The authorization server said no.
    #[error("the sign-in was refused{}", reason(&Some(code.clone()), description))]
    Denied {
        /// RFC 6749 §4.1.2.1.
        code: String,
        /// Its words.
        description: Option<String>,
    },
    /// The token endpoint said no.
    #[error("the authorization server refused{}", reason(&Some(code.clone()), description))]
    TokenRefused {
        /// RFC 6749 §5.2, or `http_<status>` where the answer had none.
        code: String,
        /// Its words.
        description: Option<String>,
    },
    /// The token endpoint is in trouble; nothing is lost.
    #[error("the authorization server answered with status {status}")]
    Unavailable {
        /// The status.
        status: u16,
        /// How long to wait.
        retry_after: Option<Duration>,
    },
    /// The token endpoint said yes in a way that cannot be used.
    #[error("the authorization server's answer cannot be used: {why}")]
    InvalidTokenResponse {
        /// What is wrong.
        why: &'static str,
    },
    /// The server wants tokens bound to a key, in a way that is not ours.
    #[error("{issuer} takes no proof of possession (DPoP) signed with ES256")]
    NoDpop {
        /// The issuer.
        issuer: String,
    },
    /// The access token is for other sites, and nobody was there to decide.
    #[error("the token that came back is meant for {}, not for {server}", sites.join(", "))]
    ForeignAudience {
        /// The MCP server's host.
        server: String,
        /// The hosts it names.
        sites: Vec<String>,
    },
    /// Somebody else signed in than before, and nobody was there to decide.
    #[error("{now} signed in, but this account is {before}")]
    OtherPerson {
        /// Who it was.
        before: String,
        /// Who it would be.
        now: String,
    },
    /// The person said no on our own page, or the sign-in was called off.
    #[error("the sign-in was cancelled")]
    Cancelled,
    /// Nobody finished the sign-in.
    #[error("nobody finished the sign-in within {} minutes", limit.as_secs() / 60)]
    TimedOut {
        /// The limit.
        limit: Duration,
    },
    /// Nothing about a sign-in can be kept.
    #[error("the secret store does not work, so a sign-in could not be kept")]
    NotSaved(#[source] secret::Error),
    /// An exchange over the network failed.
    #[error(transparent)]
    Network(#[from] net::Error),
}

impl Error {
    /// Whether the same attempt may succeed a little later, with nothing lost.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unavailable { .. } => true,
            Self::Network(error) => !matches!(
                error,
                net::Error::InvalidUrl { .. }
                    | net::Error::InsecureUrl { .. }
                    | net::Error::ForbiddenAddress { .. }
            ),
            Self::NoAuthorizationServer { .. }
            | Self::NotOffered { .. }
            | Self::ResourceMismatch { .. }
            | Self::InvalidMetadata { .. }
            | Self::IssuerMismatch { .. }
            | Self::NoMetadata { .. }
            | Self::UnsafeEndpoint { .. }
            | Self::NoPkce { .. }
            | Self::NoSignInPage { .. }
            | Self::NoDeviceGrant { .. }
            | Self::CodeExpired
            | Self::ByHand
            | Self::SubjectToken { .. }
            | Self::IdentityProviderRefused { .. }
            | Self::GrantRefused { .. }
            | Self::TokenNotAccepted { .. }
            | Self::NoRegistration { .. }
            | Self::RegistrationRefused { .. }
            | Self::RedirectRefused { .. }
            | Self::ForeignCredentials { .. }
            | Self::PortTaken { .. }
            | Self::Listener(_)
            | Self::StateMismatch
            | Self::NotARedirect
            | Self::WrongResponder { .. }
            | Self::Denied { .. }
            | Self::TokenRefused { .. }
            | Self::InvalidTokenResponse { .. }
            | Self::NoDpop { .. }
            | Self::ForeignAudience { .. }
            | Self::OtherPerson { .. }
            | Self::Cancelled
            | Self::TimedOut { .. }
            | Self::NotSaved(_) => false,
        }
    }

    /// How long the other side asked us to wait.
    pub fn retry_after(&self) -> Option<Duration> {
        if let Self::Unavailable { retry_after, .. } | Self::Network(net::Error::Status { retry_after, .. }) =
            self
        {
            *retry_after
        } else {
            None
        }
    }

    /// Whether the authorization server does not let us be its client.
    pub(crate) fn is_about_registration(&self) -> bool {
        matches!(
            self,
            Self::NoRegistration { .. } | Self::RegistrationRefused { .. } | Self::RedirectRefused { .. }
        )
    }

    /// Whether it means that the authorization server does not know our client, or does not let it do this.
    pub(crate) fn is_about_client(&self) -> bool {
        matches!(self, Self::TokenRefused { code, .. } | Self::Denied { code, .. }
            if matches!(code.as_str(), "invalid_client" | "unauthorized_client"))
    }

    /// Whether the authorization server does not take the resource it was told (RFC 8707 §2), or any: Microsoft Entra
    /// wants the scopes alone.
    pub fn refuses_resource(&self) -> bool {
        let (Self::Denied { code, description } | Self::TokenRefused { code, description }) = self else {
            return false;
        };
        code == "invalid_target" || description.as_ref().is_some_and(|words| words.contains(ENTRA_RESOURCE))
    }

    /// The same refusal as that of the identity provider.
    pub(crate) fn at_identity_provider(self) -> Self {
        let Self::TokenRefused { code, description } = self else { return self };
        Self::IdentityProviderRefused { code, description }
    }

    /// The same refusal where there is nobody to sign in again.
    pub(crate) fn unattended(self) -> Self {
        let Self::TokenRefused { code, description } = self else { return self };
        Self::GrantRefused { code, description }
    }

    /// Whether the token endpoint refused with this code.
    pub(crate) fn refused_with(&self, wanted: &str) -> bool {
        matches!(self, Self::TokenRefused { code, .. } if code == wanted)
    }
}

/// ` (code: words)`, as much of it as there is.
fn reason(code: &Option<String>, description: &Option<String>) -> String {
    match (code, description) {
        (Some(code), Some(words)) => format!(" ({code}: {words})"),
        (Some(text), None) | (None, Some(text)) => format!(" ({text})"),
        (None, None) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_resource_is_known_by_its_code_or_by_entra_s() {
        let entra = "AADSTS9010010: The resource parameter provided in the request doesn't match with the requested scopes.";
        let table = [
            ("invalid_target", None, true),
            ("invalid_request", Some(entra), true),
            ("invalid_request", Some("AADSTS900144"), false),
            ("access_denied", None, false),
        ];
        for (code, description, expected) in table {
            let (code, description) = (code.to_owned(), description.map(str::to_owned));
            let denied = Error::Denied { code: code.clone(), description: description.clone() };
            assert_eq!(denied.refuses_resource(), expected, "{denied}");
            assert_eq!(Error::TokenRefused { code, description }.refuses_resource(), expected);
        }
        assert!(!Error::Cancelled.refuses_resource());
    }
}
