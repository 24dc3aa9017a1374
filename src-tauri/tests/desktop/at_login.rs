//! What the desktop does at login once the person has switched it on: the app starts, with its window or without.

use std::fs;
use std::path::{Path, PathBuf};

use gtk::glib::{KeyFile, KeyFileFlags, shell_parse_argv};

use crate::app::{APP, App};
use crate::screen::Screen;
use crate::session::Session;
use crate::tray::Panel;
use crate::until;
use crate::webdriver::Driven;

const HEADING: &str = "main h1";
const AT_LOGIN: &str = "Start when I log in";
const HIDDEN: &str = "Then show no window, only the icon";

/// Where the desktop looks for what to start.
fn folder(session: &Session) -> PathBuf {
    session.folder("config/autostart")
}

/// The one command that the desktop finds there, as it reads it.
async fn command(session: &Session) -> Vec<String> {
    let file = until("a file to start from", async || {
        let mut files = fs::read_dir(folder(session)).ok()?.map(|file| file.unwrap().path());
        files.find(|file| file.extension().is_some_and(|extension| extension == "desktop"))
    })
    .await;
    let entry = KeyFile::new();
    entry.load_from_file(file, KeyFileFlags::NONE).unwrap();
    assert_eq!(entry.string("Desktop Entry", "Type").unwrap(), "Application");
    let words = shell_parse_argv(entry.string("Desktop Entry", "Exec").unwrap().as_str()).unwrap();
    words.into_iter().map(|word| word.into_string().unwrap()).collect()
}

/// Clicks a switch of the settings, and waits until it stands like that and is kept.
async fn switch(window: &Driven, label: &str, on: bool) {
    window.click("label", label).await;
    let stands = format!(
        "return [...document.querySelectorAll('.switch')].find((row) => row.textContent.trim() === '{label}')
            ?.querySelector('input').checked"
    );
    until(&format!("{label:?} to be {on}"), async || (window.run(&stands).await? == on).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_app_starts_at_login_as_the_settings_say() {
    let session = Session::start().await;
    let (screen, panel) = (Screen::of(session.display()), Panel::start(session.bus()).await);
    let window = Driven::start(&session, &[]).await;
    panel.click("Settings").await;
    window.says(HEADING, "Settings").await;

    switch(&window, AT_LOGIN, true).await;
    let words = command(&session).await;
    switch(&window, AT_LOGIN, false).await;
    until("the end of the file", async || {
        fs::read_dir(folder(&session)).unwrap().next().is_none().then_some(())
    })
    .await;
    switch(&window, AT_LOGIN, true).await;
    assert_eq!(command(&session).await, words);
    let (program, arguments) = words.split_first().unwrap();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    assert_eq!(Path::new(program), Path::new(APP).canonicalize().unwrap());
    panel.click("Quit").await;
    panel.is_empty().await;

    let app = App::start(&session, &arguments);
    panel.shows("No servers yet").await;
    assert!(screen.titles().is_empty(), "{:?}", screen.titles());
    panel.click("Quit").await;
    assert!(app.ended().await.success());

    let window = Driven::start(&session, &[]).await;
    panel.click("Settings").await;
    window.says(HEADING, "Settings").await;
    switch(&window, HIDDEN, false).await;
    panel.click("Quit").await;
    panel.is_empty().await;
    let app = App::start(&session, &arguments);
    screen.window("Drawbridge").await;
    panel.click("Quit").await;
    assert!(app.ended().await.success());
}
