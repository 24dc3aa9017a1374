//! The picture of the tray icon, which tells how everything stands together.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use demo_server::{Config, DemoServer};
use futures_util::StreamExt as _;
use tokio::time::timeout;
use zbus::Proxy;
use zbus::proxy::SignalStream;

use crate::LIMIT;
use crate::app::{App, add_server, drawbridge};
use crate::session::Session;
use crate::tray::Panel;

const OURS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../icons");

/// The picture as a panel has it, which reads it anew when it is told to, and at no other time.
struct Picture {
    item: Proxy<'static>,
    news: SignalStream<'static>,
}

impl Picture {
    async fn of(panel: &Panel) -> Self {
        let item = panel.item().await;
        let news = item.receive_signal("NewIcon").await.unwrap();
        Self { item, news }
    }

    /// Waits until it is ours for this state on a dark panel, which a desktop has that says nothing else.
    async fn becomes(&mut self, state: &str) {
        self.becomes_on(state, "dark").await;
    }

    async fn becomes_on(&mut self, state: &str, panel: &str) {
        let ours = pixels(&Path::new(OURS).join(format!("tray-{state}-{panel}.png"))).expect("a picture");
        let changing = async {
            while self.look().await.as_ref() != Some(&ours) {
                self.news.next().await.expect("the bus is there");
            }
        };
        timeout(LIMIT, changing).await.unwrap_or_else(|_| panic!("waited in vain for the icon {state:?}"));
    }

    /// `None` where it is just being replaced.
    async fn look(&self) -> Option<Vec<u8>> {
        let name: String = self.item.get_property("IconName").await.unwrap();
        pixels(Path::new(&name))
    }
}

/// Red, green, blue and opacity of all pixels of a file, if it is whole.
fn pixels(file: &Path) -> Option<Vec<u8>> {
    let mut picture = png::Decoder::new(BufReader::new(File::open(file).ok()?)).read_info().ok()?;
    let mut pixels = vec![0; picture.output_buffer_size()?];
    picture.next_frame(&mut pixels).ok()?;
    assert_eq!(picture.output_color_type(), (png::ColorType::Rgba, png::BitDepth::Eight));
    Some(pixels)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_icon_shows_the_worst_of_all_servers_and_a_pause() {
    let session = Session::start().await;
    let panel = Panel::start(session.bus()).await;
    let open = DemoServer::start(Config::default()).await.unwrap();
    let closed = DemoServer::start(Config::oauth()).await.unwrap();
    let app = App::start(&session, &["--background"]);
    panel.shows("No servers yet").await;
    let mut icon = Picture::of(&panel).await;
    icon.becomes("ready").await;

    add_server(&session, "open", open.url().as_str()).await;
    panel.shows("open – ready").await;
    icon.becomes("ready").await;
    add_server(&session, "closed", closed.url().as_str()).await;
    icon.becomes("attention").await;
    add_server(&session, "away", "http://127.0.0.1:9/mcp").await;
    icon.becomes("failed").await;

    panel.click("Pause all").await;
    icon.becomes("paused").await;
    panel.click("Resume").await;
    icon.becomes("failed").await;

    assert!(drawbridge(&session, &["remove", "away"]).await.status.success());
    icon.becomes("attention").await;
    assert!(drawbridge(&session, &["remove", "closed"]).await.status.success());
    icon.becomes("ready").await;
    panel.click("Quit").await;
    assert!(app.ended().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn where_panels_are_as_light_as_windows_the_icon_is_dark_and_each_home_has_its_own() {
    let session = Session::start().await;
    let panel = Panel::start(session.bus()).await;
    let app = App::start_with(&session, &["--background"], &[("XDG_CURRENT_DESKTOP", Path::new("KDE"))]);
    panel.shows("No servers yet").await;
    let mut icon = Picture::of(&panel).await;
    icon.becomes_on("ready", "light").await;
    let file: String = icon.item.get_property("IconName").await.unwrap();
    assert!(Path::new(&file).starts_with(session.drawbridge_home()), "{file}");

    panel.click("Quit").await;
    assert!(app.ended().await.success());
}
