//! The `drawbridge` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    drawbridge::cli::run()
}
