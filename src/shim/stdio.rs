//! The client's end: stdin and stdout without a thread where the system allows it.

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream as StdUnixStream;

use rustix::fs::{FileType, fstat};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixStream;
use tokio::net::unix::pipe;

/// What the client sends.
pub(super) type Input = Box<dyn AsyncRead + Unpin + Send>;
/// What the client reads.
pub(super) type Output = Box<dyn AsyncWrite + Unpin + Send>;

/// Opens stdin: a pipe or socket is read directly, anything else by a thread of tokio's.
pub(super) fn input() -> Input {
    let duplicate = std::io::stdin().as_fd().try_clone_to_owned();
    match duplicate.ok().and_then(|fd| kind(&fd).map(|kind| (fd, kind))) {
        Some((fd, FileType::Fifo)) => match pipe::Receiver::from_owned_fd(fd) {
            Ok(receiver) => Box::new(receiver),
            Err(_) => Box::new(tokio::io::stdin()),
        },
        Some((fd, FileType::Socket)) => {
            socket(fd).map_or_else(|| Box::new(tokio::io::stdin()) as Input, |s| Box::new(s))
        }
        _ => Box::new(tokio::io::stdin()),
    }
}

/// Opens stdout, likewise.
pub(super) fn output() -> Output {
    let duplicate = std::io::stdout().as_fd().try_clone_to_owned();
    match duplicate.ok().and_then(|fd| kind(&fd).map(|kind| (fd, kind))) {
        Some((fd, FileType::Fifo)) => match pipe::Sender::from_owned_fd(fd) {
            Ok(sender) => Box::new(sender),
            Err(_) => Box::new(tokio::io::stdout()),
        },
        Some((fd, FileType::Socket)) => {
            socket(fd).map_or_else(|| Box::new(tokio::io::stdout()) as Output, |s| Box::new(s))
        }
        _ => Box::new(tokio::io::stdout()),
    }
}

fn kind(fd: &OwnedFd) -> Option<FileType> {
    fstat(fd).ok().map(|stat| FileType::from_raw_mode(stat.st_mode))
}

fn socket(fd: OwnedFd) -> Option<UnixStream> {
    let socket = StdUnixStream::from(fd);
    socket.local_addr().ok()?;
    socket.set_nonblocking(true).ok()?;
    UnixStream::from_std(socket).ok()
}
