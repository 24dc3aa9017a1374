//! Which servers and accounts are looked at, with a name and without.

use demo_server::{Config, DemoServer};
use serde_json::{Value, json};

use super::{doctor, outcomes, server_with};

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn without_a_name_drawbridge_itself_and_every_server_are_looked_at() {
    let (_server, home) = server_with(Config::default()).await;
    home.ok(&["add", "gone", "http://localhost:9/mcp"]).await;
    let (code, said) = doctor(&home, &[]).await;
    let host = ["folders done", "host done", "version done", "settings done", "secretStore done"];
    assert_eq!(outcomes(&said["host"])[..5], host.map(str::to_owned));
    assert_eq!(outcomes(&said["host"])[5], "httpEndpoint notNeeded");
    let names: Vec<_> =
        said["servers"].as_array().expect("servers").iter().map(|one| &one["server"]).collect();
    assert_eq!((code, names), (4, vec![&json!("demo"), &json!("gone")]));
    let output = home.run(&["doctor", "--json"]).await;
    let failure: Value = serde_json::from_slice(&output.stderr).expect("one line of JSON");
    assert_eq!(failure["code"], "unreachable");
}

/// Whose steps are told, in order, and what is started at the end to be tried.
fn looked_at(said: &Value) -> Vec<String> {
    let of = |one: &Value| {
        let (server, account) =
            (one["server"].as_str().expect("a name"), one["account"].as_str().expect("a label"));
        let entry = one["checks"].as_array().expect("checks").last().expect("the entry");
        let started = entry["outcome"]["note"].as_str().and_then(|note| note.rsplit_once(" connect "));
        format!("{server}@{account}: {}", started.map_or("nothing", |(_, target)| target))
    };
    said["servers"].as_array().expect("servers").iter().map(of).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn every_account_is_looked_at_without_a_name_and_the_named_one_or_the_usual_one_with_a_name() {
    let (_server, mut home) = server_with(Config::oauth()).await;
    let keyless = DemoServer::start(Config::default()).await.expect("it starts");
    home.add("open", &keyless.url()).await;
    home.log_in("demo@work").await;
    home.log_in("demo@home").await;
    for (usual, args, wanted) in [
        (
            "work",
            [].as_slice(),
            ["demo@work: demo@work", "demo@home: demo@home", "open@default: open"].as_slice(),
        ),
        ("work", &["demo"], &["demo@work: demo"]),
        ("work", &["demo@work"], &["demo@work: demo@work"]),
        ("work", &["demo@home"], &["demo@home: demo@home"]),
        ("home", &["demo"], &["demo@home: demo"]),
    ] {
        home.ok(&["edit", "demo", "--default", usual]).await;
        let (code, said) = doctor(&home, args).await;
        assert_eq!(
            (code, looked_at(&said)),
            (0, wanted.iter().map(|&one| one.to_owned()).collect()),
            "{args:?}"
        );
    }
    let unknown = home.run(&["doctor", "demo@nobody", "--json"]).await;
    let failure: Value = serde_json::from_slice(&unknown.stderr).expect("one line of JSON");
    assert_eq!((unknown.status.code(), failure["code"].as_str()), (Some(1), Some("unknown")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn one_account_that_is_signed_out_is_named_and_the_others_are_still_looked_at() {
    let (_server, mut home) = server_with(Config::oauth()).await;
    home.log_in("demo@work").await;
    home.log_in("demo@home").await;
    home.ok(&["logout", "demo@home"]).await;
    let (code, said) = doctor(&home, &[]).await;
    assert_eq!(
        (code, looked_at(&said)),
        (3, vec!["demo@work: demo@work".into(), "demo@home: nothing".into()])
    );
    let output = home.run(&["doctor"]).await;
    insta::assert_snapshot!(String::from_utf8(output.stderr).expect("text"), @r"
    You are signed out of demo@home.
    Run `drawbridge login demo@home` and sign in.
    ");
    for (args, code) in [(["doctor", "demo"], 0), (["doctor", "demo@work"], 0), (["doctor", "demo@home"], 3)]
    {
        assert_eq!(home.run(&args).await.status.code(), Some(code), "{args:?}");
    }
    home.ok(&["logout", "demo@work"]).await;
    let output = home.run(&["doctor"]).await;
    assert_eq!(output.status.code(), Some(3));
    insta::assert_snapshot!(String::from_utf8(output.stderr).expect("text"), @r"
    You are signed out of demo@home.
    Run `drawbridge login demo@home` and sign in.
    You are signed out of demo.
    Run `drawbridge login demo` and sign in.
    ");
}
