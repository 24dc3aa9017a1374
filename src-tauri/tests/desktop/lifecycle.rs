//! Starting, starting again, and ending.

use std::fs;
use std::path::Path;

use demo_server::{Config, DemoServer};

use crate::app::{App, add_server, command_line, drawbridge, log};
use crate::client::Client;
use crate::desk::Desk;
use crate::message_tray::MessageTray;
use crate::screen::{Key, Screen};
use crate::session::Session;
use crate::tray::Panel;
use crate::until;

#[tokio::test(flavor = "multi_thread")]
async fn the_app_lives_in_the_tray_and_a_second_start_shows_its_window() {
    let session = Session::start().await;
    let screen = Screen::of(session.display());
    let panel = Panel::start(session.bus()).await;

    let app = App::start(&session, &["--background"]);
    let menu = until("the tray icon", async || panel.labels().await).await;
    let all =
        ["No servers yet", "Pause all", "Add server…", "Open Drawbridge", "Settings", "Show logs", "Quit"];
    assert_eq!(menu, all);
    assert!(screen.titles().is_empty(), "{:?}", screen.titles());
    assert!(app.ports().is_empty(), "nothing of it is open to other programs");

    assert!(App::start(&session, &[]).ended().await.success(), "the second one has nothing to do");
    let window = screen.window("Drawbridge").await;

    screen.stands_still(window).await;
    screen.close(window);
    screen.no_window("Drawbridge").await;
    panel.click("Open Drawbridge").await;
    let window = screen.window("Drawbridge").await;
    screen.stands_still(window).await;
    screen.close(window);
    screen.no_window("Drawbridge").await;

    let link = "drawbridge://add?name=linked&url=https://192.0.2.1/mcp";
    assert!(App::start(&session, &[link]).ended().await.success());
    let window = screen.window("Drawbridge").await;
    screen.stands_still(window).await;
    let list = drawbridge(&session, &["list", "--json"]).await;
    assert_eq!(String::from_utf8_lossy(&list.stdout).trim(), "[]", "a link shows the form and adds nothing");

    panel.click("Quit").await;
    assert!(app.ended().await.success());
    assert!(screen.titles().is_empty(), "{:?}", screen.titles());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_webkit_the_tray_is_there_and_says_what_to_install() {
    let session = Session::start().await;
    let (screen, panel) = (Screen::of(session.display()), Panel::start(session.bus()).await);
    let tray = MessageTray::start(session.bus()).await;
    let broken = session.drawbridge_home().with_extension("libraries");
    fs::create_dir(&broken).unwrap();
    let library = broken.join("libwebkit2gtk-4.1.so.0");
    fs::write(&library, "").unwrap();
    let app = App::start_with(&session, &["--background"], &[("LD_LIBRARY_PATH", &broken)]);
    panel.shows("No servers yet").await;

    panel.click("Open Drawbridge").await;
    tray.shows("Drawbridge cannot show its window").await;
    assert!(log(&session).contains("Install it"), "{}", log(&session));
    let server = DemoServer::start(Config::oauth()).await.unwrap();
    add_server(&session, "demo", server.url().as_str()).await;
    panel.shows("demo – signed out").await;
    panel.click("Sign in…").await;
    let page = until("the browser", async || session.page_in_browser()).await;
    assert_eq!(page.path(), "/authorize", "a browser shows the sign-in");
    fs::remove_file(library).unwrap();
    panel.click("Open Drawbridge").await;
    let window = screen.window("Drawbridge").await;
    tray.no_longer_shows("Drawbridge cannot show its window").await;

    screen.stands_still(window).await;
    panel.click("Quit").await;
    assert!(app.ended().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_icon_comes_with_a_panel_that_comes_later() {
    let session = Session::start().await;
    let app = App::start(&session, &["--background"]);
    until("the app", async || log(&session).contains("no place for a tray icon").then_some(())).await;

    let panel = Panel::start(session.bus()).await;
    panel.shows("No servers yet").await;
    panel.click("Quit").await;
    assert!(app.ended().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_session_bus_the_window_is_there() {
    let session = Session::start().await;
    let screen = Screen::of(session.display());
    let nowhere = [("DBUS_SESSION_BUS_ADDRESS", Path::new("unix:path=/nowhere"))];
    let app = App::start_with(&session, &[], &nowhere);
    let window = screen.window("Drawbridge").await;
    screen.stands_still(window).await;

    assert!(drawbridge(&session, &["serve", "--stop"]).await.status.success());
    assert!(app.ended().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn at_login_the_icon_is_enough_and_a_window_opens_where_no_panel_takes_it() {
    let session = Session::start().await;
    let screen = Screen::of(session.display());
    let app = App::start(&session, &["--at-login"]);
    let window = screen.window("Drawbridge").await;
    screen.stands_still(window).await;
    assert!(drawbridge(&session, &["serve", "--stop"]).await.status.success());
    assert!(app.ended().await.success());

    let panel = Panel::start(session.bus()).await;
    let app = App::start(&session, &["--at-login"]);
    panel.shows("No servers yet").await;
    assert!(screen.titles().is_empty(), "{:?}", screen.titles());
    panel.click("Quit").await;
    assert!(app.ended().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_defect_is_told_and_takes_neither_sessions_nor_the_tray() {
    let (session, server) = (Session::start().await, DemoServer::start(Config::default()).await.unwrap());
    let (screen, panel) = (Screen::of(session.display()), Panel::start(session.bus()).await);
    let tray = MessageTray::start(session.bus()).await;
    let breaks = [("DRAWBRIDGE_TEST_PANIC", Path::new("settings"))];
    let app = App::start_with(&session, &["--background"], &breaks);
    panel.shows("No servers yet").await;
    add_server(&session, "open", server.url().as_str()).await;
    let mut client = Client::connect(&session, "open").await;
    assert!(client.call("hello_world").await.contains("Hello"));

    panel.click("Settings").await;
    tray.shows("Something in Drawbridge went wrong").await;
    assert!(log(&session).contains("a defect of Drawbridge"));
    assert!(client.call("hello_world").await.contains("Hello"), "the session goes on");
    panel.click("Open Drawbridge").await;
    screen.window("Drawbridge").await;
    drop(client);
    panel.click("Quit").await;
    assert!(app.ended().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn quit_lets_calls_come_to_their_end() {
    let Desk { session, server, panel, app, .. } = Desk::with(Config::default()).await;

    let call = drawbridge(&session, &["call", "demo", "slow", r#"{"until_released":true}"#]);
    let quit = async {
        server.control().wait_for(|stats| stats.stalled > 0).await;
        panel.click("Quit").await;
        until("the end to wait", async || log(&session).contains("calls are under way").then_some(())).await;
        server.control().release_stalled();
    };
    let (call, ()) = tokio::join!(call, quit);

    assert!(call.status.success(), "{}", String::from_utf8_lossy(&call.stderr));
    assert!(app.ended().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn quit_waits_for_no_call_for_ever() {
    let Desk { session, server, panel, app, .. } = Desk::with(Config::default()).await;

    let call = drawbridge(&session, &["call", "demo", "slow", r#"{"until_released":true}"#]);
    let quit = async {
        server.control().wait_for(|stats| stats.stalled > 0).await;
        panel.click("Quit").await;
        assert!(app.ended().await.success());
        assert!(log(&session).contains("they took too long"), "{}", log(&session));
    };
    let (call, ()) = tokio::join!(call, quit);
    assert!(!call.status.success(), "the call was given up");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_while_the_last_calls_end_waits_and_has_a_window_of_its_own() {
    let Desk { session, server, screen, panel, app } = Desk::with(Config::default()).await;

    let call = drawbridge(&session, &["call", "demo", "slow", r#"{"until_released":true}"#]);
    let again = async {
        server.control().wait_for(|stats| stats.stalled > 0).await;
        panel.click("Quit").await;
        until("the end to wait", async || log(&session).contains("calls are under way").then_some(())).await;
        let next = App::start(&session, &[]);
        assert!(app.ended().await.success());
        next
    };
    let (_, next) = tokio::join!(call, again);

    let window = screen.window("Drawbridge").await;
    screen.stands_still(window).await;
    panel.shows("Copy client entry").await;
    panel.click("Quit").await;
    assert!(next.ended().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_app_takes_over_from_a_host_without_a_window_and_hands_back() {
    let (session, server) = (Session::start().await, DemoServer::start(Config::default()).await.unwrap());
    let panel = Panel::start(session.bus()).await;
    let url = server.url();
    let add = ["add", "open", url.as_str()];
    let added = command_line(&session).args(add).env_remove("DISPLAY").output().await.unwrap();
    assert!(added.status.success());
    let mut client =
        Client::start(command_line(&session).args(["connect", "open"]).env_remove("DISPLAY")).await;
    assert!(client.call("hello_world").await.contains("Hello"));
    assert_eq!(panel.labels().await, None, "a Host without a window");

    let app = App::start(&session, &["--background"]);
    panel.shows("Copy client entry").await;
    assert!(client.call("hello_world").await.contains("Hello"), "the session goes on in the app");

    panel.click("Quit").await;
    assert!(app.ended().await.success());
    assert!(client.call("hello_world").await.contains("Hello"), "and after it");
    drop(client);
    assert!(drawbridge(&session, &["serve", "--stop"]).await.status.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_starts_it_by_hand_sees_why_it_does_not_start() {
    let session = Session::start().await;
    let screen = Screen::of(session.display());
    let no_store = [("DRAWBRIDGE_SECRETS", Path::new("nowhere"))];

    let app = App::start_with(&session, &[], &no_store);
    let said = screen.window("Drawbridge").await;
    screen.stands_still(said).await;
    screen.focus(said);
    screen.press(Key::Return);
    assert!(!app.ended().await.success());

    let app = App::start_with(&session, &["--background"], &no_store);
    assert!(!app.ended().await.success(), "nobody is there to close a window");
}
