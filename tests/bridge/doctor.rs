//! `drawbridge doctor` names the first thing that is wrong, and leaves everything as it is.

mod which;

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use demo_server::{Auth, Config, DemoServer, Eras, Fault, OAuthConfig, Plan};
use serde_json::{Value, json};
use url::Url;

use crate::support::Home;

/// What the verb says and how it ends.
async fn doctor(home: &Home, args: &[&str]) -> (i32, Value) {
    let output = home.run(&[&["doctor", "--json"], args].concat()).await;
    let said = serde_json::from_slice(&output.stdout);
    let said = said.unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    (output.status.code().expect("no signal"), said)
}

/// The outcomes in order, as `name kind`; what is wrong has its code in place of the kind.
fn outcomes(checks: &Value) -> Vec<String> {
    let checks = checks.as_array().expect("checks");
    let of = |check: &Value| {
        let outcome = &check["outcome"];
        let kind = outcome["failure"]["code"].as_str().or(outcome["kind"].as_str()).expect("a kind");
        format!("{} {kind}", check["name"].as_str().expect("a name"))
    };
    checks.iter().map(of).collect()
}

/// The outcomes of the one server that was asked about.
async fn outcomes_of(home: &Home, name: &str) -> (i32, Vec<String>) {
    let (code, said) = doctor(home, &[name]).await;
    (code, outcomes(&said["servers"][0]["checks"]))
}

async fn server_with(config: Config) -> (DemoServer, Home) {
    let server = DemoServer::start(config).await.expect("it starts");
    let home = Home::new();
    home.add("demo", &server.url()).await;
    (server, home)
}

/// Every file of a home with its text, logs aside.
fn files(home: &Home) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![home.path()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("readable") {
            let (entry, path) = entry.map(|entry| (entry.file_type(), entry.path())).expect("readable");
            match entry.expect("readable") {
                kind if kind.is_dir() && !path.ends_with("state/logs") => folders.push(path),
                kind if kind.is_file() => {
                    drop(found.insert(path.clone(), std::fs::read(path).expect("readable")))
                }
                _ => {}
            }
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_server_that_works_passes_every_step_and_is_left_as_it_was() {
    let (server, mut home) = server_with(Config::oauth()).await;
    home.log_in("demo").await;
    // Whatever the server says from now on would be worth being kept.
    std::fs::remove_dir_all(home.path().join("cache/snapshots")).expect("there are some");
    let (before, stats) = (files(&home), server.control().stats());
    let (code, said) = doctor(&home, &["demo"]).await;
    let checks = &said["servers"][0]["checks"];
    let wanted = [
        "stored done",
        "server done",
        "discovery done",
        "registration done",
        "token done",
        "initialize done",
        "clientEntry done",
    ];
    assert_eq!((code, outcomes(checks)), (0, wanted.map(str::to_owned).to_vec()));
    assert_eq!(said["servers"][0]["account"], "default");
    let now = server.control().wait_for(|stats| stats.open_sessions == 0).await;
    assert_eq!(now.token_requests, stats.token_requests, "no token was spent");
    assert_eq!(now.registrations, stats.registrations);
    // A Host writes at the end what it has not written yet.
    home.ok(&["serve", "--stop"]).await;
    assert_eq!(files(&home), before);
    assert!(!home.has_opened_page().await);
}

/// A sign-in may end between the last step and the start of what clients start.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn what_is_started_to_be_tried_asks_nobody_to_sign_in() {
    let (server, mut home) = server_with(Config::oauth()).await;
    let before = files(&home);
    let mut client = home.connect(&["demo", "--only-look"]);
    let answer = client.initialize().await;
    assert_eq!(answer["result"]["_meta"]["drawbridge/standIn"]["code"], "signed_out", "{answer}");
    let answer = client.call("echo", json!({ "text": "x" })).await;
    assert_eq!(answer["result"]["isError"], true, "not parked until somebody signs in: {answer}");
    assert_eq!(client.close().await, 0);
    home.ok(&["serve", "--stop"]).await;
    assert!(!home.has_opened_page().await);
    assert_eq!(server.control().stats().registrations, 0);
    assert_eq!(files(&home), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_server_that_wants_no_sign_in_needs_none_of_its_steps() {
    for eras in [Eras::Legacy, Eras::Modern, Eras::Both] {
        let (_server, home) = server_with(Config { eras, ..Config::default() }).await;
        let wanted = [
            "stored done",
            "server done",
            "discovery notNeeded",
            "registration notNeeded",
            "token notNeeded",
            "initialize done",
            "clientEntry done",
        ];
        assert_eq!(outcomes_of(&home, "demo").await, (0, wanted.map(str::to_owned).to_vec()), "{eras:?}");
    }
}

/// What is wrong with a server, and where its walk ends.
async fn first_wrong(config: Config, break_it: impl Fn(&DemoServer)) -> (i32, Vec<String>) {
    let (server, mut home) = server_with(config).await;
    break_it(&server);
    let found = outcomes_of(&home, "demo").await;
    assert!(!home.has_opened_page().await);
    assert_eq!(server.control().stats().registrations, 0);
    found
}

fn oauth(change: impl Fn(&mut OAuthConfig)) -> Config {
    let mut oauth = OAuthConfig::default();
    change(&mut oauth);
    Config::with_auth(Auth::OAuth(oauth))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_first_thing_that_is_wrong_with_a_server_is_named() {
    let always = |fault: Fault| Plan { fault, method: None, times: 1000 };
    let nothing = |_: &DemoServer| {};
    let key = || Config::with_auth(Auth::Bearer(vec![("key".into(), "demo".into())]));
    let (code, outcomes) = first_wrong(Config::oauth(), nothing).await;
    let end = ["registration done", "token signed_out", "initialize notReached", "clientEntry notReached"];
    assert_eq!((code, &outcomes[3..]), (3, &end.map(str::to_owned)[..]));

    let (code, outcomes) = first_wrong(key(), nothing).await;
    assert_eq!((code, outcomes[2].as_str()), (1, "discovery sign_in_failed"), "a 401 that leads nowhere");

    let (code, outcomes) = first_wrong(oauth(|oauth| oauth.registration = false), nothing).await;
    assert_eq!((code, outcomes[3].as_str()), (1, "registration sign_in_failed"));

    let (code, outcomes) = first_wrong(oauth(|oauth| oauth.announce_pkce = false), nothing).await;
    assert_eq!((code, outcomes[2].as_str()), (1, "discovery sign_in_failed"));

    let web_page = |server: &DemoServer| server.control().plan(always(Fault::NotMcp));
    let (code, outcomes) = first_wrong(Config::default(), web_page).await;
    assert_eq!((code, outcomes[5].as_str()), (1, "initialize not_mcp"));

    let refuses = |server: &DemoServer| {
        let error = r#"{"code":-32602,"message":"Unsupported protocol version"}"#;
        server.control().script_error("initialize", error, false);
    };
    let legacy = Config { eras: Eras::Legacy, ..Config::default() };
    let (code, outcomes) = first_wrong(legacy, refuses).await;
    assert_eq!((code, outcomes[5].as_str()), (1, "initialize server_error"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_server_that_is_down_is_unreachable_whatever_else_is_wrong() {
    let (server, home) = server_with(Config::oauth()).await;
    server.stop().await;
    let (code, outcomes) = outcomes_of(&home, "demo").await;
    assert_eq!((code, outcomes[1].as_str()), (4, "server unreachable"));
    assert!(outcomes[2..].iter().all(|outcome| outcome.ends_with("notReached")), "{outcomes:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn an_authorization_server_that_goes_by_another_name_is_named() {
    let (server, home) = server_with(Config::oauth()).await;
    let elsewhere = Url::parse("https://as.example").expect("a URL");
    home.ok(&["edit", "demo", "--issuer", elsewhere.as_str()]).await;
    let (code, outcomes) = outcomes_of(&home, "demo").await;
    assert_eq!((code, outcomes[2].as_str()), (1, "discovery sign_in_failed"));
    drop(server);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_token_that_was_revoked_is_told_of_and_not_renewed() {
    let (server, mut home) = server_with(Config::oauth()).await;
    home.log_in("demo").await;
    server.control().revoke_tokens(None);
    let before = server.control().stats().token_requests;
    let (code, outcomes) = outcomes_of(&home, "demo").await;
    assert_eq!((code, &outcomes[4..6]), (3, &["token done", "initialize signed_out"].map(str::to_owned)[..]));
    assert_eq!(server.control().stats().token_requests, before);
    let status: Value = serde_json::from_str(&home.ok(&["status", "--json"]).await).expect("JSON");
    assert_eq!(status["servers"][0]["accounts"][0]["state"]["kind"], "signedIn", "nothing was changed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn another_authorization_server_than_the_one_that_signed_in_is_named() {
    let (server, mut home) = server_with(Config::oauth()).await;
    home.log_in("demo").await;
    server.control().swap_issuer();
    let (code, outcomes) = outcomes_of(&home, "demo").await;
    assert_eq!((code, outcomes[2].as_str()), (3, "discovery signed_out"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_secret_store_that_is_locked_or_absent_is_named() {
    for (variable, value) in [("DRAWBRIDGE_SECRETS_KEY", ""), ("DRAWBRIDGE_SECRETS", "keychain")] {
        let server = DemoServer::start(Config::oauth()).await.expect("it starts");
        let mut home = Home::new();
        home.set("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent");
        home.add("demo", &server.url()).await;
        home.ok(&["serve", "--stop"]).await;
        home.set(variable, value);
        let (code, said) = doctor(&home, &[]).await;
        assert_eq!((code, outcomes(&said["host"])[4].as_str()), (1, "secretStore keychain"), "{variable}");
        assert_eq!(outcomes(&said["servers"][0]["checks"])[0], "stored keychain", "{variable}");
    }
}

fn open_to_all(folder: &Path) {
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)).expect("chmod");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn folders_that_others_may_enter_are_named() {
    let home = Home::new();
    home.ok(&["list"]).await;
    open_to_all(&home.path().join("cache"));
    let (code, said) = doctor(&home, &[]).await;
    assert_eq!((code, outcomes(&said["host"])[0].as_str()), (1, "folders forbidden"));
    assert_eq!(outcomes(&said["host"])[1], "host done");

    let runtime = home.path().join("run");
    open_to_all(&runtime);
    let (_, said) = doctor(&home, &[]).await;
    let found = outcomes(&said["host"]);
    assert_eq!(found[1], "host host_gone");
    assert!(found[2..].iter().all(|outcome| outcome.ends_with("notReached")), "{found:?}");
    std::fs::set_permissions(&runtime, std::fs::Permissions::from_mode(0o700)).expect("chmod");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_person_reads_a_table_and_the_next_step() {
    let home = Home::new();
    home.ok(&["add", "gone", "http://localhost:9/mcp"]).await;
    let output = home.run(&["doctor", "gone"]).await;
    insta::assert_snapshot!(String::from_utf8(output.stdout).expect("text"), @r"
    gone@default
      options       ok
      server        WRONG  Nothing is listening at http://localhost:9/mcp.
      discovery     -      not reached
      registration  -      not reached
      token         -      not reached
      initialize    -      not reached
      client entry  -      not reached
    ");
    insta::assert_snapshot!(String::from_utf8(output.stderr).expect("text"), @r"
    Nothing is listening at http://localhost:9/mcp.
    Check your network and the server's address, then try again.
    ");
    let unknown = home.run(&["doctor", "nobody", "--json"]).await;
    let failure: Value = serde_json::from_slice(&unknown.stderr).expect("one line of JSON");
    assert_eq!((unknown.status.code(), failure["code"].as_str()), (Some(1), Some("unknown")));
}
