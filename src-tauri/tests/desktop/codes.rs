//! Sign-ins with a code that is entered on a page elsewhere (RFC 8628).

use serde_json::{Value, json};

use crate::app::{App, drawbridge};
use crate::desk::awake;
use crate::foreign_page::ForeignPage;
use crate::screen::{Key, Screen};
use crate::session::Session;
use crate::tray::Panel;
use crate::until;

const WINDOW: &str = "Sign in to coded";

/// A desktop where the app knows a server that signs people in with codes.
pub(crate) struct Coded {
    session: Session,
    pub(crate) screen: Screen,
    panel: Panel,
    app: App,
}

impl Coded {
    /// The authorization server says these words of itself, besides the usual ones.
    async fn new(words: Value) -> Self {
        Self::of(Session::start().await, words).await
    }

    /// The same in a session that is there already.
    pub(crate) async fn of(session: Session, words: Value) -> Self {
        let server = ForeignPage::start_with("", words).await;
        let (screen, panel) = (Screen::of(session.display()), Panel::start(session.bus()).await);
        let app = App::start(&session, &["--background"]);
        panel.shows("No servers yet").await;
        let added = drawbridge(&session, &["add", "coded", &server.url(), "--grant", "device"]).await;
        assert!(added.status.success(), "{}", String::from_utf8_lossy(&added.stderr));
        Self { session, screen, panel, app }
    }

    /// Opens the window, with nothing in the browser yet.
    pub(crate) async fn open(&self) -> u32 {
        self.panel.click("Sign in…").await;
        let window = self.screen.window(WINDOW).await;
        self.screen.focus(window);
        self.screen.stands_still(window).await;
        assert_eq!(self.session.page_in_browser(), None);
        window
    }

    /// Presses the button that has the focus, which opens the page in the browser.
    async fn open_page(&self) {
        self.screen.press(Key::Return);
        let page = until("the page in the browser", async || self.session.page_in_browser()).await;
        assert_eq!(page.query(), Some("user_code=WDJB-MJHT"));
    }

    async fn closes(&self) {
        self.screen.no_window(WINDOW).await;
        self.panel.shows("coded – sign-in not finished").await;
    }

    pub(crate) async fn quit(self) {
        self.panel.click("Quit").await;
        assert!(self.app.ended().await.success());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_is_shown_before_its_page_opens() {
    let desk = Coded::new(json!({})).await;

    let window = desk.open().await;
    desk.open_page().await;

    desk.screen.close(window);
    desk.closes().await;
    desk.quit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_warning_the_person_agrees_before_the_code_is_shown() {
    let desk = Coded::new(json!({ "protected_resources": ["https://elsewhere.example/mcp"] })).await;

    desk.open().await;
    desk.screen.press(Key::Return);
    desk.closes().await;
    assert_eq!(desk.session.page_in_browser(), None, "the first answer is no");

    let window = desk.open().await;
    awake(&desk.session, &desk.screen, window).await;
    desk.screen.press(Key::Tab);
    desk.screen.press(Key::Return);
    desk.screen.stands_still(window).await;
    assert_eq!(desk.session.page_in_browser(), None, "the code comes first");
    desk.open_page().await;

    desk.screen.close(window);
    desk.closes().await;
    desk.quit().await;
}
