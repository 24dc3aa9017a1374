//! What a call costs through the bridge, beside direct HTTP and `mcp-remote`.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Result;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use tokio::process::Command;
use url::Url;

use crate::client::{Client, Direct, drawbridge};
use crate::{millis, say};

const STARTS: usize = 20;
const CALLS: usize = 1000;
const IN_FLIGHT: usize = 64;
const BURST: usize = 4000;

/// Measures all of them, one after the other.
pub(crate) async fn measure(url: &Url) -> Result<()> {
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
    let memory = client.pid().and_then(memory_of_tree);
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
