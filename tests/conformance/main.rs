//! The official MCP conformance suite: its client scenarios, driven through `drawbridge connect`.
//!
//! One program in three parts. Started by `cargo test` it runs the suite, once per scenario and
//! version, and prints a table. The suite starts it again as the MCP client of that scenario; the
//! Host under test starts it as the browser.

mod bridge;
mod browser;
mod client;
mod expected;
mod options;
mod report;
mod scenarios;
mod skills;
mod suite;

use std::process::ExitCode;

const AS_CLIENT: &str = "--as-client";
const AS_BROWSER: &str = "--as-browser";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [AS_CLIENT, url] => client::main(url),
        [AS_BROWSER, url] => browser::main(url),
        _ => report::main(),
    }
}
