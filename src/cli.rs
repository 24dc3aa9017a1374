//! The command line: a contract that scripts, tests and docs build on.
//!
//! What a person asked for goes to stdout, what a person is told goes to stderr. Exit codes: 0,
//! 1 failure, 2 usage, 3 signed out, 4 unreachable.

use std::future::Future;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

use crate::failure::{Code, Failure};
use crate::logging;
use crate::redact::reason;

mod call;
pub mod client;
mod clients;
mod completions;
mod connect;
mod doctor;
mod edit;
mod held_tools;
mod login;
mod logout;
mod mcp_client;
mod options;
mod output;
mod pause;
mod serve;
mod servers;
mod sources;
mod status;
mod target;

/// Stay signed in to remote MCP servers and use them from any MCP client.
#[derive(Debug, Parser)]
#[command(name = "drawbridge", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Bridge stdin and stdout to a server: the command for MCP clients
    Connect(connect::Args),
    /// Add a server
    Add(servers::AddArgs),
    /// Remove a server, its secrets and its sign-ins
    Remove(servers::RemoveArgs),
    /// List servers and accounts
    List(servers::ListArgs),
    /// Show everything about a server except its secrets
    Show(servers::ShowArgs),
    /// Change a server
    Edit(edit::Args),
    /// Sign in to a server
    Login(login::Args),
    /// Sign out of a server, or of all
    Logout(logout::Args),
    /// Show what Drawbridge is doing
    Status(status::Args),
    /// Find out why a server, or Drawbridge itself, does not work; changes nothing
    Doctor(doctor::Args),
    /// List a server's tools
    Tools(call::ToolsArgs),
    /// Call one of a server's tools
    Call(call::Args),
    /// Let MCP clients in that speak HTTP, each with a token of its own
    #[command(subcommand)]
    Clients(clients::Verb),
    /// Leave all servers alone until `resume`
    Pause,
    /// Use servers again after `pause`
    Resume,
    /// Run Drawbridge in this terminal
    Serve(serve::Args),
    /// Print a completion script for a shell
    Completions(completions::Args),
}

impl Verb {
    /// Whether it was asked for JSON, which its failure is then, too.
    fn prints_json(&self) -> bool {
        match self {
            Self::List(args) => args.json,
            Self::Show(args) => args.json,
            Self::Status(args) => args.json,
            Self::Doctor(args) => args.json,
            Self::Tools(args) => args.json,
            Self::Call(args) => args.json,
            Self::Clients(clients::Verb::List(args)) => args.json,
            Self::Clients(clients::Verb::Add(_) | clients::Verb::Revoke(_))
            | Self::Connect(_)
            | Self::Add(_)
            | Self::Remove(_)
            | Self::Edit(_)
            | Self::Login(_)
            | Self::Logout(_)
            | Self::Pause
            | Self::Resume
            | Self::Serve(_)
            | Self::Completions(_) => false,
        }
    }
}

/// Parses the command line, does what it says, and tells how it went.
pub fn run() -> ExitCode {
    let verb = Cli::parse().verb;
    let for_programs = verb.prints_json();
    if !matches!(verb, Verb::Serve(_)) {
        logging::to_stderr();
    }
    let result = match verb {
        Verb::Connect(args) => block_on(connect::run(args)),
        Verb::Add(args) => block_on(servers::add(args)),
        Verb::Remove(args) => block_on(servers::remove(args)),
        Verb::List(args) => block_on(servers::list(args)),
        Verb::Show(args) => block_on(servers::show(args)),
        Verb::Edit(args) => block_on(edit::run(args)),
        Verb::Login(args) => block_on(login::run(args)),
        Verb::Logout(args) => block_on(logout::run(args)),
        Verb::Status(args) => block_on(status::run(args)),
        Verb::Doctor(args) => block_on(doctor::run(args)),
        Verb::Tools(args) => block_on(call::tools(args)),
        Verb::Call(args) => block_on(call::run(args)),
        Verb::Clients(verb) => block_on(clients::run(verb)),
        Verb::Pause => block_on(pause::pause()),
        Verb::Resume => block_on(pause::resume()),
        Verb::Serve(args) => serve::run(args),
        Verb::Completions(args) => completions::run(&args, &mut Cli::command()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if for_programs {
                output::failure_for_programs(&failure);
            } else {
                output::failure(&failure);
            }
            ExitCode::from(failure.exit_code())
        }
    }
}

/// One thread is enough for everything but the Host.
fn block_on(verb: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(no_runtime)?;
    let result = runtime.block_on(verb);
    // What still reads stdin would otherwise be waited for.
    runtime.shutdown_background();
    result
}

fn no_runtime(error: std::io::Error) -> Failure {
    Failure::new(
        Code::Internal,
        format!("the system refused to start ({})", reason(error.kind())),
        "Try again",
    )
}

/// Ends the program as clap does when arguments do not fit together.
fn usage(verb: &str, why: &str) -> ! {
    let mut command = Cli::command();
    command.build();
    let command = command.find_subcommand_mut(verb).expect("a verb of ours");
    command.error(clap::error::ErrorKind::ValueValidation, why).exit()
}

#[cfg(test)]
mod tests;
