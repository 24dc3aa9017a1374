//! Who is calling: checks the credentials of an MCP request against the configured strategies, and
//! refuses as the authorization page of the MCP specification wants.

pub(crate) mod jwt;

use std::collections::BTreeSet;

use axum::response::{IntoResponse, Response};
use http::header::{AUTHORIZATION, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};

use crate::config::{Auth, Dpop};
use crate::oauth::dpop;
use crate::shared::Shared;
use crate::users::{self, User};

/// Whoever sent a request.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) user: Option<User>,
    pub(crate) method: &'static str,
    /// What an OAuth token was granted; other credentials may do everything their user may.
    pub(crate) scopes: Option<BTreeSet<String>>,
    pub(crate) client_id: Option<String>,
}

impl Caller {
    fn known(user: &str, method: &'static str) -> Option<Self> {
        users::find(user).map(|user| Caller { user: Some(user), method, scopes: None, client_id: None })
    }

    /// Nobody in particular.
    pub(crate) fn anonymous() -> Self {
        Caller { user: None, method: "none", scopes: None, client_id: None }
    }

    /// The user's name, for sessions.
    pub(crate) fn name(&self) -> &'static str {
        self.user.map_or("", |user| user.name)
    }

    /// Whether the caller's token covers a scope.
    pub(crate) fn has_scope(&self, scope: &str) -> bool {
        self.scopes.as_ref().is_none_or(|scopes| scopes.contains(scope))
    }
}

/// Why a request is not served.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// No credentials came.
    Missing,
    /// The credentials are wrong or no longer good.
    Invalid(&'static str),
    /// The token is good but lacks this scope.
    InsufficientScope(String),
    /// The token is good, and the proof of its key is not.
    Proof(dpop::Refused),
    /// The token cannot be checked right now.
    Unavailable,
}

/// Finds out who sent a request to `path`.
pub(crate) fn identify(
    shared: &Shared,
    headers: &HeaderMap,
    method: &Method,
    path: &str,
) -> Result<Caller, Refusal> {
    let bearer = match headers.get(AUTHORIZATION) {
        Some(value) => Some(token(shared, value)?),
        None => None,
    };
    let api_key = headers.get("x-api-key").and_then(|value| value.to_str().ok());
    if bearer.is_none() && api_key.is_none() {
        return match shared.config.refuses_anonymous() {
            true => Err(Refusal::Missing),
            false => Ok(Caller::anonymous()),
        };
    }
    let mut refusal = Refusal::Invalid("the credentials are unknown");
    for auth in &shared.config.auth {
        match try_strategy(shared, auth, bearer, api_key, &Asked { headers, method, path }) {
            Ok(Some(caller)) => return Ok(caller),
            Ok(None) => {}
            Err(reason) => refusal = reason,
        }
    }
    Err(refusal)
}

/// What a credential came with.
struct Asked<'a> {
    headers: &'a HeaderMap,
    method: &'a Method,
    path: &'a str,
}

fn token<'a>(shared: &Shared, value: &'a HeaderValue) -> Result<&'a str, Refusal> {
    let unreadable = Refusal::Invalid("the Authorization header is not a bearer token");
    let Some((scheme, token)) = value.to_str().ok().and_then(|text| text.split_once(' ')) else {
        return Err(unreadable);
    };
    let wanted = if binds_tokens(shared) { "dpop" } else { "bearer" };
    if scheme.eq_ignore_ascii_case(wanted) { Ok(token.trim()) } else { Err(unreadable) }
}

fn try_strategy(
    shared: &Shared,
    auth: &Auth,
    bearer: Option<&str>,
    api_key: Option<&str>,
    asked: &Asked<'_>,
) -> Result<Option<Caller>, Refusal> {
    match (auth, bearer, api_key) {
        (Auth::Bearer(tokens), Some(token), _) => Ok(look_up(tokens, token, "bearer")),
        (Auth::ApiKey(keys), _, Some(key)) => Ok(look_up(keys, key, "api-key")),
        (Auth::Jwt(config), Some(token), _) if jwt::looks_like(token) => jwt::check(config, token).map(Some),
        (Auth::OAuth(_), Some(token), _) => oauth(shared, token, asked),
        (Auth::None | Auth::Bearer(_) | Auth::ApiKey(_) | Auth::Jwt(_) | Auth::OAuth(_), _, _) => Ok(None),
    }
}

fn look_up(known: &[(String, String)], secret: &str, method: &'static str) -> Option<Caller> {
    let (_, user) = known.iter().find(|(token, _)| token == secret)?;
    Caller::known(user, method)
}

fn oauth(shared: &Shared, token: &str, asked: &Asked<'_>) -> Result<Option<Caller>, Refusal> {
    let Asked { headers, method, path } = *asked;
    let Some(grant) = crate::lock(&shared.oauth).access_token(token).cloned() else {
        return Ok(None);
    };
    if let Some(key) = &grant.key {
        let shown = dpop::check(shared, headers, method, path, Some(token)).map_err(Refusal::Proof)?;
        if shown != *key {
            return Err(Refusal::Invalid("the access token is bound to another key"));
        }
    }
    if grant.expires_at <= shared.clock.now() {
        return Err(Refusal::Invalid("the access token expired"));
    }
    if !shared.covers(&grant.resource, path) {
        return Err(Refusal::Invalid("the access token is for another resource"));
    }
    Ok(Some(Caller {
        user: users::find(&grant.user),
        method: "oauth",
        scopes: Some(grant.scopes.clone()),
        client_id: Some(grant.client_id.clone()),
    }))
}

impl Refusal {
    /// The answer to a refused request.
    pub(crate) fn response(&self, shared: &Shared, path: &str) -> Response {
        let (status, message) = match self {
            Refusal::Missing => (StatusCode::UNAUTHORIZED, "sign in first"),
            Refusal::Invalid(why) | Refusal::Proof(dpop::Refused::Proof(why)) => {
                (StatusCode::UNAUTHORIZED, *why)
            }
            Refusal::Proof(dpop::Refused::Nonce) => (StatusCode::UNAUTHORIZED, "use the nonce"),
            Refusal::InsufficientScope(_) => (StatusCode::FORBIDDEN, "the token lacks a scope this needs"),
            Refusal::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "cannot check the token now"),
        };
        let mut response = (status, message).into_response();
        match self {
            Refusal::Unavailable => {
                response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
            }
            Refusal::Missing | Refusal::Invalid(_) | Refusal::InsufficientScope(_) | Refusal::Proof(_) => {
                if let (Refusal::Proof(dpop::Refused::Nonce), Some(nonce)) = (self, dpop::nonce(shared)) {
                    response.headers_mut().insert("dpop-nonce", nonce);
                }
                if let Ok(challenge) = self.challenge(shared, path).parse() {
                    response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
                }
            }
        }
        response
    }

    fn challenge(&self, shared: &Shared, path: &str) -> String {
        let mut parameters = Vec::new();
        let mut scope = None;
        if let Some(oauth) = shared.config.oauth_config() {
            if oauth.resource_metadata.in_challenge {
                let url = crate::oauth::metadata::resource_metadata_url(shared, path);
                parameters.push(format!("resource_metadata=\"{url}\""));
            }
            scope = oauth.challenge_scope.clone();
        } else {
            parameters.push("realm=\"drawbridge-demo\"".to_owned());
        }
        match self {
            Refusal::Missing | Refusal::Unavailable => {}
            Refusal::Invalid(why) => {
                parameters.push("error=\"invalid_token\"".to_owned());
                parameters.push(format!("error_description=\"{why}\""));
            }
            Refusal::Proof(dpop::Refused::Proof(why)) => {
                parameters.push("error=\"invalid_dpop_proof\"".to_owned());
                parameters.push(format!("error_description=\"{why}\""));
            }
            Refusal::Proof(dpop::Refused::Nonce) => parameters.push("error=\"use_dpop_nonce\"".to_owned()),
            Refusal::InsufficientScope(needed) => {
                parameters.push("error=\"insufficient_scope\"".to_owned());
                scope = Some(needed.clone());
            }
        }
        if let Some(scope) = scope {
            parameters.push(format!("scope=\"{scope}\""));
        }
        let scheme = match (takes_only_api_keys(shared), binds_tokens(shared)) {
            (true, _) => "ApiKey",
            (false, true) => "DPoP",
            (false, false) => "Bearer",
        };
        format!("{scheme} {}", parameters.join(", "))
    }
}

fn binds_tokens(shared: &Shared) -> bool {
    shared.config.oauth_config().is_some_and(|oauth| oauth.dpop != Dpop::Off)
}

fn takes_only_api_keys(shared: &Shared) -> bool {
    shared.config.auth.iter().all(|auth| matches!(auth, Auth::ApiKey(_)))
}
