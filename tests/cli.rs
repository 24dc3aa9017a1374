//! The built command against a Host of its own: what scripts rely on.

#[path = "cli/connect.rs"]
mod connect;
#[path = "cli/control_api.rs"]
mod control_api;
#[path = "cli/home.rs"]
mod home;
#[path = "cli/sign_in.rs"]
mod sign_in;

use std::fs;

use demo_server::{Config, DemoServer};
use serde_json::{Value, json};

use home::Home;

const SERVER: &str = "http://localhost:9/mcp";

#[test]
fn a_server_is_added_listed_shown_changed_and_removed() {
    let home = Home::new();
    let empty = home.run(&["list"]);
    assert_eq!((empty.code, empty.stdout.as_str()), (0, ""));
    assert!(empty.stderr.contains("drawbridge add"));

    let added = home.run(&["add", "demo", SERVER, "--header", "X-Key: marked", "--scope", "a b"]);
    assert_eq!((added.code, added.stdout.as_str()), (0, ""), "{}", added.stderr);
    insta::assert_snapshot!(home.ok(&["list"]), @r"
    NAME  ACCOUNT  STATE           ADDRESS
    demo  -        no sign-in yet  http://localhost:9/mcp
    ");
    insta::assert_snapshot!(home.ok(&["show", "demo"]), @r"
    Name     demo
    Address  http://localhost:9/mcp
    Network  loopback
    Header   x-key (stored)
    Scopes   a b
    ");
    let entry = &home.registry()["servers"][0];
    assert_eq!(entry["headers"], json!(["x-key"]));

    home.ok(&["edit", "demo", "--rename", "other", "--unset", "scope", "--transport", "http"]);
    let shown = home.json(&["show", "other", "--json"]);
    assert_eq!((&shown["oauth"]["scope"], &shown["transport"]), (&Value::Null, &json!("http")));
    assert_eq!(shown["headers"], json!(["x-key"]), "what was not named stays");
    assert_eq!(home.registry()["servers"][0]["id"], entry["id"], "a renamed server is the same one");

    home.ok(&["remove", "other"]);
    assert_eq!(home.json(&["list", "--json"]), json!([]));
    assert_eq!(home.run(&["show", "other"]).code, 1);
}

#[test]
fn no_secret_is_written_down_or_shown() {
    let home = Home::new().with("TOKEN", "marked-token");
    home.ok(&["add", "one", SERVER, "--header", "X-Key: marked-key-${TOKEN}", "--bearer", "env:TOKEN"]);
    let proxied = "http://marked-user:marked-word@127.0.0.1:1";
    home.ok(&["add", "two", "http://localhost:9/q?key=marked-query", "--proxy", proxied]);
    let typed = home.run_with("marked-typed\n", &["edit", "one", "--client-id", "c", "--client-secret", "-"]);
    assert_eq!(typed.code, 0, "{}", typed.stderr);
    for verb in [&["list", "--json"][..], &["show", "one"], &["show", "two", "--json"], &["status", "--json"]]
    {
        let shown = home.ok(verb);
        assert!(!shown.contains("marked"), "{verb:?}: {shown}");
    }
    assert!(home.json(&["show", "one", "--json"])["oauth"]["hasClientSecret"] == true);
    let stored = home.registry_text().replace("key=marked-query", "");
    assert!(!stored.contains("marked"), "{stored}");
    let logs = home.folder.path().join("home/state/logs");
    for log in fs::read_dir(logs).expect("logs").flatten() {
        let text = fs::read_to_string(log.path()).expect("text");
        assert!(text.contains("running") && !text.contains("marked"), "{text}");
    }
}

#[test]
fn failures_are_told_once_with_a_next_step() {
    let home = Home::new();
    home.ok(&["add", "demo", SERVER]);
    let told = |args: &[&str]| {
        let ended = home.run(args);
        assert_eq!(ended.stdout, "", "{args:?}");
        format!("{}\n{}", ended.code, ended.stderr)
    };
    insta::assert_snapshot!(told(&["add", "demo", "http://localhost:10/mcp"]), @r"
    1
    There is already a server named demo.
    Choose another name, or change it with `drawbridge edit demo`.
    ");
    insta::assert_snapshot!(told(&["add", "other", "http://LOCALHOST:9/mcp"]), @r"
    1
    This address is already there as demo.
    Use demo; another account is `drawbridge login demo@LABEL`, and another key is given with `--bearer` or `--header`.
    ");
    insta::assert_snapshot!(told(&["remove", "nobody"]), @r"
    1
    There is no server named nobody.
    See `drawbridge list`, or add it with `drawbridge add NAME URL`.
    ");
    insta::assert_snapshot!(told(&["logout", "demo@nobody"]), @r"
    1
    There is no account nobody at demo.
    Create it with `drawbridge login demo@nobody`.
    ");
    insta::assert_snapshot!(told(&["add", "plain", "http://93.184.215.14/mcp"]), @r"
    1
    http://93.184.215.14/mcp is not encrypted.
    Use an https address, or allow http with `--allow-http`.
    ");
    insta::assert_snapshot!(told(&["add", "link", "https://169.254.1.1/mcp"]), @r"
    1
    https://169.254.1.1/mcp leads to an address that no server can have.
    Check the address.
    ");
    insta::assert_snapshot!(told(&["add", "b", "http://localhost:11/", "--bearer", "env:NOT_SET"]), @r"
    1
    The environment variable NOT_SET is not set.
    Set it where the command is started; in an MCP client, in the entry's environment.
    ");
    insta::assert_snapshot!(told(&["edit", "demo", "--default", "nobody"]), @r"
    1
    There is no account nobody at demo.
    Create it with `drawbridge login demo@nobody`.
    ");
    assert_eq!(home.json(&["list", "--json"]).as_array().expect("a list").len(), 1, "nothing else was added");
}

#[test]
fn malformed_arguments_are_usage_errors_and_start_no_host() {
    let home = Home::new();
    for bad in [
        &["add", "demo"][..],
        &["add", "a b", SERVER],
        &["add", "a__b", SERVER],
        &["add", "demo", "not a url"],
        &["add", "demo", "file:///etc/passwd"],
        &["add", "demo", SERVER, "--bearer", "the-secret-itself"],
        &["add", "demo", SERVER, "--header", "Mcp-Session-Id: x"],
        &["add", "demo", SERVER, "--bearer", "-", "--header", "X-Key: -"],
        &["connect", "a b"],
        &["connect", "demo", "--bearer", "-"],
        &["connect", "demo", "--header", "X-Key: -"],
        &["call", "demo", "tool", "[]"],
        &["edit", "demo", "--unset", "colour"],
        &["logout"],
        &["logout", "demo", "--all"],
        &["frobnicate"],
    ] {
        let ended = home.run(bad);
        assert_eq!((ended.code, ended.stdout.as_str()), (2, ""), "{bad:?}");
        assert!(!ended.stderr.contains("the-secret-itself") || ended.stderr.contains("never the secret"));
    }
    assert!(!home.folder.path().join("home").exists());
}

#[test]
fn changing_where_secrets_go_drops_them() {
    let home = Home::new().with("TOKEN", "t");
    home.ok(&["add", "demo", SERVER, "--bearer", "env:TOKEN"]);
    let kept = home.run(&["edit", "demo", "--url", "http://localhost:9/other"]);
    assert!(!kept.stderr.contains("dropped"), "the same origin keeps them: {}", kept.stderr);
    assert_eq!(home.json(&["show", "demo", "--json"])["bearer"], true);
    let dropped = home.run(&["edit", "demo", "--url", "http://127.0.0.1:9/other"]);
    assert!(dropped.code == 0 && dropped.stderr.contains("dropped"), "{}", dropped.stderr);
    assert_eq!(home.json(&["show", "demo", "--json"])["bearer"], false);
    home.ok(&["edit", "demo", "--url", SERVER, "--bearer", "env:TOKEN"]);
    assert_eq!(home.json(&["show", "demo", "--json"])["bearer"], true, "what is given anew is kept");
}

#[test]
fn a_broken_registry_is_reported_and_kept() {
    let home = Home::new();
    home.write_config("servers.json", "{ this is no JSON");
    let status = home.run(&["status"]);
    assert_eq!(status.code, 0);
    assert!(status.stderr.contains("servers.broken-1.json"), "{}", status.stderr);
    home.ok(&["add", "demo", SERVER]);
    let kept = fs::read_to_string(home.config().join("servers.broken-1.json")).expect("kept");
    assert_eq!(kept, "{ this is no JSON");
}

#[test]
fn a_newer_registry_is_left_alone() {
    let home = Home::new();
    home.write_config("servers.json", r#"{"version": 99}"#);
    let served = home.run(&["serve", "--background"]);
    assert_eq!(served.code, 1);
    assert!(served.stderr.contains("newer version"), "{}", served.stderr);
    assert_eq!(home.registry_text(), r#"{"version": 99}"#);
}

#[test]
fn there_is_one_host_and_it_can_be_stopped() {
    let home = Home::new();
    let first = home.json(&["status", "--json"]);
    assert_eq!(home.json(&["status", "--json"])["pid"], first["pid"]);
    let second = home.run(&["serve"]);
    assert_eq!(second.code, 1);
    assert!(second.stderr.contains("already running"), "{}", second.stderr);
    home.ok(&["serve", "--stop"]);
    let stopped = home.run(&["serve", "--stop"]);
    assert!(stopped.code == 0 && stopped.stderr.contains("not running"));
    assert_ne!(home.json(&["status", "--json"])["pid"], first["pid"]);
}

#[test]
fn a_pause_lasts_until_resume_or_the_end_of_the_host() {
    let home = Home::new();
    let resumed = home.run(&["resume"]);
    assert!(resumed.code == 0 && resumed.stderr.contains("not running"), "{}", resumed.stderr);
    home.ok(&["pause"]);
    assert!(home.ok(&["status"]).contains("drawbridge resume"));
    home.ok(&["resume"]);
    assert!(!home.ok(&["status"]).contains("drawbridge resume"));
    home.ok(&["pause"]);
    home.ok(&["serve", "--stop"]);
    assert_eq!(home.json(&["status", "--json"])["paused"], false);
}

#[test]
fn a_host_that_nobody_needs_ends() {
    let home = Home::new().with("DRAWBRIDGE_IDLE_EXIT", "50ms");
    let served = home.run(&["serve", "--background"]);
    assert_eq!((served.code, served.stdout.as_str()), (0, ""), "{}", served.stderr);
}

#[test]
fn completions_are_printed_for_a_shell() {
    let home = Home::new();
    assert!(home.ok(&["completions", "bash"]).contains("_drawbridge"));
}

#[test]
fn help_names_what_there_is() {
    let home = Home::new();
    insta::assert_snapshot!(home.ok(&["--help"]));
    insta::assert_snapshot!(home.ok(&["add", "--help"]));
}

#[test]
fn failures_of_verbs_that_print_json_are_json_too() {
    let home = Home::new();
    for verb in [&["show", "nobody", "--json"][..], &["tools", "nobody", "--json"]] {
        let ended = home.run(verb);
        assert_eq!((ended.code, ended.stdout.as_str()), (1, ""), "{verb:?}");
        let failure: Value = serde_json::from_str(&ended.stderr).expect("one line of JSON");
        assert_eq!(failure["code"], "unknown");
        assert_eq!(failure["message"], "There is no server named nobody.");
        assert!(failure["next_step"].as_str().is_some_and(|step| step.contains("drawbridge list")));
    }
}

#[test]
fn two_keys_of_one_server_are_two_entries() {
    let home = Home::new().with("ONE", "first").with("TWO", "second");
    home.ok(&["add", "one", SERVER, "--bearer", "env:ONE"]);
    home.ok(&["add", "two", SERVER, "--header", "X-Key: ${TWO}"]);
    home.ok(&["add", "plain", SERVER]);
    assert_eq!(home.run(&["add", "again", SERVER]).code, 1);
}

#[test]
fn what_a_newcomer_gets_wrong_is_said_plainly() {
    let home = Home::new();
    let unknown = home.run(&["add", "bear", "https://nowhere.invalid/mcp"]);
    assert_eq!(unknown.code, 0, "{}", unknown.stderr);
    assert!(unknown.stderr.contains("could not be looked up"), "{}", unknown.stderr);
    assert_eq!(home.json(&["list", "--json"])[0]["class"], "public");

    let nothing = home.run(&["edit", "bear"]);
    assert_eq!(nothing.code, 2);
    assert!(nothing.stderr.contains("something to change"), "{}", nothing.stderr);

    let empty = home.folder.path().join("empty.pem");
    fs::write(&empty, "no certificate").expect("written");
    let no_ca = home.run(&["edit", "bear", "--ca", empty.to_str().expect("text")]);
    assert_eq!(no_ca.code, 1);
    assert!(no_ca.stderr.contains("holds no certificate"), "{}", no_ca.stderr);
    let missing = home.run(&["edit", "bear", "--ca", "/nowhere/ca.pem"]);
    assert!(missing.stderr.contains("it is not there"), "{}", missing.stderr);

    let nobody = home.run(&["logout", "bear"]);
    assert_eq!((nobody.code, nobody.stderr.as_str()), (0, "Nobody was signed in to bear.\n"));
}

#[tokio::test]
async fn an_encrypted_address_of_a_server_without_encryption_is_named_as_such() {
    let server = DemoServer::start(Config::default()).await.expect("a server");
    let url = server.url().as_str().replace("http://", "https://");
    let added = tokio::task::spawn_blocking(move || {
        let home = Home::new();
        home.run(&["add", "demo", &url])
    });
    let stderr = added.await.expect("it ran").stderr;
    assert!(stderr.contains("does not speak TLS") && !stderr.contains("--ca"), "{stderr}");
}

#[tokio::test]
async fn an_address_beside_the_mcp_endpoint_is_no_mcp_server() {
    let server = DemoServer::start(Config::default()).await.expect("a server");
    let url = server.origin();
    let added = tokio::task::spawn_blocking(move || {
        let home = Home::new();
        home.run(&["add", "demo", url.as_str()])
    });
    let stderr = added.await.expect("it ran").stderr;
    assert!(stderr.contains("not an MCP server") && stderr.contains("many end in /mcp"), "{stderr}");
}
