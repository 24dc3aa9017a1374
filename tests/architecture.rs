//! Which module of the library may use which: the table of `ARCHITECTURE.md`, held against every
//! `crate::` path in `src`. Test modules may use what they like.

use std::fs;
use std::path::{Path, PathBuf};

/// A module, and the paths it may use. A path allows everything below it.
const MAY_USE: &[(&str, &[&str])] = &[
    ("mcp", &[]),
    ("secret", &[]),
    ("redact", &[]),
    ("logging", &[]),
    ("peer", &[]),
    ("process", &[]),
    ("private_file", &["redact"]),
    ("failure", &["mcp"]),
    ("endpoint", &["failure"]),
    ("paths", &["endpoint"]),
    ("net", &["redact"]),
    ("registry", &["net::AddressClass", "redact"]),
    ("client_config", &["private_file", "registry::write_atomically"]),
    ("upstream", &["mcp", "net", "redact"]),
    ("oauth", &["net", "secret", "redact", "private_file", "peer"]),
    (
        "host",
        &[
            "mcp",
            "secret",
            "redact",
            "failure",
            "endpoint",
            "paths",
            "private_file",
            "net",
            "registry",
            "upstream",
            "oauth",
            "api::types",
            // The wiring, in `Host::run`.
            "api::router",
            "api::mcp::run",
        ],
    ),
    (
        "api",
        &["host", "mcp", "registry", "endpoint", "failure", "redact", "net::AddressClass", "oauth", "peer"],
    ),
    ("shim", &["mcp", "endpoint", "failure"]),
    ("cli", &["*"]),
];

#[test]
fn modules_use_only_what_the_table_allows() {
    let mut wrong = Vec::new();
    for file in sources() {
        let module = module_of(&file);
        if module == "lib" || module == "main" {
            continue;
        }
        let text = fs::read_to_string(&file).expect("a source file");
        for path in paths_in(&text) {
            if !is_allowed(&module, &path) {
                wrong.push(format!("{}: crate::{path}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "not in the table:\n{}", wrong.join("\n"));
}

#[test]
fn the_table_names_every_module_once() {
    let lib = fs::read_to_string(source_folder().join("lib.rs")).expect("lib.rs");
    let mut declared: Vec<&str> =
        lib.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')).collect();
    let mut listed: Vec<&str> = MAY_USE.iter().map(|(module, _)| *module).collect();
    declared.sort_unstable();
    listed.sort_unstable();
    assert_eq!(listed, declared);
}

#[test]
fn transports_and_sign_ins_never_meet() {
    assert!(!is_allowed("upstream", "oauth::token"));
    assert!(!is_allowed("oauth", "upstream"));
}

#[test]
fn a_use_that_is_not_in_the_table_is_found() {
    let text = "//! crate::shim\nuse crate::host::{Error, Host};\nuse crate::{\n    mcp::{self, Kind},\n    redact,\n};\n\
                fn f() { crate::cli::run() }\npub(in crate::net) fn g() {}\n\
                #[cfg(test)]\nmod tests {\n    use crate::oauth;\n}\n";
    assert_eq!(paths_in(text), ["host", "mcp", "redact", "cli::run", "net"]);
    let refused: Vec<_> = paths_in(text).into_iter().filter(|path| !is_allowed("net", path)).collect();
    assert_eq!(refused, ["host", "mcp", "cli::run"]);
    assert!(is_allowed("registry", "net::AddressClass"));
    assert!(!is_allowed("registry", "net"));
    assert!(!is_allowed("registry", "net::AddressClassOfAnotherName"));
}

fn is_allowed(module: &str, path: &str) -> bool {
    let Some((_, allowed)) = MAY_USE.iter().find(|(name, _)| *name == module) else { return false };
    let lies_in =
        |whole: &str| path.strip_prefix(whole).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"));
    lies_in(module) || allowed.iter().any(|allowed| *allowed == "*" || lies_in(allowed))
}

/// What follows `crate::` anywhere in the code, without comments and the test module at the foot.
/// Of a group at the crate's root each member counts; a group further down counts as its parent.
fn paths_in(text: &str) -> Vec<String> {
    let code = without_tests_and_comments(text);
    let mut paths = Vec::new();
    for after in code.split("crate::").skip(1) {
        match after.strip_prefix('{') {
            Some(group) => paths.extend(members(group).into_iter().map(leading_path)),
            None => paths.push(leading_path(after)),
        }
    }
    paths
}

fn without_tests_and_comments(text: &str) -> String {
    let mut lines: Vec<&str> = Vec::new();
    for line in text.lines() {
        let opens_tests = line.starts_with("mod tests {");
        if opens_tests && lines.last().is_some_and(|last| last.starts_with("#[cfg(") && last.contains("test"))
        {
            break;
        }
        if !line.trim_start().starts_with("//") {
            lines.push(line);
        }
    }
    lines.join("\n")
}

/// The members of a group whose opening brace has been read.
fn members(group: &str) -> Vec<&str> {
    let (mut members, mut start, mut depth) = (Vec::new(), 0, 0);
    for (at, letter) in group.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                members.push(group[start..at].trim());
                start = at + 1;
                if letter == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    members.retain(|member| !member.is_empty());
    members
}

/// `a::b` of `a::b::{C, D}`, of `a::b as c` and of `a::b(`.
fn leading_path(text: &str) -> String {
    let is_of_path = |letter: char| letter.is_alphanumeric() || letter == '_' || letter == ':';
    let end = text.find(|letter| !is_of_path(letter)).unwrap_or(text.len());
    text[..end].trim_end_matches(':').to_owned()
}

/// Every source file except those that hold nothing but tests.
fn sources() -> Vec<PathBuf> {
    let (mut files, mut folders) = (Vec::new(), vec![source_folder()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.file_stem().is_some_and(|name| name == "tests") {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    assert!(!files.is_empty());
    files.sort();
    files
}

/// `host` for `src/host.rs` and for everything in `src/host`.
fn module_of(file: &Path) -> String {
    let path = file.strip_prefix(source_folder()).expect("a file of ours");
    let first = path.components().next().expect("a name").as_os_str().to_string_lossy();
    first.trim_end_matches(".rs").to_owned()
}

fn source_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}
