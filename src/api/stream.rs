//! The shim's stream: an HTTP/1.1 upgrade on the local socket, then tagged lines both ways.

use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::header::{CONNECTION, UPGRADE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::BytesMut;
use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto::upgrade::downcast;
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

use crate::endpoint::frame::{self, Control, Frame, Hello};
use crate::endpoint::{Line, LineReader, Stream};
use crate::failure::{Code, Failure};
use crate::host::HostHandle;
use crate::host::session::{self, Early, HostEnd};

const GREETING_LIMIT: Duration = Duration::from_secs(10);

/// Answers the upgrade and serves the session that follows it.
pub async fn open(State(host): State<HostHandle>, request: Request) -> Response {
    let wanted = request.headers().get(UPGRADE).and_then(|value| value.to_str().ok());
    if wanted != Some(frame::UPGRADE) {
        return StatusCode::UPGRADE_REQUIRED.into_response();
    }
    let upgrade = hyper::upgrade::on(request);
    let tasks = host.tasks().clone();
    tasks.spawn(async move {
        let Ok(upgraded) = upgrade.await else { return };
        let Ok(parts) = downcast::<TokioIo<Stream>>(upgraded) else {
            tracing::error!("the upgraded connection is no local stream");
            return;
        };
        greet(host, parts.io.into_inner(), BytesMut::from(&parts.read_buf[..])).await;
    });
    let mut response = StatusCode::SWITCHING_PROTOCOLS.into_response();
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    response.headers_mut().insert(UPGRADE, HeaderValue::from_static(frame::UPGRADE));
    response
}

async fn greet(host: HostHandle, stream: Stream, early: BytesMut) {
    let (reader, mut writer) = stream.into_split();
    let mut frames = LineReader::with_buffer(reader, frame::LINE_CAP, early);
    let Ok(Some(hello)) = timeout(GREETING_LIMIT, read_hello(&mut frames)).await else { return };
    if hello.protocol != frame::PROTOCOL {
        return refuse(&mut writer, version_skew(&hello)).await;
    }
    if say(&mut writer, &Control::Welcome).await.is_err() {
        return;
    }
    let _open = host.activity().session();
    let deps = host.session_deps();
    let mut early = Early::new(&hello.target, &deps.limits);
    // A person may have to be asked first, who takes the time that it takes.
    let connecting = early.until(host.connection(&hello.target, &hello.options), &mut frames, &mut writer);
    let connection = match host.shutdown().run_until_cancelled(connecting).await.flatten() {
        Some(Ok(connection)) => connection,
        Some(Err(failure)) => return refuse(&mut writer, failure).await,
        None => return,
    };
    let (deps, connection) = match hello.only_looks {
        true => (deps.for_onlooker(), connection.for_onlooker()),
        false => (deps, connection),
    };
    let host_end = HostEnd::Pause(host.shutdown().clone());
    session::serve(deps, connection, hello, early, frames, writer, host_end).await;
}

async fn read_hello<R: tokio::io::AsyncRead + Unpin>(frames: &mut LineReader<R>) -> Option<Hello> {
    let Ok(Some(Line::Full(line))) = frames.next().await else { return None };
    match Frame::parse(line) {
        Ok(Frame::Control(Control::Hello(hello))) => Some(hello),
        Ok(Frame::Control(_) | Frame::Message(_)) | Err(_) => None,
    }
}

async fn refuse(writer: &mut (impl AsyncWriteExt + Unpin), failure: Failure) {
    let _ = say(writer, &Control::Refused { failure }).await;
}

async fn say(writer: &mut (impl AsyncWriteExt + Unpin), control: &Control) -> std::io::Result<()> {
    let mut line = BytesMut::new();
    frame::put_control(&mut line, control);
    writer.write_all(&line).await
}

fn version_skew(hello: &Hello) -> Failure {
    Failure::new(
        Code::VersionSkew,
        format!(
            "Drawbridge {} is running, but this client started {}",
            env!("CARGO_PKG_VERSION"),
            hello.version
        ),
        "Quit Drawbridge, then restart this MCP client",
    )
}
