//! `docs/oauth-requirements.md` names tests and files; all of them exist.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

#[test]
fn every_test_and_file_in_the_table_of_requirements_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let tests = tests_of(root);
    let document = fs::read_to_string(root.join("docs/oauth-requirements.md")).expect("the document");
    let mut rows = 0;
    for row in document.lines().filter(|line| line.starts_with("| ") && line.contains('`')) {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").collect();
        let [_, _, code, proof] = cells[..] else { panic!("four cells: {row}") };
        let (named, files) = (quoted(proof), quoted(code));
        assert!(!named.is_empty(), "nothing proves it: {row}");
        for test in named {
            assert!(tests.contains(test), "there is no test {test}");
        }
        for file in files {
            assert!(root.join("src").join(file).exists(), "there is no src/{file}");
        }
        rows += 1;
    }
    assert!(rows > 50, "the tables are gone");
}

/// What stands between backticks.
fn quoted(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

/// The names of all functions marked as tests.
fn tests_of(root: &Path) -> HashSet<String> {
    let mut found = HashSet::new();
    for file in sources(&[root.join("src"), root.join("tests")]) {
        let text = fs::read_to_string(&file).expect("a source file");
        let mut is_test = false;
        for line in text.lines().map(str::trim) {
            let signature = line.strip_prefix("async fn ").or_else(|| line.strip_prefix("fn "));
            if let Some((name, _)) = signature.and_then(|rest| rest.split_once('(')) {
                if is_test {
                    found.insert(name.to_owned());
                }
                is_test = false;
            } else if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
                is_test = true;
            }
        }
    }
    found
}

fn sources(folders: &[PathBuf]) -> Vec<PathBuf> {
    let (mut files, mut folders) = (Vec::new(), folders.to_vec());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder").flatten() {
            let path = entry.path();
            if path.is_dir() && path.file_name().is_none_or(|name| name != "node_modules") {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files
}
