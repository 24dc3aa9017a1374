//! Authorization server metadata (RFC 8414, OpenID Connect Discovery): where it is, and what it says.

use serde_json::{Map, Value};
use url::Url;

use super::document::{list, says, text};
use crate::oauth::{Error, Issuer};
use crate::redact::SafeUrl;

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
    /// Reads the document at `url`; `endpoint` checks each address in it.
    pub(super) fn read(
        url: &Url,
        document: &Map<String, Value>,
        endpoint: impl Fn(&'static str, &str) -> Result<Url, Error>,
    ) -> Result<Self, Error> {
        let missing = |why| Error::InvalidMetadata { url: SafeUrl::from(url), why };
        let issuer = Issuer::new(text(document, "issuer").ok_or_else(|| missing("it names no issuer"))?);
        // Absent means unsupported (Security Considerations, Authorization Code Protection).
        let methods = list(document, "code_challenge_methods_supported").unwrap_or_default();
        let has_pkce = methods.iter().any(|method| method == "S256");
        let named = |key| text(document, key);
        let optional = |what, key| named(key).map(|raw| endpoint(what, raw)).transpose();
        Ok(Self {
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

    /// A server of 2025-03-26 that says nothing about itself: the endpoints are at these paths of its origin.
    pub(super) fn assumed(origin: String, identifier: &Url) -> Self {
        let at = |path: &str| {
            let mut url = identifier.clone();
            url.set_path(path);
            url
        };
        Self {
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
        }
    }

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

#[cfg(test)]
pub(in crate::oauth) mod tests {
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
}
