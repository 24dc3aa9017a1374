//! A desktop where the app runs in the tray, with the demo server added and nobody signed in.

use demo_server::{Config, DemoServer};

use crate::app::{App, add_server, log};
use crate::screen::{Key, Screen};
use crate::session::Session;
use crate::tray::Panel;
use crate::until;

/// The title of the demo server's sign-in window.
pub(crate) const WINDOW: &str = "Sign in to demo";

/// All there is on it.
pub(crate) struct Desk {
    pub(crate) session: Session,
    pub(crate) server: DemoServer,
    pub(crate) screen: Screen,
    pub(crate) panel: Panel,
    pub(crate) app: App,
}

impl Desk {
    /// Starts everything.
    pub(crate) async fn new() -> Self {
        Self::with(Config::oauth()).await
    }

    /// The same with a server of this kind.
    pub(crate) async fn with(config: Config) -> Self {
        let (session, server) = (Session::start().await, DemoServer::start(config).await.unwrap());
        let screen = Screen::of(session.display());
        let panel = Panel::start(session.bus()).await;
        let app = App::start(&session, &["--background"]);
        panel.shows("No servers yet").await;
        add_server(&session, "demo", server.url().as_str()).await;
        Self { session, server, screen, panel, app }
    }

    /// Opens the window from the tray, and waits for the page in it.
    pub(crate) async fn open_window(&self) -> u32 {
        let before = self.pages();
        self.panel.shows("demo – signed out").await;
        self.panel.click("Sign in…").await;
        let window = self.screen.window(WINDOW).await;
        self.screen.focus(window);
        self.page_after(before).await;
        window
    }

    /// Goes on from our own page in a window that opened by itself, and waits for the page after it.
    pub(crate) async fn go_on(&self, window: u32) {
        let before = self.pages();
        self.screen.focus(window);
        self.screen.stands_still(window).await;
        self.screen.press(Key::Tab);
        self.screen.press(Key::Return);
        self.page_after(before).await;
    }

    /// Fills in the demo server's page, and waits until its window is gone.
    pub(crate) async fn fill_in(&self, window: u32, user: &str, password: &str) {
        self.screen.cursor_blinks(window).await;
        self.screen.type_text(user);
        self.screen.press(Key::Tab);
        self.screen.type_text(password);
        self.screen.press(Key::Return);
        self.screen.no_window(WINDOW).await;
    }

    /// Agrees on the page of a server that knows the person still, and waits until its window is gone.
    pub(crate) async fn agree(&self, window: u32) {
        self.screen.cursor_blinks(window).await;
        self.screen.press(Key::Return);
        self.screen.no_window(WINDOW).await;
    }

    /// Quits the app from the tray.
    pub(crate) async fn quit(self) {
        self.panel.click("Quit").await;
        assert!(self.app.ended().await.success());
    }

    /// How many pages of the server the window has shown.
    fn pages(&self) -> usize {
        log(&self.session).matches("site=127.0.0.1").count()
    }

    async fn page_after(&self, before: usize) {
        until("the sign-in page", async || (self.pages() > before).then_some(())).await;
    }
}
