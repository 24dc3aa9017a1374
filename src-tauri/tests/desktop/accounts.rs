//! Several accounts of one server, and a browser in the window's place: for another account, and for a code.

use std::process::Stdio;

use tokio::time::timeout;

use crate::app::{App, command_line, drawbridge};
use crate::client::Client;
use crate::desk::Desk;
use crate::foreign_page::ForeignPage;
use crate::screen::{Key, Screen};
use crate::session::Session;
use crate::tray::Panel;
use crate::{LIMIT, until};

#[tokio::test(flavor = "multi_thread")]
async fn two_accounts_of_one_server_are_signed_in_side_by_side() {
    let desk = Desk::new().await;
    let window = desk.open_window().await;
    desk.fill_in(window, "demo", "demo123").await;
    desk.panel.shows("Sign out").await;

    let mut login = command_line(&desk.session);
    let mut login = login.args(["login", "demo@work"]).stderr(Stdio::null()).spawn().unwrap();
    let page = until("a page in the browser", async || desk.session.page_in_browser()).await;
    let redirect = demo_server::sign_in_with_form(&page, "inspector", "inspector123").await.unwrap();
    let end = demo_server::browser().unwrap().get(redirect).send().await.unwrap();
    assert!(end.status().is_success());
    assert!(timeout(LIMIT, login.wait()).await.expect("it ends").unwrap().success());

    desk.panel.shows("demo – 2 of 2 signed in").await;
    let mut first = Client::connect(&desk.session, "demo").await;
    let mut second = Client::connect(&desk.session, "demo@work").await;
    let (said, said_at_work) = tokio::join!(first.call("user_profile"), second.call("user_profile"));
    assert!(said.contains("Demo User"), "{said}");
    assert!(said_at_work.contains("inspector@example.com"), "{said_at_work}");
    drop((first, second));
    desk.quit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_is_shown_before_its_page_opens() {
    let (session, server) = (Session::start().await, ForeignPage::start("").await);
    let (screen, panel) = (Screen::of(session.display()), Panel::start(session.bus()).await);
    let app = App::start(&session, &["--background"]);
    panel.shows("No servers yet").await;
    let added = drawbridge(&session, &["add", "coded", &server.url(), "--grant", "device"]).await;
    assert!(added.status.success(), "{}", String::from_utf8_lossy(&added.stderr));

    panel.click("Sign in…").await;
    let window = screen.window("Sign in to coded").await;
    screen.focus(window);
    screen.stands_still(window).await;
    assert_eq!(session.page_in_browser(), None);
    screen.press(Key::Return);
    let page = until("the page in the browser", async || session.page_in_browser()).await;
    assert_eq!(page.query(), Some("user_code=WDJB-MJHT"));

    screen.close(window);
    screen.no_window("Sign in to coded").await;
    panel.shows("coded – sign-in not finished").await;
    panel.click("Quit").await;
    assert!(app.ended().await.success());
}
