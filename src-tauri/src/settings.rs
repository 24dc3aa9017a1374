//! What a person sets about the app itself: a small file beside the Host's own settings.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use drawbridge::failure::{Code, Failure};
use drawbridge::registry::write_atomically;
use serde::{Deserialize, Serialize};
use specta::Type;
use tauri::AppHandle;

use crate::autostart;

/// Colours of the windows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, Type)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Theme {
    /// As the desktop has it.
    #[default]
    System,
    /// Light.
    Light,
    /// Dark.
    Dark,
}

impl Theme {
    /// In Tauri's words.
    pub(crate) fn of_window(self) -> Option<tauri::Theme> {
        match self {
            Self::System => None,
            Self::Light => Some(tauri::Theme::Light),
            Self::Dark => Some(tauri::Theme::Dark),
        }
    }
}

/// The settings as the settings view shows them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AppSettings {
    /// Whether the app starts when the person logs in.
    pub(crate) autostart: bool,
    /// Whether it then shows no window.
    pub(crate) start_hidden: bool,
    /// Whether it may show notifications.
    pub(crate) notifications: bool,
    /// Its colours.
    pub(crate) theme: Theme,
}

/// What is kept in the file; whether the app starts at login is the desktop's to know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Stored {
    start_hidden: bool,
    notifications: bool,
    theme: Theme,
}

impl Default for Stored {
    fn default() -> Self {
        Self { start_hidden: true, notifications: true, theme: Theme::System }
    }
}

/// The file, and what was last read from or written to it.
pub(crate) struct SettingsFile {
    path: PathBuf,
    stored: Mutex<Stored>,
}

impl SettingsFile {
    /// Reads the file; one that is missing or broken means the usual settings.
    pub(crate) fn open(path: PathBuf) -> Self {
        let stored = match std::fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text).unwrap_or_else(|error| {
                tracing::warn!(%error, path = %path.display(), "the app's settings cannot be read");
                Stored::default()
            }),
            Err(_) => Stored::default(),
        };
        Self { path, stored: Mutex::new(stored) }
    }

    /// How everything is set now.
    pub(crate) fn current(&self, app: &AppHandle) -> AppSettings {
        let Stored { start_hidden, notifications, theme } = self.stored();
        let autostart = autostart::is_on(app);
        AppSettings { autostart, start_hidden, notifications, theme }
    }

    /// Sets everything, and has it take effect.
    ///
    /// # Errors
    /// What could not be set; what comes before it is set.
    pub(crate) fn set(&self, app: &AppHandle, new: &AppSettings) -> Result<(), Failure> {
        let stored =
            Stored { start_hidden: new.start_hidden, notifications: new.notifications, theme: new.theme };
        self.store(stored).map_err(|error| not_saved(&error.kind().to_string()))?;
        app.set_theme(new.theme.of_window());
        if autostart::is_on(app) != new.autostart {
            autostart::set(app, new.autostart).map_err(|error| not_saved(&error))?;
        }
        Ok(())
    }

    /// The colours.
    pub(crate) fn theme(&self) -> Theme {
        self.stored().theme
    }

    /// Whether a start at login shows no window.
    pub(crate) fn starts_hidden(&self) -> bool {
        self.stored().start_hidden
    }

    /// Whether notifications may be shown.
    pub(crate) fn allows_notifications(&self) -> bool {
        self.stored().notifications
    }

    fn stored(&self) -> Stored {
        self.stored.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn store(&self, new: Stored) -> std::io::Result<()> {
        let text = serde_json::to_vec_pretty(&new).expect("settings are plain JSON");
        write_atomically(&self.path, &text)?;
        *self.stored.lock().unwrap_or_else(PoisonError::into_inner) = new;
        Ok(())
    }
}

fn not_saved(why: &str) -> Failure {
    Failure::new(
        Code::Internal,
        format!("The settings could not be saved ({why})"),
        "Check the disk and the folder's permissions",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_kept_and_a_broken_file_means_the_usual_ones() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("app.json");
        let file = SettingsFile::open(path.clone());
        assert_eq!(file.stored(), Stored::default());
        let dark = Stored { theme: Theme::Dark, start_hidden: false, ..Stored::default() };
        file.store(dark.clone()).expect("stored");
        assert_eq!(SettingsFile::open(path.clone()).stored(), dark);
        std::fs::write(&path, "{").expect("written");
        assert_eq!(SettingsFile::open(path).stored(), Stored::default());
    }
}
