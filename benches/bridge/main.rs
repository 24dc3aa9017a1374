//! `make bench`: what the bridge costs, against direct HTTP in the same run, and against npm's
//! `mcp-remote` where it is installed, and how soon a client is answered whose server is of no use. Prints tables;
//! judges nothing.

mod client;
mod cost;
mod starts;

use std::time::Duration;

use anyhow::Result;
use demo_server::{Answers, Config, DemoServer};

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
    runtime.block_on(cost::measure(&server.url()))?;
    runtime.block_on(starts::measure(&server_runtime))
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

#[allow(clippy::print_stdout, reason = "the table is what this program is for")]
fn say(line: &str) {
    println!("{line}");
}
