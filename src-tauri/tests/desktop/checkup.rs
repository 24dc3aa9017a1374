//! On a server's page a person has every step checked by the command that clients start. The page can have that command
//! do nothing else, and start no other program.

use demo_server::{Config, DemoServer};
use serde_json::{Value, json};

use crate::app::{add_server, drawbridge};
use crate::session::Session;
use crate::tray::Panel;
use crate::until;
use crate::webdriver::Driven;

/// Every step with its outcome, as the page shows them.
const STEPS: &str = "return [...document.querySelectorAll('ol[aria-label=Steps] li')]
    .map((step) => [...step.children].slice(0, 2).map((part) => part.textContent.trim()).join(': '))";

/// Has the shell plugin do something; what it answers is under `answers`, what the program says under `said`.
const ASK: &str = "
    const { invoke, transformCallback } = window.__TAURI_INTERNALS__;
    const [command, words] = ASKED;
    window.answers = [];
    window.said = '';
    const heard = ({ message }) => { if (message?.event === 'Stdout') window.said += message.payload };
    const onEvent = `__CHANNEL__:${transformCallback(heard)}`;
    invoke(`plugin:shell|${command}`, { ...words, onEvent }).then(
      (done) => window.answers.push(`done: ${done}`),
      (refused) => window.answers.push(String(refused)),
    );
";

async fn answer(window: &Driven, command: &str, words: &Value) -> String {
    window.run(&ASK.replace("ASKED", &json!([command, words]).to_string())).await;
    let answer = until("an answer of the plugin", async || {
        let answers = window.run("return window.answers").await?;
        answers[0].as_str().map(str::to_owned)
    });
    answer.await
}

async fn steps(window: &Driven, wanted: &[&str]) {
    until(&format!("the steps {wanted:?}"), async || {
        (window.run(STEPS).await? == json!(wanted)).then_some(())
    })
    .await;
}

async fn said(window: &Driven, words: &str) {
    until(&format!("the doctor to say {words}"), async || {
        let said = window.run("return window.said").await?;
        said.as_str()?.contains(words).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_has_every_step_checked_and_the_entry_tried() {
    let (session, server) = (Session::start().await, DemoServer::start(Config::default()).await.unwrap());
    let panel = Panel::start(session.bus()).await;
    let window = Driven::start(&session, &[]).await;
    window.says("main h1", "Servers").await;
    add_server(&session, "tickets", server.url().as_str()).await;

    window.click("main .name", "tickets").await;
    window.click("button", "Check every step").await;
    steps(
        &window,
        &[
            "Its settings: Works",
            "The server: Works",
            "Sign-in server: Not needed",
            "Registration: Not needed",
            "Your sign-in: Not needed",
            "A session: Works",
            "In a client: Works",
        ],
    )
    .await;

    server.stop().await;
    window.click("button", "Check every step").await;
    steps(
        &window,
        &[
            "Its settings: Works",
            "The server: Wrong",
            "Sign-in server: Not reached",
            "Registration: Not reached",
            "Your sign-in: Not reached",
            "A session: Not reached",
            "In a client: Not reached",
        ],
    )
    .await;
    panel.click("Quit").await;
    panel.is_empty().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_has_everything_checked_at_once() {
    let (session, server) = (Session::start().await, DemoServer::start(Config::default()).await.unwrap());
    let panel = Panel::start(session.bus()).await;
    let window = Driven::start(&session, &[]).await;
    window.says("main h1", "Servers").await;
    add_server(&session, "tickets", server.url().as_str()).await;

    window.click("nav a", "Settings").await;
    window.click("button", "Check everything").await;
    steps(
        &window,
        &[
            "Folders: Works",
            "Its process: Works",
            "Version: Works",
            "Settings: Works",
            "Keychain: Works",
            "HTTP address: Not needed",
            "Its settings: Works",
            "The server: Works",
            "Sign-in server: Not needed",
            "Registration: Not needed",
            "Your sign-in: Not needed",
            "A session: Works",
            "In a client: Works",
        ],
    )
    .await;

    server.stop().await;
    window.click("button", "Check everything").await;
    window.says("section[role=alert] .title", "1 thing is wrong").await;
    panel.click("Quit").await;
    panel.is_empty().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_starts_nothing_but_the_doctor() {
    let session = Session::start().await;
    let panel = Panel::start(session.bus()).await;
    let window = Driven::start(&session, &[]).await;
    window.says("main h1", "Servers").await;
    add_server(&session, "tickets", "http://127.0.0.1:9/mcp").await;
    let run = |program: &str, args: &[&str]| json!({ "program": program, "args": args, "options": { "sidecar": true } });
    let doctor = |name: &str| run("drawbridge", &["doctor", "--json", "--", name]);
    let all = |args: &[&str]| run("./drawbridge", args);
    let with = |options: Value| json!({ "program": "drawbridge", "args": ["doctor"], "options": options });

    for (command, words, why) in [
        ("spawn", doctor("--help"), "regex validation"),
        ("spawn", doctor("tickets --help"), "regex validation"),
        ("spawn", doctor("tickets\n"), "regex validation"),
        ("spawn", doctor("../tickets"), "regex validation"),
        ("spawn", doctor(""), "regex validation"),
        ("spawn", run("drawbridge", &["logout", "--all"]), "regex validation"),
        ("spawn", run("drawbridge", &["remove", "tickets"]), "regex validation"),
        ("spawn", run("drawbridge-app", &[]), "not configured"),
        ("spawn", run(".//drawbridge", &["doctor", "--json"]), "not configured"),
        ("spawn", run("sh", &["-c", "true"]), "not configured"),
        ("spawn", run("/bin/sh", &["-c", "true"]), "not configured"),
        ("spawn", run("../bin/drawbridge", &["doctor"]), "not configured"),
        ("spawn", with(json!({ "sidecar": false })), "only a sidecar"),
        ("spawn", with(json!({ "sidecar": true, "cwd": "/" })), "only a sidecar"),
        ("spawn", with(json!({ "sidecar": true, "env": { "LD_PRELOAD": "/x.so" } })), "only a sidecar"),
        ("execute", doctor("tickets"), "not allowed"),
        ("kill", doctor("tickets"), "not allowed"),
        ("stdin_write", doctor("tickets"), "not allowed"),
        ("execute", all(&["doctor", "--json"]), "not allowed"),
        ("open", json!({ "path": "https://example.com" }), "not allowed"),
    ] {
        let answer = answer(&window, command, &words).await;
        assert!(answer.contains(why), "{command} {words}: {answer}");
    }

    // Words that are fixed are the capability's, whatever the page puts there.
    let started = answer(&window, "spawn", &run("drawbridge", &["remove", "--", "--", "tickets"])).await;
    assert!(started.starts_with("done"), "{started}");
    said(&window, "\"notReached\"").await;
    let started = answer(&window, "spawn", &all(&["remove", "tickets"])).await;
    assert!(started.starts_with("done"), "{started}");
    said(&window, "\"secretStore\"").await;
    let list = drawbridge(&session, &["list", "--json"]).await;
    assert!(String::from_utf8_lossy(&list.stdout).contains("\"tickets\""), "it is still there");
    panel.click("Quit").await;
    panel.is_empty().await;
}
