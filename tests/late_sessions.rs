//! A server that opens its session when nobody waits for it any more is told that it is over. The clock stands still but
//! where a test moves it, beyond the time that somebody waits.

#[path = "support/in_process.rs"]
mod in_process;

use std::time::Duration;

use demo_server::{Config, DemoServer, Eras, Fault};
use drawbridge::api::types::NewServer;
use drawbridge::endpoint::LineReader;
use drawbridge::endpoint::frame::{self, Hello};
use drawbridge::host::session::{self, Early, HostEnd};
use drawbridge::host::{AccountRef, HostHandle};
use serde_json::json;
use serde_json::value::RawValue;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;
use tokio_util::sync::CancellationToken;

/// Longer than anybody here waits for a session, and shorter than the session is given.
const TOO_LONG: Duration = Duration::from_secs(20);

/// A legacy server whose next `initialize` stalls, and a Host that knows it as `demo`.
async fn stalling() -> (DemoServer, HostHandle, TempDir) {
    let server =
        DemoServer::start(Config { eras: Eras::Legacy, ..Config::default() }).await.expect("a server");
    let (host, home) = in_process::host();
    let new = json!({ "name": "demo", "url": server.url() });
    host.add(serde_json::from_value::<NewServer>(new).expect("a server")).await.expect("added");
    server.control().fault_on("initialize", Fault::Stall);
    (server, host, home)
}

/// Lets whoever waits give up once the handshake hangs, then lets the server answer.
async fn answer_too_late<T>(server: &DemoServer, waiting: impl Future<Output = T> + Send + 'static) -> T
where
    T: Send + 'static,
{
    let waiting = tokio::spawn(waiting);
    server.control().wait_for(|stats| stats.stalled == 1).await;
    tokio::time::pause();
    tokio::time::advance(TOO_LONG).await;
    tokio::time::resume();
    let answer = waiting.await.expect("it gives up");
    assert_eq!(server.control().stats().deletes, 0);
    server.control().release_stalled();
    server.control().wait_for(|stats| stats.deletes == 1 && stats.open_sessions == 0).await;
    answer
}

fn demo() -> AccountRef {
    AccountRef { server: "demo".to_owned(), label: None }
}

#[tokio::test]
async fn one_that_a_checkup_waited_for_is_ended() {
    let (server, host, _home) = stalling().await;
    let found =
        answer_too_late(&server, async move { host.checkup(&demo()).await.expect("a checkup") }).await;
    let found = serde_json::to_value(found).expect("JSON");
    assert_eq!(found["checks"][1]["outcome"]["failure"]["code"], "timed_out", "{found}");
}

#[tokio::test]
async fn one_that_a_look_at_a_server_waited_for_is_ended() {
    let (server, host, _home) = stalling().await;
    let failure = answer_too_late(&server, async move { host.probe(&demo()).await }).await;
    assert_eq!(failure.expect_err("too slow").code, drawbridge::failure::Code::TimedOut);
}

#[tokio::test]
async fn one_that_a_client_waited_for_is_ended() {
    let (server, host, _home) = stalling().await;
    let (ours, mut client) = tokio::io::duplex(1 << 16);
    let initialize = r#"M{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}"#;
    client.write_all(format!("{initialize}\n").as_bytes()).await.expect("written");
    let nothing = RawValue::from_string("{}".to_owned()).expect("JSON");
    let connection = host.connection("demo", &nothing).await.expect("a connection");
    let hello = Hello {
        protocol: frame::PROTOCOL,
        version: String::new(),
        target: "demo".to_owned(),
        options: nothing,
        resume: None,
        initialize: None,
        initialized: false,
        only_looks: false,
    };
    let deps = host.session_deps();
    let early = Early::new("demo", &deps.limits);
    let (reader, writer) = tokio::io::split(ours);
    let end = HostEnd::Pause(CancellationToken::new());
    let frames = LineReader::new(reader, frame::LINE_CAP);
    let (control, serving) =
        (server.control().clone(), session::serve(deps, connection, hello, early, frames, writer, end));
    answer_too_late(&server, async move {
        let leaving = async {
            control.wait_for(|stats| stats.stalled == 1).await;
            drop(client);
        };
        tokio::join!(serving, leaving);
    })
    .await;
}
