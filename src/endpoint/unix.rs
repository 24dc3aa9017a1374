//! The Host's socket on Unix: a stream socket in a private folder, guarded by a file lock.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use rustix::fs::{FlockOperation, flock};

use super::{Error, Place, own_uid};

/// Listens for shims and control clients.
pub type Listener = tokio::net::UnixListener;
/// One connection to or from the Host.
pub type Stream = tokio::net::UnixStream;

/// The right to be the Host of a place; dropping it gives the place free.
#[derive(Debug)]
pub struct Claim {
    place: Place,
    _lock: File,
}

impl Claim {
    /// Binds the socket. A stale one of a dead Host is replaced: the lock says it is dead.
    ///
    /// # Errors
    /// [`Error::Io`] when the socket cannot be made.
    pub fn listen(&self) -> Result<Listener, Error> {
        let socket = self.place.socket();
        let failed = |source| Error::Io { path: socket.clone(), source };
        match fs::remove_file(&socket) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        let listener = Listener::bind(&socket).map_err(failed)?;
        fs::set_permissions(&socket, fs::Permissions::from_mode(0o600)).map_err(failed)?;
        Ok(listener)
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let _ = fs::remove_file(self.place.socket());
    }
}

/// Claims the place for this process: makes its folder and takes its lock.
///
/// # Errors
/// [`Error::AlreadyRunning`] while another process holds it, [`Error::NotPrivate`] when
/// the folder is somebody else's.
pub fn claim(place: &Place) -> Result<Claim, Error> {
    let folder = place.folder();
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(|source| Error::Io { path: folder.into(), source })?;
    check_private(folder)?;
    let path = place.lock();
    let lock = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(&path)
        .map_err(|source| Error::Io { path: path.clone(), source })?;
    match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Claim { place: place.clone(), _lock: lock }),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(Error::AlreadyRunning),
        Err(errno) => Err(Error::Io { path, source: errno.into() }),
    }
}

/// Whether a Host holds the place, or is just taking it. Only looks.
pub(super) fn is_claimed(place: &Place) -> bool {
    match File::open(place.lock()) {
        Ok(lock) => flock(&lock, FlockOperation::NonBlockingLockShared) == Err(rustix::io::Errno::WOULDBLOCK),
        Err(_) => false,
    }
}

/// Connects to the Host, after checking the folder and before the first byte the peer.
///
/// # Errors
/// [`Error::NotRunning`] when nobody listens; [`Error::NotPrivate`] and [`Error::ForeignPeer`]
/// when the Host at that place cannot be trusted.
pub async fn connect(place: &Place) -> Result<Stream, Error> {
    let folder = place.folder();
    match fs::symlink_metadata(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Err(Error::NotRunning),
        Err(source) => return Err(Error::Io { path: folder.into(), source }),
        Ok(_) => check_private(folder)?,
    }
    let socket = place.socket();
    let stream = match Stream::connect(&socket).await {
        Ok(stream) => stream,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) => {
            return Err(Error::NotRunning);
        }
        Err(source) => return Err(Error::Io { path: socket, source }),
    };
    check_peer(&stream, &socket)?;
    Ok(stream)
}

/// Whether the process at the other end is the same user's.
///
/// # Errors
/// [`Error::ForeignPeer`] when it is not.
pub fn check_peer(stream: &Stream, socket: &Path) -> Result<(), Error> {
    let peer = stream.peer_cred().map_err(|source| Error::Io { path: socket.into(), source })?;
    if peer.uid() == own_uid() { Ok(()) } else { Err(Error::ForeignPeer { socket: socket.into() }) }
}

/// Whether the folder is a real folder of this user that nobody else may enter.
pub(super) fn is_private(folder: &Path) -> bool {
    fs::symlink_metadata(folder)
        .is_ok_and(|entry| entry.is_dir() && entry.uid() == own_uid() && entry.mode() & 0o077 == 0)
}

fn check_private(folder: &Path) -> Result<(), Error> {
    if is_private(folder) { Ok(()) } else { Err(Error::NotPrivate { folder: folder.into() }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> (tempfile::TempDir, Place) {
        let home = tempfile::tempdir().expect("a folder");
        let place = Place::of_own_world(home.path());
        (home, place)
    }

    #[tokio::test]
    async fn one_host_holds_a_place_until_it_lets_go() {
        let (_home, place) = place();
        assert!(matches!(connect(&place).await, Err(Error::NotRunning)));
        let first = claim(&place).expect("free");
        assert!(matches!(claim(&place), Err(Error::AlreadyRunning)));
        assert!(matches!(connect(&place).await, Err(Error::NotRunning)));
        let _listener = first.listen().expect("a socket");
        connect(&place).await.expect("the Host listens");
        drop(first);
        claim(&place).expect("free again").listen().expect("a stale socket is replaced");
    }

    #[tokio::test]
    async fn a_folder_that_others_may_enter_is_refused_from_both_sides() {
        let (_home, place) = place();
        let claimed = claim(&place).expect("free");
        let _listener = claimed.listen().expect("a socket");
        fs::set_permissions(place.folder(), fs::Permissions::from_mode(0o755)).expect("chmod");
        assert!(matches!(connect(&place).await, Err(Error::NotPrivate { .. })));
        drop(claimed);
        assert!(matches!(claim(&place), Err(Error::NotPrivate { .. })));
    }

    #[tokio::test]
    async fn a_symlinked_folder_is_refused() {
        let (home, place) = place();
        let elsewhere = home.path().join("elsewhere");
        DirBuilder::new().mode(0o700).create(&elsewhere).expect("a folder");
        std::os::unix::fs::symlink(&elsewhere, place.folder()).expect("a link");
        assert!(matches!(claim(&place), Err(Error::NotPrivate { .. })));
        assert!(matches!(connect(&place).await, Err(Error::NotPrivate { .. })));
    }
}
