//! Drawbridge itself: its folders, its process, what that says of itself.

use std::path::{Path, PathBuf};

use crate::api::types::{CheckName, CheckOutcome, CheckView, EndpointView, StatusView};
use crate::cli::client::{self, Client};
use crate::endpoint::{self, Error, Place};
use crate::failure::{Code, Failure};
use crate::paths::Paths;

/// What came of one step.
type Checked = Result<CheckOutcome, Failure>;
/// A step that needs nothing but what the Host says.
type Reported = (CheckName, fn(&StatusView) -> Checked);

/// Looks at everything up to the first thing that is wrong; the client of a Host that can be asked.
pub(super) async fn look() -> (Vec<CheckView>, Option<Client>) {
    let mut checks = Vec::new();
    let mut add = |name: CheckName, outcome: CheckOutcome| checks.push(CheckView { name, outcome });
    add(CheckName::Folders, folders().unwrap_or_else(wrong));
    let (outcome, client) = match process().await {
        Ok((note, client)) => (done(note), Some(client)),
        Err(failure) => (wrong(failure), None),
    };
    add(CheckName::Host, outcome);
    let Some(mut client) = client else {
        REPORTED.iter().for_each(|(name, _)| add(*name, CheckOutcome::NotReached));
        return (checks, None);
    };
    match client.get::<StatusView>("/status").await {
        Ok(status) => {
            REPORTED.iter().for_each(|(name, of)| add(*name, of(&status).unwrap_or_else(wrong)));
            // One of another version may not know how to look at servers.
            if version(&status).is_err() {
                return (checks, None);
            }
        }
        Err(failure) => {
            add(CheckName::Version, wrong(failure));
            REPORTED.iter().skip(1).for_each(|(name, _)| add(*name, CheckOutcome::NotReached));
            return (checks, None);
        }
    }
    (checks, Some(client))
}

/// What the Host says of itself. None of these depends on another one.
const REPORTED: [Reported; 4] = [
    (CheckName::Version, version),
    (CheckName::Settings, settings),
    (CheckName::SecretStore, secret_store),
    (CheckName::HttpEndpoint, http_endpoint),
];

/// The folders that exist are for their owner alone.
fn folders() -> Checked {
    let paths = Paths::find().ok_or_else(|| Error::NoHome.failure())?;
    let all = [&paths.config, &paths.state, &paths.cache, &paths.logs()].map(PathBuf::from);
    match all.iter().find(|folder| folder.exists() && !endpoint::is_private(folder)) {
        Some(folder) => Err(open_to_others(folder)),
        None => Ok(done(paths.config.display().to_string())),
    }
}

fn open_to_others(folder: &Path) -> Failure {
    let folder = folder.display();
    Failure::new(
        Code::Forbidden,
        format!("the folder {folder} is not private to you"),
        format!("Run `chmod 700 {folder}`; if that does not help, it belongs to somebody else"),
    )
}

/// The Host, started where none runs.
async fn process() -> Result<(String, Client), Failure> {
    let place = client::place()?;
    match Client::connect_to_running().await? {
        Some(client) => Ok((place.socket().display().to_string(), client)),
        None if endpoint::is_claimed(&place) => Err(silent(&place)),
        None => Ok(("it did not run and was started".into(), Client::connect().await?)),
    }
}

fn silent(place: &Place) -> Failure {
    Failure::new(
        Code::HostGone,
        format!("a process holds {} and does not listen", place.lock().display()),
        "Try again; if it stays so, end the processes named drawbridge and drawbridge-app",
    )
}

fn version(status: &StatusView) -> Checked {
    let own = env!("CARGO_PKG_VERSION");
    if status.version == own {
        return Ok(done(format!("{own}, process {}", status.pid)));
    }
    Err(Failure::new(
        Code::VersionSkew,
        format!("Drawbridge {} is running, but this command is {own}", status.version),
        "Run `drawbridge serve --stop`, then try again",
    ))
}

fn settings(status: &StatusView) -> Checked {
    match status.warnings.first() {
        Some(warning) => Err(warning.clone()),
        None => Ok(CheckOutcome::Done { note: None }),
    }
}

fn secret_store(status: &StatusView) -> Checked {
    match status.secrets.failure() {
        Some(failure) => Err(failure),
        None => Ok(CheckOutcome::Done { note: None }),
    }
}

fn http_endpoint(status: &StatusView) -> Checked {
    match &status.http {
        EndpointView::Off => Ok(CheckOutcome::NotNeeded),
        EndpointView::On { url } => Ok(done(url.clone())),
        EndpointView::Failed { failure } => Err(failure.clone()),
    }
}

fn done(note: String) -> CheckOutcome {
    CheckOutcome::Done { note: Some(note) }
}

fn wrong(failure: Failure) -> CheckOutcome {
    CheckOutcome::Wrong { failure }
}
