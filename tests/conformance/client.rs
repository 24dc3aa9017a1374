//! The MCP client that the suite starts for one scenario. The URL is its argument; the rest of what
//! it must know comes in the environment.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::bridge::Bridge;
use crate::scenarios::Scenario;
use crate::suite::ACCOUNT_VARIABLE;

/// Shorter than the suite's own limit, so that the account is always given.
const LIMIT: Duration = Duration::from_secs(50);

/// Plays the scenario; its account goes into a file, since the suite does not pass on what clients
/// say, and for some scenarios not even whether they failed.
pub(crate) fn main(url: &str) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let played = runtime.block_on(play(url));
    let account = played.as_ref().err().map(|error| format!("{error:#}")).unwrap_or_default();
    if let Some(file) = std::env::var_os(ACCOUNT_VARIABLE) {
        std::fs::write(file, account).expect("the account can be written");
    }
    if played.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn play(url: &str) -> Result<()> {
    let name = std::env::var("MCP_CONFORMANCE_SCENARIO").context("no scenario")?;
    let version = std::env::var("MCP_CONFORMANCE_PROTOCOL_VERSION").context("no version")?;
    let context = std::env::var("MCP_CONFORMANCE_CONTEXT").unwrap_or_else(|_| "null".to_owned());
    let context: Value = serde_json::from_str(&context)?;
    let scenario = Scenario::named(&name);
    let options = scenario.options(url, &context).await?;
    let mut bridge = Bridge::start(url, &version, scenario.capabilities(), &options).await?;
    let played = tokio::time::timeout(LIMIT, scenario.play(&mut bridge, &context)).await;
    bridge.close().await?;
    played.context("it took too long")?
}
