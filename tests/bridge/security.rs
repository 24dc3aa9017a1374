//! Attacks on the local side, and what must not be inherited or leaked.

use std::os::unix::fs::PermissionsExt;

use demo_server::{Config, DemoServer};
use serde_json::json;

use crate::support::Home;

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_socket_is_the_users_own() {
    let server = DemoServer::start(Config::default()).await.expect("a server");
    let home = Home::new();
    home.add("demo", &server.url()).await;
    let folder = home.path().join("run");
    let mode =
        |path: &std::path::Path| std::fs::metadata(path).expect("it exists").permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    assert_eq!(mode(&folder.join("host.sock")), 0o600);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_shim_refuses_a_socket_in_a_folder_that_others_may_enter() {
    let server = DemoServer::start(Config::default()).await.expect("a server");
    let home = Home::new();
    home.add("demo", &server.url()).await;
    let folder = home.path().join("run");
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o777)).expect("chmod");
    let mut client = home.connect(&["demo"]);
    let answer = client.initialize().await;
    assert!(answer["error"]["message"].as_str().expect("a sentence").contains("private"), "{answer}");
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o700)).expect("chmod");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_host_does_not_inherit_what_a_client_slips_in() {
    let server = DemoServer::start(Config::default()).await.expect("a server");
    let mut home = Home::new();
    home.set("LD_LIBRARY_PATH", "/tmp/evil");
    home.set("SOME_SECRET", "do-not-inherit");
    let mut client = home.connect(&[server.url().as_str()]);
    client.initialize().await;
    let environ = std::fs::read(format!("/proc/{}/environ", home.host_pid().await)).expect("readable");
    let environ = String::from_utf8_lossy(&environ);
    assert!(!environ.contains("do-not-inherit") && !environ.contains("/tmp/evil"), "{environ}");
    let folder = std::fs::read_link(format!("/proc/{}/cwd", home.host_pid().await)).expect("readable");
    assert_eq!(folder, std::path::Path::new("/"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn options_of_one_connection_never_meet_stored_credentials() {
    let honest = DemoServer::start(Config::default()).await.expect("a server");
    let mut home = Home::new();
    home.set("TOKEN", "s3cret-of-the-entry");
    home.ok(&["add", "demo", honest.url().as_str(), "--bearer", "env:TOKEN"]).await;
    let mut client = home.connect(&["demo"]);
    client.initialize().await;
    let with_token = honest.control().journal().iter().any(|entry| entry.authorization.is_some());
    assert!(with_token, "the entry's own token is used for the entry");

    let mut other = home.connect(&["demo", "--header", "X-Other: 1"]);
    other.initialize().await;
    other.request("tools/list", json!({})).await;
    let mut journal = honest.control().journal();
    journal.retain(|entry| entry.headers.contains_key("x-other"));
    assert!(!journal.is_empty());
    assert!(journal.iter().all(|entry| entry.authorization.is_none()), "stored credentials travelled");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn secrets_are_in_no_file_of_ours_and_in_no_argument() {
    let server = DemoServer::start(Config::default()).await.expect("a server");
    let mut home = Home::new();
    home.set("TOKEN", "m4rked-secret-value");
    home.ok(&["add", "demo", server.url().as_str(), "--bearer", "env:TOKEN"]).await;
    let mut client = home.connect(&["demo"]);
    client.initialize().await;
    client.tools().await;
    assert!(home.ok(&["show", "demo", "--json"]).await.contains("demo"));
    assert!(!home.ok(&["show", "demo", "--json"]).await.contains("m4rked"));
    let mut folders = vec![home.path()];
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("readable").flatten() {
            let kind = entry.file_type().expect("a kind");
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() {
                files += 1;
                let bytes = std::fs::read(entry.path()).expect("readable");
                let found = bytes.windows(6).any(|window| window == b"m4rked");
                assert!(!found, "{} holds the secret", entry.path().display());
            }
        }
    }
    assert!(files > 0);
    let arguments = std::fs::read(format!("/proc/{}/cmdline", home.host_pid().await)).expect("readable");
    assert!(!String::from_utf8_lossy(&arguments).contains("m4rked"));
}
