//! A sign-in service whose page tries to get out of its window. It reports what it could do.

use std::sync::{Arc, Mutex};

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::{CONTENT_DISPOSITION, WWW_AUTHENTICATE};
use axum::response::{Html, IntoResponse as _, Redirect, Response};
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::until;

/// The service, and an MCP server that sends people to it.
#[derive(Clone)]
pub(crate) struct ForeignPage {
    origin: String,
    script: Arc<str>,
    /// What the authorization server says of itself.
    metadata: Arc<Value>,
    reports: Arc<Mutex<Vec<(String, String)>>>,
}

impl ForeignPage {
    /// Serves a page with this script; in it, `report(what, outcome)` resolves once it is written down.
    pub(crate) async fn start(script: &str) -> Self {
        Self::start_with(script, json!({})).await
    }

    /// The same, with more or other words in the authorization server's metadata.
    pub(crate) async fn start_with(script: &str, words: Value) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let mut metadata = server(&origin);
        let others = words.as_object().expect("an object").clone();
        metadata.as_object_mut().expect("an object").extend(others);
        let metadata = Arc::new(metadata);
        let page = Self { origin, script: script.into(), metadata, reports: Arc::default() };
        let router = Router::new().fallback(answer).with_state(page.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        page
    }

    /// The MCP server.
    pub(crate) fn url(&self) -> String {
        format!("{}/mcp", self.origin)
    }

    /// What it reports of this, once it does; every report is told once.
    pub(crate) async fn report(&self, what: &str) -> String {
        until(&format!("the report of {what:?}"), async || {
            let mut reports = self.reports.lock().unwrap();
            let place = reports.iter().position(|(reported, _)| reported == what)?;
            Some(reports.remove(place).1)
        })
        .await
    }

    fn document(&self) -> String {
        format!(
            "<!doctype html><title>Drawbridge</title><h1>Sign in</h1><script>\n\
             const report = (what, outcome) =>\n\
               fetch('/report', {{ method: 'POST', body: JSON.stringify([what, String(outcome)]) }});\n\
             {}\n</script>",
            self.script
        )
    }
}

async fn answer(State(page): State<ForeignPage>, request: Request) -> Response {
    let origin = &page.origin;
    let path = request.uri().path().to_owned();
    match path.as_str() {
        "/mcp" => {
            let metadata =
                format!("Bearer resource_metadata=\"{origin}/.well-known/oauth-protected-resource\"");
            (StatusCode::UNAUTHORIZED, [(WWW_AUTHENTICATE, metadata)]).into_response()
        }
        "/authorize" => Html(page.document()).into_response(),
        "/elsewhere" => {
            Html("<script>fetch('/report', { method: 'POST', body: '[\"elsewhere\", \"shown\"]' })</script>")
                .into_response()
        }
        "/frame" => {
            Html("<script>fetch('/report', { method: 'POST', body: '[\"frame\", \"shown\"]' })</script>")
                .into_response()
        }
        "/file" => ([(CONTENT_DISPOSITION, "attachment; filename=\"taken.bin\"")], "bytes").into_response(),
        "/basic" => (StatusCode::UNAUTHORIZED, [(WWW_AUTHENTICATE, "Basic realm=\"r\"")]).into_response(),
        "/away" => Redirect::to(request.uri().query().unwrap_or_default()).into_response(),
        "/device" => Json(code(origin)).into_response(),
        "/token" => {
            (StatusCode::BAD_REQUEST, Json(json!({ "error": "authorization_pending" }))).into_response()
        }
        "/register" => (StatusCode::CREATED, Json(json!({ "client_id": "c" }))).into_response(),
        "/report" => {
            let body = axum::body::to_bytes(request.into_body(), 1 << 20).await.unwrap();
            let (what, outcome): (String, String) = serde_json::from_slice(&body).unwrap();
            page.reports.lock().unwrap().push((what, outcome));
            StatusCode::NO_CONTENT.into_response()
        }
        path if path.starts_with("/.well-known/oauth-protected-resource") => {
            Json(resource(origin)).into_response()
        }
        path if path.starts_with("/.well-known/") => Json(&*page.metadata).into_response(),
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

fn resource(origin: &str) -> Value {
    json!({ "resource": format!("{origin}/mcp"), "authorization_servers": [origin] })
}

fn server(origin: &str) -> Value {
    json!({
        "issuer": origin,
        "authorization_endpoint": format!("{origin}/authorize"),
        "device_authorization_endpoint": format!("{origin}/device"),
        "token_endpoint": format!("{origin}/token"),
        "registration_endpoint": format!("{origin}/register"),
        "response_types_supported": ["code"],
        "code_challenge_methods_supported": ["S256"],
    })
}

fn code(origin: &str) -> Value {
    json!({
        "device_code": "d",
        "user_code": "WDJB-MJHT",
        "verification_uri": format!("{origin}/activate"),
        "verification_uri_complete": format!("{origin}/activate?user_code=WDJB-MJHT"),
        "expires_in": 600,
        "interval": 1,
    })
}
