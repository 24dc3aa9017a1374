//! What people read: results on stdout, everything else on stderr, colour only in a terminal.

use std::io::{self, Write as _};

use serde::Serialize;

use crate::failure::Failure;

const BOLD: &str = "\x1b[1m";
const RED: &str = "\x1b[31m";
const PLAIN: &str = "\x1b[0m";

/// Prints a failure: one sentence, then what to do.
pub(super) fn failure(failure: &Failure) {
    let (red, plain) = if has_colour(&io::stderr()) { (RED, PLAIN) } else { ("", "") };
    let mut stderr = io::stderr().lock();
    let _ = writeln!(stderr, "{red}{}{plain}", failure.sentence);
    if !failure.next_step.is_empty() {
        let _ = writeln!(stderr, "{}", failure.next_step);
    }
}

/// Prints a failure for programs that asked for JSON: one line on stderr, as stdout is for results.
pub(super) fn failure_for_programs(failure: &Failure) {
    let said = serde_json::json!({
        "code": failure.code,
        "message": failure.sentence,
        "next_step": failure.next_step,
    });
    let _ = writeln!(io::stderr().lock(), "{said}");
}

/// Tells a person something that is no result.
pub(super) fn tell(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Prints a result. A reader that has seen enough, like `head`, is no trouble.
pub(super) fn print(text: &str) {
    let mut stdout = io::stdout().lock();
    let _ = stdout.write_all(text.as_bytes());
    let _ = stdout.flush();
}

/// Prints a result for programs.
pub(super) fn print_json(value: &impl Serialize) {
    let text = serde_json::to_string_pretty(value).expect("views are plain JSON");
    print(&format!("{text}\n"));
}

/// Lays rows out in columns; the first row is the heading.
pub(super) fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(|row| line(row) + "\n").collect()
}

/// The table with its heading in bold where that shows.
pub(super) fn print_table(rows: &[Vec<String>]) {
    let text = table(rows);
    match text.split_once('\n').filter(|_| has_colour(&io::stdout())) {
        Some((heading, rest)) => print(&format!("{BOLD}{heading}{PLAIN}\n{rest}")),
        None => print(&text),
    }
}

fn has_colour(stream: &impl io::IsTerminal) -> bool {
    let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    stream.is_terminal() && !refused
}
