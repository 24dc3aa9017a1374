//! The shim's connection to the Host: found or started, upgraded, greeted.

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::{Duration, sleep, timeout};

use crate::endpoint::frame::{self, Control, Frame, Hello};
use crate::endpoint::{self, Line, LineReader, Place, StartError, Stream};
use crate::failure::{Code, Failure};

/// Hosts that may vanish in a row before this is an error.
const MOST_VANISHING_HOSTS: usize = 20;
const VANISHED_PAUSE: Duration = Duration::from_millis(50);
/// The Host answers at once; a busy computer does not.
const GREETING_LIMIT: Duration = Duration::from_secs(25);
const LONGEST_HEAD: usize = 8 * 1024;

/// An open stream to the Host.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) frames: LineReader<OwnedReadHalf>,
    pub(crate) writer: OwnedWriteHalf,
    /// Whether a write has failed: the Host is going away.
    pub(crate) is_deaf: bool,
}

/// Why there is no link.
#[derive(Debug)]
pub(crate) enum NoLink {
    /// Nothing listens, and nothing was started.
    NotRunning,
    /// The Host will not serve this target at all.
    Refused(Failure),
    /// It hung up before the session was open.
    Vanished,
    /// Trying again may help.
    Failed(Failure),
}

/// Connects to the Host, starting one if `may_start`, and opens the session. A Host that is just
/// ending may still take a connection and then drop it; the next one is looked for at once.
pub(crate) async fn open(place: &Place, hello: &Hello, may_start: bool) -> Result<Link, NoLink> {
    for _ in 0..MOST_VANISHING_HOSTS {
        match open_once(place, hello, may_start).await {
            Err(NoLink::Vanished) => sleep(VANISHED_PAUSE).await,
            result => return result,
        }
    }
    Err(no_answer())
}

async fn open_once(place: &Place, hello: &Hello, may_start: bool) -> Result<Link, NoLink> {
    let stream = match endpoint::connect(place).await {
        Ok(stream) => stream,
        Err(endpoint::Error::NotRunning) if may_start => {
            endpoint::start_host(place).await.map_err(no_host)?
        }
        Err(endpoint::Error::NotRunning) => return Err(NoLink::NotRunning),
        Err(error) => return Err(no_host(error.into())),
    };
    match timeout(GREETING_LIMIT, greet(stream, hello)).await {
        Ok(result) => result,
        Err(_) => Err(no_answer()),
    }
}

async fn greet(stream: Stream, hello: &Hello) -> Result<Link, NoLink> {
    let (mut reader, mut writer) = stream.into_split();
    let mut greeting = BytesMut::from(
        format!(
            "GET {} HTTP/1.1\r\nHost: drawbridge\r\nConnection: Upgrade\r\nUpgrade: {}\r\n\r\n",
            frame::PATH,
            frame::UPGRADE
        )
        .as_bytes(),
    );
    frame::put_control(&mut greeting, &Control::Hello(hello.clone()));
    writer.write_all(&greeting).await.map_err(|_| NoLink::Vanished)?;
    let rest = read_head(&mut reader).await?;
    let mut frames = LineReader::with_buffer(reader, frame::LINE_CAP, rest);
    let Ok(Some(Line::Full(line))) = frames.next().await else { return Err(NoLink::Vanished) };
    match Frame::parse(line) {
        Ok(Frame::Control(Control::Welcome)) => Ok(Link { frames, writer, is_deaf: false }),
        Ok(Frame::Control(Control::Refused { failure })) if failure.is_lasting() => {
            Err(NoLink::Refused(failure))
        }
        Ok(Frame::Control(Control::Refused { failure })) => Err(NoLink::Failed(failure)),
        _ => Err(skew()),
    }
}

/// Reads the answer to the upgrade; what follows its head belongs to the stream.
async fn read_head(reader: &mut OwnedReadHalf) -> Result<BytesMut, NoLink> {
    let mut buffer = BytesMut::with_capacity(1024);
    loop {
        if let Some(end) = memchr::memmem::find(&buffer, b"\r\n\r\n") {
            let head = buffer.split_to(end + 4);
            return if head.starts_with(b"HTTP/1.1 101") { Ok(buffer) } else { Err(skew()) };
        }
        let read = reader.read_buf(&mut buffer).await.map_err(|_| NoLink::Vanished)?;
        if read == 0 || buffer.len() > LONGEST_HEAD {
            return Err(NoLink::Vanished);
        }
    }
}

fn no_host(error: StartError) -> NoLink {
    let source = std::error::Error::source(&error).map(|source| format!(": {source}")).unwrap_or_default();
    NoLink::Failed(Failure::new(
        Code::HostGone,
        format!("Drawbridge could not be started ({error}{source})"),
        "Run `drawbridge serve` in a terminal to see why",
    ))
}

fn no_answer() -> NoLink {
    NoLink::Failed(Failure::new(Code::HostGone, "Drawbridge does not answer", "Quit it and try again"))
}

fn skew() -> NoLink {
    NoLink::Refused(Failure::new(
        Code::VersionSkew,
        "another version of Drawbridge is running",
        "Quit it, then restart this MCP client",
    ))
}
