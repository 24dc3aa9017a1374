//! The test: every run the suite offers, against what is expected of it, and the table of all.

use std::fmt::Write as _;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use libtest_mimic::{Arguments, Failed, Trial};

use crate::suite::{Outcome, Run};
use crate::{expected, suite};

/// Most of a run is waiting for processes to start.
const RUNS_AT_ONCE: usize = 4;

/// This scenario measures how long a client waits; nothing else runs meanwhile.
const MEASURES_TIME: &str = "sse-retry";

type Rows = Arc<Mutex<Vec<(Run, Outcome)>>>;

pub(crate) fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(RUNS_AT_ONCE);
    let rows = Rows::default();
    let quiet = Arc::new(RwLock::new(()));
    let trials = suite::runs().into_iter().map(|run| {
        let (rows, quiet) = (rows.clone(), quiet.clone());
        Trial::test(format!("{} {}", run.version, run.scenario), move || trial(run, &rows, &quiet))
    });
    let conclusion = libtest_mimic::run(&arguments, trials.collect());
    let rows = rows.lock().unwrap_or_else(PoisonError::into_inner);
    if !rows.is_empty() {
        print(&table(&rows));
    }
    if conclusion.has_failed() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn trial(run: Run, rows: &Rows, quiet: &RwLock<()>) -> Result<(), Failed> {
    let outcome = if run.scenario == MEASURES_TIME {
        let _alone = quiet.write().unwrap_or_else(PoisonError::into_inner);
        run.execute()
    } else {
        let _beside_others = quiet.read().unwrap_or_else(PoisonError::into_inner);
        run.execute()
    };
    rows.lock().unwrap_or_else(PoisonError::into_inner).push((run.clone(), outcome.clone()));
    match (outcome, expected::reason(&run)) {
        (Outcome::Passed { .. }, None) | (Outcome::Failed(_), Some(_)) => Ok(()),
        (Outcome::Failed(complaints), None) => Err(complaints.join("\n").into()),
        (Outcome::Passed { .. }, Some(reason)) => {
            Err(format!("it passes, though it is expected to fail: {reason}").into())
        }
    }
}

/// One line for each run, and what does not pass with its reason.
fn table(rows: &[(Run, Outcome)]) -> String {
    let mut rows: Vec<_> = rows.iter().collect();
    rows.sort_by_key(|(run, _)| (&run.version, &run.scenario));
    let width = rows.iter().map(|(run, _)| run.scenario.len()).max().unwrap_or_default();
    let mut table = format!("\nMCP conformance suite {}\n", suite::version());
    for (run, outcome) in &rows {
        let said = match outcome {
            Outcome::Passed { checks } => format!("pass  {checks:3} checks"),
            Outcome::Failed(complaints) => {
                let why = expected::reason(run).map(str::to_owned);
                format!("FAIL  {}", why.unwrap_or_else(|| complaints.join("; ")))
            }
        };
        let _ = writeln!(table, "  {}  {:width$}  {said}", run.version, run.scenario);
    }
    let passed = rows.iter().filter(|(_, outcome)| matches!(outcome, Outcome::Passed { .. })).count();
    let _ = writeln!(table, "{passed} of {} runs pass", rows.len());
    table
}

#[allow(clippy::print_stdout, reason = "the table is what people look at")]
fn print(table: &str) {
    println!("{table}");
}
