//! The entry that an MCP client has for a server: this very command is started as a client starts it, with the few
//! variables that clients pass on, and has to answer `initialize` with the server's own words. It differs in one thing: it
//! leaves everything as it is.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

use crate::api::types::{CheckName, CheckOutcome, CheckView, ServerCheckup};
use crate::cli::connect::ONLY_LOOK;
use crate::cli::mcp_client::{introduction, result_of, stand_in};
use crate::cli::target::NamedAccount;
use crate::endpoint::HOME_VARIABLE;
use crate::failure::{Code, Failure};
use crate::mcp::{Kind, Message, RequestId};
use crate::redact::reason;

/// How long the command may take to answer, and then to end.
const LIMIT: Duration = Duration::from_secs(10);
/// How much is read of what it says.
const MOST_BYTES: u64 = 1 << 20;
/// Entries that are tried side by side.
const AT_ONCE: usize = 4;
/// What MCP clients pass on, after the list of the official SDKs.
#[cfg(not(windows))]
const PASSED_ON: &[&str] = &["HOME", "LOGNAME", "PATH", "SHELL", "TERM", "USER"];
/// What MCP clients pass on, after the list of the official SDKs.
#[cfg(windows)]
const PASSED_ON: &[&str] = &[
    "APPDATA",
    "HOMEDRIVE",
    "HOMEPATH",
    "LOCALAPPDATA",
    "PATH",
    "PROCESSOR_ARCHITECTURE",
    "SYSTEMDRIVE",
    "SYSTEMROOT",
    "TEMP",
    "USERNAME",
    "USERPROFILE",
];

/// The steps of a server, and its entry tried at the end.
pub(super) async fn with_entry(mut found: ServerCheckup, target: &NamedAccount) -> ServerCheckup {
    let works = found.checks.iter().all(|check| match check.outcome {
        CheckOutcome::Done { .. } | CheckOutcome::NotNeeded => true,
        CheckOutcome::Wrong { .. } | CheckOutcome::NotReached => false,
    });
    // Where no session opens, a client's start could open a sign-in.
    let outcome = if works { tried(target).await } else { CheckOutcome::NotReached };
    found.checks.push(CheckView { name: CheckName::ClientEntry, outcome });
    found
}

/// The same for many servers. An entry names the account where there are several.
pub(super) async fn with_entries(found: Vec<ServerCheckup>) -> Vec<ServerCheckup> {
    let targets: Vec<_> = found.iter().map(|one| target_of(one, &found)).collect();
    let trying =
        found.into_iter().zip(targets).map(|(found, target)| async move { with_entry(found, &target).await });
    stream::iter(trying.collect::<Vec<_>>()).buffered(AT_ONCE).collect().await
}

fn target_of(one: &ServerCheckup, all: &[ServerCheckup]) -> NamedAccount {
    let has_several = all.iter().filter(|other| other.server == one.server).count() > 1;
    NamedAccount { server: one.server.clone(), label: has_several.then(|| one.account.clone()) }
}

async fn tried(target: &NamedAccount) -> CheckOutcome {
    let entry = Entry::of(target);
    match entry.answers(target).await {
        Ok(()) => CheckOutcome::Done { note: Some(entry.in_words()) },
        Err(failure) => CheckOutcome::Wrong { failure },
    }
}

/// What a client starts.
struct Entry {
    program: PathBuf,
    arguments: Vec<String>,
}

impl Entry {
    fn of(target: &NamedAccount) -> Self {
        let program = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("drawbridge"));
        Self { program, arguments: vec!["connect".to_owned(), target.to_string()] }
    }

    fn in_words(&self) -> String {
        format!("{} {}", self.program.display(), self.arguments.join(" "))
    }

    /// Starts it, introduces a client and ends it as a client does, by the end of its input.
    async fn answers(&self, target: &NamedAccount) -> Result<(), Failure> {
        let mut child = self.start().map_err(|error| {
            let sentence =
                format!("{} could not be started ({})", self.program.display(), reason(error.kind()));
            Failure::new(Code::HostGone, sentence, "Install Drawbridge again")
        })?;
        let greeted = timeout(LIMIT, greeting(&mut child, target)).await;
        drop(child.stdin.take());
        let ended = timeout(LIMIT, child.wait()).await;
        if let Some(failure) = greeted.unwrap_or_else(|_| Err(silent(target)))? {
            return Err(failure);
        }
        match ended {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(_) | Err(_) => {
                let sentence = format!("`drawbridge connect {target}` answers and does not end as it should");
                Err(Failure::new(Code::Internal, sentence, "Look into the logs and report it"))
            }
        }
    }

    fn start(&self) -> std::io::Result<Child> {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).arg(format!("--{ONLY_LOOK}")).env_clear();
        command.envs(PASSED_ON.iter().filter_map(|name| Some((*name, std::env::var_os(name)?))));
        // Who keeps a home of their own has its variables in the client's entry.
        if std::env::var_os(HOME_VARIABLE).is_some_and(|home| !home.is_empty()) {
            let is_ours = |name: &OsStr| name.to_str().is_some_and(|name| name.starts_with("DRAWBRIDGE_"));
            command.envs(std::env::vars_os().filter(|(name, _)| is_ours(name)));
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        command.kill_on_drop(true).spawn()
    }
}

/// Introduces a client; why the answer is not the server's, if it is not.
async fn greeting(child: &mut Child, target: &NamedAccount) -> Result<Option<Failure>, Failure> {
    let (Some(stdin), Some(stdout)) = (child.stdin.as_mut(), child.stdout.take()) else {
        return Err(silent(target));
    };
    let request = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": introduction() });
    // A program that takes no input has ended, and its output says so.
    let _ = stdin.write_all(format!("{request}\n").as_bytes()).await;
    let answer = answer_to(stdout, &RequestId::from_raw("1")).await.ok_or_else(|| silent(target))?;
    let result = result_of(&answer, target)?;
    Ok(stand_in(&result, target))
}

/// The response on the command's output; `None` if there is none.
async fn answer_to(stdout: ChildStdout, id: &RequestId) -> Option<Message> {
    let mut lines = BufReader::new(stdout.take(MOST_BYTES)).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let message = Message::parse(Bytes::from(line)).ok()?;
        if let Kind::Response { id: Some(answered), .. } = message.kind()
            && answered == id
        {
            return Some(message);
        }
    }
    None
}

fn silent(target: &NamedAccount) -> Failure {
    let sentence = format!("`drawbridge connect {target}`, which your clients start, does not answer");
    Failure::new(Code::HostGone, sentence, "Run it in a terminal and see what it says")
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    /// What comes of a script in the command's place.
    async fn with(script: &str) -> Result<(), Code> {
        let target = "tickets@work".parse().expect("a target");
        let shell = ["-c", script, "drawbridge"].map(str::to_owned);
        let arguments = shell.into_iter().chain(Entry::of(&target).arguments).collect();
        let entry = Entry { program: "/bin/sh".into(), arguments };
        entry.answers(&target).await.map_err(|failure| failure.code)
    }

    #[tokio::test]
    async fn an_entry_works_if_the_server_answers_through_it() {
        const ANSWER: &str = r#"read line; [ "$*" = "connect tickets@work --only-look" ] && echo '{"jsonrpc":"2.0","id":1,"result":{SAYS}}'"#;
        let says = |text: &str| ANSWER.replace("SAYS", text);
        let signed_out =
            r#""_meta":{"drawbridge/standIn":{"code":"signed_out","sentence":"No.","nextStep":""}}"#;
        for (script, wanted) in [
            (says(""), Ok(())),
            (format!(r#"echo '{{"jsonrpc":"2.0","method":"x"}}'; {}"#, says("")), Ok(())),
            (says(signed_out), Err(Code::SignedOut)),
            (says(r#""_meta":{"drawbridge/standIn":null}"#), Err(Code::TimedOut)),
            (says("").replace("result", "nothing"), Err(Code::HostGone)),
            (format!("{}; exit 1", says("")), Err(Code::Internal)),
            ("echo hello".into(), Err(Code::HostGone)),
            ("exit 0".into(), Err(Code::HostGone)),
        ] {
            assert_eq!(with(&script).await, wanted, "{script}");
        }
    }

    #[tokio::test]
    async fn a_command_that_is_not_there_is_told_of() {
        let target = "tickets".parse().expect("a target");
        let entry = Entry { program: "/nonexistent".into(), arguments: Vec::new() };
        let failure = entry.answers(&target).await.expect_err("nothing to start");
        assert!(failure.sentence.starts_with("/nonexistent could not be started"), "{failure}");
    }

    #[tokio::test]
    async fn the_command_gets_what_clients_pass_on_and_no_more() {
        let seen = r#"read line; env | cut -d= -f1 | grep -vxE 'HOME|LOGNAME|PATH|SHELL|TERM|USER|PWD|SHLVL|OLDPWD|_' && exit 1
            echo '{"jsonrpc":"2.0","id":1,"result":{}}'"#;
        assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some(), "cargo sets it: there is one to leave out");
        assert_eq!(with(seen).await, Ok(()));
    }
}
