//! An authorization server that rotates every refresh token and ends the whole family when a used one comes back. It
//! fails, loses answers and holds requests as it is told, and counts what it saw.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures_util::stream;
use http::StatusCode;
use serde_json::json;
use tokio::sync::{Notify, watch};

/// Seconds that an access token is good for.
pub(crate) const LIFETIME: u64 = 300;

/// What happens to one token request instead of an answer.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Trouble {
    /// Refused with this status; nothing is rotated.
    Status(u16),
    /// A page of a hotel network; nothing is rotated.
    NotJson,
    /// The connection breaks; nothing is rotated.
    Broken,
    /// Rotated, and then the connection breaks.
    AnswerLost,
    /// Held before anything is rotated, until the connection ends.
    HeldOnArrival,
    /// Rotated, and then held until the connection ends.
    HeldRotated,
}

/// Counts and switches; clones are of the same server.
#[derive(Clone)]
pub(crate) struct Rotating {
    pub(crate) origin: String,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    book: Mutex<Book>,
    held: Notify,
    in_flight: watch::Sender<usize>,
}

#[derive(Default)]
struct Book {
    family: Option<Family>,
    access: HashSet<String>,
    troubles: VecDeque<Trouble>,
    minted: u64,
    most_in_flight: usize,
    sign_ins: u64,
    answers_lost: u64,
}

struct Family {
    live: String,
    ended: bool,
}

impl Rotating {
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let metadata = json!({
            "issuer": origin,
            "authorization_endpoint": format!("{origin}/authorize"),
            "token_endpoint": format!("{origin}/token"),
            "registration_endpoint": format!("{origin}/register"),
            "code_challenge_methods_supported": ["S256"],
        });
        let shared = Arc::<Shared>::default();
        let router = Router::new()
            .route("/.well-known/oauth-authorization-server", get(move || async move { Json(metadata) }))
            .route("/register", post(|| async { Json(json!({"client_id": "c"})) }))
            .route("/token", post(token))
            .with_state(shared.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { origin, shared }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.shared.book.lock().unwrap()
    }

    /// The next token requests meet these.
    pub(crate) fn plan(&self, troubles: impl IntoIterator<Item = Trouble>) {
        self.book().troubles.extend(troubles);
    }

    pub(crate) fn has_plans(&self) -> bool {
        !self.book().troubles.is_empty()
    }

    pub(crate) fn forget_plans(&self) {
        self.book().troubles.clear();
    }

    /// Resolves once a request is held.
    pub(crate) async fn holds_one(&self) {
        self.shared.held.notified().await;
    }

    /// Every access token of now is refused from now on.
    pub(crate) fn end_access_tokens(&self) {
        self.book().access.clear();
    }

    pub(crate) fn accepts(&self, access_token: &str) -> bool {
        self.book().access.contains(access_token)
    }

    /// The one refresh token that is good.
    pub(crate) fn live_refresh_token(&self) -> String {
        self.book().family.as_ref().unwrap().live.clone()
    }

    /// Refreshes at one time, at the worst.
    pub(crate) fn most_in_flight(&self) -> usize {
        self.book().most_in_flight
    }

    /// Resolves once no refresh is in flight.
    pub(crate) async fn is_idle(&self) {
        self.shared.in_flight.subscribe().wait_for(|count| *count == 0).await.unwrap();
    }

    pub(crate) fn sign_ins(&self) -> u64 {
        self.book().sign_ins
    }

    /// Rotations that the client never heard of.
    pub(crate) fn answers_lost(&self) -> u64 {
        self.book().answers_lost
    }
}

impl Book {
    fn mint(&mut self, kind: &str) -> String {
        self.minted += 1;
        format!("{kind}-{:06}", self.minted)
    }

    fn sign_in(&mut self) -> Response {
        self.sign_ins += 1;
        let live = self.mint("rt");
        self.family = Some(Family { live: live.clone(), ended: false });
        self.tokens(&live)
    }

    fn refresh(&mut self, sent: &str) -> Response {
        let next = self.mint("rt");
        let family = self.family.as_mut().unwrap();
        if family.live != sent {
            family.ended = true;
        }
        if family.ended {
            return (StatusCode::BAD_REQUEST, Json(json!({"error": "invalid_grant"}))).into_response();
        }
        family.live.clone_from(&next);
        self.tokens(&next)
    }

    fn tokens(&mut self, refresh: &str) -> Response {
        let access = self.mint("at");
        self.access.insert(access.clone());
        let tokens = json!({"access_token": access, "refresh_token": refresh, "token_type": "Bearer", "expires_in": LIFETIME});
        Json(tokens).into_response()
    }
}

/// Counts a request as in flight until it has been answered or its connection has ended.
struct InFlight(Arc<Shared>);

impl InFlight {
    fn enter(shared: &Arc<Shared>) -> Self {
        shared.in_flight.send_modify(|count| *count += 1);
        let mut book = shared.book.lock().unwrap();
        book.most_in_flight = book.most_in_flight.max(*shared.in_flight.borrow());
        Self(shared.clone())
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.send_modify(|count| *count -= 1);
    }
}

async fn token(State(shared): State<Arc<Shared>>, form: String) -> Response {
    let form: std::collections::HashMap<String, String> =
        url::form_urlencoded::parse(form.as_bytes()).into_owned().collect();
    if form["grant_type"] == "authorization_code" {
        return shared.book.lock().unwrap().sign_in();
    }
    let _in_flight = InFlight::enter(&shared);
    let trouble = shared.book.lock().unwrap().troubles.pop_front();
    // Room for a second request to show itself.
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
    let refresh = || shared.book.lock().unwrap().refresh(&form["refresh_token"]);
    let refresh_in_vain = || {
        if refresh().status().is_success() {
            shared.book.lock().unwrap().answers_lost += 1;
        }
    };
    match trouble {
        None => refresh(),
        Some(Trouble::Status(code)) => StatusCode::from_u16(code).unwrap().into_response(),
        Some(Trouble::NotJson) => Html("<p>Welcome to the hotel network").into_response(),
        Some(Trouble::Broken) => broken(),
        Some(Trouble::AnswerLost) => {
            refresh_in_vain();
            broken()
        }
        Some(Trouble::HeldOnArrival) => hold(&shared).await,
        Some(Trouble::HeldRotated) => {
            refresh_in_vain();
            hold(&shared).await
        }
    }
}

/// The future ends with the connection.
async fn hold(shared: &Shared) -> Response {
    shared.held.notify_one();
    std::future::pending().await
}

fn broken() -> Response {
    let cut: [Result<Bytes, std::io::Error>; 1] = [Err(std::io::Error::other("cut"))];
    Response::new(Body::from_stream(stream::iter(cut)))
}
