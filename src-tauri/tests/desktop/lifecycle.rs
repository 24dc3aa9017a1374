//! Starting, starting again, and ending.

use demo_server::{Config, DemoServer};

use crate::app::{App, add_server, command_line, drawbridge, log};
use crate::client::Client;
use crate::screen::Screen;
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
async fn quit_lets_calls_come_to_their_end() {
    let (session, server) = (Session::start().await, DemoServer::start(Config::default()).await.unwrap());
    let panel = Panel::start(session.bus()).await;
    let app = App::start(&session, &["--background"]);
    panel.shows("No servers yet").await;
    add_server(&session, "open", server.url().as_str()).await;

    let call = drawbridge(&session, &["call", "open", "slow", r#"{"until_released":true}"#]);
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
