//! HTTP in place of the window's own way to the Host: who may ask, and what is served.
//!
//! Every request needs our own Host, and our own Origin if it has one. The token in the address
//! is taken once, for a key that the control API then wants with every request.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use drawbridge::api::control;
use drawbridge::host::HostHandle;
use http::header::{AUTHORIZATION, CONTENT_SECURITY_POLICY, HOST, ORIGIN};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;
use tower_http::services::ServeDir;

use crate::doctor::{self, Doctor};

/// The policy of the window's pages, here and in the app.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                      font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";

/// The door and its keys.
#[derive(Clone)]
pub(crate) struct Carrier {
    port: u16,
    token: Arc<Mutex<Option<String>>>,
    first_token: String,
    key: String,
}

#[derive(Deserialize)]
struct Entry {
    token: String,
}

#[derive(Serialize)]
struct Key {
    key: String,
}

impl Carrier {
    pub(crate) fn new(port: u16) -> Self {
        let token = random();
        Self { port, token: Arc::new(Mutex::new(Some(token.clone()))), first_token: token, key: random() }
    }

    /// What to open in a browser, once.
    pub(crate) fn address(&self) -> String {
        format!("http://127.0.0.1:{}/#token={}", self.port, self.first_token)
    }

    /// The pages, the way in, and the control API with the doctor.
    pub(crate) fn router(&self, host: HostHandle, pages: &Path, doctor: Doctor) -> Router {
        let control = control::router(host.clone())
            .with_state(host)
            .route("/doctor", get(doctor::look).with_state(doctor))
            .layer(middleware::from_fn_with_state(self.clone(), with_key));
        Router::new()
            .nest(control::PREFIX, control)
            .route("/session", post(enter).with_state(self.clone()))
            .fallback_service(ServeDir::new(pages))
            .layer(middleware::from_fn_with_state(self.clone(), from_our_own_pages))
    }

    fn is_own(&self, headers: &HeaderMap) -> bool {
        let host = format!("127.0.0.1:{}", self.port);
        let origin = format!("http://{host}");
        let all = |name, own: &str| headers.get_all(name).iter().all(|value| value == own);
        headers.get_all(HOST).iter().count() == 1 && all(HOST, &host) && all(ORIGIN, &origin)
    }
}

async fn from_our_own_pages(State(carrier): State<Carrier>, request: Request, next: Next) -> Response {
    if !carrier.is_own(request.headers()) {
        return StatusCode::FORBIDDEN.into_response();
    }
    let mut response = next.run(request).await;
    response.headers_mut().insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    response
}

async fn with_key(State(carrier): State<Carrier>, request: Request, next: Next) -> Response {
    let wanted = format!("Bearer {}", carrier.key);
    let given = request.headers().get(AUTHORIZATION).map(HeaderValue::as_bytes).unwrap_or_default();
    if bool::from(given.ct_eq(wanted.as_bytes())) {
        next.run(request).await
    } else {
        StatusCode::UNAUTHORIZED.into_response()
    }
}

async fn enter(State(carrier): State<Carrier>, Json(entry): Json<Entry>) -> Result<Json<Key>, StatusCode> {
    let mut token = carrier.token.lock().unwrap_or_else(PoisonError::into_inner);
    let fits = token.as_ref().is_some_and(|token| token.as_bytes().ct_eq(entry.token.as_bytes()).into());
    if !fits {
        return Err(StatusCode::UNAUTHORIZED);
    }
    *token = None;
    Ok(Json(Key { key: carrier.key.clone() }))
}

fn random() -> String {
    format!("{:032x}", rand::random::<u128>())
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use drawbridge::host::{Host, HostConfig};
    use drawbridge::oauth::browser::SystemBrowser;
    use drawbridge::paths::Paths;
    use drawbridge::secret::StoreKind;
    use http_body_util::BodyExt as _;
    use tower::ServiceExt as _;

    use super::*;

    struct Door {
        carrier: Carrier,
        router: Router,
        _home: tempfile::TempDir,
    }

    impl Door {
        fn new() -> Self {
            let home = tempfile::tempdir().expect("a folder");
            let config = HostConfig {
                paths: Paths::of_own_world(home.path().join("home")),
                secrets: StoreKind::Memory,
                opener: Arc::new(SystemBrowser::from_environment()),
                windows: None,
                approver: None,
                front: None,
                has_display: false,
                idle_exit: None,
            };
            let host = Host::build(config).expect("a Host");
            let carrier = Carrier::new(7);
            let doctor = Doctor::of(home.path()).expect("a folder of programs");
            let router = carrier.router(host.handle(), home.path(), doctor);
            Self { carrier, router, _home: home }
        }

        async fn send(&self, path: &str, headers: &[(&str, &str)], body: Option<&str>) -> Response {
            let mut request = Request::builder().uri(path);
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            let request = match body {
                Some(body) => request
                    .method("POST")
                    .header("content-type", "application/json")
                    .body(Body::from(body.to_owned())),
                None => request.body(Body::empty()),
            };
            self.router.clone().oneshot(request.expect("a request")).await.expect("an answer")
        }

        async fn enter(&self) -> Response {
            let body = format!(r#"{{"token":"{}"}}"#, self.carrier.first_token);
            self.send("/session", &[OWN], Some(&body)).await
        }
    }

    const OWN: (&str, &str) = ("host", "127.0.0.1:7");
    const ASKED: &str = "/control/v1/servers";

    #[tokio::test]
    async fn the_token_opens_once_and_its_key_is_needed_for_every_request() {
        let door = Door::new();
        assert_eq!(door.send(ASKED, &[OWN], None).await.status(), 401);
        assert_eq!(door.send("/session", &[OWN], Some(r#"{"token":"guess"}"#)).await.status(), 401);
        let entered = door.enter().await;
        let body = entered.into_body().collect().await.expect("a body").to_bytes();
        let key: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
        let bearer = format!("Bearer {}", key["key"].as_str().expect("a key"));
        let with_key = [OWN, ("authorization", bearer.as_str())];
        assert_eq!(door.send(ASKED, &with_key, None).await.status(), 200);
        assert_eq!(door.enter().await.status(), 401, "a token works once");
        let wrong = [OWN, ("authorization", "Bearer guess")];
        assert_eq!(door.send(ASKED, &wrong, None).await.status(), 401);
    }

    #[tokio::test]
    async fn no_other_page_and_no_other_name_gets_in() {
        let door = Door::new();
        let bearer = format!("Bearer {}", door.carrier.key);
        let key = ("authorization", bearer.as_str());
        let table: [(&[(&str, &str)], u16); 7] = [
            (&[OWN, key], 200),
            (&[OWN, key, ("origin", "http://127.0.0.1:7")], 200),
            (&[OWN, key, ("origin", "https://evil.example")], 403),
            (&[OWN, key, ("origin", "null")], 403),
            (&[("host", "evil.example:7"), key], 403),
            (&[OWN, ("host", "evil.example"), key], 403),
            (&[key], 403),
        ];
        for (headers, expected) in table {
            assert_eq!(door.send(ASKED, headers, None).await.status(), expected, "{headers:?}");
        }
    }
}
