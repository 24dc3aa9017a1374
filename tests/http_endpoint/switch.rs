//! Switched on by the first client, off by the last, and off where the port is not ours.

use std::collections::HashSet;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::Path;

use demo_server::Config;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::client::{Local, body, initialize, with_demo};
use crate::support::Home;

const NOBODY: u32 = 65534;

async fn endpoint(home: &Home) -> Value {
    let status: Value = serde_json::from_str(&home.ok(&["status", "--json"]).await).expect("JSON");
    status["http"].clone()
}

/// The TCP ports that a process listens on.
fn ports_of(pid: i32) -> Vec<String> {
    let sockets: HashSet<String> = std::fs::read_dir(format!("/proc/{pid}/fd"))
        .expect("readable")
        .flatten()
        .filter_map(|entry| std::fs::read_link(entry.path()).ok())
        .filter_map(|link| Some(link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned()))
        .collect();
    let tables =
        ["/proc/net/tcp", "/proc/net/tcp6"].map(|path| std::fs::read_to_string(path).unwrap_or_default());
    let fields = |line: &str| line.split_ascii_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let lines: Vec<Vec<String>> = tables.iter().flat_map(|table| table.lines()).map(fields).collect();
    let listens = |line: &&Vec<String>| line.len() > 9 && line[3] == "0A" && sockets.contains(&line[9]);
    lines.iter().filter(listens).map(|line| line[1].clone()).collect()
}

async fn stop(home: &Home) {
    home.ok(&["serve", "--stop"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn off_until_the_first_client_and_off_after_the_last() {
    let (_server, home) = with_demo(Config::default()).await;
    let pid = home.host_pid().await;
    assert_eq!(endpoint(&home).await["kind"], "off");
    assert_eq!(ports_of(pid), Vec::<String>::new(), "no port is open");

    let client = Local::add(&home, "cursor").await;
    let port = client.port();
    assert_eq!(ports_of(pid), [format!("0100007F:{port:04X}")], "127.0.0.1 and nothing else");
    assert_eq!(endpoint(&home).await["url"], format!("http://127.0.0.1:{port}/mcp"));
    let list: Value = serde_json::from_str(&home.ok(&["clients", "list", "--json"]).await).expect("JSON");
    assert_eq!(list["clients"][0]["name"], "cursor");
    assert_eq!(list["clients"][0]["servers"], json!(["demo"]));
    assert!(!home.run(&["clients", "add", "cursor", "--all"]).await.status.success(), "the name is taken");
    assert_eq!(home.run(&["clients", "add", "x"]).await.status.code(), Some(2), "no servers named");

    home.ok(&["clients", "revoke", "cursor"]).await;
    assert_eq!(endpoint(&home).await["kind"], "off");
    assert!(TcpStream::connect(("127.0.0.1", port)).await.is_err());
    assert!(!home.run(&["clients", "revoke", "cursor"]).await.status.success(), "it is gone");
    let again = Local::add(&home, "again").await;
    assert_eq!(again.port(), port, "the port stays the same");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_token_works_after_a_restart_and_is_in_no_file() {
    let (_server, home) = with_demo(Config::default()).await;
    let client = Local::add(&home, "cursor").await;
    stop(&home).await;
    home.host_pid().await;
    assert_eq!(client.post(initialize("2025-06-18", &json!({}))).await.status(), 200);
    let (mut folders, mut files) = (vec![home.path()], 0);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("readable").flatten() {
            let kind = entry.file_type().expect("a kind");
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() {
                files += 1;
                let bytes = std::fs::read(entry.path()).expect("readable");
                let has_token = bytes.windows(client.token.len()).any(|part| part == client.token.as_bytes());
                assert!(!has_token, "{} holds the token", entry.path().display());
            }
        }
    }
    assert!(files > 2);
    let mode = std::fs::metadata(home.path().join("state/clients.json")).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_taken_port_switches_it_off_and_says_so() {
    let (_server, home) = with_demo(Config::default()).await;
    let client = Local::add(&home, "cursor").await;
    stop(&home).await;
    let squatter = TcpListener::bind(("127.0.0.1", client.port())).expect("free now");
    let state = endpoint(&home).await;
    assert_eq!(state["kind"], "failed", "{state}");
    assert!(state["failure"]["sentence"].to_string().contains(&client.port().to_string()), "{state}");
    let shown = home.run(&["status"]).await;
    assert!(String::from_utf8_lossy(&shown.stderr).contains("Another program uses port"));

    drop(squatter);
    stop(&home).await;
    assert_eq!(endpoint(&home).await["kind"], "on");
    assert_eq!(
        client.post(initialize("2025-06-18", &json!({}))).await.status(),
        200,
        "the token still works"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn tokens_that_another_user_may_have_seen_stop_working() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("only root can play another user; the kernel's table is tested by itself");
        return;
    }
    let (_server, home) = with_demo(Config::default()).await;
    let client = Local::add(&home, "cursor").await;
    stop(&home).await;
    let squatter = Squatter::listen_on(client.port()).await;
    let state = endpoint(&home).await;
    assert_eq!(state["kind"], "failed", "{state}");
    assert!(state["failure"]["sentence"].to_string().contains("no longer work"), "{state}");
    squatter.stop().await;

    stop(&home).await;
    assert_eq!(endpoint(&home).await["kind"], "off", "nobody has a token that works");
    let renewed = Local::add(&home, "cursor").await;
    assert_eq!(renewed.post(initialize("2025-06-18", &json!({}))).await.status(), 200);
    let old = Local { base: renewed.base.clone(), ..client };
    assert_eq!(old.post("{}").await.status(), 401);
    let list: Value = serde_json::from_str(&home.ok(&["clients", "list", "--json"]).await).expect("JSON");
    assert_eq!(
        (list["clients"].as_array().expect("clients").len(), &list["clients"][0]["isValid"]),
        (1, &json!(true))
    );
}

/// Another user's Host, which listens on a port that was ours.
struct Squatter {
    home: Home,
}

impl Squatter {
    async fn listen_on(port: u16) -> Self {
        let home = Home::new();
        crate::client::write_settings(&home, &json!({ "http_port": port }));
        give_away(home.path().parent().expect("a folder"));
        let squatter = Self { home };
        squatter.run(&["clients", "add", "mine", "--all"]).await;
        squatter
    }

    async fn run(&self, args: &[&str]) {
        let mut command = self.home.command(args);
        let output = command.uid(NOBODY).gid(NOBODY).current_dir("/").output().await.expect("it runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    async fn stop(self) {
        self.run(&["serve", "--stop"]).await;
    }
}

fn give_away(path: &Path) {
    chown(path, Some(NOBODY), Some(NOBODY)).expect("root may");
    if path.is_dir() {
        for entry in std::fs::read_dir(path).expect("readable").flatten() {
            give_away(&entry.path());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn settings_that_cannot_be_read_keep_it_off() {
    let (_server, home) = with_demo(Config::default()).await;
    let client = Local::add(&home, "cursor").await;
    stop(&home).await;
    std::fs::write(home.path().join("config/settings.json"), "{").expect("written");
    let state = endpoint(&home).await;
    assert_eq!(state["kind"], "failed", "{state}");
    assert!(TcpStream::connect(("127.0.0.1", client.port())).await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn an_account_can_be_named_in_the_path_and_in_the_grant() {
    let (_server, home) = with_demo(Config::default()).await;
    let unknown = home.run(&["clients", "add", "x", "--server", "demo@work"]).await;
    assert!(!unknown.status.success(), "there is no such account");
    let client = Local::add_for(&home, "one", &["--server", "demo"]).await;
    let response = client.post_to("demo@work", initialize("2025-06-18", &json!({}))).await;
    assert_eq!(response.status(), 200);
    let answer = body(response).await;
    assert!(answer["error"]["message"].to_string().contains("work"), "{answer}");
}
