//! Starting the programs of `tests/peers`.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;

/// What runs programs of the Python SDK 1.
pub(crate) const PYTHON_1: &str = "peers-mcp1";
/// What runs programs of the Python SDK 2.
pub(crate) const PYTHON_2: &str = "peers";

/// A program of `tests/peers`; the first word names what runs it.
pub(crate) fn peer(command: &[&str]) -> Command {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let peers = root.join("tests/peers");
    let interpreter = match command[0] {
        "node" => PathBuf::from("node"),
        environment => root.join("target").join(environment).join("bin/python"),
    };
    let is_there = peers.join("node_modules").exists() && (command[0] == "node" || interpreter.exists());
    assert!(is_there, "the test peers are missing: run `scripts/setup test`");
    let mut peer = Command::new(interpreter);
    peer.arg(peers.join(command[1])).args(&command[2..]).kill_on_drop(true);
    peer.stdout(Stdio::piped()).stderr(Stdio::piped());
    peer
}
