//! What the demo plays on: a home of its own, the built programs, and the transcript.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use demo_server::{Auth, Config, DemoServer, OAuthConfig};
use serde_json::{Value, json};
use tokio::process::Command;
use tokio::time::{sleep, timeout};

use crate::client::Client;

/// How long a step without a person may take.
pub(crate) const STEP_LIMIT: Duration = Duration::from_secs(20);
/// How long a person may take to sign in.
pub(crate) const PERSON_LIMIT: Duration = Duration::from_secs(300);

/// The stage; its files are gone with it.
pub(crate) struct Stage {
    started: Instant,
    home: tempfile::TempDir,
    program: PathBuf,
}

impl Stage {
    pub(crate) fn new() -> Result<Self> {
        let home = tempfile::tempdir()?;
        std::fs::write(home.path().join("key"), rand::random::<[u8; 32]>())?;
        private(&home.path().join("key"))?;
        Ok(Self { started: Instant::now(), home, program: program()? })
    }

    /// A folder for what is in the way elsewhere.
    pub(crate) fn folder(&self) -> &Path {
        self.home.path()
    }

    /// The app with its window, where it was built.
    pub(crate) fn app(&self) -> Option<Command> {
        let app =
            self.program.with_file_name("drawbridge-app").with_extension(std::env::consts::EXE_EXTENSION);
        app.exists().then(|| self.of(&app))
    }

    /// Resolves once a Host listens; unlike a command, it starts none.
    pub(crate) async fn host_listens(&self) {
        let place = self.home.path().join("home").join("run").join("host.sock");
        while tokio::net::UnixStream::connect(&place).await.is_err() {
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// The demo server: some of its tools want a sign-in.
    pub(crate) async fn server(&self) -> Result<DemoServer> {
        let auth = vec![Auth::None, Auth::OAuth(OAuthConfig::default())];
        let server = DemoServer::start(Config { auth, ..Config::default() }).await?;
        self.say(&format!("demo server at {}", server.url()));
        Ok(server)
    }

    pub(crate) async fn call(
        &self,
        client: &mut Client,
        tool: &str,
        arguments: Value,
        limit: Duration,
    ) -> Result<()> {
        let params = json!({ "name": tool, "arguments": arguments });
        let answer =
            self.timed(&format!("tools/call {tool}"), client.request("tools/call", params), limit).await?;
        let text = answer["result"]["content"][0]["text"].as_str().unwrap_or_default();
        ensure!(answer["result"]["isError"] != true && !text.is_empty(), "{tool} failed: {answer}");
        self.say(text);
        Ok(())
    }

    /// Begins a client's session with the demo server and shows what it finds.
    pub(crate) async fn connect(&self) -> Result<Client> {
        let mut client = Client::start(self.command(&["connect", "demo"]))?;
        let answer = self.timed("initialize", client.initialize(), STEP_LIMIT).await?;
        self.say(&format!("server: {}", answer["result"]["serverInfo"]["name"]));
        let tools = self.timed("tools/list", client.request("tools/list", json!({})), STEP_LIMIT).await?;
        self.say(&format!("tools: {}", names(&tools["result"]["tools"])));
        Ok(client)
    }

    pub(crate) async fn run(&self, args: &[&str]) -> Result<String> {
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

    pub(crate) async fn stop_host(&self) {
        let _ = self.command(&["serve", "--stop"]).stdout(Stdio::null()).stderr(Stdio::null()).status().await;
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = self.of(&self.program);
        command.args(args);
        command
    }

    /// A program that lives in the demo's home.
    fn of(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.kill_on_drop(true);
        command.env("DRAWBRIDGE_HOME", self.home.path().join("home"));
        command.env("DRAWBRIDGE_SECRETS", "file");
        command.env("DRAWBRIDGE_SECRETS_KEY", format!("file:{}", self.home.path().join("key").display()));
        command
    }

    pub(crate) async fn timed<T>(
        &self,
        what: &str,
        step: impl Future<Output = Result<T>>,
        limit: Duration,
    ) -> Result<T> {
        let start = Instant::now();
        let result = timeout(limit, step).await.with_context(|| format!("{what} took too long"))??;
        self.say(&format!("{what}  ({:.1} ms)", start.elapsed().as_secs_f64() * 1000.0));
        Ok(result)
    }

    pub(crate) fn title(&self, text: &str) {
        let (bold, plain) = if std::io::stdout().is_terminal() { ("\x1b[1m", "\x1b[0m") } else { ("", "") };
        self.print(&format!("\n{bold}{:6.2} s  {text}{plain}", self.started.elapsed().as_secs_f64()));
    }

    pub(crate) fn say(&self, text: &str) {
        for line in text.lines() {
            self.print(&format!("          {line}"));
        }
    }

    #[allow(clippy::print_stdout, reason = "the transcript is what this program is for")]
    fn print(&self, line: &str) {
        println!("{line}");
    }
}

fn names(tools: &Value) -> String {
    let names = tools.as_array().into_iter().flatten().filter_map(|tool| tool["name"].as_str());
    names.collect::<Vec<_>>().join(", ")
}

/// The built `drawbridge`, two folders above this example.
fn program() -> Result<PathBuf> {
    let own = std::env::current_exe()?;
    let folder = own.parent().and_then(Path::parent).context("no build folder")?;
    let program = folder.join("drawbridge").with_extension(std::env::consts::EXE_EXTENSION);
    ensure!(program.exists(), "{} is missing: run `cargo build` first", program.display());
    Ok(program)
}

#[cfg(unix)]
pub(crate) fn private(path: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    Ok(std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700))?)
}
