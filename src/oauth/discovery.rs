//! Finding out who signs in for a server: protected resource metadata (RFC 9728), then authorization server metadata
//! (RFC 8414 and OpenID Connect Discovery), in the order and with the checks of the specification.
//!
//! A server without resource metadata is one of 2025-03-26: its own origin is the authorization server, with default
//! endpoints where even that says nothing about itself. Trouble on the way there (5xx, no network) is an error and
//! never a reason for that fallback.

use serde_json::{Map, Value};
use url::Url;

use super::challenge::Challenge;
use super::scope::{self, Scopes, Sources};
use super::{Error, Issuer, OAuthOptions, ResourceOption, endpoint};
use crate::net::{ConnectionSettings, Network};
use crate::redact::{SafeUrl, plain};

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

/// What RFC 9728 metadata says, as far as we use it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProtectedResourceMetadata {
    /// The resource identifier.
    pub resource: String,
    /// Issuers, best first.
    pub authorization_servers: Vec<String>,
    /// The scopes for basic use.
    pub scopes_supported: Option<Vec<String>>,
    /// Whether it takes only tokens that are bound to a key (RFC 9449).
    pub dpop_bound_access_tokens_required: bool,
    /// How proofs of that key may be signed.
    pub dpop_signing_algs: Option<Vec<String>>,
}

/// What is known of an authorization server; every address is checked.
#[derive(Debug, Clone)]
pub struct AuthorizationServer {
    /// Its name for itself.
    pub issuer: Issuer,
    /// Where people sign in; a server that only programs use may have no such place.
    pub authorization_endpoint: Option<Url>,
    /// Whether it protects codes against interception (PKCE with S256).
    pub has_pkce: bool,
    /// Where tokens come from.
    pub token_endpoint: Url,
    /// Where codes for other computers come from (RFC 8628 §4).
    pub device_authorization_endpoint: Option<Url>,
    /// Where clients register.
    pub registration_endpoint: Option<Url>,
    /// Where tokens are given back.
    pub revocation_endpoint: Option<Url>,
    /// The scopes it knows.
    pub scopes_supported: Option<Vec<String>>,
    /// How clients may authenticate at the token endpoint.
    pub token_auth_methods: Option<Vec<String>>,
    /// What they may sign with there.
    pub token_auth_algorithms: Option<Vec<String>>,
    /// Whether a client id may be the URL of a metadata document.
    pub client_id_documents: bool,
    /// Whether every authorization response must carry `iss` (RFC 9207).
    pub sends_iss: bool,
    /// The resources it issues tokens for, where it says so.
    pub protected_resources: Option<Vec<String>>,
    /// How proofs of a key may be signed (RFC 9449), where it says so.
    pub dpop_signing_algs: Option<Vec<String>>,
    /// Whether the endpoints are only the defaults of 2025-03-26.
    pub assumed: bool,
}

impl AuthorizationServer {
    /// Where a browser can be sent.
    ///
    /// # Errors
    /// [`Error::NoPkce`] or [`Error::NoSignInPage`]
    pub fn sign_in_page(&self) -> Result<&Url, Error> {
        let issuer = self.issuer.to_string();
        match &self.authorization_endpoint {
            Some(page) if self.has_pkce => Ok(page),
            Some(_) => Err(Error::NoPkce { issuer }),
            None => Err(Error::NoSignInPage { issuer }),
        }
    }
}

/// The token endpoint of an issuer that signs in for no server of ours.
///
/// # Errors
/// As [`discover`].
pub(super) async fn token_endpoint_of(
    network: &Network,
    settings: &ConnectionSettings,
    issuer: &str,
) -> Result<Url, Error> {
    let identifier = endpoint::parse("issuer", issuer, network, settings)?;
    let options = OAuthOptions::default();
    let finder = Finder { network, settings, server_url: &identifier, options: &options };
    Ok(finder.named_server(issuer).await?.token_endpoint)
}

/// Asks the server, then its authorization server.
///
/// # Errors
/// Any of the discovery variants of [`Error`], and [`Error::Network`].
pub async fn discover(
    network: &Network,
    settings: &ConnectionSettings,
    server_url: &Url,
    challenge: Option<&Challenge>,
    options: &OAuthOptions,
) -> Result<Discovered, Error> {
    let finder = Finder { network, settings, server_url, options };
    let resource_metadata =
        finder.resource_metadata(challenge.and_then(Challenge::resource_metadata)).await?;
    let server = match &resource_metadata {
        Some(metadata) if !metadata.authorization_servers.is_empty() => {
            finder.first_usable(&finder.issuers(metadata)?).await?
        }
        _ => match &options.issuer {
            Some(issuer) => finder.named_server(issuer).await?,
            None => finder.own_server().await?,
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
pub async fn issuers(
    network: &Network,
    settings: &ConnectionSettings,
    server_url: &Url,
    challenge: Option<&Challenge>,
    options: &OAuthOptions,
) -> Result<Option<Vec<String>>, Error> {
    let finder = Finder { network, settings, server_url, options };
    let metadata = finder.resource_metadata(challenge.and_then(Challenge::resource_metadata)).await?;
    Ok(metadata.map(|metadata| metadata.authorization_servers).filter(|issuers| !issuers.is_empty()))
}

struct Finder<'a> {
    network: &'a Network,
    settings: &'a ConnectionSettings,
    server_url: &'a Url,
    options: &'a OAuthOptions,
}

impl Finder<'_> {
    async fn resource_metadata(
        &self,
        named: Option<&str>,
    ) -> Result<Option<ProtectedResourceMetadata>, Error> {
        let named = named.map(|raw| self.endpoint("resource metadata address", raw)).transpose()?;
        let mut candidates = named.into_iter().collect::<Vec<_>>();
        candidates.extend(resource_metadata_urls(self.server_url));
        let mut trouble = None;
        for url in candidates {
            match self.document(&url).await {
                Ok(Some(document)) => return self.checked_resource(&url, &document).map(Some),
                Ok(None) => {}
                Err(error) => trouble = trouble.or(Some(error)),
            }
        }
        trouble.map_or(Ok(None), Err)
    }

    fn checked_resource(
        &self,
        url: &Url,
        document: &Map<String, Value>,
    ) -> Result<ProtectedResourceMetadata, Error> {
        let resource = text(document, "resource")
            .ok_or_else(|| Error::InvalidMetadata { url: url.into(), why: "it names no resource" })?;
        let given = self.options.resource == ResourceOption::Given(resource.to_owned());
        if !given && !covers(resource, self.server_url) {
            return Err(Error::ResourceMismatch {
                server: self.server_url.into(),
                named: plain(resource, 200),
            });
        }
        Ok(ProtectedResourceMetadata {
            resource: resource.to_owned(),
            authorization_servers: list(document, "authorization_servers").unwrap_or_default(),
            scopes_supported: list(document, "scopes_supported"),
            dpop_bound_access_tokens_required: document.get("dpop_bound_access_tokens_required")
                == Some(&Value::Bool(true)),
            dpop_signing_algs: list(document, "dpop_signing_alg_values_supported"),
        })
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
        self.checked_server(&url, &document)
    }

    /// 2025-03-26: the origin of the MCP server is its authorization server. With and without its final slash the
    /// identifier leads to the same documents, so either may be the issuer.
    async fn own_server(&self) -> Result<AuthorizationServer, Error> {
        let origin = self.server_url.origin().ascii_serialization();
        let identifier = self.endpoint("server address", &origin)?;
        let same = |found: &str| found.strip_suffix('/').unwrap_or(found) == origin;
        if let Some((url, document)) = self.server_metadata(&identifier, same, &origin).await? {
            return self.checked_server(&url, &document);
        }
        let at = |path: &str| {
            let mut url = identifier.clone();
            url.set_path(path);
            url
        };
        Ok(AuthorizationServer {
            issuer: Issuer::new(origin),
            authorization_endpoint: Some(at("/authorize")),
            has_pkce: true,
            device_authorization_endpoint: None,
            token_endpoint: at("/token"),
            registration_endpoint: Some(at("/register")),
            revocation_endpoint: None,
            scopes_supported: None,
            token_auth_methods: None,
            token_auth_algorithms: None,
            client_id_documents: false,
            sends_iss: false,
            protected_resources: None,
            dpop_signing_algs: None,
            assumed: true,
        })
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

    fn checked_server(&self, url: &Url, document: &Map<String, Value>) -> Result<AuthorizationServer, Error> {
        let missing = |why| Error::InvalidMetadata { url: SafeUrl::from(url), why };
        let issuer = Issuer::new(text(document, "issuer").ok_or_else(|| missing("it names no issuer"))?);
        // Absent means unsupported (Security Considerations, Authorization Code Protection).
        let methods = list(document, "code_challenge_methods_supported").unwrap_or_default();
        let has_pkce = methods.iter().any(|method| method == "S256");
        let named = |key| text(document, key);
        let optional = |what, key| named(key).map(|raw| self.endpoint(what, raw)).transpose();
        Ok(AuthorizationServer {
            authorization_endpoint: optional("authorization endpoint", "authorization_endpoint")?,
            has_pkce,
            device_authorization_endpoint: optional(
                "device authorization endpoint",
                "device_authorization_endpoint",
            )?,
            token_endpoint: optional("token endpoint", "token_endpoint")?
                .ok_or_else(|| missing("it has no token endpoint"))?,
            registration_endpoint: optional("registration endpoint", "registration_endpoint")?,
            revocation_endpoint: optional("revocation endpoint", "revocation_endpoint")?,
            scopes_supported: list(document, "scopes_supported"),
            token_auth_methods: list(document, "token_endpoint_auth_methods_supported"),
            token_auth_algorithms: list(document, "token_endpoint_auth_signing_alg_values_supported"),
            client_id_documents: says(document, "client_id_metadata_document_supported"),
            sends_iss: says(document, "authorization_response_iss_parameter_supported"),
            protected_resources: list(document, "protected_resources"),
            dpop_signing_algs: list(document, "dpop_signing_alg_values_supported"),
            assumed: false,
            issuer,
        })
    }

    /// A document; `None` where there is none, which includes the web page that some servers answer any path with.
    async fn document(&self, url: &Url) -> Result<Option<Map<String, Value>>, Error> {
        Ok(self.network.get_metadata(url, self.settings).await?.and_then(|bytes| object(&bytes)))
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
    network: &Network,
    settings: &ConnectionSettings,
    server_url: &Url,
    bytes: &[u8],
) -> Result<Option<ProtectedResourceMetadata>, Error> {
    let finder = Finder { network, settings, server_url, options: &OAuthOptions::default() };
    object(bytes).map(|document| finder.checked_resource(server_url, &document)).transpose()
}

/// Reads the metadata of an authorization server as [`discover`] does once it is here, for fuzzing.
///
/// # Errors
/// Those of [`discover`] that need no network.
pub fn read_server_metadata(
    network: &Network,
    settings: &ConnectionSettings,
    server_url: &Url,
    bytes: &[u8],
) -> Result<Option<AuthorizationServer>, Error> {
    let finder = Finder { network, settings, server_url, options: &OAuthOptions::default() };
    object(bytes).map(|document| finder.checked_server(server_url, &document)).transpose()
}

/// A document, unless it is a web page or the like.
fn object(bytes: &[u8]) -> Option<Map<String, Value>> {
    serde_json::from_slice(bytes).ok()
}

/// RFC 9728 §3.1: the well-known text goes between host and path; then the root.
pub fn resource_metadata_urls(server: &Url) -> Vec<Url> {
    const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";
    let at = |path: &str, query: Option<&str>| {
        let mut url = server.clone();
        url.set_fragment(None);
        url.set_path(&format!("{WELL_KNOWN}{path}"));
        url.set_query(query);
        url
    };
    let path = server.path();
    let mut urls = Vec::new();
    if path != "/" {
        urls.push(at(path, server.query()));
        urls.push(at(path.trim_end_matches('/'), server.query()));
    }
    urls.push(at("", None));
    urls.dedup();
    urls
}

/// RFC 8414 §3.1 and §5: path insertion for both kinds, then OpenID Connect's path appending.
pub fn server_metadata_urls(issuer: &Url) -> Vec<Url> {
    let path = issuer.path().trim_end_matches('/');
    let at = |path: String| {
        let mut url = issuer.clone();
        url.set_path(&path);
        url
    };
    let mut urls = vec![
        at(format!("/.well-known/oauth-authorization-server{path}")),
        at(format!("/.well-known/openid-configuration{path}")),
    ];
    if !path.is_empty() {
        urls.push(at(format!("{path}/.well-known/openid-configuration")));
    }
    urls
}

/// Whether a resource identifier names this server or something that contains it: same origin, whole path segments.
fn covers(resource: &str, server: &Url) -> bool {
    let Ok(named) = Url::parse(resource) else { return false };
    if named.origin() != server.origin() || !named.origin().is_tuple() || named.fragment().is_some() {
        return false;
    }
    if !named.username().is_empty() || named.password().is_some() {
        return false;
    }
    if named.query().is_some() && named.query() != server.query() {
        return false;
    }
    let prefix = named.path().trim_end_matches('/');
    server.path().strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The server's URL as a resource identifier: without fragment, without a lone final slash.
pub fn canonical(server: &Url) -> String {
    let mut url = server.clone();
    url.set_fragment(None);
    let text = String::from(url);
    if server.path() == "/" && server.query().is_none() {
        text.trim_end_matches('/').to_owned()
    } else {
        text
    }
}

fn text<'a>(document: &'a Map<String, Value>, key: &str) -> Option<&'a str> {
    document.get(key)?.as_str()
}

fn says(document: &Map<String, Value>, key: &str) -> bool {
    document.get(key) == Some(&Value::Bool(true))
}

/// A list of texts; what is no text in it is left out.
fn list(document: &Map<String, Value>, key: &str) -> Option<Vec<String>> {
    let items = document.get(key)?.as_array()?;
    Some(items.iter().filter_map(Value::as_str).map(str::to_owned).collect())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A server with these methods of client authentication and nothing else special about it.
    pub(in crate::oauth) fn server(methods: Option<&[&str]>) -> AuthorizationServer {
        let url = url("https://as.example/x");
        AuthorizationServer {
            issuer: Issuer::new("https://as.example"),
            authorization_endpoint: Some(url.clone()),
            has_pkce: true,
            device_authorization_endpoint: None,
            token_endpoint: url.clone(),
            registration_endpoint: Some(url),
            revocation_endpoint: None,
            scopes_supported: None,
            token_auth_methods: methods.map(|methods| methods.iter().map(|&name| name.to_owned()).collect()),
            token_auth_algorithms: None,
            client_id_documents: false,
            sends_iss: false,
            protected_resources: None,
            dpop_signing_algs: None,
            assumed: false,
        }
    }

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    fn texts(urls: &[Url]) -> Vec<&str> {
        urls.iter().map(Url::as_str).collect()
    }

    #[test]
    fn resource_metadata_is_looked_for_at_the_path_then_at_the_root() {
        let table: &[(&str, &[&str])] = &[
            ("https://h", &["https://h/.well-known/oauth-protected-resource"]),
            (
                "https://h/public/mcp",
                &[
                    "https://h/.well-known/oauth-protected-resource/public/mcp",
                    "https://h/.well-known/oauth-protected-resource",
                ],
            ),
            (
                "https://h:8443/mcp/?t=1#f",
                &[
                    "https://h:8443/.well-known/oauth-protected-resource/mcp/?t=1",
                    "https://h:8443/.well-known/oauth-protected-resource/mcp?t=1",
                    "https://h:8443/.well-known/oauth-protected-resource",
                ],
            ),
        ];
        for (server, expected) in table {
            assert_eq!(texts(&resource_metadata_urls(&url(server))), *expected);
        }
    }

    #[test]
    fn server_metadata_is_looked_for_in_the_order_of_the_specification() {
        let tenant = [
            "https://as/.well-known/oauth-authorization-server/tenant1",
            "https://as/.well-known/openid-configuration/tenant1",
            "https://as/tenant1/.well-known/openid-configuration",
        ];
        assert_eq!(texts(&server_metadata_urls(&url("https://as/tenant1"))), tenant);
        assert_eq!(texts(&server_metadata_urls(&url("https://as/tenant1/"))), tenant);
        assert_eq!(
            texts(&server_metadata_urls(&url("https://as/"))),
            [
                "https://as/.well-known/oauth-authorization-server",
                "https://as/.well-known/openid-configuration"
            ]
        );
    }

    #[test]
    fn a_resource_covers_its_server_and_nothing_else() {
        let table = [
            ("https://h/mcp", "https://h/mcp", true),
            ("https://h", "https://h/mcp", true),
            ("https://h/", "https://h/mcp", true),
            ("https://H/mcp", "https://h/mcp", true),
            ("https://h:443/mcp", "https://h/mcp", true),
            ("https://h/mcp/", "https://h/mcp", true),
            ("https://h/mcp", "https://h/mcp/a", true),
            ("https://h/mc", "https://h/mcp", false),
            ("https://h/mcp/a", "https://h/mcp", false),
            ("https://h.evil/mcp", "https://h/mcp", false),
            ("https://h:8443/mcp", "https://h/mcp", false),
            ("http://h/mcp", "https://h/mcp", false),
            ("https://h/mcp#f", "https://h/mcp", false),
            ("https://u@h/mcp", "https://h/mcp", false),
            ("https://h/mcp?t=1", "https://h/mcp", false),
            ("https://h/mcp?t=1", "https://h/mcp?t=1", true),
            ("h/mcp", "https://h/mcp", false),
            ("urn:x", "https://h/mcp", false),
        ];
        for (resource, server, expected) in table {
            assert_eq!(covers(resource, &url(server)), expected, "{resource} {server}");
        }
    }

    #[test]
    fn the_canonical_uri_has_no_lone_slash() {
        for (server, expected) in [
            ("https://h/", "https://h"),
            ("https://h", "https://h"),
            ("https://h:8443/mcp#f", "https://h:8443/mcp"),
            ("https://h/mcp/", "https://h/mcp/"),
            ("https://h/?t=/", "https://h/?t=/"),
        ] {
            assert_eq!(canonical(&url(server)), expected);
        }
    }
}
