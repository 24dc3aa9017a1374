//! A Host that is killed at every step around a rotation of its refresh token. The authorization server ends the whole
//! sign-in when a used token comes back, so nothing but care keeps people signed in.

use std::path::PathBuf;

use demo_server::{Config, DemoServer, TokenFault};
use serde_json::json;
use tokio::time::timeout;

use crate::support::{Client, Home, LIMIT, text};

struct SignedIn {
    server: DemoServer,
    home: Home,
    client: Client,
}

impl SignedIn {
    async fn start() -> Self {
        let server = DemoServer::start(Config::oauth()).await.expect("a server");
        let mut home = Home::new();
        home.add("demo", &server.url()).await;
        home.log_in("demo").await;
        let mut client = home.connect(&["demo"]);
        client.initialize().await;
        assert!(client.tools().await.contains(&"user_profile".to_owned()));
        Self { server, home, client }
    }

    async fn ask(&mut self) -> i64 {
        self.client.ask("tools/call", json!({ "name": "user_profile", "arguments": {} })).await
    }

    /// Calls with an access token that has ended, and kills the Host while the authorization server does this.
    async fn kill_while(&mut self, fault: TokenFault) {
        self.server.control().expire_access_tokens();
        self.server.control().token_endpoint_fault(fault);
        self.ask().await;
        self.server.control().wait_for(|stats| stats.stalled == 1).await;
        self.home.kill_host().await;
    }

    /// The new token is here and on its way into the file, which does not open.
    async fn kill_before_the_save(&mut self) {
        let host = self.home.host_pid().await;
        let file = SecretsFile::block(&self.home);
        self.server.control().expire_access_tokens();
        self.ask().await;
        let held = file.held_open().await;
        assert_eq!(self.server.control().stats().grant("refresh_token"), 1);
        Home::kill(host).await;
        drop(held);
        file.unblock();
    }

    /// The person works on. A page may open where a rotation was lost, and nowhere else.
    async fn goes_on(mut self, lost: bool) {
        let call = self.ask().await;
        if lost {
            self.home.sign_in("demo", "demo123").await;
        }
        let (answer, _) = self.client.answer_to(call).await;
        assert!(text(&answer).contains("demo"), "{answer}");
        assert!(!self.home.has_opened_page().await);
        assert_eq!(self.server.control().stats().authorizations, 1 + u64::from(lost));
        self.server.control().expire_access_tokens();
        let call = self.ask().await;
        let (answer, _) = self.client.answer_to(call).await;
        assert!(text(&answer).contains("demo"), "{answer}");
    }
}

/// The encrypted file with a pipe in its place, which is opened for reading by the Host and by nobody for writing.
struct SecretsFile {
    path: PathBuf,
    aside: PathBuf,
}

impl SecretsFile {
    fn block(home: &Home) -> Self {
        let path = home.path().join("state/secrets.enc");
        let aside = path.with_extension("aside");
        std::fs::rename(&path, &aside).expect("the file is there");
        rustix::fs::mkfifoat(rustix::fs::CWD, &path, 0o600.into()).expect("a fifo");
        Self { path, aside }
    }

    /// Resolves once the Host has opened it; it then waits for bytes that never come.
    async fn held_open(&self) -> std::fs::File {
        let path = self.path.clone();
        let opened = tokio::task::spawn_blocking(move || std::fs::OpenOptions::new().write(true).open(path));
        timeout(LIMIT, opened).await.expect("the Host saves").expect("it runs").expect("it opens")
    }

    fn unblock(self) {
        std::fs::rename(self.aside, self.path).expect("the file comes back");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_host_killed_before_it_asks_for_new_tokens_loses_nothing() {
    let session = SignedIn::start().await;
    session.server.control().expire_access_tokens();
    session.home.kill_host().await;
    session.goes_on(false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_host_killed_before_the_server_rotated_loses_nothing() {
    let mut session = SignedIn::start().await;
    session.kill_while(TokenFault::Stall).await;
    session.goes_on(false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_host_killed_before_the_new_token_arrived_costs_one_sign_in() {
    let mut session = SignedIn::start().await;
    session.kill_while(TokenFault::StallAnswer).await;
    session.goes_on(true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_host_killed_before_the_new_token_was_saved_costs_one_sign_in() {
    let mut session = SignedIn::start().await;
    session.kill_before_the_save().await;
    session.goes_on(true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_host_killed_after_the_new_token_was_saved_loses_nothing() {
    let mut session = SignedIn::start().await;
    session.server.control().expire_access_tokens();
    let call = session.ask().await;
    assert!(text(&session.client.answer_to(call).await.0).contains("demo"));
    session.home.kill_host().await;
    session.goes_on(false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn fifty_calls_of_five_clients_that_all_meet_a_401_make_one_refresh() {
    let SignedIn { server, home, client } = SignedIn::start().await;
    let mut clients = vec![client];
    for _ in 0..4 {
        let mut client = home.connect(&["demo"]);
        client.initialize().await;
        clients.push(client);
    }
    server.control().expire_access_tokens();
    for client in &mut clients {
        for _ in 0..10 {
            client.ask("tools/call", json!({ "name": "user_profile", "arguments": {} })).await;
        }
    }
    for client in &mut clients {
        let mut answers = 0;
        while answers < 10 {
            let message = client.message().await;
            if message.get("method").is_none() {
                assert!(text(&message).contains("demo"), "{message}");
                answers += 1;
            }
        }
    }
    assert_eq!(server.control().stats().grant("refresh_token"), 1);
}
