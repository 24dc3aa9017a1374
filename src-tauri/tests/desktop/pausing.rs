//! The tray's lines under change: a pause of everything, and clicks while the menu is drawn anew.

use demo_server::{Config, DemoServer};

use crate::app::{App, add_server, drawbridge};
use crate::client::Client;
use crate::message_tray::MessageTray;
use crate::session::Session;
use crate::tray::Panel;

/// How often the menu is changed and clicked.
const ROUNDS: usize = 20;

/// A desktop with the app in the tray, and a server that needs no sign-in.
async fn open_server() -> (Session, DemoServer, Panel, App) {
    let (session, server) = (Session::start().await, DemoServer::start(Config::default()).await.unwrap());
    let panel = Panel::start(session.bus()).await;
    let app = App::start(&session, &["--background"]);
    panel.shows("No servers yet").await;
    add_server(&session, "open", server.url().as_str()).await;
    panel.shows("Copy client entry").await;
    (session, server, panel, app)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_turns_calls_away_until_it_is_ended() {
    let (session, _server, panel, app) = open_server().await;
    let tray = MessageTray::start(session.bus()).await;
    let mut client = Client::connect(&session, "open").await;
    assert!(client.call("hello_world").await.contains("Hello"));

    panel.click("Pause all").await;
    panel.shows("Paused: all servers are left alone").await;
    let said = client.call("hello_world").await;
    assert!(said.contains("Drawbridge is paused"), "{said}");
    panel.click("Sign in…").await;
    tray.shows("Drawbridge is paused and leaves all servers alone.").await;

    panel.click("Resume").await;
    panel.shows("Pause all").await;
    let said = client.call("hello_world").await;
    assert!(said.contains("Hello"), "{said}");
    drop(client);
    panel.click("Quit").await;
    assert!(app.ended().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_click_is_taken_while_the_menu_is_drawn_anew() {
    let (session, _server, panel, app) = open_server().await;
    let change = async {
        for _ in 0..ROUNDS {
            add_server(&session, "other", "http://127.0.0.1:9/mcp").await;
            assert!(drawbridge(&session, &["remove", "other"]).await.status.success());
        }
    };
    let click = async {
        for _ in 0..ROUNDS {
            panel.click("Pause all").await;
            panel.shows("Resume").await;
            panel.click("Resume").await;
            panel.shows("Pause all").await;
        }
    };

    tokio::join!(change, click);

    panel.click("Quit").await;
    assert!(app.ended().await.success());
}
