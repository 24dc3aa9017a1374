//! Several accounts of one server.

use std::process::Stdio;

use tokio::time::timeout;

use crate::app::command_line;
use crate::client::Client;
use crate::desk::Desk;
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
