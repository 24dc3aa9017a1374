//! Whoever changes what MCP clients start, the person hears of it once.

use std::path::Path;

use serde_json::{Value, json};

use crate::app::App;
use crate::message_tray::MessageTray;
use crate::screen::Screen;
use crate::session::Session;
use crate::tray::Panel;
use crate::until;

const CHANGED: &str = "The MCP config of Cursor was changed";

fn ours(name: &str) -> Value {
    json!({ "command": "/opt/drawbridge", "args": ["connect", name] })
}

fn write(file: &Path, entries: &Value) {
    let whole = file.with_extension("new");
    std::fs::write(&whole, json!({ "mcpServers": entries }).to_string()).unwrap();
    std::fs::rename(whole, file).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_that_starts_something_else_is_told_also_after_a_restart() {
    let session = Session::start().await;
    let (screen, panel) = (Screen::of(session.display()), Panel::start(session.bus()).await);
    let tray = MessageTray::start(session.bus()).await;
    let file = session.folder("home").join(".cursor/mcp.json");
    std::fs::create_dir(file.parent().unwrap()).unwrap();
    write(&file, &json!({ "a": ours("linear"), "b": ours("github") }));
    let app = App::start(&session, &["--background"]);
    let seen = session.drawbridge_home().join("state/client-entries.json");
    until("the entries to be seen", async || std::fs::read(&seen).ok()).await;

    write(
        &file,
        &json!({ "a": { "command": "npx", "args": ["other"] }, "b": ours("github"), "c": ours("x") }),
    );
    tray.click(CHANGED, "Open").await;
    let main = screen.window("Drawbridge").await;
    screen.stands_still(main).await;
    screen.close(main);
    screen.no_window("Drawbridge").await;
    panel.click("Quit").await;
    assert!(app.ended().await.success());

    write(&file, &json!({ "c": ours("x") }));
    let app = App::start(&session, &["--background"]);
    tray.shows(CHANGED).await;
    assert_eq!(tray.titles(), [CHANGED, CHANGED], "once for each cause, and not for what was added");
    panel.click("Quit").await;
    assert!(app.ended().await.success());
}
