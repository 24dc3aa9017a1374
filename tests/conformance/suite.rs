//! The suite's own program: what it can run, and one run of it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize;

use crate::AS_CLIENT;

/// The longest a client may take in one run; far more than any does.
const CLIENT_LIMIT_MS: &str = "60000";

/// The file in which our client says how it fared.
pub(crate) const ACCOUNT_VARIABLE: &str = "CONFORMANCE_CLIENT_ACCOUNT";

/// A scenario in one version of the protocol.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Run {
    pub(crate) scenario: String,
    pub(crate) version: String,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Every check that was made held.
    Passed { checks: usize },
    /// Something failed or was warned of; each a line.
    Failed(Vec<String>),
}

/// The versions we are measured in. An extension is on no version's list; it is run in the last two.
const VERSIONS: [&str; 3] = ["2025-03-26", "2025-11-25", "2026-07-28"];

/// All runs the suite offers to a client.
pub(crate) fn runs() -> Vec<Run> {
    let output = program().args(["list", "--client"]).output().expect("the suite starts");
    let listing = String::from_utf8(output.stdout).expect("text");
    let mut runs: Vec<Run> = listing.lines().filter_map(scenario_line).flatten().collect();
    assert!(!runs.is_empty(), "the suite lists no scenario: {}", String::from_utf8_lossy(&output.stderr));
    runs.sort();
    runs
}

/// `  - NAME [VERSION,VERSION]` or `  - NAME [extension]`.
fn scenario_line(line: &str) -> Option<Vec<Run>> {
    let (scenario, rest) = line.trim().strip_prefix("- ")?.split_once(" [")?;
    let tags: Vec<_> = rest.strip_suffix(']')?.split(',').collect();
    let versions = if tags == ["extension"] { &VERSIONS[1..] } else { &VERSIONS[..] };
    let wanted = versions.iter().filter(|version| tags == ["extension"] || tags.contains(version));
    Some(wanted.map(|version| Run { scenario: scenario.into(), version: (*version).into() }).collect())
}

/// The suite's name for itself.
pub(crate) fn version() -> String {
    let output = program().arg("--version").output().expect("the suite starts");
    String::from_utf8(output.stdout).expect("text").trim().to_owned()
}

impl Run {
    /// Runs it to its end.
    pub(crate) fn execute(&self) -> Outcome {
        let folder = tempfile::tempdir().expect("a folder");
        let account = folder.path().join("account");
        let results = folder.path().join("results");
        let this = std::env::current_exe().expect("this program's path");
        let command = format!("'{}' {AS_CLIENT}", this.display());
        let output = program()
            .args(["client", "--command", &command, "--scenario", &self.scenario])
            .args(["--spec-version", &self.version, "--force", "--timeout", CLIENT_LIMIT_MS])
            .arg("--output-dir")
            .arg(&results)
            .env(ACCOUNT_VARIABLE, &account)
            .output()
            .expect("the suite runs");
        let mut complaints = Vec::new();
        let checks = checks(&results);
        complaints.extend(checks.iter().filter_map(Check::complaint));
        match std::fs::read_to_string(&account) {
            Ok(text) if text.is_empty() => {}
            Ok(text) => complaints.push(format!("our client: {text}")),
            Err(_) => complaints.push("our client did not come to an end".to_owned()),
        }
        let held = checks.iter().filter(|check| check.status == "SUCCESS").count();
        if held == 0 && complaints.is_empty() {
            complaints.push("nothing was checked".to_owned());
        }
        if !output.status.success() && complaints.is_empty() {
            complaints.push(format!("the suite failed: {}", String::from_utf8_lossy(&output.stderr)));
        }
        if complaints.is_empty() { Outcome::Passed { checks: held } } else { Outcome::Failed(complaints) }
    }
}

/// One line of the suite's findings.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Check {
    name: String,
    description: String,
    status: String,
    error_message: Option<String>,
}

impl Check {
    fn complaint(&self) -> Option<String> {
        let word = match self.status.as_str() {
            "SUCCESS" | "INFO" | "SKIPPED" => return None,
            "WARNING" => "warning",
            _ => "failure",
        };
        let why = self.error_message.as_deref().unwrap_or(&self.description);
        Some(format!("{word} {}: {why}", self.name))
    }
}

/// The findings, from the one folder the suite made for its results.
fn checks(results: &Path) -> Vec<Check> {
    let files = std::fs::read_dir(results).into_iter().flatten().flatten();
    let files = files.filter_map(|entry| nested(&entry.path()));
    files.flat_map(|file| serde_json::from_slice::<Vec<Check>>(&file).expect("findings are JSON")).collect()
}

/// `checks.json` in a folder or below: a scenario's name may hold slashes.
fn nested(folder: &Path) -> Option<Vec<u8>> {
    std::fs::read(folder.join("checks.json")).ok().or_else(|| {
        let entries = std::fs::read_dir(folder).ok()?.flatten();
        entries.map(|entry| entry.path()).filter(|path| path.is_dir()).find_map(|path| nested(&path))
    })
}

fn program() -> Command {
    let peers = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers");
    let suite = peers.join("node_modules/@modelcontextprotocol/conformance/dist/index.js");
    assert!(suite.exists(), "the conformance suite is missing: run `scripts/setup test`");
    let mut command = Command::new(node(&peers));
    command.arg(suite).stdin(Stdio::null());
    command
}

/// The Node.js that `scripts/setup` brought, else the system's, which is new enough then.
fn node(peers: &Path) -> PathBuf {
    let brought = peers.join("node/node_modules/.bin/node");
    if brought.exists() { brought } else { PathBuf::from("node") }
}
