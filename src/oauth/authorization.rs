//! The authorization request and its response: PKCE, state, and the issuer check of RFC 9207.

use oauth2::{PkceCodeChallenge, PkceCodeVerifier};
use url::{Url, form_urlencoded};

use super::discovery::Discovered;
use super::dpop::DpopKey;
use super::registration::ClientRegistration;
use super::{Error, Issuer, endpoint, random_text, same};
use crate::redact::plain;
use crate::secret::{AuthorizationCode, PkceVerifier};

/// One trip of a browser to the authorization server and back. Used up by the first response that fits.
pub struct Attempt {
    /// Where the browser is sent. Holds the state: not for logs.
    pub authorize_url: Url,
    /// Proves at the token endpoint that the trip was ours.
    pub verifier: PkceVerifier,
    /// What an id_token must repeat, where one was asked for.
    pub nonce: Option<String>,
    state: String,
    issuer: Issuer,
    needs_iss: bool,
}

impl Attempt {
    /// Prepares a trip to the server's sign-in page for this client.
    pub fn new(discovered: &Discovered, registration: &ClientRegistration, page: &Url) -> Self {
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let state = random_text();
        let nonce = discovered.scopes.contains("openid").then(random_text);
        let server = &discovered.server;
        let mut url = page.clone();
        {
            let mut query = url.query_pairs_mut();
            query
                .append_pair("response_type", "code")
                .append_pair("client_id", &registration.client_id)
                .append_pair("state", &state)
                .append_pair("code_challenge", challenge.as_str())
                .append_pair("code_challenge_method", challenge.method().as_str());
            if let Some(redirect) = registration.redirect {
                query.append_pair("redirect_uri", &redirect.to_string());
            }
            if let Some(scope) = discovered.scopes.param() {
                query.append_pair("scope", &scope);
            }
            // OpenID Connect Core §11: without it offline_access is ignored.
            if discovered.scopes.contains("offline_access") {
                query.append_pair("prompt", "consent");
            }
            if let Some(resource) = &discovered.resource {
                query.append_pair("resource", resource);
            }
            if let Some(nonce) = &nonce {
                query.append_pair("nonce", nonce);
            }
        }
        Self {
            authorize_url: url,
            verifier: PkceVerifier::new(PkceCodeVerifier::into_secret(verifier)),
            nonce,
            state,
            issuer: server.issuer.clone(),
            needs_iss: server.sends_iss || is_split(page, &server.token_endpoint),
        }
    }

    /// Binds the code to a key too (RFC 9449 §10).
    pub fn bound_to(mut self, key: Option<&DpopKey>) -> Self {
        if let Some(key) = key {
            self.authorize_url.query_pairs_mut().append_pair("dpop_jkt", key.thumbprint());
        }
        self
    }

    /// Reads the query of a response.
    ///
    /// # Errors
    /// [`Error::StateMismatch`] when it is not for this attempt, which then still waits; every other error is final.
    pub fn check(&self, query: &str) -> Result<AuthorizationCode, Error> {
        read_response(query, &self.state, &self.issuer, self.needs_iss)
    }
}

/// Reads the query of a response to the attempt with this state at this issuer.
///
/// # Errors
/// Those of [`Attempt::check`].
pub fn read_response(
    query: &str,
    state: &str,
    issuer: &Issuer,
    needs_iss: bool,
) -> Result<AuthorizationCode, Error> {
    let response = Response::parse(query);
    if !response.state.as_deref().is_some_and(|given| same(given, state)) {
        return Err(Error::StateMismatch);
    }
    // Before anything else of the response is looked at, its error included.
    let right = match &response.iss {
        Some(iss) => iss == issuer.as_str(),
        None => !needs_iss,
    };
    if !right || response.repeated {
        return Err(Error::WrongResponder { expected: issuer.to_string() });
    }
    if let Some(code) = response.error {
        return Err(Error::Denied { code: plain(&code, 60), description: response.description });
    }
    match response.code {
        Some(code) if !code.is_empty() => Ok(AuthorizationCode::new(code)),
        Some(_) | None => Err(Error::Denied { code: "no_code".to_owned(), description: None }),
    }
}

/// The token endpoint lies on another site than the authorization endpoint: a stranger could collect codes. Google is
/// known to be made so.
fn is_split(authorization: &Url, token: &Url) -> bool {
    let google = authorization.host_str() == Some("accounts.google.com")
        && token.host_str() == Some("oauth2.googleapis.com");
    !endpoint::same_site(authorization, token) && !google
}

#[derive(Default)]
struct Response {
    code: Option<String>,
    state: Option<String>,
    iss: Option<String>,
    error: Option<String>,
    description: Option<String>,
    /// RFC 6749 §3.1: no parameter comes twice.
    repeated: bool,
}

impl Response {
    fn parse(query: &str) -> Self {
        let mut response = Self::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let slot = match name.as_ref() {
                "code" => &mut response.code,
                "state" => &mut response.state,
                "iss" => &mut response.iss,
                "error" => &mut response.error,
                "error_description" => &mut response.description,
                _ => continue,
            };
            let value = if name == "error_description" { plain(&value, 200) } else { value.into_owned() };
            if slot.replace(value).is_some() {
                response.repeated = true;
            }
        }
        response.description = response.description.filter(|text| !text.is_empty());
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oauth::CallbackHost;
    use crate::oauth::client_auth::ClientAuth;
    use crate::oauth::discovery::{AuthorizationServer, tests::server};
    use crate::oauth::registration::{ClientKind, RedirectUri};
    use crate::oauth::scope::Scopes;

    const ISSUER: &str = "https://as.example";

    fn attempt(sends_iss: bool, token_endpoint: &str) -> Attempt {
        let page = Url::parse("https://as.example/authorize?tenant=a%20b").unwrap();
        let server = AuthorizationServer {
            issuer: Issuer::new(ISSUER),
            token_endpoint: Url::parse(token_endpoint).unwrap(),
            sends_iss,
            ..server(None)
        };
        let registration = ClientRegistration {
            issuer: server.issuer.clone(),
            client_id: "c&id".to_owned(),
            auth: ClientAuth::None,
            secret_expires_at: None,
            redirect: Some(RedirectUri { host: CallbackHost::Ipv4, port: 4000 }),
            kind: ClientKind::Dynamic,
        };
        let discovered = Discovered {
            resource: Some("https://h/mcp".to_owned()),
            resource_metadata: None,
            server,
            scopes: Scopes::parse("a offline_access"),
        };
        Attempt::new(&discovered, &registration, &page)
    }

    #[test]
    fn the_request_carries_all_its_parameters_once() {
        let attempt = attempt(false, "https://as.example/token");
        let pairs: Vec<_> = attempt.authorize_url.query_pairs().into_owned().collect();
        let of = |name: &str| {
            let mut values = pairs.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str());
            let value = values.next();
            assert!(values.next().is_none(), "{name} comes twice");
            value
        };
        assert_eq!(of("tenant"), Some("a b"));
        assert_eq!(of("response_type"), Some("code"));
        assert_eq!(of("client_id"), Some("c&id"));
        assert_eq!(of("redirect_uri"), Some("http://127.0.0.1:4000/callback"));
        assert_eq!(of("scope"), Some("a offline_access"));
        assert_eq!(of("prompt"), Some("consent"));
        assert_eq!(of("resource"), Some("https://h/mcp"));
        assert_eq!(of("code_challenge_method"), Some("S256"));
        assert_eq!(of("state").unwrap().len(), 43);
        assert!(!attempt.authorize_url.as_str().contains(attempt.verifier.expose()));
    }

    #[test]
    fn every_attempt_has_its_own_state_and_verifier() {
        let (one, two) =
            (attempt(false, "https://as.example/token"), attempt(false, "https://as.example/token"));
        assert_ne!(one.state, two.state);
        assert!(!one.verifier.same_as(&two.verifier));
    }

    #[test]
    fn the_issuer_is_checked_as_the_specification_has_it() {
        let same_site = "https://as.example/token";
        let table: &[(bool, &str, Option<&str>, bool)] = &[
            (true, same_site, Some(ISSUER), true),
            (true, same_site, None, false),
            (true, same_site, Some("https://evil.example"), false),
            (false, same_site, Some(ISSUER), true),
            (false, same_site, Some("https://evil.example"), false),
            (false, same_site, None, true),
            // No normalisation.
            (false, same_site, Some("https://as.example/"), false),
            (false, same_site, Some("https://AS.example"), false),
            (false, same_site, Some("https://as.example:443"), false),
            (false, same_site, Some(""), false),
            // A token endpoint on another site needs it whatever the metadata says.
            (false, "https://other.example/token", None, false),
            (false, "https://other.example/token", Some(ISSUER), true),
            (false, "https://api.as.example/token", None, true),
        ];
        for (sends_iss, token_endpoint, iss, accepted) in table {
            let attempt = attempt(*sends_iss, token_endpoint);
            for outcome in ["code=c", "error=access_denied&error_description=marked"] {
                let mut query = format!("{outcome}&state={}", attempt.state);
                if let Some(iss) = iss {
                    query += &format!(
                        "&iss={}",
                        form_urlencoded::byte_serialize(iss.as_bytes()).collect::<String>()
                    );
                }
                match attempt.check(&query) {
                    Ok(code) => assert!(*accepted && code.expose() == "c", "{query}"),
                    Err(Error::Denied { code, .. }) => {
                        assert!(*accepted && code == "access_denied", "{query}")
                    }
                    Err(error) => {
                        assert!(
                            !accepted && matches!(error, Error::WrongResponder { .. }),
                            "{query}: {error}"
                        );
                        assert!(!error.to_string().contains("marked"));
                    }
                }
            }
        }
    }

    #[test]
    fn a_response_for_another_attempt_changes_nothing() {
        let attempt = attempt(false, "https://as.example/token");
        for query in ["", "code=c", "code=c&state=", "code=c&state=other", "error=access_denied&state=x"] {
            assert!(matches!(attempt.check(query), Err(Error::StateMismatch)), "{query}");
        }
        let state = &attempt.state;
        assert!(attempt.check(&format!("code=c&state={state}")).is_ok());
    }

    #[test]
    fn a_response_with_a_parameter_twice_is_refused() {
        let attempt = attempt(false, "https://as.example/token");
        let state = &attempt.state;
        for query in [
            format!("code=a&code=b&state={state}"),
            format!("code=a&state={state}&iss={ISSUER}&iss={ISSUER}"),
        ] {
            assert!(matches!(attempt.check(&query), Err(Error::WrongResponder { .. })), "{query}");
        }
        assert!(matches!(attempt.check(&format!("state={state}")), Err(Error::Denied { .. })));
    }

    #[test]
    fn google_is_known_to_be_split() {
        let url = |text: &str| Url::parse(text).unwrap();
        let authorize = url("https://accounts.google.com/o/oauth2/v2/auth");
        assert!(!is_split(&authorize, &url("https://oauth2.googleapis.com/token")));
        assert!(is_split(&authorize, &url("https://oauth2.example/token")));
    }
}
