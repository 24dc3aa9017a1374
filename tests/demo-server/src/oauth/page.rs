//! The pages people see while they sign in. They work without scripts and with a screen reader.

use axum::response::{Html, IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_FRAME_OPTIONS};
use http::{HeaderValue, StatusCode};

use crate::oauth::print_scopes;
use crate::oauth::store::Pending;
use crate::users::User;

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:24rem;margin:3rem auto;\
padding:0 1rem}label{display:block;margin:.75rem 0}input{display:block;width:100%;font:inherit;\
padding:.4rem;box-sizing:border-box}button{font:inherit;padding:.4rem 1.2rem;margin-right:.5rem}\
[role=alert]{color:#a00}";

/// The login form. A browser that is known for a user may leave the fields empty.
pub(super) fn login(id: &str, pending: &Pending, known: Option<User>, mistake: Option<&str>) -> Response {
    let alert =
        mistake.map(|sentence| format!("<p role=\"alert\">{}</p>", escape(sentence))).unwrap_or_default();
    let known = known
        .map(|user| {
            let name = escape(user.display_name);
            format!("<p>You are signed in as {name}. Fill in the fields to be somebody else.</p>")
        })
        .unwrap_or_default();
    let body = format!(
        "<h1>Sign in to the demo server</h1>\
         <p><strong>{client}</strong> asks for: {scopes}</p>{known}{alert}\
         <form method=\"post\">\
         <input type=\"hidden\" name=\"request\" value=\"{id}\">\
         <label>User name<input name=\"username\" autocomplete=\"username\" autofocus></label>\
         <label>Password<input name=\"password\" type=\"password\" \
         autocomplete=\"current-password\"></label>\
         <button name=\"decision\" value=\"allow\">Allow</button>\
         <button name=\"decision\" value=\"deny\" formnovalidate>Deny</button>\
         </form>\
         <p>Test users: demo / demo123, inspector / inspector123, admin / admin123</p>",
        client = escape(&pending.client_name),
        scopes = escape(&print_scopes(&pending.scopes)),
        id = escape(id),
    );
    let status = if mistake.is_some() { StatusCode::FORBIDDEN } else { StatusCode::OK };
    page(status, "Sign in", &body)
}

/// A page for what cannot be sent back to the client.
pub(super) fn refusal(sentence: &str) -> Response {
    let body = format!("<h1>This sign-in cannot go on</h1><p>{}</p>", escape(sentence));
    page(StatusCode::BAD_REQUEST, "Sign-in refused", &body)
}

fn page(status: StatusCode, title: &str, body: &str) -> Response {
    let html = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>{title}</title>\
         <style>{STYLE}</style></head><body><main>{body}</main></body></html>"
    );
    let mut response = (status, Html(html)).into_response();
    let policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";
    for (name, value) in [
        (CACHE_CONTROL, "no-store"),
        (CONTENT_SECURITY_POLICY, policy),
        (REFERRER_POLICY, "no-referrer"),
        (X_FRAME_OPTIONS, "DENY"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
