//! What is worth a notification, as plain values: made from how everything stands, at most once for
//! each cause until that cause is gone, and shown by `notify`.

use std::collections::{BTreeMap, BTreeSet};

use drawbridge::api::types::{AccountStateView, ServerView};
use drawbridge::client_config::Change;
use drawbridge::failure::Failure;
use drawbridge::host::tool_changes::{LastChanges, ToolChange};
use drawbridge::redact;

use crate::menu::Action;

/// An account: server and label.
type Account = (String, String);

/// What became of a client's entries, by name.
pub(crate) type ClientChanges = BTreeMap<String, Change>;

/// Why the person is told something.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Cause {
    /// A sign-in has ended by itself.
    Lapsed(Account),
    /// A server lists other tools than before.
    Tools(Account),
    /// A sign-in in a window has worked.
    SignedIn(Account),
    /// Somebody has changed entries of the client of this name.
    Client(&'static str),
    /// What a click was to do with this server was refused.
    Refused(String),
    /// What a click was to do beside the servers did not work.
    NotDone,
    /// No window can be shown.
    NoWindow,
    /// Something has panicked.
    Defect,
}

/// A notification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Notice {
    /// Why it is shown.
    pub(crate) cause: Cause,
    /// Its first line.
    pub(crate) title: String,
    /// The rest.
    pub(crate) text: String,
    /// What a click on it does.
    pub(crate) click: Action,
    /// A button of its own.
    pub(crate) button: Option<(&'static str, Action)>,
    /// Whether it is worth nothing later.
    pub(crate) is_passing: bool,
}

/// What is to be done with notifications.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// Show this one.
    Show(Notice),
    /// Take the one of this cause away.
    Withdraw(Cause),
}

/// The causes that the person was told of.
#[derive(Debug, Default)]
pub(crate) struct Notices {
    /// Those that have not gone since.
    told: BTreeSet<Cause>,
    /// The number of the last change of each account's tools that counts for nothing any more.
    tools: BTreeMap<Account, u64>,
}

impl Notices {
    /// What follows from how the servers stand now.
    pub(crate) fn of_servers(&mut self, servers: &[ServerView]) -> Vec<Step> {
        let mut steps = Vec::new();
        let mut lasting = BTreeSet::new();
        for (account, state) in accounts(servers) {
            let cause = Cause::Lapsed(account.clone());
            match state {
                AccountStateView::SignedOut { lapsed: true, why } => {
                    lasting.insert(account.clone());
                    if self.told.insert(cause) {
                        steps.push(Step::Show(lapsed(account, why)));
                    }
                }
                // The person sees to it, or has just done so without success.
                AccountStateView::SigningIn { .. } | AccountStateView::Failed { .. } => {
                    lasting.insert(account);
                    if self.told.contains(&cause) {
                        steps.push(Step::Withdraw(cause));
                    }
                }
                AccountStateView::Unknown
                | AccountStateView::SignedIn { .. }
                | AccountStateView::SignedOut { .. } => {}
            }
        }
        let is_gone = |cause: &Cause| matches!(cause, Cause::Lapsed(account) if !lasting.contains(account));
        steps.extend(self.told.extract_if(.., is_gone).map(Step::Withdraw));
        steps
    }

    /// What follows from the last changes of tools.
    pub(crate) fn of_tools(&mut self, changes: &LastChanges) -> Vec<Step> {
        let mut steps = Vec::new();
        for change in changes.values() {
            let account = (change.server.clone(), change.account.clone());
            let seen = self.tools.insert(account.clone(), change.number).unwrap_or_default();
            if seen < change.number && self.told.insert(Cause::Tools(account.clone())) {
                steps.push(Step::Show(other_tools(account, change)));
            }
        }
        steps
    }

    /// What follows from changes in a client's config.
    pub(crate) fn of_client(&mut self, client: &'static str, changes: &ClientChanges) -> Vec<Step> {
        let is_new = self.told.insert(Cause::Client(client));
        if is_new { vec![Step::Show(other_entries(client, changes))] } else { Vec::new() }
    }

    /// What follows from a window that could not be shown. It is told whatever the settings say, because whoever
    /// clicked would see nothing at all.
    pub(crate) fn of_no_window(&mut self, failure: &Failure) -> Vec<Step> {
        let is_new = self.told.insert(Cause::NoWindow);
        if is_new { vec![Step::Show(no_window(failure))] } else { Vec::new() }
    }

    /// What follows from a panic.
    pub(crate) fn of_defect(&mut self) -> Vec<Step> {
        if self.told.insert(Cause::Defect) { vec![Step::Show(defect())] } else { Vec::new() }
    }

    /// The person has seen a notification: what changes from now on is news.
    pub(crate) fn seen(&mut self, cause: &Cause) {
        match cause {
            Cause::Tools(_) | Cause::Client(_) | Cause::NoWindow | Cause::Defect => {
                _ = self.told.remove(cause)
            }
            Cause::Lapsed(_) | Cause::SignedIn(_) | Cause::Refused(_) | Cause::NotDone => {}
        }
    }

    /// The person looks at the main window, which shows the tools and what clients need.
    pub(crate) fn window_is_shown(&mut self) -> Vec<Step> {
        let is_seen = |cause: &Cause| matches!(cause, Cause::Tools(_) | Cause::Client(_) | Cause::NoWindow);
        self.told.extract_if(.., is_seen).map(Step::Withdraw).collect()
    }
}

/// A sign-in in a window has worked.
pub(crate) fn signed_in(account: &Account, identity: Option<&str>) -> Notice {
    let who = identity.map(|identity| format!(" as {identity}"));
    Notice {
        cause: Cause::SignedIn(account.clone()),
        title: format!("Signed in to {}{}", name(account), who.unwrap_or_default()),
        text: "Your clients can use it now.".to_owned(),
        click: Action::OpenServer(account.0.clone()),
        button: None,
        is_passing: true,
    }
}

fn lapsed(account: Account, why: &str) -> Notice {
    Notice {
        title: format!("Sign in to {} again", name(&account)),
        text: format!("Drawbridge needs you: {why}."),
        click: Action::OpenServer(account.0.clone()),
        button: Some(("Sign in", Action::SignIn(account.0.clone(), account.1.clone()))),
        is_passing: false,
        cause: Cause::Lapsed(account),
    }
}

fn other_tools(account: Account, change: &ToolChange) -> Notice {
    let counts = [(change.added, "new"), (change.altered, "changed"), (change.removed, "gone")];
    let some = counts.iter().filter(|(count, _)| *count > 0);
    let text = some.map(|(count, what)| format!("{count} {what}")).collect::<Vec<_>>().join(", ");
    let of = name(&account);
    let (title, next) = match change.held > 0 {
        true => (format!("Tools of {of} are held back"), " No client gets them until you accept them."),
        false => (format!("The tools of {of} have changed"), ""),
    };
    Notice {
        title,
        text: format!("{text}.{next}"),
        click: Action::OpenServer(account.0.clone()),
        button: None,
        is_passing: false,
        cause: Cause::Tools(account),
    }
}

fn other_entries(client: &'static str, changes: &ClientChanges) -> Notice {
    let of = |wanted: Change| {
        let those = changes.iter().filter(|(_, change)| **change == wanted);
        those.map(|(name, _)| redact::plain(name, 60)).collect::<Vec<_>>().join(", ")
    };
    let says = |what: &str, names: String| (!names.is_empty()).then(|| format!("{what}: {names}."));
    let gone = says("No longer starts Drawbridge", of(Change::Gone));
    let other = says("Starts it in another way", of(Change::Other));
    let parts = [gone, other, Some("If that was not you, copy the entry again.".to_owned())];
    Notice {
        cause: Cause::Client(client),
        title: format!("The MCP config of {client} was changed"),
        text: parts.into_iter().flatten().collect::<Vec<_>>().join(" "),
        click: Action::Open,
        button: None,
        is_passing: false,
    }
}

/// What a click in the tray was to do with a server was refused. Nothing else would show it.
pub(crate) fn refused(server: String, failure: &Failure) -> Notice {
    unheeded(Cause::Refused(server.clone()), Action::OpenServer(server), failure)
}

/// What a click in the tray was to do beside the servers did not work. Nothing else would show it.
pub(crate) fn not_done(failure: &Failure) -> Notice {
    unheeded(Cause::NotDone, Action::Open, failure)
}

fn unheeded(cause: Cause, click: Action, failure: &Failure) -> Notice {
    Notice {
        cause,
        title: failure.sentence.clone(),
        text: failure.next_step.clone(),
        click,
        button: None,
        is_passing: true,
    }
}

fn no_window(failure: &Failure) -> Notice {
    Notice {
        cause: Cause::NoWindow,
        title: "Drawbridge cannot show its window".to_owned(),
        text: failure.text(),
        click: Action::Open,
        button: None,
        is_passing: false,
    }
}

fn defect() -> Notice {
    Notice {
        cause: Cause::Defect,
        title: "Something in Drawbridge went wrong".to_owned(),
        text: "Your clients' sessions go on. The logs say where it was; please report it.".to_owned(),
        click: Action::Logs,
        button: None,
        is_passing: false,
    }
}

/// The account as `connect` takes it; the usual one goes by its server's name.
fn name((server, label): &Account) -> String {
    if label == "default" { server.clone() } else { format!("{server}@{label}") }
}

fn accounts(servers: &[ServerView]) -> impl Iterator<Item = (Account, &AccountStateView)> {
    servers.iter().flat_map(|server| {
        let of_server = |account: &drawbridge::api::types::AccountView| {
            (server.name.to_string(), account.label.to_string())
        };
        server.accounts.iter().map(move |account| (of_server(account), &account.state))
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::sample::server;

    fn account() -> Account {
        ("linear".into(), "default".into())
    }

    fn linear(state: serde_json::Value) -> [ServerView; 1] {
        [server("linear", &[("default", state)])]
    }

    fn lapsed_state() -> serde_json::Value {
        json!({ "kind": "signedOut", "why": "the sign-in has expired", "lapsed": true })
    }

    fn signed_in_state(identity: Option<&str>) -> serde_json::Value {
        json!({ "kind": "signedIn", "expires": null, "scopes": [], "identity": identity })
    }

    #[test]
    fn a_sign_in_that_lapses_is_told_once_until_somebody_has_signed_in_again() {
        let mut notices = Notices::default();
        let withdrawn = vec![Step::Withdraw(Cause::Lapsed(account()))];

        let steps = notices.of_servers(&linear(lapsed_state()));
        let [Step::Show(notice)] = steps.as_slice() else { panic!("{steps:?}") };
        assert_eq!(notice.title, "Sign in to linear again");
        assert_eq!(notice.text, "Drawbridge needs you: the sign-in has expired.");
        assert_eq!(notice.click, Action::OpenServer("linear".into()));
        assert_eq!(notices.of_servers(&linear(lapsed_state())), []);

        let signing_in = json!({ "kind": "signingIn", "host": null });
        let declined = json!({ "kind": "failed", "failure":
            { "code": "sign_in_failed", "sentence": "S.", "nextStep": "N." } });
        assert_eq!(notices.of_servers(&linear(signing_in)), withdrawn);
        assert_eq!(notices.of_servers(&linear(declined)), withdrawn);
        assert_eq!(notices.of_servers(&linear(lapsed_state())), [], "who has declined is not asked again");

        assert_eq!(notices.of_servers(&linear(signed_in_state(None))), withdrawn);
        assert_eq!(notices.of_servers(&linear(lapsed_state())).len(), 1, "another one");
        assert_eq!(notices.of_servers(&[]), withdrawn, "the server is gone");
    }

    #[test]
    fn who_never_signed_in_or_has_signed_out_is_left_alone() {
        let mut notices = Notices::default();
        for state in [
            json!({ "kind": "unknown" }),
            json!({ "kind": "signedOut", "why": "you have signed out", "lapsed": false }),
            json!({ "kind": "signedOut", "why": "nobody has signed in yet" }),
            json!({ "kind": "signingIn", "host": "as.example" }),
            signed_in_state(Some("ana@h")),
        ] {
            assert_eq!(notices.of_servers(&linear(state)), []);
        }
    }

    #[test]
    fn other_tools_are_told_once_until_the_person_has_seen_it() {
        let mut notices = Notices::default();
        let changes = |number: u64| -> LastChanges {
            let change = ToolChange {
                server: "linear".into(),
                account: "work".into(),
                added: 2,
                removed: 1,
                altered: 0,
                held: 0,
                number,
            };
            Arc::new([(("e".to_owned(), "work".to_owned()), change)].into())
        };
        let steps = notices.of_tools(&changes(1));
        let [Step::Show(notice)] = steps.as_slice() else { panic!("{steps:?}") };
        assert_eq!(notice.title, "The tools of linear@work have changed");
        assert_eq!(notice.text, "2 new, 1 gone.");
        assert_eq!(notices.of_tools(&changes(1)), []);
        assert_eq!(notices.of_tools(&changes(2)), [], "it has not been seen yet");

        notices.seen(&notice.cause);
        assert_eq!(notices.of_tools(&changes(2)), [], "nothing new since");
        assert_eq!(notices.of_tools(&changes(3)).len(), 1);
        assert_eq!(notices.window_is_shown(), [Step::Withdraw(notice.cause.clone())]);
        assert_eq!(notices.of_tools(&changes(4)).len(), 1);
        assert_eq!(notices.of_servers(&linear(signed_in_state(None))), [], "servers say nothing about tools");
    }

    #[test]
    fn of_pinned_tools_it_says_what_is_held_back() {
        let told = |added, removed, held| {
            let (server, account) = ("linear".to_owned(), "default".to_owned());
            let change = ToolChange { server, account, added, removed, altered: 0, held, number: 1 };
            let notice = other_tools(self::account(), &change);
            (notice.title, notice.text)
        };
        let expected = ("Tools of linear are held back", "1 new. No client gets them until you accept them.");
        assert_eq!(told(1, 0, 1), (expected.0.into(), expected.1.into()));
        assert_eq!(told(0, 2, 0), ("The tools of linear have changed".into(), "2 gone.".into()));
    }

    #[test]
    fn a_clients_changed_entries_are_told_once_until_the_person_has_seen_it() {
        let mut notices = Notices::default();
        let changes: ClientChanges = [("a", Change::Gone), ("b", Change::Other), ("c", Change::Gone)]
            .map(|(name, change)| (name.to_owned(), change))
            .into();
        let steps = notices.of_client("Cursor", &changes);
        let [Step::Show(notice)] = steps.as_slice() else { panic!("{steps:?}") };
        assert_eq!(notice.title, "The MCP config of Cursor was changed");
        let says = "No longer starts Drawbridge: a, c. Starts it in another way: b. \
                    If that was not you, copy the entry again.";
        assert_eq!(notice.text, says);
        assert_eq!(notices.of_client("Cursor", &changes), []);
        assert_eq!(notices.of_client("Zed", &changes).len(), 1, "another client");
        assert_eq!(notices.window_is_shown().len(), 2);
        assert_eq!(notices.of_client("Cursor", &changes).len(), 1);
    }

    #[test]
    fn that_no_window_can_be_shown_is_told_until_it_was_seen() {
        let mut notices = Notices::default();
        let failure = Failure::new(drawbridge::failure::Code::Internal, "WebKitGTK is missing", "Install it");
        let steps = notices.of_no_window(&failure);
        let [Step::Show(notice)] = steps.as_slice() else { panic!("{steps:?}") };
        assert_eq!(notice.text, "WebKitGTK is missing. Install it.");
        assert_eq!(notices.of_no_window(&failure), []);
        notices.seen(&Cause::NoWindow);
        assert_eq!(notices.of_no_window(&failure).len(), 1);
        assert_eq!(notices.window_is_shown(), [Step::Withdraw(Cause::NoWindow)]);
    }

    #[test]
    fn a_defect_is_told_once_until_it_was_seen() {
        let mut notices = Notices::default();
        assert_eq!(notices.of_defect().len(), 1);
        assert_eq!(notices.of_defect(), []);
        notices.seen(&Cause::Defect);
        assert_eq!(notices.of_defect().len(), 1);
    }

    #[test]
    fn a_sign_in_says_where_and_as_whom() {
        assert_eq!(signed_in(&account(), Some("ana@h")).title, "Signed in to linear as ana@h");
        let at_work = ("linear".to_owned(), "work".to_owned());
        assert_eq!(signed_in(&at_work, None).title, "Signed in to linear@work");
    }
}
