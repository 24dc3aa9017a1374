//! `drawbridge logout`.

use http::Method;

use super::client::{Client, NOTHING, account_path};
use super::output;
use super::target::NamedAccount;
use crate::api::types::SignedOut;
use crate::failure::Failure;
use crate::registry::AccountLabel;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A server's name, or `name@account`
    #[arg(required_unless_present = "all")]
    account: Option<NamedAccount>,
    /// Sign out of every account of every server
    #[arg(long, conflicts_with = "account")]
    all: bool,
}

pub(super) async fn run(args: Args) -> Result<(), Failure> {
    let mut client = Client::connect().await?;
    let Some(given) = args.account else {
        let SignedOut { accounts } = client.ask(Method::POST, "/sign-out", NOTHING).await?;
        let plural = if accounts == 1 { "" } else { "s" };
        output::tell(&format!("Signed out of {accounts} account{plural}."));
        return Ok(());
    };
    let (server, label) = client.account(&given).await?;
    let path = format!("{}/sign-out", account_path(&server, &label));
    let SignedOut { accounts } = client.ask(Method::POST, &path, NOTHING).await?;
    let named =
        if label == AccountLabel::unnamed() { server.to_string() } else { format!("{server}@{label}") };
    output::tell(&match accounts {
        0 => format!("Nobody was signed in to {named}."),
        _ => format!("Signed out of {named}."),
    });
    Ok(())
}
