//! Sign-in windows where the way out is a proxy.

use std::fs;
use std::sync::{Arc, Mutex};

use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::app::{App, drawbridge};
use crate::foreign_page::ForeignPage;
use crate::screen::Screen;
use crate::session::Session;
use crate::tray::Panel;
use crate::until;

/// Asks for something far away and something near; what is reported of it goes to the page's own server.
const ASK_FAR: &str = "fetch('https://far.example/').catch(() => fetch('https://[::ffff:127.0.0.1]:9443/')).catch(() => report('asked', 'both'))";

/// A proxy that leads nowhere, and what it was asked for.
struct NoWayOut {
    address: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl NoWayOut {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let writing = asked.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(refuse(stream, writing.clone()));
            }
        });
        Self { address, asked }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

async fn refuse(mut stream: TcpStream, asked: Arc<Mutex<Vec<String>>>) {
    let (reader, mut writer) = stream.split();
    let mut lines = BufReader::new(reader).lines();
    let mut first = None;
    while let Ok(Some(line)) = lines.next_line().await {
        if line.is_empty() {
            break;
        }
        first.get_or_insert(line);
    }
    asked.lock().unwrap().extend(first);
    writer.write_all(b"HTTP/1.1 502 Nowhere\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").await.ok();
}

/// Has the app sign in to a server that was added with these options.
async fn sign_in(session: &Session, panel: &Panel, page: &ForeignPage, options: &[&str]) {
    let url = page.url();
    let added = drawbridge(session, &[&["add", "foreign", &url][..], options].concat()).await;
    assert!(added.status.success() || added.status.code() == Some(3), "{added:?}");
    panel.shows("foreign – signed out").await;
    panel.click("Sign in…").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_window_uses_the_proxy_for_all_servers_and_spares_what_no_proxy_names() {
    let (page, proxy, session) =
        (ForeignPage::start(ASK_FAR).await, NoWayOut::start().await, Session::start().await);
    let config = session.drawbridge_home().join("config");
    fs::create_dir_all(&config).unwrap();
    let settings = json!({ "proxy": format!("http://{}", proxy.address) });
    fs::write(config.join("settings.json"), settings.to_string()).unwrap();
    let panel = Panel::start(session.bus()).await;
    let app = App::start_with(&session, &["--background"], &[("NO_PROXY", "::ffff:127.0.0.1".as_ref())]);
    panel.shows("No servers yet").await;

    sign_in(&session, &panel, &page, &[]).await;
    page.report("asked").await;
    let asked = proxy.asked();
    assert!(
        !asked.is_empty() && asked.iter().all(|line| line.starts_with("CONNECT far.example:443 ")),
        "{asked:?}"
    );

    panel.click("Quit").await;
    assert!(app.ended().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_window_uses_the_proxy_of_its_server() {
    let (page, proxy, session) =
        (ForeignPage::start(ASK_FAR).await, NoWayOut::start().await, Session::start().await);
    let panel = Panel::start(session.bus()).await;
    let app = App::start(&session, &["--background"]);
    panel.shows("No servers yet").await;

    sign_in(&session, &panel, &page, &["--proxy", &format!("http://{}", proxy.address)]).await;
    page.report("asked").await;
    let asked = proxy.asked().join("\n");
    assert!(
        asked.contains("CONNECT far.example:443 ") && asked.contains("CONNECT [::ffff:7f00:1]:9443 "),
        "{asked}"
    );

    panel.click("Quit").await;
    assert!(app.ended().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_wants_a_password_is_left_to_the_browser() {
    let (page, session) = (ForeignPage::start(ASK_FAR).await, Session::start().await);
    let (screen, panel) = (Screen::of(session.display()), Panel::start(session.bus()).await);
    let app = App::start(&session, &["--background"]);
    panel.shows("No servers yet").await;

    sign_in(&session, &panel, &page, &["--proxy", "http://me:secret@127.0.0.1:9"]).await;
    until("the page in the browser", async || session.page_in_browser()).await;
    assert_eq!(screen.titles(), [""; 0], "no window of the app");

    panel.click("Quit").await;
    assert!(app.ended().await.success());
}
