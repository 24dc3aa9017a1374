//! The Host's HTTP interfaces: on the local socket the control API and the shim's stream, and
//! where it is switched on, the endpoint for MCP clients that speak HTTP.

use axum::Router;
use axum::routing::get;

use crate::endpoint::frame;
use crate::host::HostHandle;

pub mod control;
pub mod guard;
pub mod mcp;
pub mod stream;
pub mod types;

/// Everything the local socket serves.
pub fn router(host: HostHandle) -> Router {
    Router::new()
        .route(frame::PATH, get(stream::open))
        .nest(control::PREFIX, control::router(host.clone()))
        .with_state(host)
}
