//! A look at a server without a client: says what is there or the first thing that is wrong, and
//! fills the snapshot, so that the first client start is full.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use serde_json::value::RawValue;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use crate::failure::{Code, Failure};
use crate::host::connection::Connection;
use crate::host::failures;
use crate::host::snapshot::Generation;
use crate::mcp::era::{Era, NEWEST_LEGACY};
use crate::mcp::{Kind, Message, json, method};

use super::aside::Current;
use super::context::Context;
use super::crossing::ask_across;
use super::downstream::Downstream;
use super::open::{Handshake, OpenError, Opened, Opening};
use super::{INCOMING_QUEUE, INITIALIZED, SessionDeps};

const LIMIT: Duration = Duration::from_secs(5);
const MOST_PAGES: usize = 200;

/// What a server turned out to be.
#[derive(Debug, Clone, Default)]
pub struct Probe {
    /// The name it gives itself.
    pub server: String,
    /// The protocol version it agreed to.
    pub protocol_version: String,
    /// How many tools it lists for clients to see.
    pub tools: usize,
}

/// Opens a session of our own, reads the lists, and ends it.
///
/// # Errors
/// The first thing that is wrong; [`Code::SignedOut`] where signing in would help.
pub async fn probe(deps: SessionDeps, connection: Connection) -> Result<Probe, Failure> {
    let snapshots = deps.snapshots.clone();
    let (downstream, _writing) = Downstream::spawn(tokio::io::sink());
    let (sender, mut incoming) = mpsc::channel(INCOMING_QUEUE);
    let context = Context::new(connection, deps, downstream, sender).await;
    let context = Arc::new(context);
    let mut tasks = JoinSet::new();
    let reader = context.clone();
    tasks.spawn(async move {
        while let Some(incoming) = incoming.recv().await {
            reader.hand_over(incoming.message);
        }
    });
    let session = OnceLock::new();
    let _under_way = context.begin_attempt();
    let looked = timeout(LIMIT, look(&context, &session)).await;
    if let Some(session) = session.into_inner() {
        session.end().await;
    }
    snapshots.flush().await;
    let probe = looked.unwrap_or_else(|_| {
        let sentence = format!("{} did not answer within {} s", context.server(), LIMIT.as_secs());
        Err(Failure::about(
            context.server(),
            Code::TimedOut,
            sentence,
            "Try again later, or check the address",
        ))
    });
    // Who asks for a sign-in was reached.
    let is_there = |failure: &Failure| failure.code == Code::SignedOut;
    context.note_attempt(match &probe {
        Err(failure) if !is_there(failure) => Err(failure.clone()),
        Ok(_) | Err(_) => Ok(()),
    });
    probe
}

async fn look(context: &Arc<Context>, session: &OnceLock<Current>) -> Result<Probe, Failure> {
    let opening =
        Opening::Legacy(Box::new(Handshake { initialize: initialize(), resume: None, initialized: None }));
    let began = Instant::now();
    let opened = context.open_aside(Arc::new(opening), None).0.await;
    let (opened, current) = opened.map_err(|error| failure(context, error))?;
    context.note_first_word(Some(began.elapsed()));
    let _ = session.set(current);
    if opened.needs_initialized {
        let initialized = Message::parse(Bytes::from_static(INITIALIZED)).expect("a message");
        let post = || opened.transport.post(initialized.clone(), context.incoming.clone());
        let _ = context.authorized(post).await;
    }
    let era = opened.crossing.server_era().unwrap_or(Era::Legacy);
    let answer = opened.response.as_ref();
    let mut probe = Probe {
        server: answer
            .and_then(|answer| answer.string_at(&["result", "serverInfo", "name"]))
            .unwrap_or_default(),
        protocol_version: answer
            .and_then(|answer| answer.string_at(&["result", "protocolVersion"]))
            .unwrap_or_default(),
        tools: 0,
    };
    for (list, capability) in [
        ("tools/list", "tools"),
        ("prompts/list", "prompts"),
        ("resources/list", "resources"),
        ("resources/templates/list", "resources"),
    ] {
        if answer.is_some_and(|answer| answer.raw_at(&["result", "capabilities", capability]).is_some()) {
            let asked = context.snapshot.generation();
            let items = read_list(context, &opened, list).await;
            let count = keep(context, asked, list, items, era);
            if list == "tools/list" {
                probe.tools = count;
            }
        }
    }
    Ok(probe)
}

/// Keeps what clients may see of a list; how many items that are.
fn keep(context: &Context, asked: Generation, list: &str, items: Option<Vec<String>>, era: Era) -> usize {
    let raw = items.and_then(|items| RawValue::from_string(format!("[{}]", items.join(","))).ok());
    let Some(raw) = raw else { return 0 };
    context.note_list(asked, list, raw, era);
    let shown = context.known_list(list, era);
    json::elements(shown.text()).map_or(0, |items| items.len())
}

/// All pages of a list; `None` where the server does not give them.
async fn read_list(context: &Arc<Context>, opened: &Opened, list: &str) -> Option<Vec<String>> {
    let member = method::list_member(list)?;
    let mut items = Vec::new();
    let mut params = "{}".to_owned();
    for page in 0..MOST_PAGES {
        let line =
            format!(r#"{{"jsonrpc":"2.0","id":"drawbridge-{page}","method":"{list}","params":{params}}}"#);
        let request = Message::parse(line.into()).ok()?;
        let response = ask_across(context, &opened.transport, &opened.crossing, &request).await.ok()??;
        let raw = response.raw_at(&["result", member])?;
        items.extend(json::elements(raw)?.into_iter().map(|item| item.get().to_owned()));
        match response
            .raw_at(&["result", "nextCursor"])
            .filter(|cursor| cursor.len() > 2 && *cursor != "null")
        {
            Some(cursor) => params = format!(r#"{{"cursor":{cursor}}}"#),
            None => return Some(items),
        }
    }
    None
}

/// How Drawbridge introduces itself.
pub(super) fn initialize() -> Message {
    let line = format!(
        r#"{{"jsonrpc":"2.0","id":"drawbridge-initialize","method":"initialize","params":{{"protocolVersion":"{NEWEST_LEGACY}","capabilities":{{}},"clientInfo":{{"name":"drawbridge","version":"{}"}}}}}}"#,
        env!("CARGO_PKG_VERSION")
    );
    Message::parse(line.into()).expect("a request made of plain values")
}

pub(super) fn failure(context: &Context, error: OpenError) -> Failure {
    match error {
        OpenError::Failed(failure) | OpenError::Busy { failure, .. } => failure,
        OpenError::SignedOut => failures::signed_out(context.server()),
        OpenError::StepUpNeeded(_) => context.more_permission(),
        OpenError::Rejected(answer) => {
            debug_assert!(matches!(answer.kind(), Kind::Response { is_error: true, .. }));
            let said = answer.string_at(&["error", "message"]).unwrap_or_default();
            let said = crate::redact::plain(&said, 200);
            Failure::about(
                context.server(),
                Code::ServerError,
                format!("{} refused to open a session: {said}", context.server()),
                "Tell the server's operator",
            )
        }
    }
}
