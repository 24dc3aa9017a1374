//! The way from the sign-in window to the person's own browser.

use serde_json::json;
use url::Url;

use crate::foreign_page::ForeignPage;
use crate::remote_pages::show;
use crate::screen::{Key, Screen};
use crate::session::Session;
use crate::tray::Panel;
use crate::until;

const FOREIGN: &str = "Sign in to foreign";

/// Waits for the page that a window has left to the browser, by itself.
async fn left_to_browser(session: &Session, screen: &Screen, panel: &Panel) -> Url {
    let page = until("a page in the browser", async || session.page_in_browser()).await;
    let window = screen.window(FOREIGN).await;
    screen.stands_still(window).await;
    assert_eq!(screen.titles(), [FOREIGN], "it says why, and waits");
    panel.click("Cancel sign-in").await;
    screen.gone(window).await;
    page
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_known_to_refuse_windows_is_shown_in_the_browser() {
    let google = json!({ "authorization_endpoint": "https://accounts.google.com/o/oauth2/v2/auth" });
    let page = ForeignPage::start_with("", google).await;
    let (session, screen, app, panel) = show(&page).await;
    let window = screen.window(FOREIGN).await;
    screen.focus(window);
    screen.stands_still(window).await;
    assert_eq!(
        session.page_in_browser(),
        None,
        "it lies elsewhere than its issuer, so the person is asked first"
    );
    screen.press(Key::Tab);
    screen.press(Key::Return);

    let page = left_to_browser(&session, &screen, &panel).await;

    assert_eq!(page.host_str(), Some("accounts.google.com"));
    panel.click("Quit").await;
    assert!(app.ended().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_refuses_windows_is_left_for_the_browser() {
    let refusal = "onload = () => { location.href = '/elsewhere?error=disallowed_useragent' };";
    let page = ForeignPage::start(refusal).await;
    let (session, screen, app, panel) = show(&page).await;

    let shown = left_to_browser(&session, &screen, &panel).await;

    assert_eq!(shown.path(), "/authorize");
    panel.click("Quit").await;
    assert!(app.ended().await.success());
}
