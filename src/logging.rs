//! Where log lines go: never to stdout, which belongs to MCP and to results.

use std::path::Path;

use tracing_appender::rolling::{RollingFileAppender, Rotation};
use tracing_subscriber::EnvFilter;

/// The variable that says what is logged.
pub const VARIABLE: &str = "DRAWBRIDGE_LOG";
/// Days of log that are kept.
const KEPT_FILES: usize = 7;

/// Logs to stderr, only what `DRAWBRIDGE_LOG` asks for: verbs tell people what they need to know
/// themselves.
pub fn to_stderr() {
    start(filter("off"));
}

/// Logs to stderr, for a Host in a terminal.
pub fn to_terminal() {
    start(filter("drawbridge=info,warn"));
}

fn start(filter: EnvFilter) {
    let has_colour = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
        && std::io::IsTerminal::is_terminal(&std::io::stderr());
    let subscriber =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(has_colour);
    // A second start, as in tests, keeps the first.
    let _ = subscriber.try_init();
}

/// Logs to a file a day in `folder`, for a Host without a terminal.
///
/// # Errors
/// Why there can be no file.
pub fn to_files(folder: &Path) -> Result<(), tracing_appender::rolling::InitError> {
    let file = RollingFileAppender::builder()
        .rotation(Rotation::DAILY)
        .filename_prefix("drawbridge")
        .filename_suffix("log")
        .max_log_files(KEPT_FILES)
        .build(folder)?;
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter("drawbridge=info,warn"))
        .with_writer(file)
        .with_ansi(false);
    let _ = subscriber.try_init();
    Ok(())
}

fn filter(usual: &str) -> EnvFilter {
    match std::env::var(VARIABLE) {
        Ok(wanted) if !wanted.is_empty() => EnvFilter::new(wanted),
        Ok(_) | Err(_) => EnvFilter::new(usual),
    }
}
