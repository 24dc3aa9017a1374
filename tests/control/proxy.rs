//! The proxy for all servers, as a window sets it.

use std::path::PathBuf;

use http::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::{LIMIT, Lines, Window};

/// A proxy on this computer that leads nowhere.
struct Played {
    address: String,
    asked: mpsc::Receiver<String>,
}

impl Played {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = format!("http://{}/", listener.local_addr().expect("an address"));
        let (seen, asked) = mpsc::channel(16);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = vec![0; 4096];
                let length = stream.read(&mut request).await.unwrap_or(0);
                let line =
                    String::from_utf8_lossy(&request[..length]).lines().next().unwrap_or_default().to_owned();
                if seen.send(line).await.is_err() {
                    return;
                }
                let _ = stream.write_all(b"HTTP/1.1 502 nowhere\r\nConnection: close\r\n\r\n").await;
            }
        });
        Self { address, asked }
    }

    /// What it was asked since the last look.
    fn asked(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.asked.try_recv().ok()).collect()
    }
}

impl Window {
    async fn set_proxy(&self, proxy: &Value) -> (StatusCode, Value) {
        self.ask(Method::PUT, "/settings/proxy", Some(&json!({ "proxy": proxy }))).await
    }

    /// Has the server `far` asked for something.
    async fn look(&self) {
        let looking = self.ask(Method::POST, "/servers/far/probe", None);
        let (status, answer) = timeout(LIMIT, looking).await.expect("in time");
        assert_ne!(status, 200, "nobody is there: {answer}");
    }

    fn settings(&self) -> PathBuf {
        self.home.path().join("home/config/settings.json")
    }
}

#[tokio::test]
async fn the_proxy_for_all_servers_counts_at_once_and_for_the_next_host() {
    let (window, mut first, mut second) = (Window::open(), Played::start().await, Played::start().await);
    assert_eq!(window.get("/status").await["proxy"], Value::Null);
    let (_, body) = window.send(Method::GET, "/events", None).await;
    let mut events = Lines { body, rest: Vec::new() };

    assert_eq!(window.set_proxy(&json!(first.address)).await.0, 204);
    events.until(|status| status["proxy"] == *first.address).await;
    window.add("far", "https://far.example/mcp").await;
    window.look().await;
    let asked = first.asked();
    assert!(
        !asked.is_empty() && asked.iter().all(|line| line.starts_with("CONNECT far.example:443 ")),
        "{asked:?}"
    );

    assert_eq!(window.set_proxy(&json!(second.address)).await.0, 204);
    events.until(|status| status["proxy"] == *second.address).await;
    window.look().await;
    assert_eq!((first.asked().len(), second.asked().is_empty()), (0, false));

    let window = window.again();
    assert_eq!(window.get("/status").await["proxy"], *second.address);
    window.look().await;
    assert!(!second.asked().is_empty());

    assert_eq!(window.set_proxy(&Value::Null).await.0, 204);
    assert_eq!(window.get("/status").await["proxy"], Value::Null);
    window.look().await;
    assert_eq!(second.asked().len(), 0);
    assert_eq!(window.again().get("/status").await["proxy"], Value::Null);
}

#[tokio::test]
async fn a_proxy_that_cannot_be_is_refused_in_words_and_changes_nothing() {
    let window = Window::open();
    let good = json!("socks5://proxy.example:1080");
    assert_eq!(window.set_proxy(&good).await.0, 204);
    let kept = std::fs::read(window.settings()).expect("kept");
    for (proxy, why, step) in [
        ("nonsense", "not an address", "as http://host:port"),
        ("proxy.example:3128", "begins with http", "as http://host:port"),
        ("http://me:marked@proxy.example", "no user name or password", "a proxy of its own"),
    ] {
        let (status, failure) = window.set_proxy(&json!(proxy)).await;
        let sentence = failure["sentence"].as_str().expect("words");
        assert_eq!((status.as_u16(), &failure["code"]), (400, &json!("invalid")), "{proxy}");
        assert!(sentence.contains(why) && !sentence.contains("marked"), "{sentence}");
        let next = failure["nextStep"].as_str().expect("words");
        assert!(next.contains(step) && !next.contains("option"), "{next}");
    }
    let (status, _) = window.ask(Method::PUT, "/settings/proxy", Some(&json!({}))).await;
    assert_eq!(status, 400, "taking it back is said, not left out");
    assert_eq!(window.get("/status").await["proxy"], good);
    assert_eq!(std::fs::read(window.settings()).expect("kept"), kept);
}

#[tokio::test]
async fn a_file_that_cannot_be_read_is_told_of_and_left_alone() {
    let window = Window::open();
    assert_eq!(window.set_proxy(&json!("http://proxy.example")).await.0, 204);
    let broken = r#"{ "proxy": "http://me:marked@proxy.example" }"#;
    std::fs::write(window.settings(), broken).expect("written");
    let (status, failure) = window.set_proxy(&Value::Null).await;
    assert_eq!((status.as_u16(), &failure["code"]), (400, &json!("invalid")));
    assert_eq!(
        window.get("/status").await["proxy"],
        "http://proxy.example/",
        "what cannot be kept does not count"
    );

    let window = window.again();
    let status = window.get("/status").await;
    let warning = status["warnings"][0]["sentence"].as_str().expect("a warning");
    assert!(warning.contains("no user name or password") && !warning.contains("marked"), "{warning}");
    assert_eq!(status["proxy"], Value::Null);
    assert_eq!(std::fs::read_to_string(window.settings()).expect("there"), broken);
}
