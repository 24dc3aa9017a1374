//! The Host's own settings: a small file that a person may edit.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::proxy::HostProxy;
use crate::redact::reason;

/// What happens when a program brings an address, or the name of a secret, that nobody approved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConnectUrl {
    /// The person is asked.
    Ask,
    /// It is used, and the log says so.
    Allow,
    /// It is refused.
    Never,
}

/// What clients of the local HTTP endpoint may spend.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HttpLimits {
    /// The longest body of a request.
    pub body_bytes: usize,
    /// Requests a client may make in a second, in the long run.
    pub requests_per_second: u32,
    /// Requests a client may make at once.
    pub burst: u32,
    /// Sessions of one client.
    pub sessions: usize,
    /// How long a session may be left alone.
    pub idle_seconds: u64,
}

impl Default for HttpLimits {
    fn default() -> Self {
        let body_bytes = crate::endpoint::frame::MESSAGE_CAP;
        Self { body_bytes, requests_per_second: 100, burst: 200, sessions: 32, idle_seconds: 30 * 60 }
    }
}

/// The settings. Never an option or a variable: those are a client's to set.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// Without it: ask with a display, allow without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connect_url: Option<ConnectUrl>,
    /// The port of the local HTTP endpoint; chosen when the endpoint is first switched on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http_port: Option<u16>,
    /// What clients of the local HTTP endpoint may spend.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http_limits: Option<HttpLimits>,
    /// Through which servers without a proxy of their own are reached; without it, as the environment says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy: Option<HostProxy>,
    /// Fields of other versions.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl Settings {
    /// Reads the file; a missing one means defaults.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub fn load(path: &Path) -> Result<Self, String> {
        match std::fs::read(path) {
            Ok(text) => serde_json::from_slice(&text).map_err(|error| error.to_string()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(reason(error.kind())),
        }
    }

    /// What happens to something new. A file that cannot be read never makes it easier to get in.
    pub fn connect_url(&self, has_display: bool) -> ConnectUrl {
        let usual = if has_display { ConnectUrl::Ask } else { ConnectUrl::Allow };
        self.connect_url.unwrap_or(usual)
    }

    /// The strictest settings.
    pub fn strict() -> Self {
        Self { connect_url: Some(ConnectUrl::Never), ..Self::default() }
    }
}

/// The file of the settings, to which several parts of the Host write.
#[derive(Debug)]
pub struct SettingsFile {
    path: PathBuf,
    writing: Mutex<()>,
}

impl SettingsFile {
    /// That file.
    pub fn new(path: PathBuf) -> Self {
        Self { path, writing: Mutex::default() }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads it, as [`Settings::load`] does.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn load(&self) -> Result<Settings, String> {
        Settings::load(&self.path)
    }

    /// Changes it, and keeps what others wrote. Nobody else changes it while the guard is held.
    ///
    /// # Errors
    /// What is wrong with it, or what the file system says; it is as it was then.
    pub fn change(&self, change: impl FnOnce(&mut Settings)) -> Result<MutexGuard<'_, ()>, String> {
        let writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut settings = self.load()?;
        change(&mut settings);
        let text = serde_json::to_vec_pretty(&settings).expect("settings are plain JSON");
        crate::registry::write_atomically(&self.path, &text).map_err(|error| reason(error.kind()))?;
        Ok(writing)
    }
}

/// A length of time as variables spell it: seconds, or a number with `ms`, `s`, `m` or `h`.
pub fn duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    let end = text.find(|letter: char| letter.is_ascii_alphabetic()).unwrap_or(text.len());
    let number: u64 = text[..end].trim().parse().ok()?;
    match &text[end..] {
        "ms" => Some(Duration::from_millis(number)),
        "" | "s" => Some(Duration::from_secs(number)),
        "m" => number.checked_mul(60).map(Duration::from_secs),
        "h" => number.checked_mul(3600).map(Duration::from_secs),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_display_decides_unless_the_file_does() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("settings.json");
        let settings = Settings::load(&path).expect("defaults");
        assert_eq!(settings.connect_url(true), ConnectUrl::Ask);
        assert_eq!(settings.connect_url(false), ConnectUrl::Allow);
        std::fs::write(&path, r#"{"connect_url":"never","later":1}"#).expect("written");
        assert_eq!(Settings::load(&path).expect("read").connect_url(false), ConnectUrl::Never);
        std::fs::write(&path, r#"{"connect_url":"perhaps"}"#).expect("written");
        assert!(Settings::load(&path).is_err());
    }

    #[test]
    fn a_change_keeps_what_others_wrote_and_leaves_a_broken_file_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = SettingsFile::new(folder.path().join("settings.json"));
        std::fs::write(file.path(), r#"{"connect_url":"never","later":1}"#).expect("written");
        let proxy = HostProxy::parse("http://proxy.example:3128").expect("a proxy");
        file.change(|settings| settings.http_port = Some(7)).map(drop).expect("saved");
        file.change(|settings| settings.proxy = Some(proxy.clone())).map(drop).expect("saved");
        let settings = file.load().expect("read");
        assert_eq!((settings.http_port, settings.proxy), (Some(7), Some(proxy)));
        assert_eq!((settings.connect_url, &settings.other["later"]), (Some(ConnectUrl::Never), &1.into()));

        let broken = r#"{"proxy":"http://me:marked@proxy.example"}"#;
        std::fs::write(file.path(), broken).expect("written");
        let why = file.change(|settings| settings.http_port = Some(8)).map(drop).expect_err("broken");
        assert!(why.contains("user name") && !why.contains("marked"), "{why}");
        assert_eq!(std::fs::read_to_string(file.path()).expect("read"), broken);
    }

    #[test]
    fn lengths_of_time_are_read() {
        let table = [
            ("90", Some(90_000)),
            ("90s", Some(90_000)),
            (" 10m ", Some(600_000)),
            ("1 h", Some(3_600_000)),
            ("50ms", Some(50)),
            ("", None),
            ("m", None),
            ("-1", None),
            ("10 parsecs", None),
            ("99999999999999999999", None),
            ("18446744073709551615h", None),
        ];
        for (text, expected) in table {
            assert_eq!(duration(text), expected.map(Duration::from_millis), "{text}");
        }
    }
}
