//! Why an HTTP exchange failed, in plain words, and whether the request may have run.

use std::error::Error as StdError;
use std::io;
use std::time::Duration;

use http::StatusCode;
use rustls::{AlertDescription, CertificateError};

use super::AddressClass;
use super::dial::DialError;
use super::tls::is_authority_as_server;
use crate::redact::{SafeUrl, reason};

/// Why an HTTP exchange did not happen or did not end well.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// Not an address a server can have.
    #[error("{url} cannot be used: {why}")]
    InvalidUrl {
        /// The address.
        url: SafeUrl,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Plain http, which was not allowed.
    #[error("{url} is not encrypted")]
    InsecureUrl {
        /// The address.
        url: SafeUrl,
    },
    /// The address lies where this server has no business.
    #[error("{url} leads to {}", place(*found))]
    ForbiddenAddress {
        /// The address as it was asked for.
        url: SafeUrl,
        /// The class of what it leads to; `None` for addresses that nobody may dial.
        found: Option<AddressClass>,
    },
    /// The name has no address, or could not be looked up.
    #[error("the name of {url} could not be looked up")]
    Dns {
        /// The address.
        url: SafeUrl,
    },
    /// The computer is there; nobody listens.
    #[error("nothing is listening at {url}")]
    Refused {
        /// The address.
        url: SafeUrl,
    },
    /// No connection for another reason.
    #[error("{url} cannot be reached ({})", reason(*why))]
    Connect {
        /// The address.
        url: SafeUrl,
        /// The system's word for it.
        why: io::ErrorKind,
    },
    /// The proxy did not connect us.
    #[error("the proxy {proxy} did not connect to {url}")]
    Proxy {
        /// The address behind it.
        url: SafeUrl,
        /// The proxy.
        proxy: SafeUrl,
    },
    /// The encrypted connection cannot be trusted or was refused.
    #[error("{}", why.sentence(url))]
    Tls {
        /// The address.
        url: SafeUrl,
        /// What is wrong.
        why: TlsTrouble,
    },
    /// A certificate or key that the options name is unusable.
    #[error("{what} could not be read")]
    Certificate {
        /// Which one.
        what: &'static str,
    },
    /// Nothing happened within the time allowed.
    #[error("{url} did not answer in time")]
    TimedOut {
        /// The address.
        url: SafeUrl,
        /// Whether the request was on its way when time was up.
        sent: bool,
    },
    /// The connection broke.
    #[error("the connection to {url} broke")]
    Reset {
        /// The address.
        url: SafeUrl,
        /// Whether the request was on its way when it broke.
        sent: bool,
    },
    /// The answer is larger than anything reasonable.
    #[error("the answer of {url} is larger than {limit} bytes")]
    TooLarge {
        /// The address.
        url: SafeUrl,
        /// The limit.
        limit: usize,
    },
    /// Redirected more often than allowed, or to nowhere.
    #[error("{url} redirects too often or to nowhere")]
    Redirects {
        /// The last address.
        url: SafeUrl,
    },
    /// The server failed (5xx) or asked to be left alone (429).
    #[error("{url} answered with status {}", status.as_u16())]
    Status {
        /// The address.
        url: SafeUrl,
        /// The status.
        status: StatusCode,
        /// How long to wait, where the server said so.
        retry_after: Option<Duration>,
    },
}

/// What is wrong with an encrypted connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsTrouble {
    /// Signed by an authority this computer does not know.
    UnknownAuthority,
    /// Signed by itself.
    SelfSigned,
    /// Out of date.
    Expired,
    /// Dated in the future, or this computer's clock is behind.
    NotYetValid,
    /// Made out to another name.
    WrongHost,
    /// Withdrawn by its authority.
    Revoked,
    /// The server wants a client certificate, or another one.
    ClientCertificate,
    /// This computer's own list of authorities could not be loaded.
    NoAuthorities,
    /// What answers does not speak TLS.
    NotTls,
    /// Anything else: no common version or cipher.
    Handshake,
}

impl TlsTrouble {
    fn sentence(self, url: &SafeUrl) -> String {
        match self {
            Self::UnknownAuthority => {
                format!(
                    "the certificate of {url} is signed by an authority that this computer does not trust"
                )
            }
            Self::SelfSigned => format!("the certificate of {url} is self-signed"),
            Self::Expired => format!("the certificate of {url} has expired"),
            Self::NotYetValid => {
                format!("the certificate of {url} is not valid yet, or this computer's clock is wrong")
            }
            Self::WrongHost => format!("the certificate of {url} belongs to another host"),
            Self::Revoked => format!("the certificate of {url} was withdrawn"),
            Self::ClientCertificate => format!("{url} wants a client certificate that it trusts"),
            Self::NoAuthorities => "this computer's list of trusted authorities could not be loaded".into(),
            Self::NotTls => format!("what answers at {url} does not encrypt (it does not speak TLS)"),
            Self::Handshake => format!("{url} and Drawbridge could not agree on an encrypted connection"),
        }
    }
}

impl Error {
    /// Whether the server may have acted on the request: false only where nothing of it can
    /// have reached the server.
    pub fn may_have_run(&self) -> bool {
        match self {
            Self::TimedOut { sent, .. } | Self::Reset { sent, .. } => *sent,
            Self::TooLarge { .. } | Self::Status { .. } => true,
            Self::InvalidUrl { .. }
            | Self::InsecureUrl { .. }
            | Self::ForbiddenAddress { .. }
            | Self::Dns { .. }
            | Self::Refused { .. }
            | Self::Connect { .. }
            | Self::Proxy { .. }
            | Self::Tls { .. }
            | Self::Certificate { .. }
            | Self::Redirects { .. } => false,
        }
    }

    /// The option that would allow what was refused, where one exists.
    pub fn option(&self) -> Option<&'static str> {
        match self {
            Self::ForbiddenAddress { found: Some(AddressClass::Private), .. } => Some("--allow-private"),
            Self::InsecureUrl { .. } => Some("--allow-http"),
            Self::Tls { why: TlsTrouble::UnknownAuthority | TlsTrouble::SelfSigned, .. } => Some("--ca"),
            Self::Tls { why: TlsTrouble::ClientCertificate, .. } => Some("--client-cert"),
            Self::ForbiddenAddress { .. }
            | Self::Tls { .. }
            | Self::InvalidUrl { .. }
            | Self::Dns { .. }
            | Self::Refused { .. }
            | Self::Connect { .. }
            | Self::Proxy { .. }
            | Self::Certificate { .. }
            | Self::TimedOut { .. }
            | Self::Reset { .. }
            | Self::TooLarge { .. }
            | Self::Redirects { .. }
            | Self::Status { .. } => None,
        }
    }

    /// Reads a failed request. The library's error holds the whole URL and goes no further.
    pub(super) fn of_request(error: &reqwest::Error, url: SafeUrl, proxy: Option<SafeUrl>) -> Self {
        let causes = Causes(Some(error));
        for cause in causes {
            if let Some(refusal) = cause.downcast_ref::<DialError>() {
                return refusal.at(url);
            }
            let trouble = cause.downcast_ref::<rustls::Error>().and_then(tls_trouble);
            if let Some(why) = trouble.or_else(|| cause.downcast_ref::<io::Error>().and_then(alert_in_words))
            {
                return Self::Tls { url, why };
            }
        }
        if error.is_builder() {
            return Self::InvalidUrl { url, why: "no request can be made of it" };
        }
        let sent = !error.is_connect() && !causes.any(is_unsent);
        if error.is_timeout() {
            return Self::TimedOut { url, sent };
        }
        if !error.is_connect() {
            return Self::Reset { url, sent };
        }
        let io = causes.filter_map(|cause| cause.downcast_ref::<io::Error>()).last();
        match (proxy, io.map(io::Error::kind)) {
            (Some(proxy), _) => Self::Proxy { url, proxy },
            (None, Some(io::ErrorKind::ConnectionRefused)) => Self::Refused { url },
            (None, Some(io::ErrorKind::InvalidData)) => Self::Tls { url, why: TlsTrouble::Handshake },
            (None, why) => Self::Connect { url, why: why.unwrap_or(io::ErrorKind::Other) },
        }
    }

    /// Reads a body that broke off.
    pub(super) fn of_body(error: &reqwest::Error, url: SafeUrl) -> Self {
        if error.is_timeout() { Self::TimedOut { url, sent: true } } else { Self::Reset { url, sent: true } }
    }
}

fn place(found: Option<AddressClass>) -> &'static str {
    match found {
        Some(AddressClass::Loopback) => "this computer itself, which only localhost may name",
        Some(AddressClass::Private) => "a private network",
        Some(AddressClass::Public) => "the public internet",
        None => "an address that no server can have",
    }
}

/// hyper hands such a request back unsent.
fn is_unsent(cause: &(dyn StdError + 'static)) -> bool {
    cause.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_canceled)
}

/// rustls's enums grow, so these are questions rather than matches.
fn tls_trouble(error: &rustls::Error) -> Option<TlsTrouble> {
    use AlertDescription as Alert;
    if is_authority_as_server(error) {
        return Some(TlsTrouble::SelfSigned);
    }
    if let rustls::Error::InvalidCertificate(why) = error {
        return Some(certificate_trouble(why));
    }
    // TLS 1.3: the server reads our certificate after our side of the handshake is done, so such
    // an alert answers the first request, which the server has not read.
    let about_our_certificate = matches!(
        error,
        rustls::Error::AlertReceived(
            Alert::CertificateRequired
                | Alert::BadCertificate
                | Alert::UnsupportedCertificate
                | Alert::CertificateUnknown
                | Alert::CertificateExpired
                | Alert::CertificateRevoked
                | Alert::AccessDenied
                | Alert::UnknownCA
        )
    );
    if about_our_certificate {
        return Some(TlsTrouble::ClientCertificate);
    }
    if matches!(error, rustls::Error::InvalidMessage(_)) {
        return Some(TlsTrouble::NotTls);
    }
    let no_agreement = matches!(
        error,
        rustls::Error::AlertReceived(Alert::HandshakeFailure | Alert::ProtocolVersion)
            | rustls::Error::PeerIncompatible(_)
    );
    no_agreement.then_some(TlsTrouble::Handshake)
}

/// HTTP/2 keeps only the text of an alert that answers the first request.
fn alert_in_words(error: &io::Error) -> Option<TlsTrouble> {
    let text = if error.kind() == io::ErrorKind::InvalidData { error.to_string() } else { return None };
    let alert = text.strip_prefix("received fatal alert: ")?;
    let about_our_certificate =
        alert.contains("Certificate") || matches!(alert, "AccessDenied" | "UnknownCA");
    about_our_certificate.then_some(TlsTrouble::ClientCertificate)
}

fn certificate_trouble(why: &CertificateError) -> TlsTrouble {
    use CertificateError as Why;
    if matches!(why, Why::Expired | Why::ExpiredContext { .. }) {
        TlsTrouble::Expired
    } else if matches!(why, Why::NotValidYet | Why::NotValidYetContext { .. }) {
        TlsTrouble::NotYetValid
    } else if matches!(why, Why::NotValidForName | Why::NotValidForNameContext { .. }) {
        TlsTrouble::WrongHost
    } else if matches!(why, Why::Revoked) {
        TlsTrouble::Revoked
    } else {
        TlsTrouble::UnknownAuthority
    }
}

/// An error and its causes. `io::Error::source` skips the error it wraps, so that is visited too.
#[derive(Clone, Copy)]
struct Causes<'a>(Option<&'a (dyn StdError + 'static)>);

impl Causes<'_> {
    fn any(self, test: impl Fn(&(dyn StdError + 'static)) -> bool) -> bool {
        Iterator::any(&mut { self }, test)
    }
}

impl<'a> Iterator for Causes<'a> {
    type Item = &'a (dyn StdError + 'static);

    fn next(&mut self) -> Option<Self::Item> {
        let current = self.0?;
        let wrapped = current.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        self.0 = match wrapped {
            Some(inner) => Some(inner),
            None => current.source(),
        };
        Some(current)
    }
}
