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
        Self::of(Session::start().await, DemoServer::start(config).await.unwrap()).await
    }

    /// The same in a session that was prepared.
    pub(crate) async fn of(session: Session, server: DemoServer) -> Self {
        let screen = Screen::of(session.display());
        let panel = Panel::start(session.bus()).await;
        let app = App::start(&session, &["--background"]);
        panel.shows("No servers yet").await;
        add_server(&session, "demo", server.url().as_str()).await;
        Self { session, server, screen, panel, app }
    }

    /// Opens the window from the tray, and waits for the page in it.
    pub(crate) async fn open_window(&self) -> u32 {
        self.panel.shows("demo – signed out").await;
        self.open("Sign in…", WINDOW).await
    }

    /// Opens the window of this title by that line of the menu, and waits for the page in it.
    pub(crate) async fn open(&self, line: &str, title: &str) -> u32 {
        let before = pages(&self.session);
        self.panel.click(line).await;
        let window = self.screen.window(title).await;
        self.screen.focus(window);
        page_after(&self.session, before).await;
        window
    }

    /// Goes on from our own page in a window that opened by itself, and waits for the page after it.
    pub(crate) async fn go_on(&self, window: u32) {
        let before = pages(&self.session);
        self.screen.focus(window);
        awake(&self.session, &self.screen, window).await;
        self.screen.press(Key::Tab);
        self.screen.press(Key::Return);
        page_after(&self.session, before).await;
    }

    /// Fills in the demo server's page, and waits until its window is gone.
    pub(crate) async fn fill_in(&self, window: u32, user: &str, password: &str) {
        self.screen.cursor_blinks(window).await;
        self.screen.type_text(user);
        self.screen.press(Key::Tab);
        self.screen.type_text(password);
        self.screen.press(Key::Return);
        self.screen.gone(window).await;
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
}

/// Waits until our own page is drawn in a window, and its yes is awake.
pub(crate) async fn awake(session: &Session, screen: &Screen, window: u32) {
    screen.stands_still(window).await;
    until("a yes that is awake", async || {
        let log = log(session);
        let [asked, awake] =
            ["asks before it goes on", "can go on with a sign-in"].map(|words| log.matches(words).count());
        (asked > 0 && asked == awake).then_some(())
    })
    .await;
    screen.stands_still(window).await;
}

/// How many pages sign-in windows have shown.
pub(crate) fn pages(session: &Session) -> usize {
    log(session).matches("site=127.0.0.1").count()
}

/// Waits for the next page after so many.
pub(crate) async fn page_after(session: &Session, before: usize) {
    until("the sign-in page", async || (pages(session) > before).then_some(())).await;
}
