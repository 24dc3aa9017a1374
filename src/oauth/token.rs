//! The token endpoint: exchange, refresh, revocation. Requests are RFC 6749's to the letter; answers are read with
//! patience for what servers really send. No request follows a redirect.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use serde_json::{Map, Value};
use url::Url;
use url::form_urlencoded::Serializer;

use super::dpop::{self, DpopKey};
use super::identity::{IdToken, Identity};
use super::registration::ClientRegistration;
use super::scope::Scopes;
use super::{Error, Issuer};
use crate::net::{self, ConnectionSettings, Network, SmallResponse};
use crate::redact::plain;
use crate::secret::{AccessToken, AuthorizationCode, PkceVerifier, RefreshToken};

/// Lifetimes beyond this are a slip of somebody's units.
const MAX_LIFETIME: u64 = 10 * 365 * 24 * 3600;

/// The tokens of one account, with all that is needed to use, renew and return them: they go to nobody else than who
/// is named in here.
#[derive(Debug, Clone)]
pub struct TokenSet {
    /// Who issued them.
    pub issuer: Issuer,
    /// Where they are renewed.
    pub token_endpoint: Url,
    /// Where they are given back.
    pub revocation_endpoint: Option<Url>,
    /// The client they were issued to.
    pub registration: ClientRegistration,
    /// The access token, where there is one at hand.
    pub access: Option<AccessToken>,
    /// The refresh token, where the server gave one.
    pub refresh: Option<RefreshToken>,
    /// What was granted, or asked for where the server did not say.
    pub scopes: Scopes,
    /// What was asked for.
    pub requested: Scopes,
    /// The `resource` they are for.
    pub resource: Option<String>,
    /// When the access token was issued.
    pub issued_at: SystemTime,
    /// When the access token ends, by the wall clock.
    pub expires_at: Option<SystemTime>,
    /// Who signed in, where an id_token says so.
    pub identity: Option<Identity>,
    /// The key the tokens are bound to.
    pub dpop: Option<DpopKey>,
    /// Other sites the access token may be meant for: the person was asked.
    pub accepted_sites: Vec<String>,
}

impl TokenSet {
    /// Takes over what a refresh brought; a refresh token that did not come stays.
    pub fn renewed(&self, answer: TokenResponse, now: SystemTime) -> Self {
        Self {
            access: Some(answer.access),
            refresh: answer.refresh.or_else(|| self.refresh.clone()),
            scopes: answer.scopes.unwrap_or_else(|| self.scopes.clone()),
            issued_at: now,
            expires_at: answer.expires_in.map(|lifetime| now + lifetime),
            ..self.clone()
        }
    }
}

/// What the token endpoint answered.
#[derive(Debug)]
pub struct TokenResponse {
    /// The access token.
    pub access: AccessToken,
    /// The refresh token.
    pub refresh: Option<RefreshToken>,
    /// How long the access token lives.
    pub expires_in: Option<Duration>,
    /// What was granted, where it says so.
    pub scopes: Option<Scopes>,
    /// Who signed in.
    pub id_token: Option<IdToken>,
}

/// Speaks to one authorization server as one client.
#[derive(Clone, Copy)]
pub struct TokenClient<'a> {
    /// The way out.
    pub network: &'a Network,
    /// Those of the server entry.
    pub settings: &'a ConnectionSettings,
    /// Who we are there.
    pub registration: &'a ClientRegistration,
    /// The key that tokens are, or shall be, bound to.
    pub dpop: Option<&'a DpopKey>,
}

impl TokenClient<'_> {
    /// RFC 6749 §4.1.3 with RFC 7636 and RFC 8707.
    ///
    /// # Errors
    /// [`Error::TokenRefused`], [`Error::Unavailable`], [`Error::InvalidTokenResponse`], [`Error::Network`].
    pub async fn exchange(
        &self,
        endpoint: &Url,
        code: &AuthorizationCode,
        verifier: &PkceVerifier,
        resource: Option<&str>,
    ) -> Result<TokenResponse, Error> {
        let redirect = self.registration.redirect.map(|redirect| redirect.to_string());
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", code.expose()),
            ("code_verifier", verifier.expose()),
        ];
        form.extend(redirect.as_deref().map(|redirect| ("redirect_uri", redirect)));
        form.extend(resource.map(|resource| ("resource", resource)));
        self.ask(endpoint, form).await
    }

    /// RFC 6749 §6 with RFC 8707.
    ///
    /// # Errors
    /// See [`exchange`](Self::exchange).
    pub async fn refresh(
        &self,
        endpoint: &Url,
        token: &RefreshToken,
        resource: Option<&str>,
    ) -> Result<TokenResponse, Error> {
        let mut form = vec![("grant_type", "refresh_token"), ("refresh_token", token.expose())];
        form.extend(resource.map(|resource| ("resource", resource)));
        self.ask(endpoint, form).await
    }

    /// RFC 7009.
    ///
    /// # Errors
    /// As the endpoint answers; RFC 7009 has it accept tokens it does not know.
    pub async fn revoke(&self, endpoint: &Url, token: &str, hint: &str) -> Result<(), Error> {
        let answer = self.post(endpoint, vec![("token", token), ("token_type_hint", hint)]).await?;
        if answer.status.is_success() { Ok(()) } else { Err(failure(&answer)) }
    }

    /// Gives back what there is.
    ///
    /// # Errors
    /// The first one that was not taken; the other was still tried.
    pub async fn revoke_all(
        &self,
        endpoint: &Url,
        refresh: Option<&RefreshToken>,
        access: Option<&AccessToken>,
    ) -> Result<(), Error> {
        let refresh = refresh.map(|token| (token.expose(), "refresh_token"));
        let access = access.map(|token| (token.expose(), "access_token"));
        let mut outcome = Ok(());
        for (token, hint) in refresh.into_iter().chain(access) {
            let taken = self.revoke(endpoint, token, hint).await;
            outcome = outcome.and(taken);
        }
        outcome
    }

    /// Asks for tokens with any grant.
    ///
    /// # Errors
    /// See [`exchange`](Self::exchange).
    pub(super) async fn ask(&self, endpoint: &Url, form: Vec<(&str, &str)>) -> Result<TokenResponse, Error> {
        let kind = if self.dpop.is_some() { TokenType::Dpop } else { TokenType::Bearer };
        read_tokens(&self.ask_for_body(endpoint, form).await?, kind)
    }

    /// Asks an endpoint that answers errors as the token endpoint does, for something else than tokens.
    ///
    /// # Errors
    /// [`Error::TokenRefused`], [`Error::Unavailable`], [`Error::Network`].
    pub(super) async fn ask_for_body(&self, endpoint: &Url, form: Vec<(&str, &str)>) -> Result<Bytes, Error> {
        let answer = self.post(endpoint, form).await?;
        if answer.status.is_success() { Ok(answer.body) } else { Err(failure(&answer)) }
    }

    /// One request; RFC 9449 §8: another one if the first only lacked a nonce.
    async fn post(&self, endpoint: &Url, form: Vec<(&str, &str)>) -> Result<SmallResponse, Error> {
        let answer = self.post_once(endpoint, form.clone()).await?;
        let Some(key) = self.dpop else { return Ok(answer) };
        let is_new = key.learn_nonce(endpoint, &answer.headers);
        let wants_nonce = ErrorBody::parse(&answer.body).is_some_and(|body| body.code == dpop::USE_NONCE);
        if answer.status.is_success() || !is_new || !wants_nonce {
            return Ok(answer);
        }
        let answer = self.post_once(endpoint, form).await?;
        key.learn_nonce(endpoint, &answer.headers);
        Ok(answer)
    }

    async fn post_once(&self, endpoint: &Url, form: Vec<(&str, &str)>) -> Result<SmallResponse, Error> {
        let mut headers = HeaderMap::from_iter([
            (CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded")),
            (ACCEPT, HeaderValue::from_static("application/json")),
        ]);
        if let Some(key) = self.dpop {
            headers.insert(dpop::HEADER, key.proof(&Method::POST, endpoint, None, SystemTime::now()));
        }
        let ClientRegistration { auth, client_id, issuer, .. } = self.registration;
        let shown = auth.show(client_id, issuer);
        headers.extend(shown.header.map(|value| (AUTHORIZATION, value)));
        let body = Serializer::new(String::new()).extend_pairs(form).extend_pairs(shown.fields).finish();
        Ok(self.network.post(endpoint, headers, Bytes::from(body), self.settings).await?)
    }
}

/// The error body of RFC 6749 §5.2 and RFC 7591 §3.2.2, made safe to show.
pub(super) struct ErrorBody {
    pub(super) code: String,
    pub(super) description: Option<String>,
}

impl ErrorBody {
    pub(super) fn parse(body: &[u8]) -> Option<Self> {
        let document: Map<String, Value> = serde_json::from_slice(body).ok()?;
        Self::of(&document)
    }

    fn of(document: &Map<String, Value>) -> Option<Self> {
        let text =
            |key: &str, max| Some(plain(document.get(key)?.as_str()?, max)).filter(|text| !text.is_empty());
        Some(Self { code: text("error", 60)?, description: text("error_description", 200) })
    }
}

fn failure(answer: &SmallResponse) -> Error {
    let status = answer.status;
    if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
        return Error::Unavailable {
            status: status.as_u16(),
            retry_after: net::retry_after(&answer.headers),
        };
    }
    match ErrorBody::parse(&answer.body) {
        Some(body) => refusal(body),
        None => Error::TokenRefused { code: format!("http_{}", status.as_u16()), description: None },
    }
}

/// Two codes say "not now" whatever status carries them.
fn refusal(body: ErrorBody) -> Error {
    match body.code.as_str() {
        "temporarily_unavailable" | "server_error" => {
            Error::Unavailable { status: StatusCode::SERVICE_UNAVAILABLE.as_u16(), retry_after: None }
        }
        _ => Error::TokenRefused { code: body.code, description: body.description },
    }
}

/// `token_type`, as far as we use it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TokenType {
    Bearer,
    Dpop,
}

impl TokenType {
    /// Whether an answer holds such a token. One that is not bound is no use where a bound one is wanted, and one
    /// that is bound to a key we did not show is no use anywhere.
    fn check(self, named: Option<&str>) -> Result<(), Error> {
        let (name, why) = match self {
            Self::Bearer => ("bearer", "it is not a bearer token"),
            Self::Dpop => ("dpop", "the token is not bound to our key (DPoP), as the server wants it"),
        };
        let fits = named.is_some_and(|named| named.eq_ignore_ascii_case(name));
        if fits { Ok(()) } else { Err(Error::InvalidTokenResponse { why }) }
    }
}

fn read_tokens(body: &[u8], kind: TokenType) -> Result<TokenResponse, Error> {
    let invalid = |why| Error::InvalidTokenResponse { why };
    let document: Map<String, Value> = serde_json::from_slice(body).map_err(|_| invalid("it is not JSON"))?;
    let text = |key: &str| document.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
    let Some(access) = text("access_token") else {
        // GitHub and others refuse with status 200.
        return Err(ErrorBody::of(&document).map_or_else(|| invalid("it has no access token"), refusal));
    };
    kind.check(text("token_type"))?;
    // It will be a header value; a line break in it would be another header.
    if !access.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(invalid("the access token holds characters that no token has"));
    }
    Ok(TokenResponse {
        access: AccessToken::new(access),
        refresh: text("refresh_token").map(RefreshToken::new),
        expires_in: document
            .get("expires_in")
            .and_then(seconds)
            .filter(|lifetime| *lifetime > 0)
            .map(|lifetime| Duration::from_secs(lifetime.min(MAX_LIFETIME))),
        scopes: text("scope").map(Scopes::parse),
        id_token: text("id_token").map(IdToken::new),
    })
}

/// Whole seconds from a number or a text with a number.
pub(super) fn seconds(value: &Value) -> Option<u64> {
    let number = match value {
        Value::String(text) => text.trim().parse::<f64>().ok()?,
        Value::Number(number) => number.as_f64()?,
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
    };
    // Saturates; not-a-number becomes 0.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturating is what we want")]
    (number >= 0.0).then_some(number as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> SmallResponse {
        SmallResponse {
            status: StatusCode::from_u16(status).unwrap(),
            headers: HeaderMap::new(),
            body: Bytes::copy_from_slice(body.as_bytes()),
        }
    }

    #[test]
    fn lifetimes_come_in_many_shapes() {
        for (shape, expected) in [
            (r#","expires_in":3600"#, Some(3600)),
            (r#","expires_in":"3600""#, Some(3600)),
            (r#","expires_in":3599.9"#, Some(3599)),
            (r#","expires_in":1e30"#, Some(MAX_LIFETIME)),
            (r#","expires_in":0"#, None),
            (r#","expires_in":-1"#, None),
            (r#","expires_in":null"#, None),
            (r#","expires_in":"soon""#, None),
            ("", None),
        ] {
            let body = format!(r#"{{"access_token":"a","token_type":"bearer"{shape}}}"#);
            let tokens = read_tokens(body.as_bytes(), TokenType::Bearer).unwrap();
            assert_eq!(tokens.expires_in.map(|lifetime| lifetime.as_secs()), expected, "{shape}");
        }
    }

    #[test]
    fn only_bearer_tokens_that_fit_a_header_are_taken() {
        for (body, ok) in [
            (r#"{"access_token":"a","token_type":"Bearer"}"#, true),
            (r#"{"access_token":"a","token_type":"BEARER","scope":""}"#, true),
            (r#"{"access_token":"a","token_type":"DPoP"}"#, false),
            (r#"{"access_token":"a"}"#, false),
            (r#"{"access_token":"","token_type":"Bearer"}"#, false),
            (r#"{"access_token":"a\r\nX-Evil: 1","token_type":"Bearer"}"#, false),
            (r#"{"access_token":"a b","token_type":"Bearer"}"#, false),
            (r#"{"token_type":"Bearer"}"#, false),
            ("<html>", false),
        ] {
            assert_eq!(read_tokens(body.as_bytes(), TokenType::Bearer).is_ok(), ok, "{body}");
        }
    }

    #[test]
    fn where_a_bound_token_is_wanted_no_other_is_taken() {
        for (named, ok) in [("DPoP", true), ("dpop", true), ("Bearer", false), ("", false)] {
            let body = format!(r#"{{"access_token":"a","token_type":"{named}"}}"#);
            assert_eq!(read_tokens(body.as_bytes(), TokenType::Dpop).is_ok(), ok, "{named}");
        }
    }

    #[test]
    fn refusals_and_trouble_are_told_apart() {
        for (status, body, expected) in [
            (400, r#"{"error":"invalid_grant"}"#, Some("invalid_grant")),
            (401, r#"{"error":"invalid_client","error_description":"x"}"#, Some("invalid_client")),
            (400, "<html>", Some("http_400")),
            (302, "", Some("http_302")),
            (500, r#"{"error":"invalid_grant"}"#, None),
            (429, "", None),
            (400, r#"{"error":"temporarily_unavailable"}"#, None),
        ] {
            let error = failure(&answer(status, body));
            match expected {
                Some(code) => assert!(error.refused_with(code) && !error.is_transient(), "{status} {body}"),
                None => assert!(error.is_transient(), "{status} {body}"),
            }
        }
        let with_200 = read_tokens(br#"{"error":"bad_verification_code"}"#, TokenType::Bearer).unwrap_err();
        assert!(with_200.refused_with("bad_verification_code"));
    }

    #[test]
    fn an_error_description_cannot_draw_on_the_terminal() {
        let body = r#"{"error":"x\u001b[31m","error_description":"a\u001b]0;t\u0007\nb\u202ec"}"#;
        let text = failure(&answer(400, body)).to_string();
        assert!(!text.contains('\u{1b}') && !text.contains('\n') && !text.contains('\u{202e}'), "{text:?}");
    }
}
