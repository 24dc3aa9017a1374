//! Where the Host is found: one folder, one lock, one socket per user and home.
//!
//! MCP clients pass on hardly any environment, so nothing here depends on session variables.
//! Security rule 10: the folder is the user's own, 0700 and no symlink; both sides check the
//! other's uid before the first byte.

pub mod frame;
mod lines;
mod start;
#[cfg(unix)]
mod unix;

use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::failure::{Code, Failure};

pub use lines::{Line, LineReader};
pub use start::{StartError, start_host, write_session_environment};
#[cfg(unix)]
pub use unix::{Claim, Listener, Stream, check_peer, claim, connect};

/// The variable that moves config, state, cache and socket under one folder.
pub const HOME_VARIABLE: &str = "DRAWBRIDGE_HOME";

/// Socket addresses hold about 108 bytes; some systems fewer.
const LONGEST_SOCKET_PATH: usize = 100;

/// Why the Host's socket cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Neither `DRAWBRIDGE_HOME` nor a home folder is known.
    #[error("no home folder is known")]
    NoHome,
    /// The socket's folder could be changed by somebody else.
    #[error("the folder {} is not private to you", folder.display())]
    NotPrivate {
        /// The folder.
        folder: PathBuf,
    },
    /// The process behind the socket is another user's.
    #[error("the socket {} belongs to another user", socket.display())]
    ForeignPeer {
        /// The socket.
        socket: PathBuf,
    },
    /// Nothing listens.
    #[error("no Host is running")]
    NotRunning,
    /// Another Host holds the lock.
    #[error("a Host is already running")]
    AlreadyRunning,
    /// The system refused.
    #[error("could not use {}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl Error {
    /// The failure as people meet it.
    pub fn failure(&self) -> Failure {
        let next_step = match self {
            Self::NoHome => "Set HOME or DRAWBRIDGE_HOME",
            Self::AlreadyRunning => "Use it, or end it with `drawbridge serve --stop`",
            Self::NotPrivate { .. } | Self::ForeignPeer { .. } | Self::NotRunning | Self::Io { .. } => {
                "Check the folder and its permissions"
            }
        };
        Failure::new(Code::HostGone, self.to_string(), next_step)
    }
}

/// Folder, lock and socket of one Host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    folder: PathBuf,
}

impl Place {
    /// Finds the place from `DRAWBRIDGE_HOME`, else from uid and home folder.
    ///
    /// # Errors
    /// [`Error::NoHome`] where neither is known.
    pub fn find() -> Result<Self, Error> {
        let own_world = std::env::var_os(HOME_VARIABLE).filter(|value| !value.is_empty());
        match own_world {
            Some(home) => Ok(Self::of_own_world(&std::path::absolute(&home).unwrap_or_else(|_| home.into()))),
            None => std::env::home_dir().map(|home| Self::of_home(&home)).ok_or(Error::NoHome),
        }
    }

    /// The place of a Host whose files all live under `home`.
    pub fn of_own_world(home: &Path) -> Self {
        Self::short(home.join("run"), home)
    }

    /// The socket's path.
    pub fn socket(&self) -> PathBuf {
        self.folder.join("host.sock")
    }

    /// The lock's path.
    pub fn lock(&self) -> PathBuf {
        self.folder.join("host.lock")
    }

    /// The folder of both.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Whether the person has quit the app, so that nothing but the person starts it again. Sessions
    /// that go on are then served by a Host without a window.
    pub fn app_was_quit(&self) -> bool {
        self.quit_mark().exists()
    }

    /// Remembers whether the person has quit the app, until the computer restarts.
    ///
    /// # Errors
    /// What the file system says.
    pub fn set_app_was_quit(&self, was_quit: bool) -> io::Result<()> {
        if was_quit {
            return std::fs::write(self.quit_mark(), "");
        }
        match std::fs::remove_file(self.quit_mark()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    fn quit_mark(&self) -> PathBuf {
        self.folder.join("app-quit")
    }

    fn of_home(home: &Path) -> Self {
        match runtime_folder() {
            Some(runtime) => Self { folder: runtime.join(format!("drawbridge-{}", digest(home))) },
            None => Self::short(home.join(".local/state/drawbridge/run"), home),
        }
    }

    /// `folder`, or a short hashed one where a socket in it would have too long a path.
    fn short(folder: PathBuf, home: &Path) -> Self {
        let place = Self { folder };
        if place.socket().as_os_str().len() <= LONGEST_SOCKET_PATH {
            return place;
        }
        let name = format!("drawbridge-{}", digest(home));
        let folder = match runtime_folder() {
            Some(runtime) => runtime.join(name),
            None => PathBuf::from("/tmp").join(format!("{name}-{}", own_uid())),
        };
        Self { folder }
    }
}

/// `/run/user/<uid>`, where it exists and is ours.
fn runtime_folder() -> Option<PathBuf> {
    let folder = PathBuf::from(format!("/run/user/{}", own_uid()));
    is_private(&folder).then_some(folder)
}

fn digest(home: &Path) -> String {
    let hash = Sha256::digest(home.as_os_str().as_encoded_bytes());
    hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(unix)]
fn own_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// Whether a Host holds the place, or is just taking it. Only looks.
#[cfg(unix)]
pub fn is_claimed(place: &Place) -> bool {
    unix::is_claimed(place)
}

/// Whether the folder is a real folder of this user that nobody else may enter.
#[cfg(unix)]
pub fn is_private(folder: &Path) -> bool {
    unix::is_private(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn homes_have_their_own_sockets_and_long_ones_stay_short() {
        let one = Place::of_own_world(Path::new("/h/one"));
        assert_eq!(one.socket(), Path::new("/h/one/run/host.sock"));
        assert_ne!(one, Place::of_own_world(Path::new("/h/two")));
        let long = PathBuf::from(format!("/h/{}", "x".repeat(150)));
        let place = Place::of_own_world(&long);
        assert!(place.socket().as_os_str().len() <= LONGEST_SOCKET_PATH);
        assert_ne!(place, Place::of_own_world(&long.join("y")));
    }
}
