//! Several sign-ins: the windows that a person opens are there at once, those that open by themselves come one by one.

use std::process::Stdio;

use demo_server::{Config, DemoServer};
use tokio::time::timeout;

use crate::app::{add_server, command_line, log};
use crate::client::Client;
use crate::desk::{Desk, WINDOW};
use crate::{LIMIT, until};

const AT_WORK: &str = "Sign in to demo@work";
const OTHER: &str = "Sign in to other";

/// Begins another account in the browser, and says no there.
async fn begin_account(desk: &Desk, account: &str) {
    let mut login = command_line(&desk.session);
    let mut login = login.args(["login", account]).stderr(Stdio::null()).spawn().unwrap();
    let page = until("a page in the browser", async || desk.session.page_in_browser()).await;
    let redirect = demo_server::deny_with_form(&page).await.unwrap();
    demo_server::browser().unwrap().get(redirect).send().await.unwrap();
    assert!(!timeout(LIMIT, login.wait()).await.expect("it ends").unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn two_accounts_of_one_server_sign_in_in_two_windows_at_once() {
    let desk = Desk::new().await;
    begin_account(&desk, "demo@work").await;

    let first = desk.open("default: signed out – Sign in…", WINDOW).await;
    let second = desk.open("work: sign-in not finished – Sign in…", AT_WORK).await;
    let mut titles = desk.screen.titles();
    titles.sort();
    assert_eq!(titles, [WINDOW, AT_WORK]);
    desk.fill_in(second, "inspector", "inspector123").await;
    desk.panel.shows("demo – 1 of 2 signed in").await;
    desk.screen.focus(first);
    desk.fill_in(first, "demo", "demo123").await;

    desk.panel.shows("demo – 2 of 2 signed in").await;
    let mut client = Client::connect(&desk.session, "demo@default").await;
    let mut client_at_work = Client::connect(&desk.session, "demo@work").await;
    let said = client.call("user_profile").await;
    assert!(said.contains("Demo User"), "{said}");
    let said = client_at_work.call("user_profile").await;
    assert!(said.contains("inspector@example.com"), "{said}");
    drop((client, client_at_work));
    desk.quit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sign_ins_that_open_by_themselves_come_one_by_one() {
    let (desk, other) = (Desk::new().await, DemoServer::start(Config::oauth()).await.unwrap());
    add_server(&desk.session, "other", other.url().as_str()).await;

    let mut first = Client::connect(&desk.session, "demo").await;
    let window = desk.screen.window(WINDOW).await;
    let mut second = Client::connect(&desk.session, "other").await;
    until("the second to wait", async || log(&desk.session).contains("this one waits").then_some(())).await;
    desk.go_on(window).await;
    assert_eq!(desk.screen.titles(), [WINDOW]);
    desk.fill_in(window, "demo", "demo123").await;
    let window = desk.screen.window(OTHER).await;
    desk.go_on(window).await;
    desk.fill_in(window, "inspector", "inspector123").await;

    let said = first.call("user_profile").await;
    assert!(said.contains("Demo User"), "{said}");
    let said = second.call("user_profile").await;
    assert!(said.contains("inspector@example.com"), "{said}");
    drop((first, second));
    desk.quit().await;
}
