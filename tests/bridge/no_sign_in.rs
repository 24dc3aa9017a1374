//! `login` where there is nothing to sign in to: it says so, and nothing looks wrong afterwards.

use demo_server::{Auth, Config, DemoServer};
use serde_json::Value;

use crate::support::Home;

/// A home with a server that knows its users by these means, added with these options.
async fn added(auth: Auth, options: &[&str]) -> (DemoServer, Home) {
    let server = DemoServer::start(Config { auth: vec![auth], ..Config::default() }).await.expect("a server");
    let mut home = Home::new();
    home.set("RIGHT", "the-key");
    home.set("WRONG", "another-key");
    home.ok(&[&["add", "demo", server.url().as_str()], options].concat()).await;
    (server, home)
}

fn keys() -> Auth {
    Auth::ApiKey([("the-key".to_owned(), "demo".to_owned())].into())
}

fn tokens() -> Auth {
    Auth::Bearer([("the-key".to_owned(), "demo".to_owned())].into())
}

/// What `login` says, after checking that it leaves no trace.
async fn told(server: &DemoServer, home: &Home) -> String {
    let login = home.run(&["login", "demo"]).await;
    let told = String::from_utf8(login.stderr).expect("text");
    assert_eq!(login.status.code(), Some(1), "{told}");
    let stats = server.control().stats();
    assert_eq!((stats.registrations, stats.authorize_pages), (0, 0));
    let shown: Value = serde_json::from_str(&home.ok(&["show", "demo", "--json"]).await).expect("JSON");
    for account in shown["accounts"].as_array().expect("a list") {
        assert_ne!(account["state"]["kind"], "failed", "{account}");
    }
    told
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_server_that_asks_for_none_says_so() {
    let (server, home) = added(Auth::None, &[]).await;
    let told = told(&server, &home).await;
    assert!(told.contains("demo asks for no sign-in.") && told.contains("drawbridge tools demo"), "{told}");
    assert!(!told.contains("client"), "{told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_server_that_takes_its_key_needs_no_more() {
    let of_key = ["--header", "X-API-Key: env:RIGHT"];
    for (auth, options) in [(tokens(), ["--bearer", "env:RIGHT"]), (keys(), of_key)] {
        let (server, home) = added(auth, &options).await;
        let told = told(&server, &home).await;
        assert!(told.contains("takes the key") && told.contains("no sign-in"), "{told}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_server_that_refuses_its_key_wants_another() {
    let of_key = ["--header", "X-API-Key: env:WRONG"];
    for (auth, options) in [(tokens(), ["--bearer", "env:WRONG"]), (keys(), of_key)] {
        let (server, home) = added(auth, &options).await;
        let told = told(&server, &home).await;
        assert!(told.contains("does not take the key") && told.contains("--header"), "{told}");
    }
}
