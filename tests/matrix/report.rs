//! The test: one trial for each pair, and the table of all cells.

use std::fmt::Write as _;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use libtest_mimic::{Arguments, Failed, Trial};

use crate::clients::{self, Cell, Client};
use crate::servers::{self, KINDS, Kind, OF_EACH_ERA, Server};
use crate::spec::{FEATURES, LATER, NOT_OFFERED, VERSIONS};

/// Most of a trial is waiting for processes to start.
const PAIRS_AT_ONCE: usize = 4;

/// One client with one server.
#[derive(Debug, Clone)]
struct Row {
    place: usize,
    client: String,
    server: &'static str,
    cells: Vec<Cell>,
}

type Rows = Arc<Mutex<Vec<Row>>>;

pub(crate) fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(PAIRS_AT_ONCE);
    let rows = Rows::default();
    let trials = pairs().into_iter().enumerate().map(|(place, (client, kind))| {
        let rows = rows.clone();
        let name = format!("{} with {}", client.name(), kind.name());
        Trial::test(name, move || trial(place, client, kind, &rows))
    });
    let conclusion = libtest_mimic::run(&arguments, trials.collect());
    let mut rows = rows.lock().unwrap_or_else(PoisonError::into_inner);
    rows.sort_by_key(|row| row.place);
    if !rows.is_empty() {
        print(&table(&rows));
    }
    if conclusion.has_failed() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// Every version with every kind of server, other people's among them; other people's clients with
/// servers of each era.
fn pairs() -> Vec<(Client, Kind)> {
    let kinds = KINDS.into_iter().chain(servers::PEERS);
    let versions = VERSIONS.map(Client::Version);
    let of_versions = versions.into_iter().flat_map(|client| kinds.clone().map(move |kind| (client, kind)));
    let of_peers = clients::PEERS.into_iter().flat_map(|client| OF_EACH_ERA.map(|kind| (client, kind)));
    of_versions.chain(of_peers).collect()
}

fn trial(place: usize, client: Client, kind: Kind, rows: &Rows) -> Result<(), Failed> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let cells = runtime.block_on(async { client.show_all(Server::start(kind).await).await });
    let complaints: Vec<String> = FEATURES
        .iter()
        .zip(&cells)
        .filter_map(|(feature, cell)| match cell {
            Cell::Failed(why) => Some(format!("{}: {why}", feature.name())),
            Cell::Works | Cell::Absent => None,
        })
        .collect();
    let row = Row { place, client: client.name(), server: kind.name(), cells };
    rows.lock().unwrap_or_else(PoisonError::into_inner).push(row);
    if complaints.is_empty() { Ok(()) } else { Err(complaints.join("\n").into()) }
}

fn table(rows: &[Row]) -> String {
    let widest = |of: fn(&Row) -> usize| rows.iter().map(of).max().unwrap_or_default();
    let (clients, servers) = (widest(|row| row.client.len()), widest(|row| row.server.len()));
    let mut table = format!("\n{:clients$}  {:servers$}", "client", "server");
    for feature in FEATURES {
        let _ = write!(table, "  {}", feature.name());
    }
    for row in rows {
        let _ = write!(table, "\n{:clients$}  {:servers$}", row.client, row.server);
        for (feature, cell) in FEATURES.iter().zip(&row.cells) {
            let said = match cell {
                Cell::Works => "ok",
                Cell::Failed(_) => "FAIL",
                Cell::Absent => "-",
            };
            let _ = write!(table, "  {said:width$}", width = feature.name().len());
        }
    }
    let count = |wanted: fn(&Cell) -> bool| {
        rows.iter().flat_map(|row| &row.cells).filter(|cell| wanted(cell)).count()
    };
    let _ = writeln!(
        table,
        "\n{} work, {} fail, {} cannot be:",
        count(|cell| matches!(cell, Cell::Works)),
        count(|cell| matches!(cell, Cell::Failed(_))),
        count(|cell| matches!(cell, Cell::Absent)),
    );
    for (feature, _, why) in LATER {
        let _ = writeln!(table, "  - {}: {why}", feature.name());
    }
    for (peer, feature, why) in NOT_OFFERED {
        let _ = writeln!(table, "  - {}, with {peer} as the client: {why}", feature.name());
    }
    table
}

#[allow(clippy::print_stdout, reason = "the table is what people look at")]
fn print(table: &str) {
    println!("{table}");
}
