//! Pictures of the windows that the toolkit draws, for docs/screenshots; the pages of the main window have a
//! script of their own.

use std::fs;
use std::path::PathBuf;

use demo_server::{Config, DemoServer};
use serde_json::json;

use crate::app::log;
use crate::browser::{FOREIGN, go_on, google};
use crate::client::Client;
use crate::codes::Coded;
use crate::desk::{Desk, WINDOW, awake};
use crate::foreign_page::ForeignPage;
use crate::remote_pages::show_in;
use crate::session::Session;
use crate::until;

/// Where they go.
fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/screenshots")
}

/// A session whose app is to look so.
async fn looking(theme: &str) -> Session {
    let session = Session::start().await;
    let config = session.drawbridge_home().join("config");
    fs::create_dir_all(&config).unwrap();
    fs::write(config.join("app.json"), format!(r#"{{"theme":"{theme}"}}"#)).unwrap();
    session
}

fn save(name: &str, theme: &str, picture: &[u8]) {
    fs::write(folder().join(format!("{name}-{theme}.png")), picture).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "`make pictures` runs it, because it writes files"]
async fn a_sign_in_that_a_client_asks_for() {
    for theme in ["light", "dark"] {
        let desk = Desk::of(looking(theme).await, DemoServer::start(Config::oauth()).await.unwrap()).await;
        let mut client = Client::connect(&desk.session, "demo").await;
        let call = tokio::spawn(async move { client.call("user_profile").await });
        let window = desk.screen.window(WINDOW).await;
        awake(&desk.session, &desk.screen, window).await;
        save("sign-in-asked", theme, &desk.screen.png(window));

        desk.go_on(window).await;
        desk.screen.cursor_blinks(window).await;
        save("sign-in", theme, &desk.screen.png(window));
        desk.fill_in(window, "demo", "demo123").await;
        assert!(call.await.unwrap().contains("Demo User"));
        desk.quit().await;
    }
}

/// A page that leads to another site, as a company's sign-in often does.
const LEADS_ELSEWHERE: &str = "
    if (location.hostname === 'localhost') {
      document.body.style = 'font: 16px sans-serif; margin: 3rem 4rem';
      document.body.innerHTML = '<h1>Your company</h1><p><label>User name<br><input size=30></label></p>';
    } else {
      location.href = `http://localhost:${location.port}/authorize`;
    }
";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "`make pictures` runs it, because it writes files"]
async fn a_sign_in_that_has_gone_to_another_site() {
    for theme in ["light", "dark"] {
        let (session, page) = (looking(theme).await, ForeignPage::start(LEADS_ELSEWHERE).await);
        let (screen, app, panel) = show_in(&session, &page).await;
        let window = screen.window(FOREIGN).await;
        until("the other site", async || log(&session).contains("site=localhost").then_some(())).await;
        screen.stands_still(window).await;
        save("sign-in-elsewhere", theme, &screen.png(window));
        panel.click("Quit").await;
        assert!(app.ended().await.success());
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "`make pictures` runs it, because it writes files"]
async fn a_code_for_a_page_elsewhere() {
    for theme in ["light", "dark"] {
        let desk = Coded::of(looking(theme).await, json!({})).await;
        let window = desk.open().await;
        save("code", theme, &desk.screen.png(window));
        desk.screen.close(window);
        desk.quit().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "`make pictures` runs it, because it writes files"]
async fn a_page_that_works_in_browsers_alone() {
    for theme in ["light", "dark"] {
        let (session, page) = (looking(theme).await, ForeignPage::start_with("", google()).await);
        let (screen, app, panel) = show_in(&session, &page).await;
        let window = screen.window(FOREIGN).await;
        go_on(&session, &screen, window).await;
        until("the page in the browser", async || session.page_in_browser()).await;
        screen.stands_still(window).await;
        save("sign-in-browser", theme, &screen.png(window));
        panel.click("Cancel sign-in").await;
        screen.gone(window).await;
        panel.click("Quit").await;
        assert!(app.ended().await.success());
    }
}
