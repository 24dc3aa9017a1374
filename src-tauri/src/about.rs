//! What the settings view tells about the app.

use serde::Serialize;
use specta::Type;

/// The app itself.
#[derive(Debug, Clone, Serialize, Type)]
#[serde(rename_all = "camelCase")]
pub(crate) struct About {
    /// Its release.
    pub(crate) version: String,
    /// Whether there is a tray icon; without one the window is all there is.
    pub(crate) tray: bool,
    /// Where the logs are.
    pub(crate) logs_folder: String,
    /// Whether it can keep what the pages of a sign-in window store.
    pub(crate) keeps_profiles: bool,
}

/// What an MCP client starts to use a server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Type)]
pub(crate) struct ClientEntry {
    /// The program, with its whole path.
    pub(crate) command: String,
    /// Its arguments.
    pub(crate) args: Vec<String>,
}

impl ClientEntry {
    /// The entry for a server, or for one account of it.
    ///
    /// # Errors
    /// What the system says where it does not know this program's own path.
    pub(crate) fn of(target: &str) -> std::io::Result<Self> {
        let cli = format!("drawbridge{}", std::env::consts::EXE_SUFFIX);
        let command = std::env::current_exe()?.with_file_name(cli);
        Ok(Self {
            command: command.to_string_lossy().into_owned(),
            args: vec!["connect".to_owned(), target.to_owned()],
        })
    }

    /// The entry as most clients' files have it, under a name.
    pub(crate) fn as_json(&self, name: &str) -> String {
        let entry = serde_json::json!({ "mcpServers": { name: self } });
        serde_json::to_string_pretty(&entry).expect("an entry is plain JSON")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_names_the_command_beside_the_app_by_its_whole_path() {
        let entry = ClientEntry::of("linear@work").expect("a path");
        let command = std::path::Path::new(&entry.command);
        assert!(command.is_absolute());
        assert_eq!(command.file_stem().and_then(|name| name.to_str()), Some("drawbridge"));
        assert_eq!(entry.args, ["connect", "linear@work"]);
        let whole: serde_json::Value = serde_json::from_str(&entry.as_json("linear")).expect("JSON");
        assert_eq!(whole["mcpServers"]["linear"]["args"][1], "linear@work");
    }
}
