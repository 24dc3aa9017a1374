//! The lines of the tray menu that lead elsewhere: to views of the window, to the clipboard, to a folder.

use std::path::Path;

use demo_server::{Config, DemoServer};
use serde_json::Value;

use crate::app::{App, add_server};
use crate::client::Client;
use crate::clipboard::Clipboard;
use crate::desk::Desk;
use crate::message_tray::MessageTray;
use crate::screen::Screen;
use crate::session::Session;
use crate::tray::Panel;
use crate::until;
use crate::webdriver::Driven;

const HEADING: &str = "main h1";

#[tokio::test(flavor = "multi_thread")]
async fn lines_of_the_menu_open_the_window_at_their_views() {
    let (session, server) = (Session::start().await, DemoServer::start(Config::default()).await.unwrap());
    let (screen, panel) = (Screen::of(session.display()), Panel::start(session.bus()).await);
    let window = Driven::start(&session, &[]).await;
    window.says(HEADING, "Servers").await;
    add_server(&session, "demo", server.url().as_str()).await;

    panel.click("Settings").await;
    window.says(HEADING, "Settings").await;
    panel.click("Open").await;
    window.says(HEADING, "demo").await;
    panel.click("Open Drawbridge").await;
    window.says(HEADING, "Servers").await;

    screen.close(screen.window("Drawbridge").await);
    screen.no_window("Drawbridge").await;
    panel.click("Add server…").await;
    window.go_to_other_window("textarea").await;
    window.says(HEADING, "Add a server").await;
    assert_eq!(screen.titles(), ["Drawbridge"]);
    panel.click("Quit").await;
    panel.is_empty().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copied_entry_starts_the_server_for_a_client_and_the_logs_folder_opens() {
    let desk = Desk::with(Config::default()).await;
    let clipboard = Clipboard::of(desk.session.display());
    assert_eq!(clipboard.text().await, None);

    desk.panel.click("Copy client entry").await;
    let copied = until("something on the clipboard", async || clipboard.text().await).await;
    let mut copied: Value = serde_json::from_str(&copied).unwrap();
    let entry = copied["mcpServers"]["demo"].take();
    let arguments = entry["args"].as_array().unwrap().iter().map(|argument| argument.as_str().unwrap());
    let program = Path::new(entry["command"].as_str().unwrap());
    let mut client = Client::start(desk.session.command(program).args(arguments)).await;
    assert!(client.call("hello_world").await.contains("Hello"));
    drop(client);

    desk.panel.click("Show logs").await;
    let folder = until("a folder that is open", async || desk.session.opened_folder()).await;
    let mut files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    assert!(files.any(|file| file.extension().is_some_and(|extension| extension == "log")));
    desk.quit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_nothing_can_open_is_told() {
    let session = Session::start().await;
    let (panel, tray) = (Panel::start(session.bus()).await, MessageTray::start(session.bus()).await);
    let no_programs = session.folder("empty");
    let app = App::start_with(&session, &["--background"], &[("PATH", &no_programs)]);

    panel.click("Show logs").await;
    tray.shows("No program could be started that shows the logs.").await;
    panel.click("Quit").await;
    assert!(app.ended().await.success());
}
