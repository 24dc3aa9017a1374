//! The token endpoint: exchange, refresh, revocation. Requests are RFC 6749's to the letter, and none follows a redirect.

mod response;
mod set;

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method};
use url::Url;
use url::form_urlencoded::Serializer;

pub use self::response::TokenResponse;
pub(super) use self::response::{ErrorBody, seconds};
use self::response::{TokenType, failure, read_tokens};
pub use self::set::TokenSet;
use super::Error;
use super::dpop::{self, DpopKey};
use super::registration::ClientRegistration;
use crate::net::{ConnectionSettings, Network, SmallResponse};
use crate::secret::{AccessToken, AuthorizationCode, PkceVerifier, RefreshToken};

/// How long giving unused tokens back may take.
const GIVE_BACK: Duration = Duration::from_secs(5);

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

    /// Gives back tokens that are not used, as far as their server takes them.
    pub(super) async fn give_back(&self, tokens: &TokenSet) {
        let Some(endpoint) = &tokens.revocation_endpoint else { return };
        let giving_back = self.revoke_all(endpoint, tokens.refresh.as_ref(), tokens.access.as_ref());
        if !matches!(tokio::time::timeout(GIVE_BACK, giving_back).await, Ok(Ok(()))) {
            tracing::info!("the authorization server did not take unused tokens back");
        }
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
