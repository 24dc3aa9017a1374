//! Every client with every server: what the specification's versions and eras can do, through the
//! built shim and the built Host, and the table of all that.

mod caller;
mod clients;
mod features;
mod peers;
mod report;
mod rmcp_client;
mod servers;
mod spec;
#[path = "../bridge/support.rs"]
#[allow(dead_code, unreachable_pub, reason = "shared with the other suite, which needs more of it")]
mod support;

use std::process::ExitCode;

fn main() -> ExitCode {
    report::main()
}
