//! Where files live. Like the socket, no path depends on variables of the session, because a Host
//! that an MCP client started would not see them and find other files than the person's own.

use std::io;
use std::path::PathBuf;

use crate::endpoint::HOME_VARIABLE;

/// The folders of one Host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    /// What the person configures: servers and settings.
    pub config: PathBuf,
    /// What must survive: logs, the encrypted secret file.
    pub state: PathBuf,
    /// What may be deleted: snapshots.
    pub cache: PathBuf,
    /// The folder of `DRAWBRIDGE_HOME`, where that is set.
    pub runtime_home: Option<PathBuf>,
}

impl Paths {
    /// Finds them; `None` where no home folder is known.
    pub fn find() -> Option<Self> {
        match std::env::var_os(HOME_VARIABLE).filter(|home| !home.is_empty()) {
            Some(home) => {
                Some(Self::of_own_world(std::path::absolute(&home).unwrap_or_else(|_| home.into())))
            }
            None => Self::of_user(),
        }
    }

    /// All folders under one.
    pub fn of_own_world(home: PathBuf) -> Self {
        Self {
            config: home.join("config"),
            state: home.join("state"),
            cache: home.join("cache"),
            runtime_home: Some(home),
        }
    }

    /// The file of the servers.
    pub fn servers(&self) -> PathBuf {
        self.config.join("servers.json")
    }

    /// The file of the settings.
    pub fn settings(&self) -> PathBuf {
        self.config.join("settings.json")
    }

    /// The folder of the logs.
    pub fn logs(&self) -> PathBuf {
        self.state.join("logs")
    }

    /// Makes the folders, for their owner alone.
    ///
    /// # Errors
    /// What the file system says.
    pub fn create(&self) -> io::Result<()> {
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        let folders = [&self.config, &self.state, &self.cache, &self.logs()].map(PathBuf::from);
        folders.iter().try_for_each(|folder| builder.create(folder))
    }

    #[cfg(all(unix, not(target_os = "macos")))]
    fn of_user() -> Option<Self> {
        let home = std::env::home_dir()?;
        Some(Self {
            config: home.join(".config/drawbridge"),
            state: home.join(".local/state/drawbridge"),
            cache: home.join(".cache/drawbridge"),
            runtime_home: None,
        })
    }

    #[cfg(any(windows, target_os = "macos"))]
    fn of_user() -> Option<Self> {
        let folders = directories::ProjectDirs::from("", "", "drawbridge")?;
        Some(Self {
            config: folders.config_dir().into(),
            state: folders.data_local_dir().join("state"),
            cache: folders.cache_dir().into(),
            runtime_home: None,
        })
    }
}
