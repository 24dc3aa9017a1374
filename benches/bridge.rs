//! `make bench`: what the bridge costs, against direct HTTP in the same run, and against npm's
//! `mcp-remote` where it is installed, and how soon a client is answered whose server is of no use. Prints tables;
//! judges nothing.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use demo_server::{Answers, Config, DemoServer, Fault, Plan};
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::runtime::Runtime;
use url::Url;

const STARTS: usize = 20;
const CALLS: usize = 1000;
const IN_FLIGHT: usize = 64;
const BURST: usize = 4000;

fn main() -> Result<()> {
    if std::env::args().any(|arg| arg == "--test") {
        return Ok(());
    }
    let _ = rustls::crypto::ring::default_provider().install_default();
    // The server has threads of its own, as a remote one would.
    let server_runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let config = Config { answers: Answers::Json, ..Config::default() };
    let server = server_runtime.block_on(DemoServer::start(config))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(run(&server.url()))?;
    runtime.block_on(run_troubled(&server_runtime))
}

async fn run(url: &Url) -> Result<()> {
    let home = tempfile::tempdir()?;
    let mut rows = vec![measure_direct(url).await?];
    rows.push(measure_stdio("drawbridge", || drawbridge(home.path(), &["connect", url.as_str()])).await?);
    match mcp_remote() {
        Some(script) => rows.push(
            measure_stdio("mcp-remote", || {
                let mut command = Command::new("node");
                command
                    .arg(&script)
                    .arg(url.as_str())
                    .arg("--allow-http")
                    .env("MCP_REMOTE_CONFIG_DIR", home.path());
                command
            })
            .await?,
        ),
        None => say("mcp-remote is not installed; `scripts/setup test` installs it"),
    }
    let _ = drawbridge(home.path(), &["serve", "--stop"]).output().await;
    print_table(&rows);
    Ok(())
}

/// What a server does while its client starts.
const TROUBLES: [&str; 4] = ["well", "hanging", "down", "signed out"];

/// How soon clients are answered whose server was seen once and is of no use now.
async fn run_troubled(servers: &Runtime) -> Result<()> {
    say("");
    say("with a snapshot    start→initialize  →tools listed  (median, slowest)");
    for trouble in TROUBLES {
        let home = tempfile::tempdir()?;
        let server = servers.spawn(DemoServer::start(Config::default())).await??;
        drawbridge(home.path(), &["add", "demo", server.url().as_str()]).output().await?;
        let _server = into_trouble(servers, server, trouble).await?;
        let (mut introduced, mut listed) = (Vec::new(), Vec::new());
        for _ in 0..STARTS {
            let start = Instant::now();
            let mut client = Client::open(drawbridge(home.path(), &["connect", "demo"])).await?;
            introduced.push(millis(start.elapsed()));
            client.send(&json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" })).await?;
            client.answer().await?;
            listed.push(millis(start.elapsed()));
            client.close().await?;
        }
        introduced.sort_by(f64::total_cmp);
        listed.sort_by(f64::total_cmp);
        say(&format!(
            "{trouble:14} {:>10.1} {:>7.1} ms {:>7.1} {:>7.1} ms",
            introduced[STARTS / 2],
            introduced[STARTS - 1],
            listed[STARTS / 2],
            listed[STARTS - 1],
        ));
        let _ = drawbridge(home.path(), &["serve", "--stop"]).output().await;
    }
    Ok(())
}

/// What is left of the server then.
async fn into_trouble(servers: &Runtime, server: DemoServer, trouble: &str) -> Result<Option<DemoServer>> {
    let listen = server.origin().socket_addrs(|| None)?[0];
    if trouble == "hanging" {
        server.control().plan(Plan { fault: Fault::Stall, method: None, times: u32::MAX });
    }
    if trouble == "well" || trouble == "hanging" {
        return Ok(Some(server));
    }
    servers.spawn(server.stop()).await?;
    if trouble == "down" {
        return Ok(None);
    }
    Ok(Some(servers.spawn(DemoServer::start(Config { listen, ..Config::oauth() })).await??))
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

struct Row {
    name: &'static str,
    start: f64,
    p50: f64,
    p99: f64,
    per_second: f64,
    memory: Option<f64>,
}

fn print_table(rows: &[Row]) {
    say(
        "                start→initialize   call p50   call p99   added p50   64 in flight        memory (PSS)",
    );
    let base = rows.first().map_or(0.0, |row| row.p50);
    for row in rows {
        let memory = row.memory.map_or("-".to_owned(), |mib| format!("{mib:.1} MiB"));
        say(&format!(
            "{:14} {:>13.1} ms {:>8.3} ms {:>7.3} ms {:>8.3} ms {:>9.0} calls/s {:>14}",
            row.name,
            row.start,
            row.p50,
            row.p99,
            row.p50 - base,
            row.per_second,
            memory
        ));
    }
}

#[allow(clippy::print_stdout, reason = "the table is what this program is for")]
fn say(line: &str) {
    println!("{line}");
}

async fn measure_direct(url: &Url) -> Result<Row> {
    let mut starts = Vec::new();
    for _ in 0..STARTS {
        let start = Instant::now();
        Direct::open(url).await?;
        starts.push(start.elapsed());
    }
    let direct = Direct::open(url).await?;
    let mut calls = Vec::new();
    for number in 0..CALLS {
        let start = Instant::now();
        direct.call(number).await?;
        calls.push(start.elapsed());
    }
    let start = Instant::now();
    let mut open = FuturesUnordered::new();
    for number in 0..BURST {
        if open.len() == IN_FLIGHT {
            open.next().await.transpose()?;
        }
        open.push(direct.call(number));
    }
    while open.next().await.transpose()?.is_some() {}
    Ok(row("direct HTTP", starts, calls, start.elapsed(), None))
}

async fn measure_stdio(name: &'static str, command: impl Fn() -> Command) -> Result<Row> {
    Client::open(command()).await?.close().await?;
    let mut starts = Vec::new();
    for _ in 0..STARTS {
        let start = Instant::now();
        let client = Client::open(command()).await?;
        starts.push(start.elapsed());
        client.close().await?;
    }
    let mut client = Client::open(command()).await?;
    let mut calls = Vec::new();
    for number in 0..CALLS {
        let start = Instant::now();
        client.ask(number).await?;
        client.answer().await?;
        calls.push(start.elapsed());
    }
    let start = Instant::now();
    for number in 0..BURST {
        if number >= IN_FLIGHT {
            client.answer().await?;
        }
        client.ask(number).await?;
    }
    for _ in 0..IN_FLIGHT {
        client.answer().await?;
    }
    let burst = start.elapsed();
    let memory = client.child.id().and_then(memory_of_tree);
    client.close().await?;
    Ok(row(name, starts, calls, burst, memory))
}

fn row(
    name: &'static str,
    mut starts: Vec<Duration>,
    mut calls: Vec<Duration>,
    burst: Duration,
    memory: Option<f64>,
) -> Row {
    starts.sort();
    calls.sort();
    Row {
        name,
        start: millis(starts[starts.len() / 2]),
        p50: millis(calls[calls.len() / 2]),
        p99: millis(calls[calls.len() * 99 / 100]),
        #[allow(clippy::cast_precision_loss, reason = "a few thousand")]
        per_second: BURST as f64 / burst.as_secs_f64(),
        memory,
    }
}

fn initialize() -> Value {
    let client = json!({ "name": "bench", "version": "1" });
    let params = json!({ "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": client });
    json!({ "jsonrpc": "2.0", "id": "start", "method": "initialize", "params": params })
}

fn call(number: usize) -> Value {
    let params = json!({ "name": "echo_message", "arguments": { "message": "x" } });
    json!({ "jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params })
}

/// A client that speaks HTTP itself.
struct Direct {
    http: reqwest::Client,
    url: Url,
    session: String,
}

impl Direct {
    async fn open(url: &Url) -> Result<Self> {
        #[allow(clippy::disallowed_methods, reason = "this is what the bridge is measured against")]
        let http = reqwest::Client::builder().no_proxy().tcp_nodelay(true).build()?;
        let mut direct = Self { http, url: url.clone(), session: String::new() };
        let answer = direct.post(&initialize()).await?;
        let session = answer.headers().get("mcp-session-id").context("no session")?;
        direct.session = session.to_str()?.to_owned();
        answer.bytes().await?;
        Ok(direct)
    }

    async fn call(&self, number: usize) -> Result<()> {
        let answer = self.post(&call(number)).await?;
        let body = answer.bytes().await?;
        ensure!(memchr::memmem::find(&body, b"\"result\"").is_some(), "{}", String::from_utf8_lossy(&body));
        Ok(())
    }

    async fn post(&self, message: &Value) -> Result<reqwest::Response> {
        let mut request = self.http.post(self.url.clone()).body(message.to_string());
        request = request.header("content-type", "application/json");
        request = request.header("accept", "application/json, text/event-stream");
        if !self.session.is_empty() {
            request =
                request.header("mcp-session-id", &self.session).header("mcp-protocol-version", "2025-06-18");
        }
        Ok(request.send().await?.error_for_status()?)
    }
}

/// A client on a command's stdio.
struct Client {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Lines<BufReader<ChildStdout>>,
}

impl Client {
    /// Starts the command; returns once `initialize` is answered.
    async fn open(mut command: Command) -> Result<Self> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
        let mut child = command.spawn()?;
        let stdin = child.stdin.take();
        let stdout = BufReader::new(child.stdout.take().context("no stdout")?).lines();
        let mut client = Self { child, stdin, stdout };
        client.send(&initialize()).await?;
        client.answer().await?;
        client.send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })).await?;
        Ok(client)
    }

    async fn ask(&mut self, number: usize) -> Result<()> {
        self.send(&call(number)).await
    }

    async fn send(&mut self, message: &Value) -> Result<()> {
        let stdin = self.stdin.as_mut().context("stdin is closed")?;
        Ok(stdin.write_all(format!("{message}\n").as_bytes()).await?)
    }

    /// Reads up to the next answer.
    async fn answer(&mut self) -> Result<()> {
        loop {
            let line = self.stdout.next_line().await?.context("stdout ended")?;
            if line.contains("\"result\"") {
                return Ok(());
            }
            ensure!(!line.contains("\"error\""), "{line}");
        }
    }

    async fn close(mut self) -> Result<()> {
        drop(self.stdin.take());
        if tokio::time::timeout(Duration::from_secs(5), self.child.wait()).await.is_err() {
            self.child.kill().await?;
        }
        Ok(())
    }
}

fn drawbridge(home: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_drawbridge"));
    command
        .args(args)
        .env("DRAWBRIDGE_HOME", home)
        .env("DRAWBRIDGE_SECRETS", "memory")
        .env("BROWSER", "true");
    command
}

/// The script of `mcp-remote`, where the test peers are installed.
fn mcp_remote() -> Option<PathBuf> {
    let script =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/node_modules/mcp-remote/dist/proxy.js");
    script.exists().then_some(script)
}

/// Proportional set size of a process, in MiB, as Linux counts it.
fn memory_of_tree(pid: u32) -> Option<f64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let line = text.lines().find(|line| line.starts_with("Pss:"))?;
    let kib: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib / 1024.0)
}
