//! Several accounts of one server, and a browser in the window's place.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::time::timeout;
use url::Url;

use crate::app::command_line;
use crate::client::Client;
use crate::desk::Desk;
use crate::session::Session;
use crate::{LIMIT, until};

/// A browser that writes the address it should show into a file, which nobody sees half written.
const BROWSER: &str = "#!/bin/sh\nprintf %s \"$1\" >\"$0.part\" && mv \"$0.part\" \"$0.page\"\n";

#[tokio::test(flavor = "multi_thread")]
async fn two_accounts_of_one_server_are_signed_in_side_by_side() {
    let desk = Desk::new().await;
    let window = desk.open_window().await;
    desk.fill_in(window, "demo", "demo123").await;
    desk.panel.shows("Sign out").await;

    let browser = browser(&desk.session);
    let mut login = command_line(&desk.session);
    login.args(["login", "demo@work"]).env("BROWSER", &browser).stdout(Stdio::null());
    let mut login = login.spawn().unwrap();
    let page = page_of(&browser).await;
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

fn browser(session: &Session) -> PathBuf {
    let path = session.drawbridge_home().with_file_name("browser");
    std::fs::write(&path, BROWSER).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

/// The address that the browser was given.
async fn page_of(browser: &Path) -> Url {
    let file = browser.with_extension("page");
    until("a page in the browser", async || Url::parse(&std::fs::read_to_string(&file).ok()?).ok()).await
}
