//! A small but honest remote MCP server with its own authorization server: the newcomer's
//! playground, the fixture of the tests, and the place where faults are switched on.
//!
//! A request meets, in this order: `listener` (connections), `gate` (journal, faults, who is
//! calling, eras, scripts), then rmcp with `mcp` behind it; the old HTTP+SSE transport is
//! `http_sse`. `oauth` is the authorization server. [`Control`] steers all of it.

mod auth;
mod config;
mod control;
pub mod crowd;
mod fault;
mod gate;
mod http_sse;
mod listener;
mod mcp;
mod oauth;
mod sessions;
mod shared;
mod sign_in;
mod stats;
mod users;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Context as _;
use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use axum::routing::{any, get, post};
use http::{HeaderName, HeaderValue, Method};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};
use url::Url;

pub use config::{
    Answers, Auth, ClientAuth, Config, Discovery, Dpop, Eras, JwtConfig, JwtKey, Limits, OAuthConfig,
    RefreshTokens, ResourceMetadata, StaticClient, Transports,
};
pub use control::Control;
pub use fault::{Fault, Plan, TokenFault};
pub use sign_in::{browser, deny_with_form, sign_in_with_form};
pub use stats::{JournalEntry, Stats};
pub use users::{Role, USERS, User};

use listener::Side;
use shared::Shared;

/// A running server. Dropping it stops it.
pub struct DemoServer {
    origin: Url,
    control: Control,
    control_addr: Option<SocketAddr>,
    shared: Arc<Shared>,
    tasks: JoinSet<()>,
}

impl DemoServer {
    /// Binds and serves on tasks of the current runtime.
    ///
    /// # Errors
    ///
    /// When an address cannot be bound.
    pub async fn start(config: Config) -> anyhow::Result<DemoServer> {
        let listener = bind(config.listen).await?;
        let bound = Url::parse(&format!("http://{}", listener.local_addr()?))?;
        let origin = config.public_origin.clone().unwrap_or(bound);
        let control_address = config.control;
        let shared = Arc::new(Shared::new(config, &origin));
        let control = Control::new(shared.clone());
        let mut tasks = JoinSet::new();
        tasks.spawn(mcp::changes::announce(shared.clone(), shared.changes.subscribe()));
        let control_addr = match control_address {
            Some(address) => {
                let listener = bind(address).await?;
                let bound = listener.local_addr()?;
                let router = control::port::router(control.clone());
                tasks.spawn(listener::serve(shared.clone(), listener, router, Side::Control));
                Some(bound)
            }
            None => None,
        };
        tasks.spawn(listener::serve(shared.clone(), listener, router(&shared), Side::Clients));
        Ok(DemoServer { origin, control, control_addr, shared, tasks })
    }

    /// The Streamable HTTP endpoint, for both eras.
    pub fn url(&self) -> Url {
        self.at("/mcp")
    }

    /// The endpoint of the old HTTP+SSE transport.
    pub fn sse_url(&self) -> Url {
        self.at("/sse")
    }

    /// The origin of everything this server serves to clients.
    pub fn origin(&self) -> Url {
        self.origin.clone()
    }

    /// The control port, where one was asked for.
    pub fn control_url(&self) -> Option<Url> {
        Url::parse(&format!("http://{}", self.control_addr?)).ok()
    }

    /// Steers this server.
    pub fn control(&self) -> &Control {
        &self.control
    }

    /// Stops serving, and returns once all connections are closed.
    pub async fn stop(mut self) {
        self.shared.shutdown.cancel();
        while self.tasks.join_next().await.is_some() {}
    }

    fn at(&self, path: &str) -> Url {
        let mut url = self.origin.clone();
        url.set_path(path);
        url
    }
}

impl Drop for DemoServer {
    fn drop(&mut self) {
        self.shared.shutdown.cancel();
    }
}

async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))
}

fn router(shared: &Arc<Shared>) -> Router {
    let mut mcp = Router::new();
    if shared.config.transports.streamable {
        let endpoint = gate::Endpoint::new(shared);
        mcp = mcp.route("/mcp", any(gate::mcp).with_state(endpoint));
    }
    if shared.config.transports.http_sse {
        let sse = get(http_sse::open).with_state(shared.clone());
        let messages = post(http_sse::message).with_state(shared.clone());
        mcp = mcp.route("/sse", sse).route("/messages", messages);
    }
    mcp.merge(oauth::router(shared))
        .layer(cors(shared))
        .layer(axum::middleware::from_fn_with_state(shared.clone(), known_host))
}

async fn known_host(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    match gate::admission::check_host(&shared, request.headers()) {
        Ok(()) => next.run(request).await,
        Err(refused) => *refused,
    }
}

fn cors(shared: &Shared) -> CorsLayer {
    let origins = shared.config.limits.origins.iter();
    let origins: Vec<HeaderValue> = origins.filter_map(|origin| origin.parse().ok()).collect();
    CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins))
        .allow_methods([Method::GET, Method::POST, Method::DELETE])
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers(["mcp-session-id", "www-authenticate"].map(HeaderName::from_static))
}

/// Locks a leaf. A panic elsewhere is no reason to stop serving the other tests.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
