//! Signing in to the demo server in the app's own window, as a person does: by keys.

use demo_server::{Config, DemoServer};

use crate::app::{App, add_server, drawbridge, log};
use crate::keychain::number_of_items;
use crate::screen::{Key, Screen};
use crate::session::Session;
use crate::tray::Panel;
use crate::until;

const WINDOW: &str = "Sign in to demo";

/// The app in the tray, with the demo server added and nobody signed in.
struct Desk {
    session: Session,
    server: DemoServer,
    screen: Screen,
    panel: Panel,
    app: App,
}

impl Desk {
    async fn new() -> Self {
        let (session, server) = (Session::start().await, DemoServer::start(Config::oauth()).await.unwrap());
        let screen = Screen::of(session.display());
        let panel = Panel::start(session.bus()).await;
        let app = App::start(&session, &["--background"]);
        panel.shows("No servers yet").await;
        add_server(&session, "demo", server.url().as_str()).await;
        Self { session, server, screen, panel, app }
    }

    /// Opens the window from the tray, and waits for the page in it.
    async fn open_window(&self) -> u32 {
        self.panel.shows("demo – signed out").await;
        self.panel.click("Sign in…").await;
        let window = self.screen.window(WINDOW).await;
        self.screen.focus(window);
        until("the sign-in page", async || log(&self.session).contains("site=127.0.0.1").then_some(())).await;
        window
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_signs_in_in_the_window_and_stays_signed_in() {
    let desk = Desk::new().await;
    let window = desk.open_window().await;
    assert_eq!(desk.app.ports(), Vec::<u16>::new(), "the window takes the redirect, so nothing listens");
    let before = number_of_items(desk.session.bus()).await;

    desk.screen.cursor_blinks(window).await;
    desk.screen.type_text("demo");
    desk.screen.press(Key::Tab);
    desk.screen.type_text("demo123");
    desk.screen.press(Key::Return);

    desk.panel.shows("Sign out").await;
    desk.screen.no_window(WINDOW).await;
    assert!(number_of_items(desk.session.bus()).await > before, "the tokens are in the keychain");
    let call = drawbridge(&desk.session, &["call", "demo", "user_profile"]).await;
    let said = String::from_utf8_lossy(&call.stdout);
    assert!(
        call.status.success() && said.contains("Demo User"),
        "{said} {:?}",
        String::from_utf8_lossy(&call.stderr)
    );

    desk.panel.click("Quit").await;
    assert!(desk.app.ended().await.success());
    let again = App::start(&desk.session, &["--background"]);
    desk.panel.shows("Copy client entry").await;
    let call = drawbridge(&desk.session, &["call", "demo", "user_profile"]).await;
    assert!(call.status.success(), "signed in still: {:?}", String::from_utf8_lossy(&call.stderr));
    desk.panel.click("Sign out").await;
    desk.panel.shows("demo – signed out").await;
    desk.server.control().wait_for(|stats| stats.revocations > 0).await;
    until("a keychain without tokens", async || {
        (number_of_items(desk.session.bus()).await == before).then_some(())
    })
    .await;
    desk.panel.click("Quit").await;
    assert!(again.ended().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_the_window_calls_the_sign_in_off() {
    let desk = Desk::new().await;
    let window = desk.open_window().await;
    desk.panel.shows("Cancel sign-in").await;

    desk.screen.close(window);

    desk.panel.shows("demo – sign-in not finished").await;
    desk.panel.shows("Sign in…").await;
    desk.screen.no_window(WINDOW).await;
    assert_eq!(desk.app.ports(), Vec::<u16>::new());
    let call = drawbridge(&desk.session, &["status", "--json"]).await;
    let said = String::from_utf8_lossy(&call.stdout);
    assert!(said.contains("sign_in_failed"), "{said}");

    desk.panel.click("Quit").await;
    assert!(desk.app.ended().await.success());
}
