//! The main window, from its first form to a server that is ready, with the keyboard alone.

use crate::app::{App, add_server, drawbridge, log};
use crate::client::Client;
use crate::desk::page_after;
use crate::screen::{Key, Screen};
use crate::session::Session;
use crate::tray::Panel;
use crate::until;
use crate::webdriver::{Driven, ENTER, TAB};
use demo_server::{Config, DemoServer};

const HEADING: &str = "main h2";

const LINK: &str = "drawbridge://add?name=linked&url=https%3A%2F%2F192.0.2.1%2Fmcp";

/// Goes on with Tab until this has the focus.
async fn tab_to(window: &Driven, label: &str) {
    until(&format!("the focus on {label:?}"), async || {
        if window.focused().await? == label {
            return Some(());
        }
        window.press(&[TAB]).await;
        None
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_is_added_and_signed_in_to_by_the_form() {
    let (session, server) = (Session::start().await, DemoServer::start(Config::oauth()).await.unwrap());
    let (screen, panel) = (Screen::of(session.display()), Panel::start(session.bus()).await);
    let window = Driven::start(&session, &[]).await;

    window.says("main h1", "Servers").await;
    tab_to(&window, "Add a server").await;
    window.press(&[ENTER]).await;
    window.type_into("textarea", server.url().as_str()).await;
    window.says(".found", &format!("Found: {}", server.url())).await;
    window.press(&[TAB, "t", "i", "c", "k", "e", "t", "s", ENTER]).await;
    window.says(HEADING, "tickets wants you to sign in").await;
    tab_to(&window, "Sign in").await;
    window.press(&[ENTER]).await;

    let page = screen.window("Sign in to tickets").await;
    screen.focus(page);
    page_after(&session, 0).await;
    screen.cursor_blinks(page).await;
    screen.type_text("demo");
    screen.press(Key::Tab);
    screen.type_text("demo123");
    screen.press(Key::Return);
    screen.gone(page).await;

    window.says(HEADING, "tickets is ready").await;
    let mut client = Client::connect(&session, "tickets").await;
    assert!(client.call("user_profile").await.contains("Demo User"));
    drop(client);
    panel.click("Quit").await;
    panel.is_empty().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_fills_the_form_in_and_leaves_the_rest_to_the_person() {
    let session = Session::start().await;
    let panel = Panel::start(session.bus()).await;
    let window = Driven::start(&session, &[LINK]).await;

    window.says("main h1", "Add a server").await;
    window.says(".found", "Found: https://192.0.2.1/mcp").await;
    let fields = "return [...document.querySelectorAll('textarea, form input[spellcheck]')].map((field) => field.value)";
    let fields = window.run(fields).await.unwrap();
    assert_eq!(fields[0], "https://192.0.2.1/mcp");
    assert_eq!(fields[1], "linked");
    until("a button that is awake", async || {
        let awake = window.run("return !document.querySelector('button[type=submit]').disabled").await?;
        (awake == true).then_some(())
    })
    .await;
    assert_eq!(window.focused().await.as_deref(), Some("Cancel"), "the answer of who presses Enter unawares");
    window.press(&[ENTER]).await;

    window.says("main h1", "Servers").await;
    let list = drawbridge(&session, &["list", "--json"]).await;
    assert_eq!(String::from_utf8_lossy(&list.stdout).trim(), "[]");
    panel.click("Quit").await;
    panel.is_empty().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_in_a_sign_in_window_can_be_driven_by_tests() {
    let (session, server) = (Session::start().await, DemoServer::start(Config::oauth()).await.unwrap());
    let panel = Panel::start(session.bus()).await;
    let window = Driven::start_with_sign_ins(&session).await;
    window.says("main h1", "Servers").await;
    add_server(&session, "demo", server.url().as_str()).await;
    panel.shows("demo – signed out").await;
    panel.click("Sign in…").await;

    window.go_to_other_window("input[name=username]").await;
    window.type_into("input[name=username]", "demo").await;
    window.type_into("input[name=password]", "demo123").await;
    window.press(&[ENTER]).await;

    panel.shows("Sign out").await;
    panel.click("Quit").await;
    panel.is_empty().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_window_is_zoomed_by_keys() {
    let session = Session::start().await;
    let (screen, panel) = (Screen::of(session.display()), Panel::start(session.bus()).await);
    let window = Driven::start(&session, &[]).await;
    window.says("main h1", "Servers").await;
    let width = async || window.run("return innerWidth").await.and_then(|width| width.as_f64());
    let usual = width().await.expect("a number");

    screen.focus(screen.window("Drawbridge").await);
    for _ in 0..5 {
        screen.press_with_control(b'=');
    }
    until("everything twice as large", async || (width().await? == usual / 2.0).then_some(())).await;
    screen.press_with_control(b'0');
    until("everything as it was", async || (width().await? == usual).then_some(())).await;

    panel.click("Quit").await;
    panel.is_empty().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_whose_process_dies_comes_back_as_it_was() {
    let (session, panel, app) = started().await;
    let screen = Screen::of(session.display());
    panel.click("Add server…").await;
    let window = screen.window("Drawbridge").await;
    screen.focus(window);
    screen.cursor_blinks(window).await;

    app.kill_pages();

    screen.cursor_blinks(window).await;
    until("a word about it in the log", async || log(&session).contains("has died").then_some(())).await;
    panel.click("Quit").await;
    assert!(app.ended().await.success());
}

async fn started() -> (Session, Panel, App) {
    let session = Session::start().await;
    let panel = Panel::start(session.bus()).await;
    let app = App::start(&session, &["--background"]);
    panel.shows("No servers yet").await;
    (session, panel, app)
}
