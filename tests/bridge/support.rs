//! A home of its own for every test, the built binary in it, and a client on its stdio.
//!
//! Tests run beside their servers, on a runtime with a worker thread, because a home waits for its
//! Host to end, and the Host says goodbye to the server.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use demo_server::{Config, DemoServer};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::unix::pipe;
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;
use url::Url;

/// The longest any single step may take; far more than any does.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

/// A folder with its own Host.
pub(crate) struct Home {
    folder: TempDir,
    browser: BufReader<pipe::Receiver>,
    variables: Vec<(String, String)>,
}

impl Home {
    /// A new home; nothing runs in it yet. Secrets are kept in an encrypted file, so that they
    /// outlive a Host.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let key = folder.path().join("key");
        std::fs::write(&key, [7; 32]).expect("a key");
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).expect("chmod");
        let fifo = folder.path().join("browser.fifo");
        rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, 0o600.into()).expect("a fifo");
        let script = folder.path().join("browser");
        std::fs::write(&script, format!("#!/bin/sh\necho \"$1\" > {}\n", fifo.display())).expect("a script");
        std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o700)).expect("chmod");
        let opened = pipe::OpenOptions::new().read_write(true).open_receiver(&fifo).expect("the fifo opens");
        let variables = [
            ("DRAWBRIDGE_HOME", folder.path().join("home").display().to_string()),
            ("DRAWBRIDGE_SECRETS", "file".into()),
            ("DRAWBRIDGE_SECRETS_KEY", format!("file:{}", key.display())),
            ("BROWSER", script.display().to_string()),
            // A busy machine is slow; what a client gets must not depend on it.
            ("DRAWBRIDGE_SNAPSHOT_BUDGET", "3".into()),
        ];
        let variables = variables.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Self { folder, browser: BufReader::new(opened), variables }
    }

    /// A home like a person's: no variable of ours is set, and secrets are in the keychain of the
    /// session that the tests run in.
    pub(crate) fn plain() -> Self {
        let mut home = Self::new();
        home.variables.clear();
        home
    }

    /// The program that stands in for the browser.
    pub(crate) fn browser(&self) -> PathBuf {
        self.folder.path().join("browser")
    }

    /// Sets a variable for every process started from now on.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.variables.retain(|(known, _)| known != name);
        self.variables.push((name.into(), value.into()));
    }

    /// The folder of this home's own files.
    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    /// The built binary, with the environment an MCP client passes on and this home's own.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_drawbridge"));
        command.args(args).env_clear().kill_on_drop(true);
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", self.folder.path());
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs a verb to its end.
    pub(crate) async fn run(&self, args: &[&str]) -> Output {
        let command = self.command(args).stdin(Stdio::null()).output();
        timeout(LIMIT, command).await.expect("the verb ends").expect("the verb runs")
    }

    /// Runs a verb that has to succeed; its stdout.
    pub(crate) async fn ok(&self, args: &[&str]) -> String {
        let output = self.run(args).await;
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{args:?}: {stderr}");
        String::from_utf8(output.stdout).expect("text")
    }

    /// Adds a server.
    pub(crate) async fn add(&self, name: &str, url: &Url) {
        self.ok(&["add", name, url.as_str()]).await;
    }

    /// Starts a shim.
    pub(crate) fn connect(&self, args: &[&str]) -> Client {
        let mut all = vec!["connect"];
        all.extend(args);
        let mut command = self.command(&all);
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        Client::new(child.expect("the shim starts"))
    }

    /// Starts a shim that appends to this file what it logs.
    pub(crate) fn connect_saying(&self, args: &[&str], said: &Path) -> Client {
        let said = std::fs::OpenOptions::new().create(true).append(true).open(said).expect("a file");
        let mut command = self.command(&[&["connect"], args].concat());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(said);
        Client::new(command.spawn().expect("the shim starts"))
    }

    /// Starts a shim in a process group of its own, as some clients do.
    pub(crate) fn connect_in_own_group(&self, args: &[&str]) -> Client {
        let mut command = self.command(&[&["connect"], args].concat());
        command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        Client::new(command.spawn().expect("the shim starts"))
    }

    /// The process id of the Host that runs now.
    pub(crate) async fn host_pid(&self) -> i32 {
        let status: Value = serde_json::from_str(&self.ok(&["status", "--json"]).await).expect("JSON");
        i32::try_from(status["pid"].as_i64().expect("a pid")).expect("a pid")
    }

    /// Kills the Host as a crash would, and waits until it is gone.
    pub(crate) async fn kill_host(&self) {
        Self::kill(self.host_pid().await).await;
    }

    /// The same for a Host that may not be able to tell its process id any more.
    pub(crate) async fn kill(pid: i32) {
        let pid = rustix::process::Pid::from_raw(pid).expect("a pid");
        let host =
            rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()).expect("the Host runs");
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("killed");
        let gone = tokio::task::spawn_blocking(move || {
            let mut ends = [rustix::event::PollFd::new(&host, rustix::event::PollFlags::IN)];
            rustix::event::poll(&mut ends, None).map(|_| ())
        });
        timeout(LIMIT, gone)
            .await
            .expect("the Host ends")
            .expect("it was watched")
            .expect("it can be watched");
    }

    /// The next page that was opened in the browser.
    pub(crate) async fn opened_page(&mut self) -> Url {
        let mut line = String::new();
        timeout(LIMIT, self.browser.read_line(&mut line)).await.expect("a page opens").expect("readable");
        Url::parse(line.trim()).expect("a URL")
    }

    /// Whether a page was opened that nobody took yet.
    pub(crate) async fn has_opened_page(&mut self) -> bool {
        let looked = futures_util::future::poll_immediate(self.browser.fill_buf()).await;
        matches!(looked, Some(Ok(bytes)) if !bytes.is_empty())
    }

    /// Signs in by hand, with `login`; what that said.
    pub(crate) async fn log_in(&mut self, account: &str) -> Output {
        let login = self.command(&["login", account]).stdin(Stdio::null()).output();
        let (output, ()) = tokio::join!(login, self.sign_in("demo", "demo123"));
        let output = output.expect("login runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output
    }

    /// Does what a person does: reads our page and goes on, signs in, and is sent back.
    pub(crate) async fn sign_in(&mut self, user: &str, password: &str) {
        let page = self.opened_page().await;
        finish_sign_in(page, user, password).await;
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let mut stop = std::process::Command::new(env!("CARGO_BIN_EXE_drawbridge"));
        stop.args(["serve", "--stop"]).env_clear().env("HOME", self.folder.path());
        stop.envs(self.variables.iter().map(|(name, value)| (name, value)));
        let _ = stop.stdout(Stdio::null()).stderr(Stdio::null()).status();
    }
}

/// Completes the sign-in that a page began.
pub(crate) async fn finish_sign_in(page: Url, user: &str, password: &str) {
    let authorize = continue_from_our_page(page).await;
    let back = demo_server::sign_in_with_form(&authorize, user, password).await.expect("the form works");
    let status = http().get(back).send().await.expect("the callback answers").status();
    assert!(status.is_success(), "the callback answered {status}");
}

/// Presses Continue where the page is ours; the authorization URL either way.
pub(crate) async fn continue_from_our_page(page: Url) -> Url {
    if !page.path().starts_with("/sign-in/") {
        return page;
    }
    let shown = http().get(page.clone()).send().await.expect("our page answers");
    assert!(shown.status().is_success());
    let go_on = page.join(&format!("{}/continue", page.path())).expect("a URL");
    let decided = http().post(go_on).send().await.expect("answers");
    let location = decided.headers().get("location").expect("a redirect").to_str().expect("text");
    page.join(location).expect("a URL")
}

/// An HTTP client that follows nothing.
pub(crate) fn http() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    #[expect(clippy::disallowed_methods, reason = "a test plays the browser, which has rules of its own")]
    reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .expect("a client")
}

/// A server without sign-in, a home that knows it as `demo`, and a client in a session with it.
pub(crate) async fn session() -> (DemoServer, Home, Client) {
    session_with(Config::default()).await
}

/// As [`session`], with a server of this kind.
pub(crate) async fn session_with(config: Config) -> (DemoServer, Home, Client) {
    let server = DemoServer::start(config).await.expect("a server");
    let home = Home::new();
    home.add("demo", &server.url()).await;
    let mut client = home.connect(&["demo"]);
    client.initialize().await;
    client.tools().await;
    (server, home, client)
}

/// An MCP client on a shim's stdin and stdout.
pub(crate) struct Client {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Lines<BufReader<ChildStdout>>,
    next_id: i64,
}

impl Client {
    fn new(mut child: Child) -> Self {
        let stdin = child.stdin.take();
        let stdout = BufReader::new(child.stdout.take().expect("stdout is piped")).lines();
        Self { child, stdin, stdout, next_id: 0 }
    }

    /// Sends one line as it is.
    pub(crate) async fn send(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().expect("stdin is open");
        stdin.write_all(line.as_bytes()).await.expect("the shim reads");
        stdin.write_all(b"\n").await.expect("the shim reads");
    }

    /// Sends bytes as they are.
    pub(crate) async fn send_bytes(&mut self, bytes: &[u8]) {
        let stdin = self.stdin.as_mut().expect("stdin is open");
        stdin.write_all(bytes).await.expect("the shim reads");
    }

    /// The next line.
    pub(crate) async fn line(&mut self) -> String {
        let line = timeout(LIMIT, self.stdout.next_line()).await.expect("a line comes");
        line.expect("stdout is readable").expect("stdout is open")
    }

    /// The next message.
    pub(crate) async fn message(&mut self) -> Value {
        let line = self.line().await;
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
    }

    /// Sends a request; its id.
    pub(crate) async fn ask(&mut self, method: &str, params: Value) -> i64 {
        self.next_id += 1;
        let request = json!({ "jsonrpc": "2.0", "id": self.next_id, "method": method, "params": params });
        self.send(&request.to_string()).await;
        self.next_id
    }

    /// Reads until the answer to `id` comes; what came before it is returned too.
    pub(crate) async fn answer_to(&mut self, id: i64) -> (Value, Vec<Value>) {
        let mut before = Vec::new();
        loop {
            let message = self.message().await;
            if message["id"] == id && message.get("method").is_none() {
                return (message, before);
            }
            before.push(message);
        }
    }

    /// Asks and waits for the answer.
    pub(crate) async fn request(&mut self, method: &str, params: Value) -> Value {
        let id = self.ask(method, params).await;
        self.answer_to(id).await.0
    }

    /// Opens a session as a 2025-06-18 client; the answer to `initialize`.
    pub(crate) async fn initialize(&mut self) -> Value {
        self.initialize_with(json!({})).await
    }

    /// Opens a session with these client capabilities.
    pub(crate) async fn initialize_with(&mut self, capabilities: Value) -> Value {
        let answer = self
            .request(
                "initialize",
                json!({
                    "protocolVersion": "2025-06-18",
                    "capabilities": capabilities,
                    "clientInfo": { "name": "test client", "version": "1" },
                }),
            )
            .await;
        self.send(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#).await;
        answer
    }

    /// Calls a tool.
    pub(crate) async fn call(&mut self, tool: &str, arguments: Value) -> Value {
        self.request("tools/call", json!({ "name": tool, "arguments": arguments })).await
    }

    /// The names of the tools.
    pub(crate) async fn tools(&mut self) -> Vec<String> {
        let answer = self.request("tools/list", json!({})).await;
        let tools = answer["result"]["tools"].as_array().unwrap_or_else(|| panic!("no list: {answer}"));
        tools.iter().map(|tool| tool["name"].as_str().expect("a name").to_owned()).collect()
    }

    /// Reads until a notification of that method comes.
    pub(crate) async fn notification(&mut self, method: &str) -> Value {
        loop {
            let message = self.message().await;
            if message["method"] == method {
                return message;
            }
        }
    }

    /// Closes stdin and reads to the end.
    pub(crate) async fn last_messages(mut self) -> Vec<Value> {
        drop(self.stdin.take());
        let mut messages = Vec::new();
        while let Some(line) =
            timeout(LIMIT, self.stdout.next_line()).await.expect("the end comes").expect("text")
        {
            messages.push(serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}")));
        }
        messages
    }

    /// Closes stdin and waits for the end; the exit code.
    pub(crate) async fn close(mut self) -> i32 {
        drop(self.stdin.take());
        let status = timeout(LIMIT, self.child.wait()).await.expect("the shim ends").expect("it ran");
        status.code().expect("an exit code")
    }

    /// Kills the shim's whole process group, as some clients do.
    pub(crate) fn kill_group(self) {
        let group = rustix::process::Pid::from_raw(self.pid().cast_signed()).expect("a pid");
        rustix::process::kill_process_group(group, rustix::process::Signal::KILL).expect("killed");
    }

    /// The shim's process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id().expect("the shim runs")
    }
}

/// The text of a tool's result.
pub(crate) fn text(answer: &Value) -> &str {
    answer["result"]["content"][0]["text"].as_str().unwrap_or_else(|| panic!("no text: {answer}"))
}
