//! The tray menu and icon as plain values: made from what the Host tells, compared before anything
//! is drawn, and drawn by `tray`.

use drawbridge::api::types::{AccountStateView, AccountView, ServerView};
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
    /// The worst of all accounts. An account that nobody ever used counts for nothing.
    pub(crate) fn of(servers: &[ServerView], is_paused: bool) -> Self {
        if is_paused {
            return Self::Paused;
        }
        let accounts = servers.iter().flat_map(|server| &server.accounts);
        accounts.map(|account| Self::of_account(&account.state)).max().unwrap_or(Self::Ready)
    }

    fn of_account(state: &AccountStateView) -> Self {
        match state {
            AccountStateView::Unknown
            | AccountStateView::SignedIn { .. }
            | AccountStateView::SigningIn { .. } => Self::Ready,
            AccountStateView::SignedOut { .. } => Self::Attention,
            // Somebody who closes the sign-in window knows about it.
            AccountStateView::Failed { failure } if failure.code == Code::SignInFailed => Self::Attention,
            AccountStateView::Failed { .. } => Self::Failed,
        }
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
    items.extend(server.accounts.iter().map(|account| account_item(&name, account, alone)));
    items.push(Item::Separator);
    items.push(Item::action("Copy client entry", Action::CopyEntry(name.clone())));
    Item::More { label: format!("{name} – {}", server_words(server)), items }
}

fn account_item(server: &str, account: &AccountView, alone: bool) -> Item {
    let label = account.label.to_string();
    let of_account = |action: &str| {
        if alone {
            action.to_owned()
        } else {
            format!("{label}: {} – {action}", account_words(&account.state))
        }
    };
    let names = (server.to_owned(), label.clone());
    match &account.state {
        AccountStateView::SignedIn { .. } => {
            Item::action(of_account("Sign out"), Action::SignOut(names.0, names.1))
        }
        AccountStateView::SigningIn { .. } => {
            Item::action(of_account("Cancel sign-in"), Action::CancelSignIn(names.0, names.1))
        }
        AccountStateView::Unknown | AccountStateView::SignedOut { .. } | AccountStateView::Failed { .. } => {
            Item::action(of_account("Sign in…"), Action::SignIn(names.0, names.1))
        }
    }
}

fn server_words(server: &ServerView) -> String {
    match server.accounts.as_slice() {
        [] if server.bearer || !server.headers.is_empty() => "uses a key".to_owned(),
        [] => "not signed in".to_owned(),
        [account] => account_words(&account.state),
        accounts => {
            let is_signed_in =
                |account: &&AccountView| matches!(account.state, AccountStateView::SignedIn { .. });
            format!("{} of {} signed in", accounts.iter().filter(is_signed_in).count(), accounts.len())
        }
    }
}

fn account_words(state: &AccountStateView) -> String {
    match state {
        AccountStateView::Unknown => "ready".to_owned(),
        AccountStateView::SignedIn { identity: Some(identity), .. } => format!("signed in as {identity}"),
        AccountStateView::SignedIn { identity: None, .. } => "signed in".to_owned(),
        AccountStateView::SigningIn { .. } => "signing in…".to_owned(),
        AccountStateView::SignedOut { .. } => "signed out".to_owned(),
        AccountStateView::Failed { failure } if failure.code == Code::SignInFailed => {
            "sign-in not finished".to_owned()
        }
        AccountStateView::Failed { .. } => "needs attention".to_owned(),
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
new – not signed in
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
