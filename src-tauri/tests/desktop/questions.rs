//! Questions whether a program may use what nobody has approved: the window asks, and the program's session goes by
//! the answer.

use demo_server::{Config, DemoServer};
use serde_json::json;

use crate::app::drawbridge;
use crate::client::Client;
use crate::screen::Screen;
use crate::session::Session;
use crate::tray::Panel;
use crate::until;
use crate::webdriver::Driven;

const HEADING: &str = "main h1";
const HALF_TYPED: &str = "return document.querySelector('textarea')?.value";

#[tokio::test(flavor = "multi_thread")]
async fn a_question_opens_a_window_and_an_address_that_is_allowed_serves_its_client() {
    let (session, server) = (Session::start().await, DemoServer::start(Config::default()).await.unwrap());
    let (screen, panel) = (Screen::of(session.display()), Panel::start(session.bus()).await);
    let window = Driven::start(&session, &[]).await;
    window.says(HEADING, "Servers").await;
    screen.close(screen.window("Drawbridge").await);
    screen.no_window("Drawbridge").await;

    let url = server.url();
    let answer = async {
        window.go_to_other_window("section h2").await;
        window.says(HEADING, "Questions").await;
        window.says("section h2", &format!("A program wants to use {url}")).await;
        window.click("button:enabled", "Allow").await;
        window.says("main p.soft", "Nothing waits for an answer.").await;
    };
    let (mut client, ()) = tokio::join!(Client::connect(&session, url.as_str()), answer);

    assert!(client.call("hello_world").await.contains("Hello"));
    let list = drawbridge(&session, &["list"]).await;
    assert!(String::from_utf8_lossy(&list.stdout).contains(url.as_str()));
    drop(client);
    panel.click("Quit").await;
    panel.is_empty().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_leaves_a_form_as_it_is_and_its_client_hears_the_no() {
    let session = Session::start().await;
    let (screen, panel) = (Screen::of(session.display()), Panel::start(session.bus()).await);
    let window = Driven::start(&session, &[]).await;
    panel.click("Add server…").await;
    window.type_into("textarea", "half").await;
    let main = screen.window("Drawbridge").await;
    screen.focus_elsewhere();
    assert!(!screen.is_pointed_at(main));

    let answer = async {
        window.says(".notice .title", "A program asks for something").await;
        until("a window that is pointed at", async || screen.is_pointed_at(main).then_some(())).await;
        assert!(!screen.is_focused(main), "the person is elsewhere");
        assert_eq!(window.run(HALF_TYPED).await, Some(json!("half")));
        screen.focus(main);
        until("the end of that", async || (!screen.is_pointed_at(main)).then_some(())).await;
        window.click(".notice a", "Answer").await;
        window.says(HEADING, "Questions").await;
        window.click("button:enabled", "Do not allow").await;
        window.says("main p.soft", "Nothing waits for an answer.").await;
    };
    let (said, ()) = tokio::join!(Client::turned_away(&session, "https://192.0.2.1/mcp"), answer);

    let sentence = "A program wants to use https://192.0.2.1/mcp, which you have not approved.";
    assert!(said.contains(sentence) && said.contains("drawbridge add "), "{said}");
    let list = drawbridge(&session, &["list", "--json"]).await;
    assert_eq!(String::from_utf8_lossy(&list.stdout).trim(), "[]");
    panel.click("Quit").await;
    panel.is_empty().await;
}
