//! The Host's own settings: a small file that a person may edit.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

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

/// The settings. Never an option or a variable: those are a client's to set.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// Without it: ask with a display, allow without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connect_url: Option<ConnectUrl>,
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
            Err(error) => Err(error.kind().to_string()),
        }
    }

    /// What happens to something new. A file that cannot be read never makes it easier to get in.
    pub fn connect_url(&self, has_display: bool) -> ConnectUrl {
        let usual = if has_display { ConnectUrl::Ask } else { ConnectUrl::Allow };
        self.connect_url.unwrap_or(usual)
    }

    /// The strictest settings.
    pub fn strict() -> Self {
        Self { connect_url: Some(ConnectUrl::Never), other: Map::new() }
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
}
