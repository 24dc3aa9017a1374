//! Signing in at an authorization server that nobody here wrote: the certified `oidc-provider`, with its pages for
//! name and password and for consent.

use std::path::Path;
use std::process::Stdio;

use serde_json::Value;
use tokio::process::{Child, Command};

use crate::app::{App, add_server};
use crate::client::Client;
use crate::desk::page_after;
use crate::screen::{Key, Screen};
use crate::session::{Session, first_line};
use crate::tray::Panel;

const WINDOW: &str = "Sign in to other";

/// The server; it ends with its stdin.
struct Oidc {
    _process: Child,
    url: String,
}

impl Oidc {
    async fn start() -> Self {
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/peers/oidc.mjs");
        let mut process = Command::new("node")
            .arg(program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("node starts (scripts/setup test installs it)");
        let line = first_line(process.stdout.take().unwrap()).await;
        let ready: Value =
            serde_json::from_str(&line).expect("a line of JSON (scripts/setup test installs it)");
        let url = ready["url"].as_str().unwrap().to_owned();
        Self { _process: process, url }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn login_and_consent_of_another_server_lead_back_to_the_app() {
    let (server, session) = (Oidc::start().await, Session::start().await);
    let (screen, panel) = (Screen::of(session.display()), Panel::start(session.bus()).await);
    let app = App::start(&session, &["--background"]);
    panel.shows("No servers yet").await;
    add_server(&session, "other", &server.url).await;
    panel.shows("other – signed out").await;
    panel.click("Sign in…").await;
    let window = screen.window(WINDOW).await;
    screen.focus(window);

    page_after(&session, 0).await;
    screen.cursor_blinks(window).await;
    screen.type_text("alice");
    screen.press(Key::Tab);
    screen.type_text("any");
    screen.press(Key::Return);
    page_after(&session, 1).await;
    screen.stands_still(window).await;
    screen.press(Key::Return);
    screen.no_window(WINDOW).await;

    panel.shows("Sign out").await;
    let mut client = Client::connect(&session, "other").await;
    let said = client.call("whoami").await;
    assert!(said.contains(r#""subject":"alice""#), "{said}");
    drop(client);
    panel.click("Quit").await;
    assert!(app.ended().await.success());
}
