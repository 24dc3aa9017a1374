//! The `drawbridge` command that lies beside this program, run as the app runs it as its sidecar.

use std::path::{Path, PathBuf};

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use tokio::process::Command;

/// The command, and whose Host it asks.
#[derive(Debug, Clone)]
pub(crate) struct Doctor {
    program: PathBuf,
    home: PathBuf,
}

impl Doctor {
    /// The one for the Host of this home.
    pub(crate) fn of(home: &Path) -> std::io::Result<Self> {
        let program = std::env::current_exe()?.with_file_name("drawbridge");
        Ok(Self { program, home: home.to_owned() })
    }
}

/// What `drawbridge doctor` prints of everything.
pub(crate) async fn look(State(doctor): State<Doctor>) -> Response {
    let mut command = Command::new(&doctor.program);
    command.args(["doctor", "--json"]).env("DRAWBRIDGE_HOME", &doctor.home).kill_on_drop(true);
    match command.output().await {
        Ok(output) => ([(CONTENT_TYPE, "application/json")], output.stdout).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}
