//! A sign-in page is somebody else's: it may be read and filled in, and reaches nothing of the app
//! (security rule 9).

use serde_json::Value;

use crate::app::{App, add_server, log};
use crate::foreign_page::ForeignPage;
use crate::screen::Screen;
use crate::session::Session;
use crate::tray::Panel;

/// Every command of the app, Tauri and its plugins, as the build wrote them down.
const PERMISSIONS: &str = include_str!("../../gen/schemas/acl-manifests.json");

/// Tries them all, and reports what each brought.
const ASK: &str = "
    const limit = new Promise((_, no) => setTimeout(() => no('silence'), 20000));
    const invoke = globalThis.__TAURI_INTERNALS__?.invoke;
    report('api', [typeof globalThis.__TAURI__, typeof invoke].join(' '));
    const ask = async (command) => {
      const call = invoke(command, { event: 'status-changed', target: { kind: 'Any' }, handler: 1 });
      const outcome = await Promise.race([call, limit]).then((value) => `allowed: ${value}`, (error) => error);
      await report(command, outcome);
    };
    for (const command of COMMANDS) ask(command);
";

/// Tries to go to each address and reports that it is still here.
const LEAVE: &str = "
    const pause = () => new Promise((done) => setTimeout(done, 200));
    const leave = async () => {
      for (const address of ADDRESSES) {
        try { location.href = address } catch (error) { await report(`error ${address}`, error) }
        await pause();
        await report(address, location.pathname);
      }
      location.href = '/elsewhere';
    };
    onload = () => setTimeout(leave, 0);
";

const ELSEWHERE: [&str; 14] = [
    "file:///etc/passwd",
    "javascript:void(document.title = 'owned')",
    "data:text/html,<h1>Drawbridge</h1>",
    "blob:null/0",
    "tauri://localhost/index.html",
    "http://tauri.localhost/index.html",
    "asset://localhost/etc/passwd",
    "ipc://localhost/status",
    "http://ipc.localhost/status",
    "http://192.0.2.1/",
    "https://somebody:secret@127.0.0.1/",
    "drawbridge://add?name=x&url=https://192.0.2.1/mcp",
    "mailto:somebody@example.com",
    "webkit://gpu",
];

/// Shows a foreign page in the sign-in window of an app.
pub(crate) async fn show(page: &ForeignPage) -> (Session, Screen, App, Panel) {
    let session = Session::start().await;
    let (screen, app, panel) = show_in(&session, page).await;
    (session, screen, app, panel)
}

/// The same in a session that was prepared.
pub(crate) async fn show_in(session: &Session, page: &ForeignPage) -> (Screen, App, Panel) {
    let (screen, panel) = (Screen::of(session.display()), Panel::start(session.bus()).await);
    let app = App::start(session, &["--background"]);
    panel.shows("No servers yet").await;
    add_server(session, "foreign", &page.url()).await;
    panel.shows("foreign – signed out").await;
    panel.click("Sign in…").await;
    screen.window("Sign in to foreign").await;
    (screen, app, panel)
}

pub(crate) fn json(list: &[impl AsRef<str>]) -> String {
    serde_json::to_string(&list.iter().map(AsRef::as_ref).collect::<Vec<_>>()).unwrap()
}

/// By the names that pages call them.
pub(crate) fn every_command() -> Vec<String> {
    let manifests: Value = serde_json::from_str(PERMISSIONS).unwrap();
    let mut commands = Vec::new();
    for (owner, manifest) in manifests.as_object().unwrap() {
        let prefix = match owner.as_str() {
            "__app-acl__" => String::new(),
            plugin => format!("plugin:{}|", plugin.trim_start_matches("core:")),
        };
        let permissions = manifest["permissions"].as_object().unwrap().values();
        let names = permissions.flat_map(|permission| permission["commands"]["allow"].as_array().unwrap());
        commands.extend(names.map(|name| format!("{prefix}{}", name.as_str().unwrap())));
    }
    commands.sort();
    commands.dedup();
    commands
}

#[tokio::test(flavor = "multi_thread")]
async fn no_command_of_the_app_answers_a_sign_in_page() {
    let commands = every_command();
    for known in [
        "status",
        "sign_out",
        "set_app_settings",
        "plugin:event|listen",
        "plugin:window|close",
        "plugin:shell|spawn",
    ] {
        assert!(commands.iter().any(|command| command == known), "{known} is not in the list");
    }
    let page = ForeignPage::start(&ASK.replace("COMMANDS", &json(&commands))).await;
    let (_session, screen, app, panel) = show(&page).await;

    assert_eq!(page.report("api").await, "undefined function");
    for command in &commands {
        let outcome = page.report(command).await;
        assert!(outcome.contains("not allowed"), "{command}: {outcome}");
    }
    assert_eq!(screen.titles(), ["Sign in to foreign"], "nor does the page name its window");

    panel.click("Quit").await;
    assert!(app.ended().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_page_goes_nowhere_but_to_pages() {
    let page = ForeignPage::start(&LEAVE.replace("ADDRESSES", &json(&ELSEWHERE))).await;
    let (session, _, app, panel) = show(&page).await;

    for address in ELSEWHERE {
        assert_eq!(page.report(address).await, "/authorize", "{address}");
    }
    assert_eq!(page.report("elsewhere").await, "shown", "a page of the service itself");
    let log = log(&session);
    for scheme in ["tauri", "http", "https", "drawbridge"] {
        let refused = format!("kept from going elsewhere scheme={scheme}");
        assert!(log.contains(&refused), "{scheme}");
    }

    panel.click("Quit").await;
    assert!(app.ended().await.success());
}
