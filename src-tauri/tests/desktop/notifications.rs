//! What the app tells by itself: once for each cause, and a click leads there.

use demo_server::{Config, DemoServer};

use crate::app::{App, add_server, drawbridge};
use crate::message_tray::MessageTray;
use crate::screen::Screen;
use crate::session::Session;
use crate::tray::Panel;

const OTHER_TOOLS: &str = "The tools of open have changed";

#[tokio::test(flavor = "multi_thread")]
async fn other_tools_are_told_once_until_the_window_was_looked_at() {
    let (session, server) = (Session::start().await, DemoServer::start(Config::default()).await.unwrap());
    let (screen, panel) = (Screen::of(session.display()), Panel::start(session.bus()).await);
    let tray = MessageTray::start(session.bus()).await;
    let app = App::start(&session, &["--background"]);
    panel.shows("No servers yet").await;
    add_server(&session, "open", server.url().as_str()).await;
    let look = async || {
        let tools = drawbridge(&session, &["tools", "open"]).await;
        assert!(tools.status.success(), "{}", String::from_utf8_lossy(&tools.stderr));
    };

    for tool in ["one", "two"] {
        server.control().add_tool(tool);
        look().await;
        tray.shows(OTHER_TOOLS).await;
    }
    assert_eq!(tray.titles(), [OTHER_TOOLS], "the second change is the same cause");
    panel.click("Open Drawbridge").await;
    let main = screen.window("Drawbridge").await;
    tray.no_longer_shows(OTHER_TOOLS).await;
    screen.stands_still(main).await;
    screen.close(main);
    screen.no_window("Drawbridge").await;
    server.control().remove_tool("one");
    look().await;
    tray.click(OTHER_TOOLS, "Open").await;
    screen.window("Drawbridge").await;

    assert_eq!(tray.titles(), [OTHER_TOOLS, OTHER_TOOLS]);
    panel.click("Quit").await;
    assert!(app.ended().await.success());
}
