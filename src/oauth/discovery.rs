//! Finding out who signs in for a server: protected resource metadata (RFC 9728), then authorization server metadata
//! (RFC 8414 and OpenID Connect Discovery), in the order and with the checks of the specification.
//!
//! A server without resource metadata is one of 2025-03-26: its own origin is the authorization server, with default
//! endpoints where even that says nothing about itself. Trouble on the way there (5xx, no network) is an error and
//! never a reason for that fallback.

mod document;
mod resource;
mod server;

use serde_json::{Map, Value};
use tokio::time::Instant;
use url::Url;

use self::document::{object, text};
pub use self::resource::{ProtectedResourceMetadata, canonical, resource_metadata_urls};
#[cfg(test)]
pub(super) use self::server::tests;
pub use self::server::{AuthorizationServer, server_metadata_urls};
use super::challenge::Challenge;
use super::scope::{self, Scopes, Sources};
use super::{Error, OAuthOptions, ResourceOption, endpoint};
use crate::net::{ConnectionSettings, Network};
use crate::redact::plain;

/// As many authorization servers of one resource are tried.
const MOST_ISSUERS: usize = 5;

/// All that a sign-in needs to know about a server.
#[derive(Debug, Clone)]
pub struct Discovered {
    /// What is sent as `resource`, byte for byte as the server's metadata has it.
    pub resource: Option<String>,
    /// The server's own metadata, where it has any.
    pub resource_metadata: Option<ProtectedResourceMetadata>,
    /// Who signs in.
    pub server: AuthorizationServer,
    /// What to ask for.
    pub scopes: Scopes,
}

/// What a server is asked about.
#[derive(Clone, Copy)]
pub struct Question<'a> {
    /// The way out.
    pub network: &'a Network,
    /// How the server is reached.
    pub settings: &'a ConnectionSettings,
    /// The MCP server.
    pub server_url: &'a Url,
    /// The challenge that led to the question.
    pub challenge: Option<&'a Challenge>,
    /// What its entry says about OAuth.
    pub options: &'a OAuthOptions,
    /// Metadata that was read before is read anew: something was refused then, and it may be the reason.
    pub since: Option<Instant>,
}

/// The token endpoint of an issuer that signs in for no server of ours, asked for as part of this question.
///
/// # Errors
/// As [`discover`].
pub(super) async fn token_endpoint_of(issuer: &str, part_of: Question<'_>) -> Result<Url, Error> {
    let Question { network, settings, .. } = part_of;
    let identifier = endpoint::parse("issuer", issuer, network, settings)?;
    let options = OAuthOptions::default();
    let question = Question { server_url: &identifier, challenge: None, options: &options, ..part_of };
    Ok(question.named_server(issuer).await?.token_endpoint)
}

/// Asks the server, then its authorization server.
///
/// # Errors
/// Any of the discovery variants of [`Error`], and [`Error::Network`].
pub async fn discover(question: Question<'_>) -> Result<Discovered, Error> {
    let Question { server_url, challenge, options, .. } = question;
    let resource_metadata = question.resource_metadata().await?;
    let server = match &resource_metadata {
        Some(metadata) if !metadata.authorization_servers.is_empty() => {
            question.first_usable(&question.issuers(metadata)?).await?
        }
        _ => match &options.issuer {
            Some(issuer) => question.named_server(issuer).await?,
            None => question.own_server().await?,
        },
    };
    let scopes = scope::select(Sources {
        given: options.scope.as_deref(),
        challenged: challenge.and_then(Challenge::scope),
        resource: resource_metadata.as_ref().and_then(|metadata| metadata.scopes_supported.as_deref()),
        server: server.scopes_supported.as_deref(),
    });
    let resource = match &options.resource {
        ResourceOption::FromMetadata => Some(match &resource_metadata {
            Some(metadata) => metadata.resource.clone(),
            None => canonical(server_url),
        }),
        ResourceOption::Given(resource) => Some(resource.clone()),
        ResourceOption::None => None,
    };
    Ok(Discovered { resource, resource_metadata, server, scopes })
}

/// The issuers that the server names now; `None` where it names none.
///
/// # Errors
/// As [`discover`], as far as the server's own metadata goes.
pub async fn issuers(question: Question<'_>) -> Result<Option<Vec<String>>, Error> {
    let metadata = question.resource_metadata().await?;
    Ok(metadata.map(|metadata| metadata.authorization_servers).filter(|issuers| !issuers.is_empty()))
}

impl Question<'_> {
    async fn resource_metadata(&self) -> Result<Option<ProtectedResourceMetadata>, Error> {
        let named = self.challenge.and_then(Challenge::resource_metadata);
        let named = named.map(|raw| self.endpoint("resource metadata address", raw)).transpose()?;
        let mut candidates = named.into_iter().collect::<Vec<_>>();
        candidates.extend(resource_metadata_urls(self.server_url));
        let mut trouble = None;
        for url in candidates {
            match self.document(&url).await {
                Ok(Some(document)) => return self.read_resource(&url, &document).map(Some),
                Ok(None) => {}
                Err(error) => trouble = trouble.or(Some(error)),
            }
        }
        trouble.map_or(Ok(None), Err)
    }

    fn read_resource(
        &self,
        url: &Url,
        document: &Map<String, Value>,
    ) -> Result<ProtectedResourceMetadata, Error> {
        ProtectedResourceMetadata::read(url, document, self.server_url, &self.options.resource)
    }

    /// The issuers that may be used, best first.
    fn issuers<'m>(&'m self, metadata: &'m ProtectedResourceMetadata) -> Result<Vec<&'m str>, Error> {
        let named = metadata.authorization_servers.iter().map(String::as_str);
        let Some(wanted) = self.options.issuer.as_deref() else {
            return Ok(named.take(MOST_ISSUERS).collect());
        };
        // The user's word for an issuer; a final slash is the one thing people get wrong.
        let is_wanted = |issuer: &str| issuer.trim_end_matches('/') == wanted.trim_end_matches('/');
        if named.into_iter().any(is_wanted) {
            return Ok(vec![wanted]);
        }
        Err(Error::NoAuthorizationServer { server: self.server_url.into(), wanted: plain(wanted, 200) })
    }

    /// The first that can be used. One that is in trouble is not passed over: it may be the one that knows us.
    async fn first_usable(&self, issuers: &[&str]) -> Result<AuthorizationServer, Error> {
        let mut unusable = None;
        for issuer in issuers {
            match self.named_server(issuer).await {
                Err(error) if !error.is_transient() => unusable = unusable.or(Some(error)),
                found => return found,
            }
        }
        Err(unusable.expect("metadata that names nobody was sorted out before"))
    }

    /// The authorization server of that name, which must call itself the same.
    async fn named_server(&self, issuer: &str) -> Result<AuthorizationServer, Error> {
        let identifier = self.endpoint("issuer", issuer)?;
        if identifier.query().is_some() {
            return Err(Error::UnsafeEndpoint { what: "issuer", why: "it has a query" });
        }
        let found = self.server_metadata(&identifier, |found| found == issuer, issuer).await?;
        let (url, document) = found.ok_or_else(|| Error::NoMetadata { issuer: plain(issuer, 200) })?;
        self.read_server(&url, &document)
    }

    /// 2025-03-26: the origin of the MCP server is its authorization server. With and without its final slash the
    /// identifier leads to the same documents, so either may be the issuer.
    async fn own_server(&self) -> Result<AuthorizationServer, Error> {
        let origin = self.server_url.origin().ascii_serialization();
        let identifier = self.endpoint("server address", &origin)?;
        let same = |found: &str| found.strip_suffix('/').unwrap_or(found) == origin;
        if let Some((url, document)) = self.server_metadata(&identifier, same, &origin).await? {
            return self.read_server(&url, &document);
        }
        Ok(AuthorizationServer::assumed(origin, &identifier))
    }

    /// The first document whose issuer fits. One that does not fit is never used, but a later place may have the
    /// right one; only if none has, the misfit is reported.
    async fn server_metadata(
        &self,
        identifier: &Url,
        fits: impl Fn(&str) -> bool,
        expected: &str,
    ) -> Result<Option<(Url, Map<String, Value>)>, Error> {
        let mut trouble = None;
        let mut misfit = None;
        for url in server_metadata_urls(identifier) {
            match self.document(&url).await {
                Ok(Some(document)) => match text(&document, "issuer") {
                    Some(issuer) if fits(issuer) => return Ok(Some((url, document))),
                    Some(issuer) => {
                        misfit.get_or_insert(Error::IssuerMismatch {
                            expected: plain(expected, 200),
                            found: plain(issuer, 200),
                        });
                    }
                    None => {
                        misfit.get_or_insert(Error::InvalidMetadata {
                            url: (&url).into(),
                            why: "it names no issuer",
                        });
                    }
                },
                Ok(None) => {}
                Err(error) => trouble = trouble.or(Some(error)),
            }
        }
        misfit.or(trouble).map_or(Ok(None), Err)
    }

    fn read_server(&self, url: &Url, document: &Map<String, Value>) -> Result<AuthorizationServer, Error> {
        AuthorizationServer::read(url, document, |what, raw| self.endpoint(what, raw))
    }

    /// A document; `None` where there is none, which includes the web page that some servers answer any path with.
    async fn document(&self, url: &Url) -> Result<Option<Map<String, Value>>, Error> {
        Ok(self.network.metadata(url, self.settings, self.since).await?.and_then(|bytes| object(&bytes)))
    }

    fn endpoint(&self, what: &'static str, raw: &str) -> Result<Url, Error> {
        endpoint::parse(what, raw, self.network, self.settings)
    }
}

/// Reads the resource metadata of a server as [`discover`] does once it is here, for fuzzing.
///
/// # Errors
/// Those of [`discover`] that need no network.
pub fn read_resource_metadata(
    server_url: &Url,
    bytes: &[u8],
) -> Result<Option<ProtectedResourceMetadata>, Error> {
    let read = |document| {
        ProtectedResourceMetadata::read(server_url, &document, server_url, &ResourceOption::FromMetadata)
    };
    object(bytes).map(read).transpose()
}

/// Reads the metadata of an authorization server as [`discover`] does once it is here, for fuzzing.
///
/// # Errors
/// Those of [`discover`] that need no network.
pub fn read_server_metadata(
    network: &Network,
    settings: &ConnectionSettings,
    url: &Url,
    bytes: &[u8],
) -> Result<Option<AuthorizationServer>, Error> {
    let endpoint = |what, raw: &str| endpoint::parse(what, raw, network, settings);
    object(bytes).map(|document| AuthorizationServer::read(url, &document, endpoint)).transpose()
}
