//! `drawbridge completions`.

use clap_complete::Shell;

use super::output;
use crate::failure::Failure;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The shell
    shell: Shell,
}

pub(super) fn run(args: &Args, command: &mut clap::Command) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, command, "drawbridge", &mut script);
    output::print(&String::from_utf8_lossy(&script));
    Ok(())
}
