//! `drawbridge connect`: parses, then becomes the shim.

use serde_json::value::{RawValue, to_raw_value};

use super::options::OptionArgs;
use super::{client, target, usage};
use crate::endpoint::Place;
use crate::failure::{Code, Failure};
use crate::redact::reason;
use crate::shim::{self, ShimConfig};

/// The option, without its dashes, with which `doctor` starts what clients start.
pub(super) const ONLY_LOOK: &str = "only-look";

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A server's name, `name@account`, or its URL
    #[arg(value_parser = target::target())]
    target: String,
    #[command(flatten)]
    options: OptionArgs,
    /// Keep nothing of what the server says, and ask nobody to sign in: for `doctor`, which leaves everything as it is
    #[arg(long = ONLY_LOOK, hide = true)]
    only_look: bool,
}

/// Runs until stdin ends. Whatever else goes wrong is told over MCP.
pub(super) async fn run(args: Args) -> Result<(), Failure> {
    if args.options.reads_of_stdin() > 0 {
        usage("connect", "stdin carries MCP here: use `env:NAME` or `file:PATH`");
    }
    crate::process::protect_memory();
    let (options, unreadable) = match args.options.read() {
        Ok(options) => (to_raw_value(&options).unwrap_or_else(|_| RawValue::NULL.to_owned()), None),
        Err(failure) => (RawValue::NULL.to_owned(), Some(failure)),
    };
    let (place, nowhere) = match client::place() {
        Ok(place) => (place, None),
        Err(failure) => (Place::of_own_world("/nonexistent".as_ref()), Some(failure)),
    };
    let trouble = unreadable.or(nowhere);
    let (target, only_looks) = (args.target, args.only_look);
    let ended = shim::run(ShimConfig { place, target, options, only_looks, trouble }).await;
    ended.map_err(|error| {
        Failure::new(
            Code::Internal,
            format!("the MCP client went away ({})", reason(error.kind())),
            "Restart it",
        )
    })
}
