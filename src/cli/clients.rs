//! `drawbridge clients`: who may use the local HTTP endpoint. The first client switches it on, the
//! last one to go switches it off.

use http::Method;

use super::client::{Client, NOTHING};
use super::{output, usage};
use crate::api::types::{ClientView, ClientsView, EndpointView, NewClient};
use crate::failure::Failure;
use crate::host::clients::LocalToken;
use crate::registry::ClientName;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Verb {
    /// Give a client a token, shown once, and switch the HTTP endpoint on
    Add(AddArgs),
    /// List the clients
    List(ListArgs),
    /// Take a client's token back; without clients the HTTP endpoint is off
    Revoke(RevokeArgs),
}

#[derive(Debug, clap::Args)]
pub(super) struct AddArgs {
    /// What to call the client
    name: ClientName,
    /// A server it may use, or one account of it
    #[arg(long = "server", value_name = "NAME[@ACCOUNT]", num_args = 1..)]
    servers: Vec<String>,
    /// Let it use all servers, later ones too
    #[arg(long, conflicts_with = "servers")]
    all: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct ListArgs {
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct RevokeArgs {
    /// The client
    name: ClientName,
}

pub(super) async fn run(verb: Verb) -> Result<(), Failure> {
    match verb {
        Verb::Add(args) => add(args).await,
        Verb::List(args) => list(args).await,
        Verb::Revoke(args) => revoke(args).await,
    }
}

/// Makes the token here and tells the Host its digest: the token is on this terminal and nowhere
/// else.
async fn add(args: AddArgs) -> Result<(), Failure> {
    if args.servers.is_empty() && !args.all {
        usage("clients", "name the servers with --server NAME, or give --all");
    }
    let token = LocalToken::random();
    let new =
        NewClient { name: args.name.clone(), digest: token.digest(), servers: args.servers, all: args.all };
    let clients: ClientsView = Client::connect().await?.ask(Method::POST, "/clients", Some(&new)).await?;
    warn(&clients.endpoint);
    let mut rows = Vec::new();
    let added = clients.clients.iter().find(|client| client.name == args.name);
    if let (EndpointView::On { url }, Some(added)) = (&clients.endpoint, added) {
        rows.extend(added.servers.iter().map(|server| row("URL", format!("{url}/{server}"))));
        if added.all {
            rows.push(row("URL", format!("{url}/NAME for further servers")));
        }
    }
    rows.push(row("Token", token.expose().to_owned()));
    output::print(&output::table(&rows));
    output::tell("The client sends the token as `Authorization: Bearer TOKEN`. It is not shown again.");
    Ok(())
}

async fn list(args: ListArgs) -> Result<(), Failure> {
    let clients: ClientsView = Client::connect().await?.get("/clients").await?;
    if args.json {
        output::print_json(&clients);
        return Ok(());
    }
    warn(&clients.endpoint);
    output::print(&output::table(&[row("HTTP endpoint", endpoint(&clients.endpoint))]));
    if !clients.clients.is_empty() {
        let heading = ["CLIENT", "SERVERS", "TOKEN"].map(str::to_owned).to_vec();
        let rows: Vec<_> = std::iter::once(heading).chain(clients.clients.iter().map(line)).collect();
        output::print("\n");
        output::print_table(&rows);
    }
    Ok(())
}

async fn revoke(args: RevokeArgs) -> Result<(), Failure> {
    let path = format!("/clients/{}", args.name);
    Client::connect().await?.tell(Method::DELETE, &path, NOTHING).await?;
    output::tell(&format!("The token of {} no longer works.", args.name));
    Ok(())
}

/// Tells why the endpoint does not listen, where it should.
pub(super) fn warn(endpoint: &EndpointView) {
    if let EndpointView::Failed { failure } = endpoint {
        output::failure(failure);
    }
}

/// The endpoint in a word.
pub(super) fn endpoint(endpoint: &EndpointView) -> String {
    match endpoint {
        EndpointView::Off => "off".into(),
        EndpointView::On { url } => format!("on, {url}/NAME"),
        EndpointView::Failed { .. } => "off, because something is wrong".into(),
    }
}

fn line(client: &ClientView) -> Vec<String> {
    let servers = if client.all { "all".to_owned() } else { client.servers.join(", ") };
    let token = if client.is_valid { "works" } else { "void, add the client again" };
    vec![client.name.to_string(), servers, token.into()]
}

fn row(name: &str, value: String) -> Vec<String> {
    vec![name.to_owned(), value]
}
