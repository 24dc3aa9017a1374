//! The whole life of two accounts at the loudest log, with secrets that can be told apart, and a search for them in
//! everything that it left: logs, files, output, arguments and environments of our processes.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use demo_server::{Auth, ClientAuth, Config, DemoServer, OAuthConfig, TokenFault};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::time::timeout;
use url::Url;

use crate::support::{Home, LIMIT, finish_sign_in, http, text};

/// How the secrets of the demo server, of this test and of the local endpoint begin.
const MARKED: [&str; 7] =
    ["demo-access-", "demo-refresh-", "demo-code-", "demo-secret-", "m4rked-bearer", "m4rked-header", "dbl_"];

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_whole_sign_in_at_the_loudest_log_leaves_no_secret_anywhere() {
    let oauth = OAuthConfig { client_auth: ClientAuth::SecretBasic, ..OAuthConfig::default() };
    let server = DemoServer::start(Config::with_auth(Auth::OAuth(oauth))).await.expect("a server");
    let token = ("m4rked-bearer".to_owned(), "demo".to_owned());
    let keyed = DemoServer::start(Config::with_auth(Auth::Bearer(vec![token]))).await.expect("a server");
    let mut home = Home::new();
    for (name, value) in [("DRAWBRIDGE_LOG", "trace"), ("TOKEN", "m4rked-bearer"), ("KEY", "m4rked-header")] {
        home.set(name, value);
    }
    let mut left = Left::default();
    let url = |server: &DemoServer| server.url().to_string();
    left.run(&home, &["add", "demo", &url(&server), "--header", "X-Key: env:KEY"]).await;
    left.run(&home, &["add", "keyed", &url(&keyed), "--bearer", "env:TOKEN"]).await;

    left.refused_sign_in(&mut home).await;
    left.sign_in(&mut home).await;
    left.work(&home, &server).await;
    left.read_everything_back(&home).await;
    left.sign_in_ends(&mut home, &server).await;
    left.run(&home, &["logout", "demo"]).await;
    left.run(&home, &["serve", "--stop"]).await;

    left.sessions(&server);
    left.sessions(&keyed);
    left.files(&home.path());
    left.proves_clean();
}

/// What was left behind, and which words must not be in it.
#[derive(Default)]
struct Left {
    texts: Vec<(String, String)>,
    secrets: Vec<String>,
    /// A verifier is known by its S256 challenge alone.
    challenges: Vec<String>,
}

impl Left {
    fn keep(&mut self, name: impl Into<String>, bytes: &[u8]) {
        self.texts.push((name.into(), String::from_utf8_lossy(bytes).into_owned()));
    }

    fn keep_output(&mut self, name: &str, output: &Output) {
        self.keep(format!("stdout of {name}"), &output.stdout);
        self.keep(format!("stderr of {name}"), &output.stderr);
    }

    async fn run(&mut self, home: &Home, args: &[&str]) {
        let output = home.run(args).await;
        self.keep_output(&args.join(" "), &output);
    }

    /// Arguments and environment of a process of ours, but for what this test itself put there.
    fn process(&mut self, name: &str, pid: u32) {
        for file in ["cmdline", "environ"] {
            // Not even its own user may read those of a protected process.
            let bytes = std::fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
            let kept: Vec<_> = bytes
                .split(|byte| *byte == 0)
                .filter(|part| !part.starts_with(b"TOKEN=") && !part.starts_with(b"KEY="))
                .collect();
            self.keep(format!("{file} of {name}"), &kept.join(&b'\n'));
        }
    }

    /// Starts `login`; the page it opens, and what is left to wait for.
    async fn begin(&mut self, home: &mut Home) -> (Url, tokio::process::Child) {
        let mut command = home.command(&["login", "demo"]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let login = command.spawn().expect("login starts");
        let page = home.opened_page().await;
        self.process("login", login.id().expect("it runs"));
        let param = |name| page.query_pairs().find(|(key, _)| key == name).expect(name).1.into_owned();
        self.secrets.push(param("state"));
        self.challenges.push(param("code_challenge"));
        (page, login)
    }

    /// What `login` said. The address it shows for people without a browser holds the state, and nothing else does.
    async fn end(&mut self, page: &Url, login: tokio::process::Child) {
        let output = timeout(LIMIT, login.wait_with_output()).await.expect("login ends").expect("it ran");
        let shown = String::from_utf8_lossy(&output.stderr).replacen(page.as_str(), "", 1);
        self.keep("stdout of login", &output.stdout);
        self.keep("stderr of login", shown.as_bytes());
    }

    async fn refused_sign_in(&mut self, home: &mut Home) {
        let (page, login) = self.begin(home).await;
        let back = demo_server::deny_with_form(&page).await.expect("the form works");
        let mut forged = back.clone();
        forged.set_query(Some("code=demo-code-forged&state=wrong"));
        for url in [forged, back] {
            let answer = http().get(url).send().await.expect("the callback answers");
            self.keep("the last page", answer.text().await.expect("text").as_bytes());
        }
        self.end(&page, login).await;
    }

    async fn sign_in(&mut self, home: &mut Home) {
        let (page, login) = self.begin(home).await;
        finish_sign_in(page.clone(), "demo", "demo123").await;
        self.end(&page, login).await;
    }

    /// Calls, refreshes, troubles.
    async fn work(&mut self, home: &Home, server: &DemoServer) {
        let said = home.path().join("shim.stderr");
        let mut client = home.connect_saying(&["demo"], &said);
        self.process("connect", client.pid());
        self.process("the Host", u32::try_from(home.host_pid().await).expect("a pid"));
        self.answer(&client.initialize().await);
        server.control().expire_access_tokens();
        self.answer(&client.call("user_profile", json!({})).await);
        for fault in [TokenFault::NotJson, TokenFault::Status { code: 503, retry_after: None }] {
            home.kill_host().await;
            server.control().token_endpoint_fault(fault);
            self.answer(&client.call("user_profile", json!({})).await);
        }
        // The next Host does not pause for what the last one met.
        home.kill_host().await;
        server.control().kill_sessions().await;
        self.answer(&client.call("user_profile", json!({})).await);
        let mut keyed = home.connect_saying(&["keyed"], &said);
        self.answer(&keyed.initialize().await);
        self.answer(&keyed.call("echo_message", json!({ "message": "hello" })).await);
    }

    async fn read_everything_back(&mut self, home: &Home) {
        for verb in ["list", "status"] {
            self.run(home, &[verb]).await;
            self.run(home, &[verb, "--json"]).await;
        }
        for name in ["demo", "keyed"] {
            self.run(home, &["show", name, "--json"]).await;
            self.run(home, &["tools", name, "--json"]).await;
        }
        self.run(home, &["call", "demo", "user_profile", "--json"]).await;
        // The one time that a secret is shown is not kept here.
        home.ok(&["clients", "add", "cursor", "--all"]).await;
        self.run(home, &["clients", "list", "--json"]).await;
    }

    /// The authorization server ends it, and the person says no to another.
    async fn sign_in_ends(&mut self, home: &mut Home, server: &DemoServer) {
        server.control().revoke_tokens(None);
        let mut client = home.connect_saying(&["demo"], &home.path().join("shim.stderr"));
        client.initialize().await;
        let call = client.ask("tools/call", json!({ "name": "user_profile", "arguments": {} })).await;
        let page = home.opened_page().await;
        self.secrets.push(page.path().trim_start_matches("/sign-in/").to_owned());
        let no = page.join(&format!("{}/cancel", page.path())).expect("a URL");
        http().post(no).send().await.expect("our page answers");
        let (answer, _) = client.answer_to(call).await;
        assert!(!text(&answer).is_empty());
        self.answer(&answer);
    }

    fn answer(&mut self, message: &Value) {
        self.keep("an answer", message.to_string().as_bytes());
    }

    fn sessions(&mut self, server: &DemoServer) {
        let seen = server.control().journal().into_iter().filter_map(|entry| entry.session_id);
        self.secrets.extend(seen);
    }

    fn files(&mut self, folder: &Path) {
        for path in files_below(folder) {
            if path.file_name().is_none_or(|name| name != "secrets.enc") {
                self.keep(path.display().to_string(), &std::fs::read(&path).expect("readable"));
            }
        }
    }

    fn proves_clean(&self) {
        let log = self.texts.iter().filter(|(name, _)| name.contains("/logs/"));
        let log: String = log.map(|(_, text)| text.as_str()).collect();
        for line in ["TRACE", "signed in", "renewed", "signed out"] {
            assert!(log.contains(line), "the log does not tell of {line}");
        }
        assert!(self.secrets.len() > 4, "no session or state was seen");
        for (name, text) in &self.texts {
            for secret in MARKED.iter().copied().chain(self.secrets.iter().map(String::as_str)) {
                let at = text.find(secret);
                assert!(at.is_none(), "{secret} is in {name}: {}", around(text, at.unwrap_or(0)));
            }
            for word in text.split(|letter: char| !(letter.is_ascii_alphanumeric() || "-_".contains(letter)))
            {
                let digest = URL_SAFE_NO_PAD.encode(Sha256::digest(word));
                assert!(!self.challenges.contains(&digest), "a PKCE verifier is in {name}");
            }
        }
    }
}

/// The line of a finding.
fn around(text: &str, at: usize) -> &str {
    let start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    text[start..].lines().next().unwrap_or_default()
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let (mut files, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("readable").flatten() {
            let kind = entry.file_type().expect("a kind");
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() {
                files.push(entry.path());
            }
        }
    }
    assert!(!files.is_empty());
    files
}
