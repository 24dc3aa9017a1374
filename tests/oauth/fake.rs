//! A server whose metadata and token endpoint say what the test wants, and which remembers what it was sent.

use std::sync::{Arc, Mutex};

use axum::extract::Request;
use axum::response::{Html, IntoResponse};
use axum::{Json, Router};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use drawbridge::host::account::{AccountDeps, AccountHandle, SignIn, SignInRequest};
use serde_json::{Value, json};
use url::Url;

use crate::support::{by_person, param, spec, visit};

#[derive(Clone)]
pub(crate) struct Fake {
    pub(crate) origin: String,
    state: Arc<Mutex<State>>,
}

struct State {
    resource: Value,
    server: Value,
    tokens: Value,
    refuses_revocation: bool,
    /// Forms, by path.
    received: Vec<(String, String)>,
}

impl Fake {
    /// An honest server that gives these tokens, but for the changes.
    pub(crate) async fn start(tokens: Value, change: impl Fn(&str, &mut Value, &mut Value)) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let mut resource = json!({"resource": format!("{origin}/mcp"), "authorization_servers": [origin]});
        let mut server = json!({
            "issuer": origin,
            "authorization_endpoint": format!("{origin}/authorize"),
            "token_endpoint": format!("{origin}/token"),
            "registration_endpoint": format!("{origin}/register"),
            "revocation_endpoint": format!("{origin}/revoke"),
            "code_challenge_methods_supported": ["S256"],
        });
        change(&origin, &mut resource, &mut server);
        let state = State { resource, server, tokens, refuses_revocation: false, received: Vec::new() };
        let fake = Self { origin, state: Arc::new(Mutex::new(state)) };
        let answering = fake.clone();
        let router =
            Router::new().fallback(move |request: Request| async move { answering.answer(request).await });
        tokio::spawn(async move { axum::serve(listener, router).await });
        fake
    }

    async fn answer(&self, request: Request) -> axum::response::Response {
        let path = request.uri().path().to_owned();
        let body = axum::body::to_bytes(request.into_body(), 1 << 20).await.unwrap();
        let mut state = self.state.lock().unwrap();
        state.received.push((path.clone(), String::from_utf8_lossy(&body).into_owned()));
        if path.starts_with("/.well-known/oauth-protected-resource") {
            document(&state.resource)
        } else if path.starts_with("/.well-known/") {
            document(&state.server)
        } else if path == "/register" {
            Json(json!({"client_id": "c"})).into_response()
        } else if path == "/token" {
            Json(state.tokens.clone()).into_response()
        } else if path == "/revoke" && state.refuses_revocation {
            http::StatusCode::SERVICE_UNAVAILABLE.into_response()
        } else {
            Json(json!({})).into_response()
        }
    }

    /// Whether tokens cannot be given back for now.
    pub(crate) fn break_revocation(&self, refuses: bool) {
        self.state.lock().unwrap().refuses_revocation = refuses;
    }

    /// Names other authorization servers from now on.
    pub(crate) fn name_servers(&self, issuers: Value) {
        self.state.lock().unwrap().resource["authorization_servers"] = issuers;
    }

    /// Gives other tokens from now on.
    pub(crate) fn give(&self, tokens: Value) {
        self.state.lock().unwrap().tokens = tokens;
    }

    /// The forms that were sent to a path.
    pub(crate) fn received(&self, path: &str) -> Vec<String> {
        let state = self.state.lock().unwrap();
        state.received.iter().filter(|(to, _)| to == path).map(|(_, form)| form.clone()).collect()
    }

    pub(crate) fn url(&self) -> Url {
        format!("{}/mcp", self.origin).parse().unwrap()
    }

    pub(crate) fn account(&self, deps: &AccountDeps) -> AccountHandle {
        AccountHandle::spawn(spec(self.url()), deps.clone())
    }

    /// A person's sign-in, with its page open.
    pub(crate) async fn begin(&self, account: &AccountHandle) -> SignIn {
        account.sign_in(SignInRequest { ..by_person() }).await.unwrap()
    }

    /// What the browser is shown when it comes back with a code.
    pub(crate) async fn come_back(&self, sign_in: &SignIn) -> reqwest::Response {
        visit(&returned(sign_in)).await
    }

    /// Signs in without a question.
    pub(crate) async fn signed_in(&self, deps: &AccountDeps) -> AccountHandle {
        let account = self.account(deps);
        let sign_in = self.begin(&account).await;
        assert_eq!(self.come_back(&sign_in).await.status(), 200);
        sign_in.outcome().await.unwrap();
        account
    }
}

/// A string stands for a web page with status 200, a number for a status.
fn document(document: &Value) -> axum::response::Response {
    match document {
        Value::Number(status) => {
            let status = u16::try_from(status.as_u64().unwrap()).unwrap();
            http::StatusCode::from_u16(status).unwrap().into_response()
        }
        Value::String(page) => Html(page.clone()).into_response(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => {
            Json(document.clone()).into_response()
        }
    }
}

/// Where the authorization server sends the browser.
pub(crate) fn returned(sign_in: &SignIn) -> Url {
    let authorize = sign_in.url.expose();
    let redirect = param(authorize, "redirect_uri").unwrap();
    format!("{redirect}?code=x&state={}", param(authorize, "state").unwrap()).parse().unwrap()
}

/// A JWT with these claims and no good signature.
pub(crate) fn jwt(claims: &Value) -> String {
    let encode = |text: String| URL_SAFE_NO_PAD.encode(text);
    format!("{}.{}.c2ln", encode(r#"{"alg":"RS256"}"#.to_owned()), encode(claims.to_string()))
}
