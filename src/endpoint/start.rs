//! Starting a Host where none runs: from a sibling binary, outside the client's process group,
//! with an environment of its own (security rule 3). It is the app where that is installed beside
//! this program and there is a display, else this program without a window.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::{Error, HOME_VARIABLE, Place, Stream, connect};

const START_LIMIT: Duration = Duration::from_secs(15);
/// Hosts that may end at once before this is an error.
const MOST_STARTS: usize = 5;
/// How long the session manager has to answer.
const SESSION_LIMIT: Duration = Duration::from_secs(1);
const FIRST_LOOK: Duration = Duration::from_millis(5);
const SLOWEST_LOOK: Duration = Duration::from_millis(100);

/// What a Host may inherit from any client.
const INHERITED: [&str; 8] = ["HOME", "PATH", "USER", "LOGNAME", "LANG", "LC_ALL", "TZ", "TMPDIR"];
/// What a Host takes from the user's session, never from a client.
const SESSION: [&str; 17] = [
    "DBUS_SESSION_BUS_ADDRESS",
    "DISPLAY",
    "WAYLAND_DISPLAY",
    "XAUTHORITY",
    "XDG_RUNTIME_DIR",
    "XDG_CONFIG_HOME",
    "XDG_CURRENT_DESKTOP",
    "BROWSER",
    "HTTPS_PROXY",
    "https_proxy",
    "NO_PROXY",
    "no_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "DRAWBRIDGE_SECRETS",
    "DRAWBRIDGE_SECRETS_KEY",
    "DRAWBRIDGE_LOG",
];
/// What an explicit `DRAWBRIDGE_HOME` lets through besides: it is its own world.
const OWN_WORLD: [&str; 10] = [
    "BROWSER",
    "HTTPS_PROXY",
    "https_proxy",
    "HTTP_PROXY",
    "http_proxy",
    "NO_PROXY",
    "no_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "DBUS_SESSION_BUS_ADDRESS",
];

/// Why no Host could be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The program beside this one is missing or cannot be run.
    #[error("could not start {}", program.display())]
    Spawn {
        /// The program.
        program: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// It ran and ended.
    #[error("the Host ended as soon as it was started")]
    Ended,
    /// It runs and does not listen.
    #[error("the Host did not start within {} s", START_LIMIT.as_secs())]
    TimedOut,
    /// Its socket cannot be used.
    #[error(transparent)]
    Endpoint(#[from] Error),
}

/// Starts a Host, waits until it listens, and connects. Several callers at once end up with one
/// Host: those that lose the race for its lock connect to the winner.
///
/// # Errors
/// [`StartError`] when there is no Host after all.
pub async fn start_host(place: &Place) -> Result<Stream, StartError> {
    let environment = host_environment().await;
    let headless = HostProgram::headless()?;
    let app = headless.app().filter(|_| has_display(&environment) && !place.app_was_quit());
    let mut host = app.as_ref().unwrap_or(&headless).start(&environment)?;
    let mut starts = 1;
    let deadline = Instant::now() + START_LIMIT;
    let mut pause = FIRST_LOOK;
    loop {
        match connect(place).await {
            Ok(stream) => return Ok(stream),
            Err(Error::NotRunning) => {}
            Err(error) => return Err(error.into()),
        }
        let ended = matches!(host.try_wait(), Ok(Some(_)));
        // It lost the race for the lock, or met the last moments of the Host before it.
        if ended && !super::is_claimed(place) {
            if starts == MOST_STARTS {
                return Err(StartError::Ended);
            }
            starts += 1;
            // An app that cannot start here leaves the work to the one that needs no display.
            host = headless.start(&environment)?;
        }
        if Instant::now() >= deadline {
            return Err(StartError::TimedOut);
        }
        sleep(pause).await;
        pause = (pause * 2).min(SLOWEST_LOOK);
    }
}

/// Keeps a copy of the session's variables for Hosts that a shim starts later, where no session
/// manager can be asked. Called by a Host that a person started.
///
/// # Errors
/// What the file system says.
pub fn write_session_environment(state_folder: &Path) -> io::Result<()> {
    let variables: BTreeMap<&str, String> =
        SESSION.iter().filter_map(|name| std::env::var(name).ok().map(|value| (*name, value))).collect();
    let mut file = tempfile::NamedTempFile::new_in(state_folder)?;
    file.write_all(&serde_json::to_vec(&variables)?)?;
    file.persist(session_file(state_folder))?;
    Ok(())
}

fn session_file(state_folder: &Path) -> PathBuf {
    state_folder.join("session-environment.json")
}

/// The name of the app's program.
const APP: &str = "drawbridge-app";

/// A program that can be the Host.
struct HostProgram {
    path: PathBuf,
    arguments: &'static [&'static str],
}

impl HostProgram {
    /// This program itself, without a window.
    fn headless() -> Result<Self, StartError> {
        let path = std::env::current_exe()
            .map_err(|source| StartError::Spawn { program: PathBuf::from("drawbridge"), source })?;
        Ok(Self { path, arguments: &["serve", "--background"] })
    }

    /// The app beside it, where it is installed.
    fn app(&self) -> Option<Self> {
        let path = self.path.with_file_name(format!("{APP}{}", std::env::consts::EXE_SUFFIX));
        path.is_file().then_some(Self { path, arguments: &["--background"] })
    }

    fn start(&self, environment: &[(String, OsString)]) -> Result<Child, StartError> {
        let mut command = Command::new(&self.path);
        command.args(self.arguments);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.current_dir("/").env_clear().envs(environment.iter().map(|(name, value)| (name, value)));
        leave_the_client(&mut command);
        command.spawn().map_err(|source| StartError::Spawn { program: self.path.clone(), source })
    }
}

fn has_display(environment: &[(String, OsString)]) -> bool {
    let is_set = |(name, value): &(String, OsString)| {
        matches!(name.as_str(), "DISPLAY" | "WAYLAND_DISPLAY") && !value.is_empty()
    };
    cfg!(not(target_os = "linux")) || environment.iter().any(is_set)
}

#[cfg(unix)]
fn leave_the_client(command: &mut Command) {
    use std::os::unix::process::CommandExt;
    close_fds::set_fds_cloexec(3, &[]);
    command.process_group(0);
}

async fn host_environment() -> Vec<(String, OsString)> {
    let own = |name: &str| std::env::var_os(name).map(|value| (name.to_owned(), value));
    let mut environment: Vec<_> = INHERITED.iter().filter_map(|name| own(name)).collect();
    if std::env::var_os(HOME_VARIABLE).is_some_and(|home| !home.is_empty()) {
        environment.extend(OWN_WORLD.iter().filter_map(|name| own(name)));
        environment.extend(
            std::env::vars_os()
                .filter_map(|(name, value)| name.into_string().ok().map(|name| (name, value)))
                .filter(|(name, _)| name.starts_with("DRAWBRIDGE_")),
        );
    } else {
        let session = session_manager_environment().await.or_else(saved_environment).unwrap_or_default();
        environment.extend(session.into_iter().map(|(name, value)| (name, value.into())));
    }
    environment
}

/// What `systemctl --user show-environment` says, where there is a session manager. It is found
/// by uid: a client's own variables must not lead to a manager of its making.
async fn session_manager_environment() -> Option<Vec<(String, String)>> {
    let mut asking = tokio::process::Command::new("/usr/bin/systemctl");
    asking.args(["--user", "show-environment"]).env_clear();
    asking.env("XDG_RUNTIME_DIR", format!("/run/user/{}", super::own_uid()));
    asking.stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let answer = timeout(SESSION_LIMIT, asking.output()).await.ok()?.ok()?;
    let answer = Some(answer).filter(|answer| answer.status.success())?;
    let text = String::from_utf8(answer.stdout).ok()?;
    Some(text.lines().filter_map(|line| line.split_once('=')).filter_map(session_variable).collect())
}

/// Values with blanks or quotes come as `$'…'`; none of ours need them, so those are left out.
fn session_variable((name, value): (&str, &str)) -> Option<(String, String)> {
    let wanted = SESSION.contains(&name) && !value.starts_with('$');
    wanted.then(|| (name.to_owned(), value.to_owned()))
}

fn saved_environment() -> Option<Vec<(String, String)>> {
    let state = std::env::home_dir()?.join(".local/state/drawbridge");
    let text = fs::read(session_file(&state)).ok()?;
    let variables: BTreeMap<String, String> = serde_json::from_slice(&text).ok()?;
    Some(variables.into_iter().filter(|(name, _)| SESSION.contains(&name.as_str())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_app_is_taken_from_beside_this_program_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let headless = HostProgram { path: folder.path().join("drawbridge"), arguments: &[] };
        assert!(headless.app().is_none());
        fs::write(folder.path().join("drawbridge-app"), "").expect("written");
        let app = headless.app().expect("installed");
        assert_eq!((app.path, app.arguments), (folder.path().join("drawbridge-app"), &["--background"][..]));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_display_that_is_named_is_there() {
        let environment = |name: &str, value: &str| vec![(name.to_owned(), OsString::from(value))];
        assert!(has_display(&environment("DISPLAY", ":0")));
        assert!(has_display(&environment("WAYLAND_DISPLAY", "wayland-0")));
        assert!(!has_display(&environment("DISPLAY", "")));
        assert!(!has_display(&environment("HOME", "/h")));
    }

    #[test]
    fn only_the_sessions_own_variables_are_taken() {
        assert_eq!(session_variable(("DISPLAY", ":0")), Some(("DISPLAY".into(), ":0".into())));
        assert_eq!(session_variable(("LD_PRELOAD", "/tmp/evil.so")), None);
        assert_eq!(session_variable(("BROWSER", "$'a b'")), None);
    }
}
