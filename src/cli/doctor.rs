//! `drawbridge doctor`.

mod entry;
mod host;

use super::client::{Client, account_path, server_path};
use super::output;
use super::target::NamedAccount;
use crate::api::types::{CheckName, CheckOutcome, CheckView, Checkup, ServerCheckup};
use crate::failure::Failure;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The server, or one of its accounts as NAME@ACCOUNT; without it, Drawbridge itself and all servers
    name: Option<NamedAccount>,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

pub(super) async fn run(args: Args) -> Result<(), Failure> {
    let checkup = match &args.name {
        Some(account) => Checkup { host: Vec::new(), servers: vec![of_server(account).await?] },
        None => of_all().await?,
    };
    match args.json {
        true => output::print_json(&checkup),
        false => tell(&checkup),
    }
    match checkup.failures().next() {
        Some(first) => Err(first.clone()),
        None => Ok(()),
    }
}

async fn of_server(account: &NamedAccount) -> Result<ServerCheckup, Failure> {
    let path = match &account.label {
        Some(label) => account_path(&account.server, label),
        None => server_path(&account.server),
    };
    let found = Client::connect().await?.get(&format!("{path}/checkup")).await?;
    Ok(entry::with_entry(found, account).await)
}

/// Drawbridge itself, then every server. Where the Host cannot be asked, there is nobody to look at servers.
async fn of_all() -> Result<Checkup, Failure> {
    let (host, client) = host::look().await;
    let servers = match client {
        Some(mut client) => entry::with_entries(client.get("/checkup").await?).await,
        None => Vec::new(),
    };
    Ok(Checkup { host, servers })
}

/// What a person reads. The first failure is told at the end, as every verb's is; the others before it.
fn tell(checkup: &Checkup) {
    let mut parts = Vec::new();
    if !checkup.host.is_empty() {
        parts.push(format!("Drawbridge\n{}", table(&checkup.host)));
    }
    parts.extend(
        checkup
            .servers
            .iter()
            .map(|found| format!("{}@{}\n{}", found.server, found.account, table(&found.checks))),
    );
    output::print(&parts.join("\n"));
    for failure in checkup.failures().skip(1) {
        output::failure(failure);
    }
}

fn table(checks: &[CheckView]) -> String {
    output::table(&checks.iter().map(row).collect::<Vec<_>>())
}

fn row(check: &CheckView) -> Vec<String> {
    let (outcome, note) = match &check.outcome {
        CheckOutcome::Done { note } => ("ok", note.clone().unwrap_or_default()),
        CheckOutcome::Wrong { failure } => ("WRONG", failure.sentence.clone()),
        CheckOutcome::NotReached => ("-", "not reached".into()),
        CheckOutcome::NotNeeded => ("-", "not needed".into()),
    };
    vec![format!("  {}", name(check.name)), outcome.into(), note]
}

fn name(name: CheckName) -> &'static str {
    match name {
        CheckName::Folders => "folders",
        CheckName::Host => "process",
        CheckName::Version => "version",
        CheckName::Settings => "settings",
        CheckName::SecretStore => "secret store",
        CheckName::HttpEndpoint => "HTTP endpoint",
        CheckName::Stored => "options",
        CheckName::Server => "server",
        CheckName::Discovery => "discovery",
        CheckName::Registration => "registration",
        CheckName::Token => "token",
        CheckName::Initialize => "initialize",
        CheckName::ClientEntry => "client entry",
    }
}
