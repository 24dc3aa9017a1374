//! The way from the sign-in window to the person's own browser, and back from one on another computer.

use demo_server::{Config, DemoServer};
use serde_json::{Value, json};
use url::Url;

use crate::app::{App, add_server, drawbridge, log};
use crate::client::Client;
use crate::desk::{Desk, awake};
use crate::foreign_page::ForeignPage;
use crate::remote_pages::show;
use crate::screen::{Key, Screen};
use crate::session::Session;
use crate::tray::Panel;
use crate::until;
use crate::webdriver::Driven;

pub(crate) const FOREIGN: &str = "Sign in to foreign";

/// A page that leaves no key to anybody else.
const KEEPS_ALL_KEYS: &str = "
    onkeydown = (event) => { event.preventDefault(); event.stopPropagation(); report('key', event.key) };
    report('sign-in', 'shown');
";

/// Presses "Open in browser" by the letter that it underlines. Returns the page that the browser shows.
async fn hand_over(session: &Session, screen: &Screen, window: u32) -> Url {
    screen.stands_still(window).await;
    screen.focus(window);
    screen.press_underlined(b'o');
    let page = until("a page in the browser", async || session.page_in_browser()).await;
    screen.gone(window).await;
    page
}

async fn nothing_listens(app: &App) {
    until("the end of the listener", async || app.ports().is_empty().then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_goes_on_in_the_browser_if_the_person_likes() {
    let desk = Desk::new().await;
    let window = desk.open_window().await;

    let page = hand_over(&desk.session, &desk.screen, window).await;
    let redirect = demo_server::sign_in_with_form(&page, "inspector", "inspector123").await.unwrap();
    assert_eq!(Some(desk.app.ports()), redirect.port().map(|port| vec![port]), "it listens for this alone");
    let end = demo_server::browser().unwrap().get(redirect).send().await.unwrap();
    assert!(end.status().is_success());

    desk.panel.shows("Sign out").await;
    nothing_listens(&desk.app).await;
    let mut client = Client::connect(&desk.session, "demo").await;
    let said = client.call("user_profile").await;
    assert!(said.contains("inspector@example.com"), "{said}");
    drop(client);
    desk.quit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_leaves_for_the_browser_is_not_taken_back_to_the_main_window() {
    let desk = Desk::new().await;
    desk.panel.shows("demo – signed out").await;
    desk.panel.click("Add server…").await;
    let main = desk.screen.window("Drawbridge").await;
    desk.screen.focus(main);
    desk.screen.cursor_blinks(main).await;
    assert!(desk.screen.is_focused(main));
    let window = desk.open_window().await;

    hand_over(&desk.session, &desk.screen, window).await;
    // It has done with the windows once it does this.
    desk.panel.click("Cancel sign-in").await;
    desk.panel.shows("demo – sign-in not finished").await;

    assert!(!desk.screen.is_focused(main));
    desk.quit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_keeps_all_keys_cannot_keep_the_person_and_the_tray_calls_it_off() {
    let page = ForeignPage::start(KEEPS_ALL_KEYS).await;
    let (session, screen, app, panel) = show(&page).await;
    assert_eq!(page.report("sign-in").await, "shown");
    let window = screen.window(FOREIGN).await;
    screen.stands_still(window).await;
    screen.focus(window);
    screen.press(Key::Tab);
    assert_eq!(page.report("key").await, "Tab");

    hand_over(&session, &screen, window).await;
    assert_eq!(app.ports().len(), 1);
    panel.click("Cancel sign-in").await;

    panel.shows("foreign – sign-in not finished").await;
    nothing_listens(&app).await;
    panel.click("Quit").await;
    assert!(app.ended().await.success());
}

/// Says when there is less room for the page.
const SHRINKS: &str = "
    const height = innerHeight;
    onresize = () => { if (innerHeight < height) report('bar', 'larger') };
    report('sign-in', 'shown');
";

#[tokio::test(flavor = "multi_thread")]
async fn where_no_browser_can_be_opened_the_window_stays_and_names_the_address() {
    let page = ForeignPage::start(SHRINKS).await;
    let session = Session::start().await;
    let (screen, panel) = (Screen::of(session.display()), Panel::start(session.bus()).await);
    let nothing = session.folder("nothing");
    let without_browser = [("BROWSER", nothing.as_path()), ("PATH", nothing.as_path())];
    let app = App::start_with(&session, &["--background"], &without_browser);
    panel.shows("No servers yet").await;
    add_server(&session, "foreign", &page.url()).await;
    panel.shows("foreign – signed out").await;
    panel.click("Sign in…").await;
    assert_eq!(page.report("sign-in").await, "shown");
    let window = screen.window(FOREIGN).await;
    screen.stands_still(window).await;
    screen.focus(window);

    screen.press_underlined(b'o');
    assert_eq!(page.report("bar").await, "larger");
    assert_eq!(screen.titles(), [FOREIGN]);
    screen.close(window);
    panel.shows("foreign – sign-in not finished").await;
    nothing_listens(&app).await;
    panel.click("Quit").await;
    assert!(app.ended().await.success());
}

/// An authorization server whose page works in browsers alone.
pub(crate) fn google() -> Value {
    json!({ "authorization_endpoint": "https://accounts.google.com/o/oauth2/v2/auth" })
}

/// Goes on from our own page, once its yes is awake.
pub(crate) async fn go_on(session: &Session, screen: &Screen, window: u32) {
    screen.focus(window);
    awake(session, screen, window).await;
    screen.press(Key::Tab);
    screen.press(Key::Return);
}

/// Waits for the page that a window has left to the browser, by itself.
async fn left_to_browser(session: &Session, screen: &Screen, panel: &Panel) -> Url {
    let page = until("a page in the browser", async || session.page_in_browser()).await;
    let window = screen.window(FOREIGN).await;
    screen.stands_still(window).await;
    until("one window, which says why and waits", async || (screen.titles() == [FOREIGN]).then_some(()))
        .await;
    panel.click("Cancel sign-in").await;
    screen.gone(window).await;
    page
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_known_to_refuse_windows_is_shown_in_the_browser() {
    let page = ForeignPage::start_with("", google()).await;
    let (session, screen, app, panel) = show(&page).await;
    let window = screen.window(FOREIGN).await;
    screen.stands_still(window).await;
    assert_eq!(
        session.page_in_browser(),
        None,
        "it lies elsewhere than its issuer, so the person is asked first"
    );
    go_on(&session, &screen, window).await;

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

#[tokio::test(flavor = "multi_thread")]
async fn a_window_of_a_page_that_is_refused_takes_the_whole_sign_in_to_the_browser() {
    let refused = "
        onkeydown = () => open('/elsewhere?error=disallowed_useragent', '_blank');
        report('sign-in', 'shown');
    ";
    let page = ForeignPage::start(refused).await;
    let (session, screen, app, panel) = show(&page).await;
    assert_eq!(page.report("sign-in").await, "shown");
    let window = screen.window(FOREIGN).await;
    screen.stands_still(window).await;
    screen.focus(window);
    screen.press(Key::Return);

    let shown = left_to_browser(&session, &screen, &panel).await;

    assert_eq!(shown.path(), "/authorize", "from its beginning");
    panel.shows("foreign – sign-in not finished").await;
    panel.click("Quit").await;
    assert!(app.ended().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_whose_browser_is_elsewhere_pastes_the_address_that_it_ended_at() {
    let (session, server) = (Session::start().await, DemoServer::start(Config::oauth()).await.unwrap());
    let panel = Panel::start(session.bus()).await;
    let window = Driven::start(&session, &[]).await;
    window.says("main h1", "Servers").await;
    drawbridge(&session, &["add", "tickets", server.url().as_str(), "--sign-in", "browser"]).await;
    window.click("main .name", "tickets").await;
    window.click("main li button", "Sign in").await;
    let page = until("a page in the browser", async || session.page_in_browser()).await;
    let redirect = demo_server::sign_in_with_form(&page, "demo", "demo123").await.unwrap();
    let (_, code) = redirect.query_pairs().find(|(name, _)| name == "code").unwrap();

    window.click("summary", "The browser is on another computer").await;
    window.type_into("main li details input", redirect.as_str()).await;
    window.click("main li button", "Go on with it").await;
    panel.shows("Sign out").await;
    assert!(!log(&session).contains(&*code), "a code is in the log");
    panel.click("Quit").await;
    panel.is_empty().await;
}
