//! `add`, `remove`, `list` and `show`.

use http::Method;
use url::Url;

use super::client::{Client, NOTHING, server_path};
use super::options::{OptionArgs, server_url};
use super::{output, usage};
use crate::api::types::{
    AccountStateView, AccountView, NewServer, ProbeView, ResourceOption, ServerView, SubjectView,
};
use crate::failure::{Code, Failure};
use crate::registry::{AccountLabel, GrantChoice, ServerName, SignInChoice, TransportChoice};

#[derive(Debug, clap::Args)]
pub(super) struct AddArgs {
    /// What to call it
    name: ServerName,
    /// Its address
    #[arg(value_parser = server_url)]
    url: Url,
    #[command(flatten)]
    options: OptionArgs,
}

#[derive(Debug, clap::Args)]
pub(super) struct RemoveArgs {
    /// The server's name
    name: ServerName,
}

#[derive(Debug, clap::Args)]
pub(super) struct ListArgs {
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct ShowArgs {
    /// The server's name
    name: ServerName,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

pub(super) async fn add(args: AddArgs) -> Result<(), Failure> {
    check("add", &args.options);
    let new = NewServer { name: args.name, url: args.url.into(), options: args.options.read()? };
    let added: ServerView = Client::connect().await?.ask(Method::POST, "/servers", Some(&new)).await?;
    output::tell(&format!("Added {} ({}).", added.name, added.url));
    let path = format!("{}/probe", server_path(&added.name));
    let probed: Result<ProbeView, Failure> = Client::connect().await?.ask(Method::POST, &path, NOTHING).await;
    output::tell(&match probed {
        Ok(probe) => format!("It is {} and offers {} tools.", probe.server, probe.tools),
        Err(failure) => failure.text(),
    });
    Ok(())
}

pub(super) async fn remove(args: RemoveArgs) -> Result<(), Failure> {
    let path = server_path(&args.name);
    Client::connect().await?.tell(Method::DELETE, &path, NOTHING).await?;
    output::tell(&format!("Removed {}, its secrets and its sign-ins.", args.name));
    Ok(())
}

pub(super) async fn list(args: ListArgs) -> Result<(), Failure> {
    let servers: Vec<ServerView> = Client::connect().await?.get("/servers").await?;
    if args.json {
        output::print_json(&servers);
    } else if servers.is_empty() {
        output::tell("There are no servers yet. Add one with `drawbridge add NAME URL`.");
    } else {
        output::print_table(&rows(&servers));
        tell_failures(&servers);
    }
    Ok(())
}

pub(super) async fn show(args: ShowArgs) -> Result<(), Failure> {
    let server: ServerView = Client::connect().await?.get(&server_path(&args.name)).await?;
    if args.json {
        output::print_json(&server);
    } else {
        output::print(&output::table(&details(&server)));
    }
    Ok(())
}

/// Refuses what fits each option alone and not all of them together; warns of what is unwise.
pub(super) fn check(verb: &str, options: &OptionArgs) {
    if options.reads_of_stdin() > 1 {
        usage(verb, "only one option can be read from stdin");
    }
    if options.has_literal_authorization() {
        output::tell(
            "Warning: the Authorization value stands on the command line, where other programs and your \
             shell's history keep it. Next time use `--bearer env:NAME`, `--bearer file:PATH` or `--bearer -`.",
        );
    }
}

/// Servers and accounts as a table, with its heading.
pub(super) fn rows(servers: &[ServerView]) -> Vec<Vec<String>> {
    let mut rows = vec![["NAME", "ACCOUNT", "STATE", "ADDRESS"].map(str::to_owned).to_vec()];
    for server in servers {
        let (name, url) = (server.name.to_string(), server.url.clone());
        let mut accounts = server.accounts.iter();
        let first = accounts.next();
        let (label, state) = match first {
            Some(account) => (label_of(server, account), state_of(&account.state)),
            None => ("-".into(), without_account(server).into()),
        };
        rows.push(vec![name, label, state, url]);
        rows.extend(accounts.map(|account| {
            vec![String::new(), label_of(server, account), state_of(&account.state), String::new()]
        }));
    }
    rows
}

/// An account's label, marked where a bare name means it and there are others.
fn label_of(server: &ServerView, account: &AccountView) -> String {
    let is_marked = server.accounts.len() > 1
        && account.label == server.default_account
        && account.label != AccountLabel::unnamed();
    format!("{}{}", account.label, if is_marked { " (default)" } else { "" })
}

/// How an account stands, in a few words.
pub(super) fn state_of(state: &AccountStateView) -> String {
    match state {
        AccountStateView::Unknown => "not signed in yet".into(),
        AccountStateView::SignedIn { identity: Some(identity), .. } => {
            format!("signed in as {}", crate::redact::plain(identity, 60))
        }
        AccountStateView::SignedIn { identity: None, .. } => "signed in".into(),
        AccountStateView::SigningIn { .. } => "signing in".into(),
        AccountStateView::SignedOut { .. } => "signed out".into(),
        AccountStateView::Failed { failure } => failed(failure.code).into(),
    }
}

fn failed(code: Code) -> &'static str {
    match code {
        Code::Unreachable | Code::TimedOut | Code::Tls => "unreachable",
        Code::Keychain => "no secret store",
        Code::SignedOut
        | Code::SignInFailed
        | Code::NotMcp
        | Code::ServerError
        | Code::MayHaveRun
        | Code::Unknown
        | Code::Exists
        | Code::Invalid
        | Code::Forbidden
        | Code::HostGone
        | Code::VersionSkew
        | Code::Paused
        | Code::Limit
        | Code::Internal => "sign-in failed",
    }
}

/// Says below a table why accounts are in trouble.
pub(super) fn tell_failures(servers: &[ServerView]) {
    for server in servers {
        for account in &server.accounts {
            if let AccountStateView::Failed { failure } = &account.state {
                output::tell(&format!("{}: {}", account_name(server, &account.label), failure.text()));
            }
        }
    }
}

/// An account as people name it.
fn account_name(server: &ServerView, label: &AccountLabel) -> String {
    let is_only = server.accounts.len() < 2 && *label == AccountLabel::unnamed();
    if is_only { server.name.to_string() } else { format!("{}@{label}", server.name) }
}

fn without_account(server: &ServerView) -> &'static str {
    let has_own = server.bearer || server.headers.iter().any(|name| name == "authorization");
    if has_own { "fixed token" } else { "no sign-in yet" }
}

fn details(server: &ServerView) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    let mut row = |name: &str, value: String| rows.push(vec![name.to_owned(), value]);
    row("Name", server.name.to_string());
    row("Address", server.url.clone());
    row("Network", serde_word(&server.class));
    if server.transport != TransportChoice::Auto {
        row("Transport", serde_word(&server.transport));
    }
    for (number, account) in server.accounts.iter().enumerate() {
        let default = if account.label == server.default_account { " (default)" } else { "" };
        let why = match &account.state {
            AccountStateView::Failed { failure } => format!(" ({})", failure.sentence.trim_end_matches('.')),
            AccountStateView::Unknown
            | AccountStateView::SignedIn { .. }
            | AccountStateView::SigningIn { .. }
            | AccountStateView::SignedOut { .. } => String::new(),
        };
        let kept = if account.keeps_profile { "; its sign-in window is kept" } else { "" };
        let text = format!("{}{default}: {}{why}{kept}", account.label, state_of(&account.state));
        row(if number == 0 { "Accounts" } else { "" }, text);
    }
    if server.bearer {
        row("Bearer token", "stored".into());
    }
    for header in &server.headers {
        row("Header", format!("{header} (stored)"));
    }
    let oauth = &server.oauth;
    let resource = oauth.resource.as_ref().map(|resource| match resource {
        ResourceOption::Given(resource) => resource.clone(),
        ResourceOption::Omitted => "none".into(),
    });
    let secret = if oauth.has_client_secret { " (secret stored)" } else { "" };
    let idp_secret = if oauth.idp.has_client_secret { " (secret stored)" } else { "" };
    let key_alg = oauth.key_alg.as_deref();
    let optional = [
        ("Client id", oauth.client_id.as_ref().map(|id| format!("{id}{secret}"))),
        (
            "Private key",
            oauth
                .has_private_key
                .then(|| key_alg.map_or_else(|| "stored".into(), |alg| format!("{alg} (stored)"))),
        ),
        ("Client document", oauth.client_metadata_url.clone()),
        ("Grant", Some(serde_word(&oauth.grant)).filter(|_| oauth.grant != GrantChoice::Code)),
        ("Assertion", subject(&oauth.assertion)),
        ("Identity provider", oauth.idp.issuer.clone()),
        ("Its token endpoint", oauth.idp.token_endpoint.clone()),
        ("Client id there", oauth.idp.client_id.as_ref().map(|id| format!("{id}{idp_secret}"))),
        ("ID token", subject(&oauth.idp.id_token)),
        ("Scopes", oauth.scope.clone()),
        ("Resource", resource),
        ("Issuer", oauth.issuer.clone()),
        ("Callback port", oauth.callback_port.map(|port| port.to_string())),
        ("Callback host", Some(oauth.callback_host.as_str().to_owned()).filter(|host| host != "127.0.0.1")),
        ("Sign-in", Some(serde_word(&server.sign_in)).filter(|_| server.sign_in != SignInChoice::Window)),
        ("Certificates", server.ca.as_ref().map(|path| path.display().to_string())),
        ("Client certificate", server.client_cert.as_ref().map(|path| path.display().to_string())),
        ("Proxy", server.proxy.clone()),
        ("Unencrypted http", server.allow_http.then(|| "allowed".into())),
        ("Private addresses", server.allow_private.then(|| "allowed".into())),
        ("Only tools", globs(&server.tools.allow)),
        ("Hidden tools", globs(&server.tools.deny)),
        ("Tools", server.tools.pinned.then(|| "pinned".into())),
    ];
    for (name, value) in optional {
        if let Some(value) = value {
            row(name, value);
        }
    }
    rows
}

fn globs(globs: &[String]) -> Option<String> {
    (!globs.is_empty()).then(|| globs.join(", "))
}

/// Where a token is that vouches for somebody.
fn subject(subject: &SubjectView) -> Option<String> {
    match subject {
        SubjectView::None => None,
        SubjectView::Stored => Some("stored".into()),
        SubjectView::File(path) => Some(format!("read from {}", path.display())),
    }
}

/// The word that stands for a choice in JSON.
fn serde_word(choice: &impl serde::Serialize) -> String {
    match serde_json::to_value(choice) {
        Ok(serde_json::Value::String(word)) => word,
        Ok(_) | Err(_) => String::new(),
    }
}

#[cfg(test)]
mod tests;
