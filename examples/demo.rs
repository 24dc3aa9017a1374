//! `make demo`: the main job from end to end, in a home of its own that is gone afterwards.
//!
//! Starts the demo server, adds it, signs in, talks MCP through the shim, kills the Host under the
//! running session, goes on, and signs out. With a display the sign-in page opens in the browser
//! (sign in as `demo` / `demo123`); without one, or with `--auto`, the form is filled in here.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use demo_server::{Auth, Config, DemoServer, OAuthConfig, sign_in_with_form};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;
use url::Url;

const STEP_LIMIT: Duration = Duration::from_secs(20);
const PERSON_LIMIT: Duration = Duration::from_secs(300);

#[tokio::main]
async fn main() -> Result<()> {
    let auto = std::env::args().any(|arg| arg == "--auto") || !has_display();
    let script = Script::new(auto)?;
    let result = script.play().await;
    script.stop_host().await;
    result
}

fn has_display() -> bool {
    let named = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    named("DISPLAY") || named("WAYLAND_DISPLAY") || cfg!(any(target_os = "macos", windows))
}

struct Script {
    auto: bool,
    started: Instant,
    home: tempfile::TempDir,
    program: PathBuf,
}

impl Script {
    fn new(auto: bool) -> Result<Self> {
        let home = tempfile::tempdir()?;
        std::fs::write(home.path().join("key"), rand::random::<[u8; 32]>())?;
        private(&home.path().join("key"))?;
        Ok(Self { auto, started: Instant::now(), home, program: program()? })
    }

    async fn play(&self) -> Result<()> {
        self.title("A remote MCP server behind OAuth");
        let auth = vec![Auth::None, Auth::OAuth(OAuthConfig::default())];
        let server = DemoServer::start(Config { auth, ..Config::default() }).await?;
        self.say(&format!("demo server at {}", server.url()));

        self.title("Add it and sign in once");
        self.run(&["add", "demo", server.url().as_str()]).await?;
        self.sign_in().await?;

        self.title("An MCP client talks to `drawbridge connect demo`");
        server.control().clear_stats();
        let mut client = Client::start(self.command(&["connect", "demo"]))?;
        let answer = self.timed("initialize", client.initialize()).await?;
        self.say(&format!("server: {}", answer["result"]["serverInfo"]["name"]));
        let tools = self.timed("tools/list", client.request("tools/list", json!({}))).await?;
        self.say(&format!("tools: {}", names(&tools["result"]["tools"])));
        self.call(&mut client, "echo_message", json!({ "message": "Hello over the bridge" })).await?;
        self.call(&mut client, "protected_data", json!({ "category": "personal" })).await?;

        self.title("The Host is killed; the session goes on");
        self.kill_host().await?;
        self.call(&mut client, "user_profile", json!({})).await?;
        let initialized = server.control().stats().initialize;
        self.say(&format!("`initialize` requests the server saw in this session: {initialized}"));
        ensure!(client.close().await?, "the shim did not end well");

        self.title("Sign out");
        self.run(&["logout", "demo"]).await?;
        self.say(&format!("grants the server revoked: {}", server.control().stats().revocations));
        self.title("Done");
        Ok(())
    }

    async fn sign_in(&self) -> Result<()> {
        let mut login = self.command(&["login", "demo"]);
        if !self.auto {
            self.say("a sign-in page opens; sign in as demo / demo123");
            let status = timeout(PERSON_LIMIT, login.status()).await.context("nobody signed in")??;
            ensure!(status.success(), "the sign-in failed");
            return Ok(());
        }
        let page = self.home.path().join("page");
        login.env("BROWSER", browser_script(self.home.path(), &page)?);
        let mut login = login.stdin(Stdio::null()).stderr(Stdio::piped()).spawn()?;
        let url = timeout(STEP_LIMIT, opened_page(&page)).await.context("no sign-in page opened")??;
        self.say(&format!("sign-in page: {}{}", url.origin().ascii_serialization(), url.path()));
        let back = sign_in_with_form(&url, "demo", "demo123").await?;
        let answer = follow(&back).await?;
        ensure!(answer.starts_with("HTTP/1.1 200"), "the callback was refused");
        let status = timeout(STEP_LIMIT, login.wait()).await.context("the sign-in did not end")??;
        ensure!(status.success(), "the sign-in failed");
        self.say("signed in as demo");
        Ok(())
    }

    async fn call(&self, client: &mut Client, tool: &str, arguments: Value) -> Result<()> {
        let params = json!({ "name": tool, "arguments": arguments });
        let answer = self.timed(&format!("tools/call {tool}"), client.request("tools/call", params)).await?;
        let text = answer["result"]["content"][0]["text"].as_str().unwrap_or_default();
        ensure!(answer["result"]["isError"] != true && !text.is_empty(), "{tool} failed: {answer}");
        self.say(text);
        Ok(())
    }

    async fn kill_host(&self) -> Result<()> {
        let status: Value = serde_json::from_str(&self.run(&["status", "--json"]).await?)?;
        let pid = status["pid"].as_u64().context("no Host runs")?;
        let killed = Command::new("kill").args(["-9", &pid.to_string()]).status().await?;
        ensure!(killed.success(), "the Host could not be killed");
        self.say(&format!("killed the Host (process {pid})"));
        Ok(())
    }

    async fn run(&self, args: &[&str]) -> Result<String> {
        let output = timeout(STEP_LIMIT, self.command(args).stdin(Stdio::null()).output()).await??;
        let stderr = String::from_utf8_lossy(&output.stderr);
        for line in stderr.lines().filter(|line| !line.trim().is_empty()) {
            self.say(line);
        }
        if !output.status.success() {
            bail!("drawbridge {} failed", args.join(" "));
        }
        Ok(String::from_utf8(output.stdout)?)
    }

    async fn stop_host(&self) {
        let _ = self.command(&["serve", "--stop"]).stdout(Stdio::null()).stderr(Stdio::null()).status().await;
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(args).kill_on_drop(true);
        command.env("DRAWBRIDGE_HOME", self.home.path().join("home"));
        command.env("DRAWBRIDGE_SECRETS", "file");
        command.env("DRAWBRIDGE_SECRETS_KEY", format!("file:{}", self.home.path().join("key").display()));
        command
    }

    async fn timed<T>(&self, what: &str, step: impl Future<Output = Result<T>>) -> Result<T> {
        let start = Instant::now();
        let result = timeout(STEP_LIMIT, step).await.with_context(|| format!("{what} took too long"))??;
        self.say(&format!("{what}  ({:.1} ms)", start.elapsed().as_secs_f64() * 1000.0));
        Ok(result)
    }

    fn title(&self, text: &str) {
        let (bold, plain) = if std::io::stdout().is_terminal() { ("\x1b[1m", "\x1b[0m") } else { ("", "") };
        self.print(&format!("\n{bold}{:6.2} s  {text}{plain}", self.started.elapsed().as_secs_f64()));
    }

    fn say(&self, text: &str) {
        for line in text.lines() {
            self.print(&format!("          {line}"));
        }
    }

    #[allow(clippy::print_stdout, reason = "the transcript is what this program is for")]
    fn print(&self, line: &str) {
        println!("{line}");
    }
}

/// The built `drawbridge`, two folders above this example.
fn program() -> Result<PathBuf> {
    let own = std::env::current_exe()?;
    let folder = own.parent().and_then(Path::parent).context("no build folder")?;
    let program = folder.join("drawbridge").with_extension(std::env::consts::EXE_EXTENSION);
    ensure!(program.exists(), "{} is missing: run `cargo build` first", program.display());
    Ok(program)
}

/// A program that stands in for the browser: it writes down the page it was given.
fn browser_script(folder: &Path, page: &Path) -> Result<PathBuf> {
    let fifo = std::process::Command::new("mkfifo").arg(page).status()?;
    ensure!(fifo.success(), "mkfifo failed");
    let script = folder.join("browser");
    std::fs::write(&script, format!("#!/bin/sh\necho \"$1\" > '{}'\n", page.display()))?;
    private(&script)?;
    Ok(script)
}

#[cfg(unix)]
fn private(path: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    Ok(std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700))?)
}

async fn opened_page(page: &Path) -> Result<Url> {
    let mut line = String::new();
    BufReader::new(tokio::fs::File::open(page).await?).read_line(&mut line).await?;
    Ok(Url::parse(line.trim())?)
}

/// Follows the redirect back, as the browser would.
async fn follow(url: &Url) -> Result<String> {
    let host = url.host_str().context("no host")?;
    let port = url.port_or_known_default().context("no port")?;
    let mut stream = tokio::net::TcpStream::connect((host, port)).await?;
    let target = &url[url::Position::BeforePath..url::Position::AfterQuery];
    let request = format!("GET {target} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    tokio::io::AsyncReadExt::read_to_string(&mut stream, &mut answer).await?;
    Ok(answer)
}

fn names(tools: &Value) -> String {
    let names = tools.as_array().into_iter().flatten().filter_map(|tool| tool["name"].as_str());
    names.collect::<Vec<_>>().join(", ")
}

/// An MCP client on a shim's stdin and stdout.
struct Client {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Lines<BufReader<ChildStdout>>,
    next_id: u64,
}

impl Client {
    fn start(mut command: Command) -> Result<Self> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let stdin = child.stdin.take();
        let stdout = BufReader::new(child.stdout.take().context("no stdout")?).lines();
        Ok(Self { child, stdin, stdout, next_id: 0 })
    }

    async fn initialize(&mut self) -> Result<Value> {
        let client = json!({ "name": "demo", "version": "1" });
        let params = json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client });
        let answer = self.request("initialize", params).await?;
        self.send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })).await?;
        Ok(answer)
    }

    async fn request(&mut self, method: &str, params: Value) -> Result<Value> {
        self.next_id += 1;
        let id = self.next_id;
        self.send(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })).await?;
        loop {
            let line = self.stdout.next_line().await?.context("the shim ended")?;
            let message: Value = serde_json::from_str(&line)?;
            if message["id"] == id {
                return Ok(message);
            }
        }
    }

    async fn send(&mut self, message: &Value) -> Result<()> {
        let stdin = self.stdin.as_mut().context("stdin is closed")?;
        stdin.write_all(format!("{message}\n").as_bytes()).await?;
        Ok(())
    }

    async fn close(mut self) -> Result<bool> {
        drop(self.stdin.take());
        Ok(timeout(STEP_LIMIT, self.child.wait()).await??.success())
    }
}
