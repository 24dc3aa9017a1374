//! What the main window may ask: the verbs of `/control/v1` in the same words, thin over the same
//! [`HostHandle`], and a few about the app itself.

use std::sync::Arc;

use drawbridge::api::types::{
    Changes, ClientsView, DetailsView, Edited, NewClient, NewServer, PastedRedirect, ProbeView, ServerView,
    SignedOut, StatusView,
};
use drawbridge::failure::Failure;
use drawbridge::host::{AccountRef, HostHandle};
use drawbridge::paths::Paths;
use drawbridge::registry::{AccountLabel, ClientName, ServerName};
use tauri::{AppHandle, State};

use crate::about::About;
use crate::app::HasTray;
use crate::approval::{ApprovalView, Approvals};
use crate::front::{Wish, Wishes};
use crate::menu::Action;
use crate::settings::{AppSettings, SettingsFile};
use crate::sign_in::KEEPS_PROFILES;
use crate::signing;

type Host<'a> = State<'a, HostHandle>;
type Answer<T> = Result<T, Failure>;

fn account(server: ServerName, label: AccountLabel) -> AccountRef {
    AccountRef { server: server.to_string(), label: Some(label) }
}

/// The Host as a whole.
#[tauri::command]
#[specta::specta]
pub(crate) async fn status(host: Host<'_>) -> Answer<StatusView> {
    host.settled().await;
    Ok(host.status().await)
}

/// Adds a server.
#[tauri::command]
#[specta::specta]
pub(crate) async fn add_server(host: Host<'_>, server: NewServer) -> Answer<ServerView> {
    Ok(host.add(server).await?)
}

/// Changes a server.
#[tauri::command]
#[specta::specta]
pub(crate) async fn edit_server(host: Host<'_>, name: String, changes: Changes) -> Answer<Edited> {
    Ok(host.edit(&name, changes).await?)
}

/// Removes a server.
#[tauri::command]
#[specta::specta]
pub(crate) async fn remove_server(host: Host<'_>, name: String) -> Answer<()> {
    Ok(host.remove(&name).await?)
}

/// Looks at a server as one of its accounts sees it.
#[tauri::command]
#[specta::specta]
pub(crate) async fn probe(host: Host<'_>, server: ServerName, label: AccountLabel) -> Answer<ProbeView> {
    host.probe_view(&account(server, label)).await
}

/// What a server last said to an account.
#[tauri::command]
#[specta::specta]
pub(crate) async fn details(host: Host<'_>, server: ServerName, label: AccountLabel) -> Answer<DetailsView> {
    Ok(host.details(&account(server, label)).await?)
}

/// Accepts the tools that the person has looked at.
#[tauri::command]
#[specta::specta]
pub(crate) async fn accept_tools(
    host: Host<'_>,
    server: ServerName,
    label: AccountLabel,
    seen: String,
) -> Answer<()> {
    Ok(host.accept_tools(&account(server, label), &seen).await?)
}

/// Signs an account out and forgets it.
#[tauri::command]
#[specta::specta]
pub(crate) async fn remove_account(host: Host<'_>, server: ServerName, label: AccountLabel) -> Answer<()> {
    Ok(host.remove_account(&account(server, label)).await?)
}

/// Signs in; resolves when that has ended.
#[tauri::command]
#[specta::specta]
pub(crate) async fn sign_in(host: Host<'_>, server: ServerName, label: AccountLabel) -> Answer<()> {
    signing::sign_in(&host, &account(server, label)).await
}

/// Calls a sign-in off.
#[tauri::command]
#[specta::specta]
pub(crate) async fn cancel_sign_in(host: Host<'_>, server: ServerName, label: AccountLabel) -> Answer<()> {
    host.account(&account(server, label)).await?.cancel_sign_in().await;
    Ok(())
}

/// Takes the address that a browser ended at, perhaps on another computer; it holds a one-time code.
#[tauri::command]
#[specta::specta]
pub(crate) async fn take_redirect(
    host: Host<'_>,
    server: ServerName,
    label: AccountLabel,
    pasted: PastedRedirect,
) -> Answer<()> {
    host.take_redirect(&account(server, label), &pasted).await
}

/// Signs an account out.
#[tauri::command]
#[specta::specta]
pub(crate) async fn sign_out(host: Host<'_>, server: ServerName, label: AccountLabel) -> Answer<()> {
    host.sign_out(&account(server, label)).await?;
    Ok(())
}

/// Signs every account out.
#[tauri::command]
#[specta::specta]
pub(crate) async fn sign_out_all(host: Host<'_>) -> Answer<SignedOut> {
    Ok(SignedOut { accounts: host.sign_out_all().await? })
}

/// Leaves all servers alone.
#[tauri::command]
#[specta::specta]
pub(crate) async fn pause(host: Host<'_>) -> Answer<()> {
    host.pause();
    Ok(())
}

/// Uses servers again.
#[tauri::command]
#[specta::specta]
pub(crate) async fn resume(host: Host<'_>) -> Answer<()> {
    host.resume();
    Ok(())
}

/// Sets the proxy for all servers without one of their own; without it, the environment's counts.
#[tauri::command]
#[specta::specta]
pub(crate) async fn set_proxy(host: Host<'_>, proxy: Option<String>) -> Answer<()> {
    Ok(host.set_proxy(proxy.as_deref())?)
}

/// The clients of the local HTTP endpoint.
#[tauri::command]
#[specta::specta]
pub(crate) async fn clients(host: Host<'_>) -> Answer<ClientsView> {
    Ok(host.clients_view().await?)
}

/// Adds one.
#[tauri::command]
#[specta::specta]
pub(crate) async fn add_client(host: Host<'_>, client: NewClient) -> Answer<ClientsView> {
    Ok(host.add_client(client).await?)
}

/// Takes one's token back.
#[tauri::command]
#[specta::specta]
pub(crate) async fn revoke_client(host: Host<'_>, name: ClientName) -> Answer<()> {
    Ok(host.revoke_client(&name).await?)
}

/// The app itself.
#[tauri::command]
#[specta::specta]
pub(crate) async fn about(paths: State<'_, Paths>, tray: State<'_, HasTray>) -> Answer<About> {
    Ok(About {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        tray: tray.get(),
        logs_folder: paths.logs().to_string_lossy().into_owned(),
        keeps_profiles: KEEPS_PROFILES,
    })
}

/// How the app is set.
#[tauri::command]
#[specta::specta]
pub(crate) async fn app_settings(app: AppHandle, file: State<'_, SettingsFile>) -> Answer<AppSettings> {
    Ok(file.current(&app))
}

/// Sets the app; returns how it is set then.
#[tauri::command]
#[specta::specta]
pub(crate) async fn set_app_settings(
    app: AppHandle,
    file: State<'_, SettingsFile>,
    settings: AppSettings,
) -> Answer<AppSettings> {
    file.set(&app, &settings)?;
    Ok(file.current(&app))
}

/// Opens the folder of the logs.
#[tauri::command]
#[specta::specta]
pub(crate) async fn show_logs(wishes: State<'_, Wishes>) -> Answer<()> {
    wishes.wish(Wish::Click(Action::Logs));
    Ok(())
}

/// The questions that wait for an answer.
#[tauri::command]
#[specta::specta]
pub(crate) async fn approvals(approvals: State<'_, Arc<Approvals>>) -> Answer<Vec<ApprovalView>> {
    Ok(approvals.views().borrow().clone())
}

/// Answers a question.
#[tauri::command]
#[specta::specta]
pub(crate) async fn answer_approval(
    approvals: State<'_, Arc<Approvals>>,
    id: u32,
    allow: bool,
) -> Answer<()> {
    approvals.answer(id, allow);
    Ok(())
}
