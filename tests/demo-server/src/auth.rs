//! Who is calling: checks the credentials of an MCP request against the configured strategies, and
//! refuses as the authorization page of the MCP specification wants.

pub(crate) mod jwt;

use std::collections::BTreeSet;

use axum::response::{IntoResponse, Response};
use http::header::{AUTHORIZATION, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, StatusCode};

use crate::config::Auth;
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
    /// The token cannot be checked right now.
    Unavailable,
}

/// Finds out who sent a request to `path`.
pub(crate) fn identify(shared: &Shared, headers: &HeaderMap, path: &str) -> Result<Caller, Refusal> {
    let bearer = match headers.get(AUTHORIZATION) {
        Some(value) => Some(bearer_token(value)?),
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
        match try_strategy(shared, auth, bearer, api_key, path) {
            Ok(Some(caller)) => return Ok(caller),
            Ok(None) => {}
            Err(reason) => refusal = reason,
        }
    }
    Err(refusal)
}

fn bearer_token(value: &HeaderValue) -> Result<&str, Refusal> {
    let unreadable = Refusal::Invalid("the Authorization header is not a bearer token");
    let Some((scheme, token)) = value.to_str().ok().and_then(|text| text.split_once(' ')) else {
        return Err(unreadable);
    };
    if scheme.eq_ignore_ascii_case("bearer") { Ok(token.trim()) } else { Err(unreadable) }
}

fn try_strategy(
    shared: &Shared,
    auth: &Auth,
    bearer: Option<&str>,
    api_key: Option<&str>,
    path: &str,
) -> Result<Option<Caller>, Refusal> {
    match (auth, bearer, api_key) {
        (Auth::Bearer(tokens), Some(token), _) => Ok(look_up(tokens, token, "bearer")),
        (Auth::ApiKey(keys), _, Some(key)) => Ok(look_up(keys, key, "api-key")),
        (Auth::Jwt(config), Some(token), _) if jwt::looks_like(token) => jwt::check(config, token).map(Some),
        (Auth::OAuth(_), Some(token), _) => oauth(shared, token, path),
        (Auth::None | Auth::Bearer(_) | Auth::ApiKey(_) | Auth::Jwt(_) | Auth::OAuth(_), _, _) => Ok(None),
    }
}

fn look_up(known: &[(String, String)], secret: &str, method: &'static str) -> Option<Caller> {
    let (_, user) = known.iter().find(|(token, _)| token == secret)?;
    Caller::known(user, method)
}

fn oauth(shared: &Shared, token: &str, path: &str) -> Result<Option<Caller>, Refusal> {
    let store = crate::lock(&shared.oauth);
    let Some(grant) = store.access_token(token) else {
        return Ok(None);
    };
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
            Refusal::Invalid(why) => (StatusCode::UNAUTHORIZED, *why),
            Refusal::InsufficientScope(_) => (StatusCode::FORBIDDEN, "the token lacks a scope this needs"),
            Refusal::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "cannot check the token now"),
        };
        let mut response = (status, message).into_response();
        match self {
            Refusal::Unavailable => {
                response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
            }
            Refusal::Missing | Refusal::Invalid(_) | Refusal::InsufficientScope(_) => {
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
            Refusal::InsufficientScope(needed) => {
                parameters.push("error=\"insufficient_scope\"".to_owned());
                scope = Some(needed.clone());
            }
        }
        if let Some(scope) = scope {
            parameters.push(format!("scope=\"{scope}\""));
        }
        let scheme = if takes_only_api_keys(shared) { "ApiKey" } else { "Bearer" };
        format!("{scheme} {}", parameters.join(", "))
    }
}

fn takes_only_api_keys(shared: &Shared) -> bool {
    shared.config.auth.iter().all(|auth| matches!(auth, Auth::ApiKey(_)))
}
