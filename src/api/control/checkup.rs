//! Looking for what is wrong.

use axum::Json;
use axum::extract::{Path, State};

use super::Refusal;
use crate::api::types::ServerCheckup;
use crate::host::{AccountRef, HostHandle};
use crate::registry::{AccountLabel, ServerName};

/// Every account of every server.
pub(super) async fn of_all(State(host): State<HostHandle>) -> Result<Json<Vec<ServerCheckup>>, Refusal> {
    host.settled().await;
    Ok(Json(host.checkup_of_all().await?))
}

/// A server as its default account meets it.
pub(super) async fn of_server(
    State(host): State<HostHandle>,
    Path(server): Path<ServerName>,
) -> Result<Json<ServerCheckup>, Refusal> {
    of(&host, AccountRef { server: server.to_string(), label: None }).await
}

/// A server as one of its accounts meets it.
pub(super) async fn of_account(
    State(host): State<HostHandle>,
    Path((server, label)): Path<(ServerName, AccountLabel)>,
) -> Result<Json<ServerCheckup>, Refusal> {
    of(&host, AccountRef { server: server.to_string(), label: Some(label) }).await
}

async fn of(host: &HostHandle, account: AccountRef) -> Result<Json<ServerCheckup>, Refusal> {
    host.settled().await;
    Ok(Json(host.checkup(&account).await?))
}
