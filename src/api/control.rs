//! `/control/v1`: what a person can do with the Host, for CLI and tray. It is served on the local
//! socket alone, and none of its verbs returns a secret.

mod checkup;
mod events;
mod sign_in;

use std::future::Future;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, FromRequest, Path, Request, State};
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post, put};
use axum::{Json, Router};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::types::{
    AcceptTools, Changes, ClientsView, DetailsView, Edited, NewClient, NewServer, PastedRedirect, ProbeView,
    ServerView, SetProxy, ShowWindow, SignedOut, StatusView,
};
use crate::failure::{Code, Failure};
use crate::host::{AccountRef, Error, HostHandle};
use crate::registry::{AccountLabel, ClientName, ServerName};

/// Where these routes are.
pub const PREFIX: &str = "/control/v1";
/// The largest request; options are small.
const BODY_LIMIT: usize = 256 * 1024;

/// The routes, without their prefix.
pub fn router(host: HostHandle) -> Router<HostHandle> {
    Router::new()
        .route("/status", get(status))
        .route("/events", get(events::tell))
        .route("/shutdown", post(shutdown))
        .route("/pause", post(pause))
        .route("/resume", post(resume))
        .route("/settings/proxy", put(set_proxy))
        .route("/window", post(show_window))
        .route("/sign-out", post(sign_out_all))
        .route("/checkup", get(checkup::of_all))
        .route("/clients", get(clients).post(add_client))
        .route("/clients/{name}", delete(revoke_client))
        .route("/servers", get(servers).post(add))
        .route("/servers/{name}", get(show).patch(edit).delete(remove))
        .route("/servers/{name}/checkup", get(checkup::of_server))
        .route("/servers/{name}/probe", post(probe))
        .route("/servers/{name}/accounts/{label}", delete(remove_account))
        .route("/servers/{name}/accounts/{label}/checkup", get(checkup::of_account))
        .route("/servers/{name}/accounts/{label}/details", get(details))
        .route("/servers/{name}/accounts/{label}/tools/accept", post(accept_tools))
        .route("/servers/{name}/accounts/{label}/probe", post(probe_account))
        .route("/servers/{name}/accounts/{label}/sign-in", post(sign_in::start).delete(sign_in::cancel))
        .route("/servers/{name}/accounts/{label}/sign-out", post(sign_out))
        .route("/servers/{name}/accounts/{label}/redirect", post(redirect))
        .fallback(unknown_route)
        .method_not_allowed_fallback(unknown_route)
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(middleware::from_fn_with_state(host, while_busy))
}

/// A failure as the answer to a request.
#[derive(Debug)]
struct Refusal(Failure);

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self(Failure::from(&error))
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (status_of(self.0.code), Json(self.0)).into_response()
    }
}

/// JSON, refused in our own words where it does not fit.
struct Given<T>(T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Given<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        let bytes = Bytes::from_request(request, state).await.map_err(|_| {
            Refusal(Failure::new(Code::Limit, "the request is too large", "Give fewer or shorter options"))
        })?;
        // What is wrong is not said: the text may quote a secret.
        serde_json::from_slice(&bytes).map(Self).map_err(|_| {
            let sentence = "this Drawbridge does not understand the request";
            Refusal(Failure::new(Code::VersionSkew, sentence, "Quit Drawbridge and start it again"))
        })
    }
}

async fn status(State(host): State<HostHandle>) -> Json<StatusView> {
    host.settled().await;
    Json(host.status().await)
}

async fn shutdown(State(host): State<HostHandle>) -> StatusCode {
    host.ask_to_end();
    StatusCode::ACCEPTED
}

async fn pause(State(host): State<HostHandle>) -> StatusCode {
    host.pause();
    StatusCode::NO_CONTENT
}

async fn resume(State(host): State<HostHandle>) -> StatusCode {
    host.resume();
    StatusCode::NO_CONTENT
}

async fn set_proxy(
    State(host): State<HostHandle>,
    Given(wish): Given<SetProxy>,
) -> Result<StatusCode, Refusal> {
    host.set_proxy(wish.proxy.as_deref())?;
    Ok(StatusCode::NO_CONTENT)
}

async fn show_window(
    State(host): State<HostHandle>,
    Given(wish): Given<ShowWindow>,
) -> Result<StatusCode, Refusal> {
    host.show_window(wish.view.as_deref())?;
    Ok(StatusCode::NO_CONTENT)
}

async fn clients(State(host): State<HostHandle>) -> Result<Json<ClientsView>, Refusal> {
    Ok(Json(host.clients_view().await?))
}

async fn add_client(
    State(host): State<HostHandle>,
    Given(new): Given<NewClient>,
) -> Result<Response, Refusal> {
    let added = to_the_end(&host, |host| async move { host.add_client(new).await }).await?;
    Ok((StatusCode::CREATED, Json(added)).into_response())
}

async fn revoke_client(
    State(host): State<HostHandle>,
    Path(name): Path<ClientName>,
) -> Result<StatusCode, Refusal> {
    to_the_end(&host, |host| async move { host.revoke_client(&name).await }).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn servers(State(host): State<HostHandle>) -> Json<Vec<ServerView>> {
    host.settled().await;
    Json(host.servers().to_vec())
}

async fn show(State(host): State<HostHandle>, Path(name): Path<String>) -> Result<Json<ServerView>, Refusal> {
    host.settled().await;
    Ok(Json(host.server(&name).await?))
}

async fn add(State(host): State<HostHandle>, Given(new): Given<NewServer>) -> Result<Response, Refusal> {
    let added = to_the_end(&host, |host| async move { host.add(new).await }).await?;
    Ok((StatusCode::CREATED, Json(added)).into_response())
}

async fn edit(
    State(host): State<HostHandle>,
    Path(name): Path<String>,
    Given(changes): Given<Changes>,
) -> Result<Json<Edited>, Refusal> {
    Ok(Json(to_the_end(&host, |host| async move { host.edit(&name, changes).await }).await?))
}

async fn remove(State(host): State<HostHandle>, Path(name): Path<String>) -> Result<StatusCode, Refusal> {
    to_the_end(&host, |host| async move { host.remove(&name).await }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Looks at a server as its default account sees it.
async fn probe(
    State(host): State<HostHandle>,
    Path(server): Path<ServerName>,
) -> Result<Json<ProbeView>, Refusal> {
    let account = AccountRef { server: server.to_string(), label: None };
    host.probe_view(&account).await.map(Json).map_err(Refusal)
}

/// Looks at a server as one of its accounts sees it.
async fn probe_account(
    State(host): State<HostHandle>,
    Path((server, label)): Path<(ServerName, AccountLabel)>,
) -> Result<Json<ProbeView>, Refusal> {
    let account = AccountRef { server: server.to_string(), label: Some(label) };
    host.probe_view(&account).await.map(Json).map_err(Refusal)
}

async fn details(
    State(host): State<HostHandle>,
    Path((server, label)): Path<(String, AccountLabel)>,
) -> Result<Json<DetailsView>, Refusal> {
    Ok(Json(host.details(&AccountRef { server, label: Some(label) }).await?))
}

/// Accepts the tools that somebody looked at.
async fn accept_tools(
    State(host): State<HostHandle>,
    Path((server, label)): Path<(String, AccountLabel)>,
    Given(accepted): Given<AcceptTools>,
) -> Result<StatusCode, Refusal> {
    let account = AccountRef { server, label: Some(label) };
    to_the_end(&host, |host| async move { host.accept_tools(&account, &accepted.seen).await }).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn remove_account(
    State(host): State<HostHandle>,
    Path((server, label)): Path<(String, AccountLabel)>,
) -> Result<StatusCode, Refusal> {
    let account = AccountRef { server, label: Some(label) };
    to_the_end(&host, |host| async move { host.remove_account(&account).await }).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn sign_out(
    State(host): State<HostHandle>,
    Path((server, label)): Path<(String, AccountLabel)>,
) -> Result<Json<SignedOut>, Refusal> {
    let account = AccountRef { server, label: Some(label) };
    let was_signed_in = to_the_end(&host, |host| async move { host.sign_out(&account).await }).await?;
    Ok(Json(SignedOut { accounts: usize::from(was_signed_in) }))
}

async fn sign_out_all(State(host): State<HostHandle>) -> Result<Json<SignedOut>, Refusal> {
    let accounts = to_the_end(&host, |host| async move { host.sign_out_all().await }).await?;
    Ok(Json(SignedOut { accounts }))
}

/// Takes a redirect URL that a person pasted.
async fn redirect(
    State(host): State<HostHandle>,
    Path((server, label)): Path<(ServerName, AccountLabel)>,
    Given(pasted): Given<PastedRedirect>,
) -> Result<StatusCode, Refusal> {
    let account = AccountRef { server: server.to_string(), label: Some(label) };
    host.take_redirect(&account, &pasted).await.map_err(Refusal)?;
    Ok(StatusCode::NO_CONTENT)
}

/// An event of a stream.
fn line(event: &impl Serialize) -> Bytes {
    let mut text = serde_json::to_vec(event).expect("events are plain JSON");
    text.push(b'\n');
    text.into()
}

async fn unknown_route() -> Refusal {
    let sentence = "this Drawbridge does not know the request";
    Refusal(Failure::new(Code::VersionSkew, sentence, "Quit Drawbridge and start it again"))
}

/// Does something that must not stop half way when whoever asked hangs up.
async fn to_the_end<T, F>(host: &HostHandle, action: impl FnOnce(HostHandle) -> F) -> Result<T, Error>
where
    T: Send + 'static,
    F: Future<Output = Result<T, Error>> + Send + 'static,
{
    host.tasks().spawn(action(host.clone())).await.map_err(|_| Error::Stopped)?
}

async fn while_busy(State(host): State<HostHandle>, request: Request, next: Next) -> Response {
    let _busy = host.activity().other();
    next.run(request).await
}

fn status_of(code: Code) -> StatusCode {
    match code {
        Code::Unknown => StatusCode::NOT_FOUND,
        Code::Exists => StatusCode::CONFLICT,
        Code::Invalid | Code::VersionSkew => StatusCode::BAD_REQUEST,
        Code::Forbidden => StatusCode::FORBIDDEN,
        Code::Limit => StatusCode::PAYLOAD_TOO_LARGE,
        Code::SignedOut | Code::SignInFailed => StatusCode::CONFLICT,
        Code::Unreachable | Code::Tls | Code::NotMcp | Code::ServerError | Code::MayHaveRun => {
            StatusCode::BAD_GATEWAY
        }
        Code::TimedOut => StatusCode::GATEWAY_TIMEOUT,
        Code::Keychain | Code::HostGone | Code::Paused => StatusCode::SERVICE_UNAVAILABLE,
        Code::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
