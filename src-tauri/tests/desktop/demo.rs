//! `make demo` with a display, as a newcomer sees it.

use std::path::Path;
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::time::timeout;

use crate::LIMIT;
use crate::app::APP;
use crate::browser::go_on;
use crate::desk::WINDOW;
use crate::screen::{Key, Screen};
use crate::session::Session;
use crate::tray::Panel;

#[tokio::test(flavor = "multi_thread")]
async fn a_newcomer_signs_in_in_the_window_and_sees_a_tool_run() {
    let session = Session::start().await;
    let (screen, panel) = (Screen::of(session.display()), Panel::start(session.bus()).await);
    let program = Path::new(APP).with_file_name("examples").join("demo");
    assert!(program.exists(), "build the demo first: cargo build --example demo");
    // It makes a home of its own there, whose logs are the session's then.
    let place = session.drawbridge_home();
    std::fs::create_dir_all(&place).unwrap();
    let mut demo = session.command(&program).env("TMPDIR", &place).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(demo.stdout.take().unwrap()).lines();
    let mut says = async |wanted: &str| {
        let finding = async {
            while let Some(line) = lines.next_line().await.unwrap() {
                if line.contains(wanted) {
                    return;
                }
            }
            panic!("it does not say {wanted:?}");
        };
        timeout(LIMIT, finding).await.unwrap_or_else(|_| panic!("it does not say {wanted:?}"));
    };

    says("sign in there as demo / demo123").await;
    let window = screen.window(WINDOW).await;
    go_on(&session, &screen, window).await;
    screen.cursor_blinks(window).await;
    screen.type_text("demo");
    screen.press(Key::Tab);
    screen.type_text("demo123");
    screen.press(Key::Return);
    screen.gone(window).await;
    says("tools/call protected_data").await;
    screen.window("Drawbridge").await;
    says("Look around").await;

    panel.click("Quit").await;
    assert!(timeout(LIMIT, demo.wait()).await.expect("it ends").unwrap().success());
}
