//! The tray menu and icon as plain values: made from what the Host tells, compared before anything
//! is drawn, and drawn by `tray`.

use drawbridge::api::types::{AccountStateView, AccountView, FailureView, ReachView, ServerView};
use drawbridge::failure::Code;

mod action;

pub(crate) use action::Action;

/// One line of the menu.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Item {
    /// A line that only tells something.
    Text(String),
    /// A line that does something.
    Action {
        /// What it says.
        label: String,
        /// What it does.
        action: Action,
    },
    /// A line that opens more lines.
    More {
        /// What it says.
        label: String,
        /// The lines.
        items: Vec<Item>,
    },
    /// A line between groups.
    Separator,
}

impl Item {
    fn action(label: impl Into<String>, action: Action) -> Self {
        Self::Action { label: label.into(), action }
    }
}

/// How everything stands together, which is what the icon shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Overall {
    /// Nothing needs the person.
    Ready,
    /// Somebody has to sign in.
    Attention,
    /// Something is wrong.
    Failed,
    /// All servers are left alone, so nothing else matters.
    Paused,
}

impl Overall {
    /// The worst of all servers and accounts. What nobody has tried yet counts for nothing.
    pub(crate) fn of(servers: &[ServerView], is_paused: bool) -> Self {
        if is_paused {
            return Self::Paused;
        }
        servers.iter().flat_map(standings).map(|standing| standing.overall).max().unwrap_or(Self::Ready)
    }

    /// In words, for those who do not see the icon.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Ready => "Drawbridge",
            Self::Attention => "Drawbridge: sign-in needed",
            Self::Failed => "Drawbridge: something needs attention",
            Self::Paused => "Drawbridge: paused",
        }
    }
}

/// The menu for these servers.
pub(crate) fn menu(servers: &[ServerView], is_paused: bool) -> Vec<Item> {
    let mut items = Vec::new();
    if is_paused {
        items.extend([Item::Text("Paused: all servers are left alone".to_owned()), Item::Separator]);
    }
    items.extend(servers.iter().map(server_item));
    if servers.is_empty() {
        items.push(Item::Text("No servers yet".to_owned()));
    }
    let pausing = match is_paused {
        true => Item::action("Resume", Action::Resume),
        false => Item::action("Pause all", Action::Pause),
    };
    items.extend([
        Item::Separator,
        pausing,
        Item::action("Add server…", Action::Add),
        Item::action("Open Drawbridge", Action::Open),
        Item::action("Settings", Action::Settings),
        Item::action("Show logs", Action::Logs),
        Item::Separator,
        Item::action("Quit", Action::Quit),
    ]);
    items
}

fn server_item(server: &ServerView) -> Item {
    let name = server.name.to_string();
    let mut items = vec![Item::action("Open", Action::OpenServer(name.clone()))];
    if server.accounts.is_empty() {
        let label = server.default_account.to_string();
        items.push(Item::action("Sign in…", Action::SignIn(name.clone(), label)));
    }
    let alone = server.accounts.len() == 1;
    items.extend(server.accounts.iter().map(|account| account_item(server, account, alone)));
    items.push(Item::Separator);
    items.push(Item::action("Copy client entry", Action::CopyEntry(name.clone())));
    Item::More { label: format!("{name} – {}", server_words(server)), items }
}

fn account_item(server: &ServerView, account: &AccountView, alone: bool) -> Item {
    let label = account.label.to_string();
    let line = |action: &str| {
        if alone {
            action.to_owned()
        } else {
            format!("{label}: {} – {action}", of_account(server, account).words)
        }
    };
    let names = (server.name.to_string(), label.clone());
    match &account.state {
        AccountStateView::SignedIn { .. } => {
            Item::action(line("Sign out"), Action::SignOut(names.0, names.1))
        }
        AccountStateView::SigningIn { .. } => {
            Item::action(line("Cancel sign-in"), Action::CancelSignIn(names.0, names.1))
        }
        AccountStateView::Unknown | AccountStateView::SignedOut { .. } | AccountStateView::Failed { .. } => {
            Item::action(line("Sign in…"), Action::SignIn(names.0, names.1))
        }
    }
}

fn server_words(server: &ServerView) -> String {
    match server.accounts.as_slice() {
        [] => of_server_alone(server).words,
        [account] => of_account(server, account).words,
        accounts => {
            let is_signed_in =
                |account: &&AccountView| matches!(account.state, AccountStateView::SignedIn { .. });
            match &server.reach {
                ReachView::Failed { failure, .. } => of_failure(failure).words,
                ReachView::Unknown | ReachView::Connecting | ReachView::Reached => {
                    format!(
                        "{} of {} signed in",
                        accounts.iter().filter(is_signed_in).count(),
                        accounts.len()
                    )
                }
            }
        }
    }
}

/// How something stands.
struct Standing {
    words: String,
    overall: Overall,
}

impl Standing {
    fn new(overall: Overall, words: impl Into<String>) -> Self {
        Self { words: words.into(), overall }
    }
}

/// How each of a server's accounts stands, or the server where it has none.
fn standings(server: &ServerView) -> Vec<Standing> {
    match server.accounts.as_slice() {
        [] => vec![of_server_alone(server)],
        accounts => accounts.iter().map(|account| of_account(server, account)).collect(),
    }
}

/// As the window has it, in `words.ts`; but a sign-in that is missing or was not finished is no defect of the server.
fn of_account(server: &ServerView, account: &AccountView) -> Standing {
    match (&account.state, &server.reach) {
        (AccountStateView::SigningIn { .. }, _) => Standing::new(Overall::Ready, "signing in…"),
        (AccountStateView::Failed { failure }, _)
        | (AccountStateView::SignedIn { .. }, ReachView::Failed { failure, .. }) => of_failure(failure),
        (AccountStateView::SignedOut { .. }, _) => Standing::new(Overall::Attention, "signed out"),
        (AccountStateView::SignedIn { .. }, ReachView::Connecting) => connecting(),
        (AccountStateView::SignedIn { identity, .. }, ReachView::Unknown | ReachView::Reached) => {
            let who = identity.as_ref().map(|identity| format!(" as {identity}"));
            Standing::new(Overall::Ready, format!("signed in{}", who.unwrap_or_default()))
        }
        (AccountStateView::Unknown, _) => of_server_alone(server),
    }
}

fn of_server_alone(server: &ServerView) -> Standing {
    let uses_key =
        server.bearer || server.headers.iter().any(|name| name.eq_ignore_ascii_case("authorization"));
    match &server.reach {
        ReachView::Failed { failure, .. } => of_failure(failure),
        ReachView::Connecting => connecting(),
        ReachView::Unknown | ReachView::Reached if uses_key => Standing::new(Overall::Ready, "uses a key"),
        ReachView::Reached => Standing::new(Overall::Ready, "ready"),
        ReachView::Unknown => Standing::new(Overall::Ready, "not tried yet"),
    }
}

fn connecting() -> Standing {
    Standing::new(Overall::Ready, "connecting…")
}

fn of_failure(failure: &FailureView) -> Standing {
    match failure.code {
        // Somebody who closes the sign-in window knows about it.
        Code::SignInFailed => Standing::new(Overall::Attention, "sign-in not finished"),
        Code::SignedOut => Standing::new(Overall::Attention, "signed out"),
        Code::Unreachable | Code::TimedOut => Standing::new(Overall::Failed, "not reachable"),
        Code::Tls
        | Code::NotMcp
        | Code::ServerError
        | Code::MayHaveRun
        | Code::Unknown
        | Code::Exists
        | Code::Invalid
        | Code::Forbidden
        | Code::Keychain
        | Code::HostGone
        | Code::VersionSkew
        | Code::Paused
        | Code::Limit
        | Code::Internal => Standing::new(Overall::Failed, "needs attention"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::server;

    fn signed_in(identity: Option<&str>) -> serde_json::Value {
        serde_json::json!({ "kind": "signedIn", "expires": null, "scopes": [], "identity": identity })
    }

    fn signed_out() -> serde_json::Value {
        serde_json::json!({ "kind": "signedOut", "why": "you have signed out" })
    }

    fn failed(code: &str) -> serde_json::Value {
        let failure = serde_json::json!({ "code": code, "sentence": "S.", "nextStep": "N." });
        serde_json::json!({ "kind": "failed", "failure": failure })
    }

    fn with_reach(mut server: ServerView, reach: serde_json::Value) -> ServerView {
        server.reach = serde_json::from_value(reach).expect("a reach");
        server
    }

    fn away() -> serde_json::Value {
        let failure = serde_json::json!({ "code": "unreachable", "sentence": "S.", "nextStep": "N." });
        serde_json::json!({ "kind": "failed", "failure": failure, "since": null })
    }

    /// The menu as lines, deeper ones indented.
    fn lines(items: &[Item], depth: usize) -> Vec<String> {
        let indent = "  ".repeat(depth);
        let mut all = Vec::new();
        for item in items {
            match item {
                Item::Text(text) => all.push(format!("{indent}({text})")),
                Item::Action { label, action } => all.push(format!("{indent}{label} [{}]", action.id())),
                Item::More { label, items } => {
                    all.push(format!("{indent}{label}"));
                    all.extend(lines(items, depth + 1));
                }
                Item::Separator => all.push(format!("{indent}---")),
            }
        }
        all
    }

    #[test]
    fn every_server_offers_what_its_state_allows() {
        let servers = [
            server("linear", &[("default", signed_in(Some("ana@h")))]),
            server("notes", &[("home", signed_in(None)), ("work", signed_out())]),
            server("new", &[]),
        ];
        let expected = "\
linear – signed in as ana@h
  Open [server linear]
  Sign out [sign-out linear default]
  ---
  Copy client entry [copy-entry linear]
notes – 1 of 2 signed in
  Open [server notes]
  home: signed in – Sign out [sign-out notes home]
  work: signed out – Sign in… [sign-in notes work]
  ---
  Copy client entry [copy-entry notes]
new – not tried yet
  Open [server new]
  Sign in… [sign-in new default]
  ---
  Copy client entry [copy-entry new]
---
Pause all [pause]
Add server… [add]
Open Drawbridge [open]
Settings [settings]
Show logs [logs]
---
Quit [quit]";
        assert_eq!(lines(&menu(&servers, false), 0).join("\n"), expected);
        assert_eq!(lines(&menu(&[], false), 0)[0], "(No servers yet)");
    }

    #[test]
    fn a_pause_is_shown_above_all_and_can_be_ended() {
        let paused = lines(&menu(&[server("linear", &[("default", signed_out())])], true), 0);
        assert_eq!(paused[..2], ["(Paused: all servers are left alone)", "---"]);
        assert!(paused.contains(&"linear – signed out".to_owned()));
        assert!(paused.contains(&"Resume [resume]".to_owned()));
        assert!(!paused.iter().any(|line| line.contains("[pause]")));
    }

    #[test]
    fn a_server_that_is_away_says_so_in_line_and_icon() {
        let reached = || serde_json::json!({ "kind": "reached" });
        let unknown = || serde_json::json!({ "kind": "unknown" });
        let connecting = || serde_json::json!({ "kind": "connecting" });
        let (one, two) = (("default", signed_in(None)), ("work", signed_in(None)));
        let table = [
            (vec![], unknown(), "not tried yet", Overall::Ready),
            (vec![], connecting(), "connecting…", Overall::Ready),
            (vec![one.clone()], connecting(), "connecting…", Overall::Ready),
            (vec![one.clone(), two.clone()], connecting(), "2 of 2 signed in", Overall::Ready),
            (vec![("default", signed_out())], connecting(), "signed out", Overall::Attention),
            (vec![], reached(), "ready", Overall::Ready),
            (vec![], away(), "not reachable", Overall::Failed),
            (vec![("default", unknown())], away(), "not reachable", Overall::Failed),
            (vec![one.clone()], reached(), "signed in", Overall::Ready),
            (vec![one.clone()], away(), "not reachable", Overall::Failed),
            (vec![one, two], away(), "not reachable", Overall::Failed),
            (vec![("default", signed_out())], away(), "signed out", Overall::Attention),
            (vec![("default", failed("timed_out"))], reached(), "not reachable", Overall::Failed),
            (vec![("default", failed("tls"))], reached(), "needs attention", Overall::Failed),
        ];
        for (accounts, reach, words, overall) in table {
            let server = with_reach(server("s", &accounts), reach);
            let line = &lines(&menu(std::slice::from_ref(&server), false), 0)[0];
            assert_eq!(
                (line.as_str(), Overall::of(&[server], false)),
                (format!("s – {words}").as_str(), overall)
            );
        }
    }

    #[test]
    fn the_icon_shows_the_worst() {
        let overall = |accounts: &[(&str, serde_json::Value)]| Overall::of(&[server("s", accounts)], false);
        assert_eq!(Overall::of(&[], false), Overall::Ready);
        assert_eq!(Overall::of(&[server("s", &[("a", failed("unreachable"))])], true), Overall::Paused);
        assert_eq!(overall(&[("a", signed_in(None))]), Overall::Ready);
        assert_eq!(overall(&[("a", signed_in(None)), ("b", signed_out())]), Overall::Attention);
        assert_eq!(overall(&[("a", failed("sign_in_failed"))]), Overall::Attention);
        assert_eq!(overall(&[("a", failed("unreachable")), ("b", signed_out())]), Overall::Failed);
    }
}
