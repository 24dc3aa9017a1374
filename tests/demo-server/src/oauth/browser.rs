//! Remembers browsers by a cookie, as providers with single sign-on do.

use axum::response::Response;
use http::header::{COOKIE, SET_COOKIE};
use http::{HeaderMap, HeaderValue};

use crate::oauth::settings;
use crate::oauth::store::random;
use crate::shared::Shared;
use crate::users::{self, User};

const COOKIE_NAME: &str = "demo_browser";

/// Who signed in with this browser before.
pub(super) fn remembered(shared: &Shared, headers: &HeaderMap) -> Option<User> {
    if !settings(shared).remember_browser {
        return None;
    }
    let cookies = headers.get(COOKIE)?.to_str().ok()?;
    let named = |cookie: &str| cookie.trim().strip_prefix(COOKIE_NAME)?.strip_prefix('=').map(str::to_owned);
    let id = cookies.split(';').find_map(named)?;
    users::find(crate::lock(&shared.oauth).browser(&id)?)
}

/// Lets a browser keep the sign-in.
pub(super) fn remember(shared: &Shared, user: User, response: &mut Response) {
    if !settings(shared).remember_browser {
        return;
    }
    let id = random("");
    let cookie = format!("{COOKIE_NAME}={id}; Path=/; HttpOnly; SameSite=Lax; Max-Age=86400");
    crate::lock(&shared.oauth).add_browser(id, user.name);
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
}
