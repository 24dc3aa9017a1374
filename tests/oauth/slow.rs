//! An authorization server that holds requests for tokens until the test lets them go on.

use std::sync::Arc;
use std::time::Duration;

use axum::routing::{get, post};
use axum::{Json, Router};
use drawbridge::host::account::{AccountHandle, AccountSpec, SignIn};
use serde_json::json;
use tokio::sync::{Notify, mpsc};

use crate::support::{Fixture, by_person, param, spec};

pub(crate) struct Slow {
    origin: String,
    /// Told when a request is held.
    pub(crate) asked: Arc<Notify>,
    /// Lets it go on.
    pub(crate) go_on: Arc<Notify>,
    revoked: mpsc::Receiver<String>,
}

impl Slow {
    /// One that holds the requests of this grant.
    pub(crate) async fn at(grant: &'static str) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let metadata = json!({
            "issuer": origin,
            "authorization_endpoint": format!("{origin}/authorize"),
            "token_endpoint": format!("{origin}/token"),
            "registration_endpoint": format!("{origin}/register"),
            "revocation_endpoint": format!("{origin}/revoke"),
            "device_authorization_endpoint": format!("{origin}/device"),
            "code_challenge_methods_supported": ["S256"],
        });
        let device = json!({
            "device_code": "d", "user_code": "WDJB-MJHT", "expires_in": 600, "interval": 1,
            "verification_uri": format!("{origin}/enter"),
        });
        let (asked, go_on) = (Arc::<Notify>::default(), Arc::<Notify>::default());
        let (revocations, revoked) = mpsc::channel(8);
        let (told, wait) = (asked.clone(), go_on.clone());
        let token = move |form: String| async move {
            let sent = url::form_urlencoded::parse(form.as_bytes()).find(|(name, _)| name == "grant_type");
            let sent = sent.unwrap().1;
            if sent == grant {
                told.notify_one();
                wait.notified().await;
            }
            let generation = if sent == "refresh_token" { 2 } else { 1 };
            let (access, refresh) = (format!("at{generation}"), format!("rt{generation}"));
            Json(
                json!({"access_token": access, "refresh_token": refresh, "token_type": "bearer", "expires_in": 300}),
            )
        };
        let revoke = move |form: String| async move {
            revocations.send(form).await.unwrap();
        };
        let router = Router::new()
            .route("/.well-known/oauth-authorization-server", get(move || async move { Json(metadata) }))
            .route("/register", post(|| async { Json(json!({"client_id": "c"})) }))
            .route("/device", post(move || async move { Json(device) }))
            .route("/token", post(token))
            .route("/revoke", post(revoke));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { origin, asked, go_on, revoked }
    }

    pub(crate) fn spec(&self) -> AccountSpec {
        spec(format!("{}/mcp", self.origin).parse().unwrap())
    }

    pub(crate) async fn signed_in(&self, fixture: &Fixture) -> AccountHandle {
        let account = AccountHandle::spawn(self.spec(), fixture.deps.clone());
        let sign_in = account.sign_in(by_person()).await.unwrap();
        account.sign_in_redirect(&pasted(&sign_in)).await.unwrap();
        sign_in.outcome().await.unwrap();
        account
    }

    /// Waits until just these tokens were given back, in this order.
    pub(crate) async fn gets_back(&mut self, tokens: &[&str]) {
        for token in tokens {
            let form = tokio::time::timeout(Duration::from_secs(20), self.revoked.recv()).await;
            let form = form.unwrap().unwrap();
            assert!(form.contains(&format!("token={token}&")), "{form} instead of {token}");
        }
    }
}

/// Where the browser comes back to, with a code.
pub(crate) fn pasted(sign_in: &SignIn) -> String {
    let state = param(sign_in.url.expose(), "state").unwrap();
    format!("http://127.0.0.1/callback?code=c&state={state}")
}
