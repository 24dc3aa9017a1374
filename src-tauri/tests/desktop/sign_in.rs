//! Signing in to the demo server in the app's own window, as a person does: by keys.

use crate::app::{App, drawbridge};
use crate::client::Client;
use crate::desk::{Desk, WINDOW};
use crate::foreign_page::ForeignPage;
use crate::kept_profile::remembering;
use crate::keychain::number_of_items;
use crate::remote_pages::show;
use crate::until;

/// Reports what this page kept here before, and keeps something.
const REMEMBER: &str = "
    report('kept', document.cookie + localStorage.known).then(() => {
      if (document.cookie) return;
      document.cookie = 'known=1; max-age=3600';
      localStorage.known = 1;
      location.reload();
    });
";

#[tokio::test(flavor = "multi_thread")]
async fn somebody_signs_in_in_the_window_and_stays_signed_in() {
    let mut desk = Desk::with(remembering()).await;
    let window = desk.open_window().await;
    assert_eq!(desk.app.ports(), Vec::<u16>::new(), "the window takes the redirect, so nothing listens");
    let before = number_of_items(desk.session.bus()).await;

    desk.fill_in(window, "demo", "demo123").await;

    desk.panel.shows("Sign out").await;
    assert!(number_of_items(desk.session.bus()).await > before, "the tokens are in the keychain");
    let mut client = Client::connect(&desk.session, "demo").await;
    let said = client.call("user_profile").await;
    assert!(said.contains("Demo User"), "{said}");
    desk.server.control().expire_access_tokens();
    let said = client.call("user_profile").await;
    assert!(said.contains("Demo User"), "with a new token: {said}");
    assert_eq!(desk.server.control().stats().grant("refresh_token"), 1);
    drop(client);

    desk.panel.click("Quit").await;
    assert!(desk.app.ended().await.success());
    desk.app = App::start(&desk.session, &["--background"]);
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
    let window = desk.open_window().await;
    desk.fill_in(window, "demo", "demo123").await;
    desk.panel.shows("Sign out").await;
    assert_eq!(desk.server.control().stats().remembered_pages, 0, "no cookie is left");
    desk.quit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_opens_a_sign_in_on_a_page_of_ours_and_waits_for_it() {
    let desk = Desk::new().await;
    let window = desk.open_window().await;
    desk.fill_in(window, "demo", "demo123").await;
    let mut client = Client::connect(&desk.session, "demo").await;
    client.call("user_profile").await;
    desk.server.control().revoke_tokens(None);
    let pages = desk.server.control().stats().authorize_pages;

    let person = async {
        let window = desk.screen.window(WINDOW).await;
        desk.screen.stands_still(window).await;
        let now = desk.server.control().stats().authorize_pages;
        assert_eq!(now, pages, "nothing is loaded before the person agrees");
        desk.go_on(window).await;
        desk.fill_in(window, "inspector", "inspector123").await;
    };
    let (said, ()) = tokio::join!(client.call("user_profile"), person);

    assert!(said.contains("inspector@example.com"), "{said}");
    drop(client);
    desk.quit().await;
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
    desk.quit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_that_begins_as_a_window_closes_has_a_window_of_its_own() {
    let desk = Desk::new().await;
    let mut window = desk.open_window().await;

    for _ in 0..5 {
        desk.panel.click("Cancel sign-in").await;
        desk.panel.click("Sign in…").await;
        window = desk.screen.another_window(WINDOW, window).await;
    }

    desk.screen.focus(window);
    desk.fill_in(window, "demo", "demo123").await;
    desk.panel.shows("Sign out").await;
    desk.quit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_a_page_keeps_outlives_its_window() {
    let page = ForeignPage::start(REMEMBER).await;
    let (_session, screen, app, panel) = show(&page).await;
    assert_eq!(page.report("kept").await, "undefined");
    assert_eq!(page.report("kept").await, "known=11", "as long as the window is there");

    screen.close(screen.window("Sign in to foreign").await);
    screen.no_window("Sign in to foreign").await;
    panel.click("Sign in…").await;

    assert_eq!(page.report("kept").await, "undefined");
    panel.click("Quit").await;
    assert!(app.ended().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_came_from_the_main_window_is_back_there_after_the_sign_in() {
    let desk = Desk::new().await;
    desk.panel.shows("demo – signed out").await;
    desk.panel.click("Add server…").await;
    let main = desk.screen.window("Drawbridge").await;
    desk.screen.focus(main);
    desk.screen.cursor_blinks(main).await;

    let window = desk.open_window().await;
    desk.fill_in(window, "demo", "demo123").await;

    // No window manager is here to lead back.
    desk.screen.cursor_blinks(main).await;
    desk.quit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_came_from_elsewhere_is_not_taken_to_the_main_window() {
    let desk = Desk::new().await;
    desk.screen.focus_elsewhere();
    desk.panel.click("Open Drawbridge").await;
    let main = desk.screen.window("Drawbridge").await;
    desk.screen.stands_still(main).await;

    let window = desk.open_window().await;
    desk.fill_in(window, "demo", "demo123").await;

    desk.panel.shows("Sign out").await;
    assert!(!desk.screen.is_focused(main));
    desk.quit().await;
}
