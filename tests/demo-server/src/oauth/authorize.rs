//! The authorization endpoint: checks the request, shows the login form, and sends the browser
//! back with a code (RFC 6749 4.1, PKCE, RFC 8707 and RFC 9207).

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, LOCATION, REFERRER_POLICY};
use http::{HeaderMap, HeaderValue, StatusCode};
use url::Url;

use crate::oauth::client::{self, Form};
use crate::oauth::store::{Client, Pending};
use crate::oauth::{SCOPES, browser, issuer, page, parse_scopes, settings};
use crate::shared::Shared;
use crate::users::{self, User};

const FORM_LIFETIME: Duration = Duration::from_secs(600);

/// `GET /authorize`
pub(crate) async fn form(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    let Ok(query) = Form::parse(query.unwrap_or_default().as_bytes()) else {
        return refuse("A parameter is given twice.");
    };
    // Until client and redirect URI are known to belong together, nothing may be sent there.
    let Some(client) = known_client(&shared, &query).await else {
        return refuse("This client is not registered here.");
    };
    let Some(redirect_uri) = redirect_uri(&shared, &client, &query) else {
        return refuse("This client did not register that redirect URI.");
    };
    match check(&shared, &client, &redirect_uri, &query) {
        Ok(pending) => {
            let known = browser::remembered(&shared, &headers);
            shared.recorder.count(|stats| {
                stats.authorize_pages += 1;
                stats.remembered_pages += u64::from(known.is_some());
            });
            let shown = pending.clone();
            let id = crate::lock(&shared.oauth).add_pending(pending);
            page::login(&id, &shown, known, None)
        }
        Err(error) => send_back(&shared, &redirect_uri, query.get("state"), &[("error", error)]),
    }
}

/// `POST /authorize`
pub(crate) async fn submit(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> Response {
    let Ok(form) = Form::parse(&body) else {
        return refuse("A field is given twice.");
    };
    let id = form.get("request").unwrap_or_default();
    let now = shared.clock.now();
    let pending = crate::lock(&shared.oauth).pending(id).cloned();
    let Some(pending) = pending.filter(|pending| pending.expires_at > now) else {
        return refuse("This sign-in is over. Start again in the program you came from.");
    };
    let (redirect_uri, state) = (pending.redirect_uri.clone(), pending.state.clone());
    if form.get("decision") == Some("deny") {
        crate::lock(&shared.oauth).finish_pending(id);
        let denied = [("error", "access_denied")];
        return send_back(&shared, &redirect_uri, state.as_deref(), &denied);
    }
    let Some(user) = who(&shared, &headers, &form) else {
        let mistake = "The user name or the password is wrong.";
        return page::login(id, &pending, None, Some(mistake));
    };
    let Some(code) = issue_code(&shared, id, user.name) else {
        return refuse("This form was sent twice.");
    };
    let mut response = send_back(&shared, &redirect_uri, state.as_deref(), &[("code", &code)]);
    browser::remember(&shared, user, &mut response);
    response
}

/// Who allows it: the user named in the form, or the one this browser is known for.
fn who(shared: &Shared, headers: &HeaderMap, form: &Form) -> Option<User> {
    match form.get("username") {
        Some(name) => users::sign_in(name, form.get("password").unwrap_or_default()),
        None => browser::remembered(shared, headers),
    }
}

fn issue_code(shared: &Shared, pending_id: &str, user: &str) -> Option<String> {
    let expires_at = shared.clock.now() + settings(shared).code_lifetime;
    let code = {
        let mut store = crate::lock(&shared.oauth);
        let pending = store.finish_pending(pending_id)?;
        store.add_code(pending, user, expires_at)
    };
    shared.recorder.count(|stats| stats.authorizations += 1);
    Some(code)
}

async fn known_client(shared: &Shared, query: &Form) -> Option<Client> {
    client::find(shared, query.get("client_id")?).await
}

fn redirect_uri(shared: &Shared, client: &Client, query: &Form) -> Option<String> {
    let asked = query.get("redirect_uri")?;
    let strict = settings(shared).strict_redirect_port;
    client::may_redirect(client, asked, strict).then(|| asked.to_owned())
}

/// What the request asks for, or the error code to send back.
fn check(
    shared: &Shared,
    client: &Client,
    redirect_uri: &str,
    query: &Form,
) -> Result<Pending, &'static str> {
    if query.get("response_type") != Some("code") {
        return Err("unsupported_response_type");
    }
    let challenge = query.get("code_challenge").ok_or("invalid_request")?;
    // RFC 7636 4.2: the base64url of a SHA-256 has 43 characters.
    if query.get("code_challenge_method") != Some("S256") || challenge.len() != 43 {
        return Err("invalid_request");
    }
    Ok(Pending {
        client_id: client.id.clone(),
        client_name: client.name.clone(),
        redirect_uri: redirect_uri.to_owned(),
        state: query.get("state").map(str::to_owned),
        challenge: challenge.to_owned(),
        resource: resource(shared, query)?,
        scopes: scopes(query)?,
        nonce: query.get("nonce").map(str::to_owned),
        expires_at: shared.clock.now() + FORM_LIFETIME,
    })
}

fn resource(shared: &Shared, query: &Form) -> Result<String, &'static str> {
    match query.get("resource") {
        Some(resource) if shared.is_own_resource(resource) => Ok(resource.to_owned()),
        Some(_) => Err("invalid_target"),
        None if settings(shared).require_resource => Err("invalid_target"),
        None => Ok(shared.origin.clone()),
    }
}

fn scopes(query: &Form) -> Result<BTreeSet<String>, &'static str> {
    let asked = parse_scopes(query.get("scope").unwrap_or("mcp"));
    if asked.iter().all(|scope| SCOPES.contains(&scope.as_str())) { Ok(asked) } else { Err("invalid_scope") }
}

fn send_back(
    shared: &Shared,
    redirect_uri: &str,
    state: Option<&str>,
    parameters: &[(&str, &str)],
) -> Response {
    let Ok(mut url) = Url::parse(redirect_uri) else {
        return refuse("The redirect URI is not a URL.");
    };
    url.query_pairs_mut().extend_pairs(parameters);
    if let Some(state) = state {
        url.query_pairs_mut().append_pair("state", state);
    }
    let other = crate::lock(&shared.oauth).callback_iss.clone();
    if other.is_some() || settings(shared).iss_parameter {
        let iss = other.unwrap_or_else(|| issuer(shared));
        url.query_pairs_mut().append_pair("iss", &iss);
    }
    let mut response = StatusCode::SEE_OTHER.into_response();
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    if let Ok(location) = HeaderValue::from_str(url.as_str()) {
        headers.insert(LOCATION, location);
    }
    response
}

fn refuse(sentence: &str) -> Response {
    page::refusal(sentence)
}
