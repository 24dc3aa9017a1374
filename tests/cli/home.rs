//! A home for every test, and how verbs end in it.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// A home of its own, whose Host ends with it.
pub(crate) struct Home {
    pub(crate) folder: TempDir,
    pub(crate) variables: Vec<(String, String)>,
}

/// How a verb ended.
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Home {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder"), variables: Vec::new() }
    }

    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.into(), value.into()));
        self
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.folder.path().join("home/config")
    }

    pub(crate) fn write_config(&self, name: &str, text: &str) {
        fs::create_dir_all(self.config()).expect("a folder");
        fs::write(self.config().join(name), text).expect("written");
    }

    pub(crate) fn registry(&self) -> Value {
        serde_json::from_str(&self.registry_text()).expect("JSON")
    }

    pub(crate) fn registry_text(&self) -> String {
        fs::read_to_string(self.config().join("servers.json")).expect("there")
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_drawbridge"));
        command.args(args).env_clear().env("PATH", "/usr/bin:/bin").env("HOME", self.folder.path());
        command.env("DRAWBRIDGE_HOME", self.folder.path().join("home")).env("DRAWBRIDGE_SECRETS", "memory");
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Ended {
        self.run_with("", args)
    }

    pub(crate) fn run_with(&self, stdin: &str, args: &[&str]) -> Ended {
        let mut command = self.command(args);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the command runs");
        // A verb that never reads may have closed its end already.
        let _ = child.stdin.take().expect("piped").write_all(stdin.as_bytes());
        child.wait_with_output().expect("the command ends").into()
    }

    pub(crate) fn ok(&self, args: &[&str]) -> String {
        let ended = self.run(args);
        assert_eq!(ended.code, 0, "{args:?}: {}", ended.stderr);
        ended.stdout
    }

    pub(crate) fn json(&self, args: &[&str]) -> Value {
        serde_json::from_str(&self.ok(args)).expect("JSON")
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = self.command(&["serve", "--stop"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    }
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().expect("no signal"),
            stdout: String::from_utf8(output.stdout).expect("text"),
            stderr: String::from_utf8(output.stderr).expect("text"),
        }
    }
}
