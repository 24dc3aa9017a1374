//! Reading a file that an option names, without being led astray by it: a config may name a
//! pipe that never ends, a device, or a file that is not the person's to give away.

use crate::redact::reason;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

/// The largest file that holds a secret.
pub const LARGEST_SECRET: u64 = 16 * 1024;
/// The largest file of certificates.
pub const LARGEST_CERTIFICATES: u64 = 1024 * 1024;

/// Why a file was not read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system refused.
    #[error("could not read {} ({})", path.display(), reason(source.kind()))]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A folder, pipe or device.
    #[error("{} is not a regular file", path.display())]
    NotRegular {
        /// The file.
        path: PathBuf,
    },
    /// Somebody else's.
    #[error("{} belongs to another user", path.display())]
    NotYours {
        /// The file.
        path: PathBuf,
    },
    /// Larger than anything reasonable.
    #[error("{} is larger than {limit} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The limit.
        limit: u64,
    },
}

/// Whose a file has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// This user's.
    User,
    /// This user's or the system's.
    UserOrSystem,
}

/// Reads a whole file of at most `limit` bytes. Links are followed; what counts is the file at
/// their end. Opening never waits.
///
/// # Errors
/// [`Error`]
pub fn read(path: &Path, limit: u64, owner: Owner) -> Result<Vec<u8>, Error> {
    let failed = |source| Error::Io { path: path.into(), source };
    let file = open(path).map_err(failed)?;
    let about = file.metadata().map_err(failed)?;
    if !about.is_file() {
        return Err(Error::NotRegular { path: path.into() });
    }
    if !is_owned(&about, owner) {
        return Err(Error::NotYours { path: path.into() });
    }
    let mut content = Vec::new();
    file.take(limit + 1).read_to_end(&mut content).map_err(failed)?;
    if content.len() as u64 > limit {
        return Err(Error::TooLarge { path: path.into(), limit });
    }
    Ok(content)
}

#[cfg(unix)]
fn open(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY | rustix::fs::OFlags::CLOEXEC;
    OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path)
}

#[cfg(not(unix))]
fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).open(path)
}

#[cfg(unix)]
fn is_owned(about: &std::fs::Metadata, owner: Owner) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let is_users = about.uid() == rustix::process::geteuid().as_raw();
    is_users || (owner == Owner::UserOrSystem && about.uid() == 0)
}

#[cfg(not(unix))]
fn is_owned(_about: &std::fs::Metadata, _owner: Owner) -> bool {
    true
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().expect("a folder")
    }

    #[test]
    fn a_plain_file_is_read_up_to_its_limit() {
        let folder = folder();
        let path = folder.path().join("secret");
        std::fs::write(&path, "x".repeat(16)).expect("written");
        assert_eq!(read(&path, 16, Owner::User).expect("read").len(), 16);
        assert!(matches!(read(&path, 15, Owner::User), Err(Error::TooLarge { .. })));
        assert!(matches!(read(&folder.path().join("none"), 15, Owner::User), Err(Error::Io { .. })));
    }

    #[test]
    fn a_pipe_that_nobody_writes_to_is_refused_at_once() {
        let folder = folder();
        let path = folder.path().join("pipe");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &path,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
            0,
        )
        .expect("a pipe");
        assert!(matches!(read(&path, 16, Owner::User), Err(Error::NotRegular { .. })));
    }

    #[test]
    fn devices_and_folders_are_refused() {
        for path in ["/dev/zero", "/dev"] {
            assert!(
                matches!(read(Path::new(path), 16, Owner::User), Err(Error::NotRegular { .. })),
                "{path}"
            );
        }
    }

    #[test]
    fn a_link_to_the_file_of_another_user_is_refused() {
        let folder = folder();
        let path = folder.path().join("link");
        let target = if rustix::process::geteuid().is_root() {
            let target = folder.path().join("theirs");
            std::fs::write(&target, "x").expect("written");
            std::os::unix::fs::chown(&target, Some(12345), None).expect("root may");
            target
        } else {
            "/etc/passwd".into()
        };
        std::os::unix::fs::symlink(&target, &path).expect("a link");
        assert!(matches!(read(&path, 1024 * 1024, Owner::User), Err(Error::NotYours { .. })));
    }
}
