//! The built programs in a session: the app, and the command beside it.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Output, Stdio};

use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::LIMIT;
use crate::session::Session;

/// The app.
pub(crate) const APP: &str = env!("CARGO_BIN_EXE_drawbridge-app");

/// The app, running.
pub(crate) struct App(Child);

impl App {
    /// Starts it.
    pub(crate) fn start(session: &Session, arguments: &[&str]) -> Self {
        Self::start_with(session, arguments, &[])
    }

    /// Starts it with these variables of the environment.
    pub(crate) fn start_with(session: &Session, arguments: &[&str], variables: &[(&str, &Path)]) -> Self {
        let errors = fs::File::create(session.drawbridge_home().with_extension("stderr")).unwrap();
        let mut command = session.command(Path::new(APP));
        Self(
            command
                .args(arguments)
                .envs(variables.iter().copied())
                .stdout(Stdio::null())
                .stderr(errors)
                .spawn()
                .unwrap(),
        )
    }

    /// How it ended.
    pub(crate) async fn ended(mut self) -> ExitStatus {
        timeout(LIMIT, self.0.wait()).await.expect("it ends").unwrap()
    }

    /// Kills the processes that show its pages.
    pub(crate) fn kill_pages(&self) {
        let pages = processes_of(self.0.id().expect("it runs"), "(WebKitWebProces)");
        let killed = std::process::Command::new("kill").arg("-KILL").args(&pages).status().unwrap();
        assert!(killed.success(), "{pages:?}");
    }

    /// The ports that it listens at, by TCP.
    pub(crate) fn ports(&self) -> Vec<u16> {
        let sockets = sockets(self.0.id().expect("it runs"));
        let tables =
            ["/proc/net/tcp", "/proc/net/tcp6"].map(|path| fs::read_to_string(path).unwrap_or_default());
        let lines = tables.iter().flat_map(|table| table.lines().skip(1));
        lines.filter_map(|line| listening(line, &sockets)).collect()
    }
}

/// The command beside it, without arguments yet.
pub(crate) fn command_line(session: &Session) -> Command {
    let program = PathBuf::from(APP).with_file_name("drawbridge");
    assert!(program.exists(), "build the `drawbridge` command first: cargo build");
    session.command(&program)
}

/// Runs the command to its end.
pub(crate) async fn drawbridge(session: &Session, arguments: &[&str]) -> Output {
    let output = command_line(session).args(arguments).output();
    timeout(LIMIT, output).await.expect("it ends").unwrap()
}

/// Adds a server; nobody is signed in to it yet.
pub(crate) async fn add_server(session: &Session, name: &str, url: &str) {
    let added = drawbridge(session, &["add", name, url]).await;
    assert!(added.status.success(), "{}", String::from_utf8_lossy(&added.stderr));
}

/// What the app has logged until now.
pub(crate) fn log(session: &Session) -> String {
    let mut text = String::new();
    let mut folders = vec![session.drawbridge_home()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "log") {
                text.push_str(&fs::read_to_string(path).unwrap_or_default());
            }
        }
    }
    text
}

/// The inodes of a process's sockets.
/// The children of a process that have this name, as the kernel shortens it.
fn processes_of(parent: u32, name: &str) -> Vec<String> {
    let of_process = |folder: fs::DirEntry| {
        let line = fs::read_to_string(folder.path().join("stat")).ok()?;
        let columns: Vec<_> = line.split_whitespace().collect();
        let is_one = *columns.get(1)? == name && columns.get(3)?.parse() == Ok(parent);
        is_one.then(|| columns[0].to_owned())
    };
    fs::read_dir("/proc").unwrap().flatten().filter_map(of_process).collect()
}

fn sockets(process: u32) -> HashSet<String> {
    let files = fs::read_dir(format!("/proc/{process}/fd")).unwrap().flatten();
    let targets = files.filter_map(|file| fs::read_link(file.path()).ok());
    let names = targets.filter_map(|target| target.to_str().map(str::to_owned));
    names.filter_map(|name| Some(name.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned())).collect()
}

/// The port of a line of the kernel's table, if one of these sockets listens there.
fn listening(line: &str, sockets: &HashSet<String>) -> Option<u16> {
    const LISTEN: &str = "0A";
    let columns: Vec<_> = line.split_whitespace().collect();
    let (local, state, inode) = (columns.get(1)?, columns.get(3)?, columns.get(9)?);
    let is_one = *state == LISTEN && sockets.contains(*inode);
    is_one.then(|| u16::from_str_radix(local.rsplit(':').next()?, 16).ok())?
}
