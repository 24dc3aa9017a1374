//! An MCP server and an authorization server that answer as a test wants, and remember what they were asked.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use drawbridge::host::account::{
    AccountDeps, AccountHandle, AccountLimits, AccountSpec, Clock, Error, GivingBack, Operation, Refusal,
    Retry,
};
use drawbridge::oauth::OAuthOptions;
use drawbridge::secret::{AccessToken, MemoryControl, Vault};
use http::{HeaderValue, StatusCode};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use url::Url;

use crate::support::{Opened, network, nothing_served, spec};

/// One POST to the authorization server.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) path: String,
    pub(crate) form: HashMap<String, String>,
    pub(crate) json: Value,
    pub(crate) authorization: Option<String>,
}

impl Asked {
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.form.get(name).map(String::as_str)
    }
}

type Answers = dyn Fn(&Asked) -> (u16, Value) + Send + Sync;

struct Inner {
    origin: String,
    metadata: Value,
    issuer: Mutex<String>,
    asked: Mutex<Vec<Asked>>,
    /// How often metadata was asked for, and what it says about being kept.
    documents: AtomicUsize,
    cache_control: Mutex<&'static str>,
    answers: Box<Answers>,
}

/// The pair of servers, and an account there.
pub(crate) struct Authority {
    inner: Arc<Inner>,
    pub(crate) store: MemoryControl,
    pub(crate) spec: AccountSpec,
    deps: AccountDeps,
    ahead: Arc<AtomicU64>,
}

impl Authority {
    /// Starts it. `metadata` is added to the usual; `answers` says what each POST is answered with.
    pub(crate) async fn start(
        metadata: Value,
        answers: impl Fn(&Asked) -> (u16, Value) + Send + Sync + 'static,
    ) -> Self {
        rustls::crypto::ring::default_provider().install_default().ok();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let inner = Arc::new(Inner {
            issuer: Mutex::new(origin.clone()),
            origin: origin.clone(),
            metadata,
            asked: Mutex::default(),
            documents: AtomicUsize::new(0),
            cache_control: Mutex::new("no-store"),
            answers: Box::new(answers),
        });
        let router = Router::new().fallback(serve).with_state(inner.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        let (vault, store) = Vault::memory("home");
        let ahead = Arc::<AtomicU64>::default();
        let offset = ahead.clone();
        let (shutdown, tasks) = (CancellationToken::new(), TaskTracker::new());
        let deps = AccountDeps {
            giving_back: GivingBack::spawn(network(), vault.clone(), &tasks, shutdown.clone()),
            served: nothing_served(),
            network: network(),
            vault,
            opener: Arc::new(Opened::default()),
            windows: None,
            shutdown,
            tasks,
            limits: AccountLimits { sign_in: Duration::from_secs(30), ..AccountLimits::default() },
            clock: Clock::from_fn(move || {
                SystemTime::now() + Duration::from_secs(offset.load(Ordering::Relaxed))
            }),
        };
        let mut spec = spec(format!("{origin}/mcp").parse().unwrap());
        spec.oauth.issuer = Some(origin);
        Self { inner, store, spec, deps, ahead }
    }

    pub(crate) fn issuer(&self) -> &str {
        &self.inner.origin
    }

    /// The account, with these options besides the issuer.
    pub(crate) fn account(&self, options: impl FnOnce(&mut OAuthOptions)) -> AccountHandle {
        let mut spec = self.spec.clone();
        options(&mut spec.oauth);
        AccountHandle::spawn(spec, self.deps.clone())
    }

    /// Has the MCP server name another authorization server from now on.
    pub(crate) fn name_another(&self, issuer: &str) {
        issuer.clone_into(&mut self.inner.issuer.lock().unwrap());
    }

    /// Says this in `Cache-Control` of its metadata from now on.
    pub(crate) fn set_cache_control(&self, value: &'static str) {
        *self.inner.cache_control.lock().unwrap() = value;
    }

    /// How often metadata was asked for.
    pub(crate) fn documents(&self) -> usize {
        self.inner.documents.load(Ordering::Relaxed)
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.inner.asked.lock().unwrap().clone()
    }

    pub(crate) fn asked_at(&self, path: &str) -> Vec<Asked> {
        self.asked().into_iter().filter(|asked| asked.path == path).collect()
    }

    pub(crate) fn let_time_pass(&self, by: Duration) {
        self.ahead.fetch_add(by.as_secs(), Ordering::Relaxed);
    }
}

async fn serve(State(inner): State<Arc<Inner>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap_or_else(|_| Bytes::new());
    let origin = &inner.origin;
    let found = match (parts.method.as_str(), parts.uri.path()) {
        ("GET", "/.well-known/oauth-protected-resource/mcp") => {
            let issuer = inner.issuer.lock().unwrap().clone();
            json!({
                "resource": format!("{origin}/mcp"),
                "authorization_servers": [issuer],
                "scopes_supported": ["mcp"],
            })
        }
        ("GET", "/.well-known/oauth-authorization-server") => {
            let mut metadata = json!({
                "issuer": origin,
                "token_endpoint": format!("{origin}/token"),
                "scopes_supported": ["mcp", "offline_access"],
            });
            for (name, value) in inner.metadata.as_object().unwrap() {
                // A path is one on this server.
                let value = value
                    .as_str()
                    .filter(|text| text.starts_with('/'))
                    .map_or_else(|| value.clone(), |path| format!("{origin}{path}").into());
                metadata[name] = value;
            }
            metadata
        }
        ("POST", path) => {
            let asked = Asked {
                path: path.to_owned(),
                form: url::form_urlencoded::parse(&body).into_owned().collect(),
                json: serde_json::from_slice(&body).unwrap_or_default(),
                authorization: parts
                    .headers
                    .get("authorization")
                    .map(|value| value.to_str().unwrap().to_owned()),
            };
            inner.asked.lock().unwrap().push(asked.clone());
            let (status, answer) = (inner.answers)(&asked);
            return (StatusCode::from_u16(status).unwrap(), axum::Json(answer)).into_response();
        }
        _ => return StatusCode::NOT_FOUND.into_response(),
    };
    inner.documents.fetch_add(1, Ordering::Relaxed);
    let cache_control = *inner.cache_control.lock().unwrap();
    ([("cache-control", cache_control)], axum::Json(found)).into_response()
}

/// A token endpoint's usual answer, a new token each time.
pub(crate) fn token(number: usize) -> (u16, Value) {
    (200, json!({ "access_token": format!("token-{number}"), "token_type": "Bearer", "expires_in": 600 }))
}

/// What the server does with a request without a token, or with this one.
pub(crate) async fn refused(account: &AccountHandle, used: Option<AccessToken>) -> Result<Retry, Error> {
    let challenge = vec![HeaderValue::from_static("Bearer scope=\"mcp offline_access\"")];
    let status = StatusCode::UNAUTHORIZED;
    account.refused(Refusal { used, status, challenge, operation: Operation::default() }).await
}

/// The browser's return, with a code.
pub(crate) fn callback(authorize_url: &Url, issuer: &str) -> Url {
    let param = |name: &str| crate::support::param(authorize_url, name).unwrap();
    let mut url: Url = param("redirect_uri").parse().unwrap();
    url.query_pairs_mut()
        .append_pair("code", "a-code")
        .append_pair("state", &param("state"))
        .append_pair("iss", issuer);
    url
}
