//! How soon a client is answered by twenty servers that were seen before, half of which are of no use now: four
//! hang, three are down, three want a sign-in. They are of all eras.

use std::path::Path;
use std::time::Instant;

use anyhow::Result;
use demo_server::crowd::{SIZE, Trouble, eras_of, name_of, trouble_of};
use demo_server::{Config, DemoServer, Eras, Fault, Plan};
use futures_util::future::try_join_all;
use serde_json::json;
use tokio::runtime::Runtime;

use crate::client::{Client, drawbridge};
use crate::{millis, say};

const ROUNDS: usize = 5;

const TROUBLES: [(Trouble, &str); 4] = [
    (Trouble::None, "well"),
    (Trouble::Hangs, "hanging"),
    (Trouble::Down, "down"),
    (Trouble::SignedOut, "signed out"),
];

/// Milliseconds from the start of a command until its client is answered.
#[derive(Debug, Clone, Copy)]
struct Answered {
    initialize: f64,
    tools: f64,
}

/// Adds the servers, lets half of them fail, and starts clients: one after the other, then all at once.
pub(crate) async fn measure(runtime: &Runtime) -> Result<()> {
    let home = tempfile::tempdir()?;
    let mut servers = Vec::new();
    for at in 0..SIZE {
        let eras = eras_of(at);
        let server = runtime.spawn(DemoServer::start(Config { eras, ..Config::default() })).await??;
        drawbridge(home.path(), &["add", &name_of(at), server.url().as_str()]).output().await?;
        servers.extend(into_trouble(runtime, server, eras, trouble_of(at)).await?);
    }
    say("");
    say("20 servers, half of no use    start→initialize   →tools listed   (median, slowest)");
    let mut in_turn = Vec::new();
    for _ in 0..ROUNDS {
        for at in 0..SIZE {
            in_turn.push((trouble_of(at), start(home.path(), at).await?));
        }
    }
    for (trouble, words) in TROUBLES {
        let those = in_turn.iter().filter(|(of, _)| *of == trouble);
        print_row(words, those.map(|(_, answered)| *answered).collect());
    }
    let mut at_once = Vec::new();
    for _ in 0..ROUNDS {
        at_once.extend(try_join_all((0..SIZE).map(|at| start(home.path(), at))).await?);
    }
    print_row("all 20 at once", at_once);
    let _ = drawbridge(home.path(), &["serve", "--stop"]).output().await;
    Ok(())
}

/// What is left of the server then.
async fn into_trouble(
    runtime: &Runtime,
    server: DemoServer,
    eras: Eras,
    trouble: Trouble,
) -> Result<Option<DemoServer>> {
    let listen = server.origin().socket_addrs(|| None)?[0];
    match trouble {
        Trouble::None => return Ok(Some(server)),
        Trouble::Hangs => {
            server.control().plan(Plan { fault: Fault::Stall, method: None, times: u32::MAX });
            return Ok(Some(server));
        }
        Trouble::Down | Trouble::SignedOut => runtime.spawn(server.stop()).await?,
    }
    if trouble == Trouble::Down {
        return Ok(None);
    }
    let config = Config { listen, eras, ..Config::oauth() };
    Ok(Some(runtime.spawn(DemoServer::start(config)).await??))
}

/// Starts a client and ends it again.
async fn start(home: &Path, at: usize) -> Result<Answered> {
    let begin = Instant::now();
    let mut client = Client::open(drawbridge(home, &["connect", &name_of(at)])).await?;
    let initialize = millis(begin.elapsed());
    client.send(&json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" })).await?;
    client.answer().await?;
    let tools = millis(begin.elapsed());
    client.close().await?;
    Ok(Answered { initialize, tools })
}

fn print_row(what: &str, answered: Vec<Answered>) {
    let sorted = |part: fn(&Answered) -> f64| {
        let mut times: Vec<f64> = answered.iter().map(part).collect();
        times.sort_by(f64::total_cmp);
        (times[times.len() / 2], times[times.len() - 1])
    };
    let (initialize, tools) = (sorted(|one| one.initialize), sorted(|one| one.tools));
    say(&format!(
        "{what:24} {:>12.1} {:>6.1} ms {:>7.1} {:>6.1} ms",
        initialize.0, initialize.1, tools.0, tools.1
    ));
}
