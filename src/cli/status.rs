//! `drawbridge status`.

use super::client::Client;
use super::{clients, output, servers};
use crate::api::types::{StatusView, VaultView};
use crate::failure::Failure;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

pub(super) async fn run(args: Args) -> Result<(), Failure> {
    let status: StatusView = Client::connect().await?.get("/status").await?;
    if args.json {
        output::print_json(&status);
        return Ok(());
    }
    for warning in &status.warnings {
        output::failure(warning);
    }
    clients::warn(&status.http);
    output::print(&output::table(&summary(&status)));
    if !status.servers.is_empty() {
        output::print("\n");
        output::print_table(&servers::rows(&status.servers));
    }
    servers::tell_failures(&status.servers);
    Ok(())
}

fn summary(status: &StatusView) -> Vec<Vec<String>> {
    let secrets = match &status.secrets {
        VaultView::Ready => "ready".to_owned(),
        VaultView::Locked { why } => format!("locked ({why})"),
        VaultView::Unavailable { why } => format!("not available ({why})"),
    };
    let row = |name: &str, value: String| vec![name.to_owned(), value];
    let paused =
        status.paused.then(|| row("Paused", "`drawbridge resume` lets calls through again".to_owned()));
    let rows = [
        row("Drawbridge", format!("{}, process {}", status.version, status.pid)),
        row("Sessions", status.sessions.to_string()),
        row("Secret store", secrets),
        row("HTTP endpoint", clients::endpoint(&status.http)),
    ];
    rows.into_iter().chain(paused).collect()
}
