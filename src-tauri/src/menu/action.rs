//! What the lines of the tray menu do, and the ids that they are drawn with.

/// What a click does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    /// Shows the main window.
    Open,
    /// Shows a server.
    OpenServer(String),
    /// Signs in to an account: server and label.
    SignIn(String, String),
    /// Calls that off.
    CancelSignIn(String, String),
    /// Signs out of it.
    SignOut(String, String),
    /// Copies what an MCP client needs to start a server.
    CopyEntry(String),
    /// Shows the form that adds a server.
    Add,
    /// Leaves all servers alone.
    Pause,
    /// Uses them again.
    Resume,
    /// Shows the settings.
    Settings,
    /// Shows the logs.
    Logs,
    /// Ends the app.
    Quit,
}

impl Action {
    /// The id of its menu item. Names of servers and accounts have no blanks.
    pub(crate) fn id(&self) -> String {
        match self {
            Self::Open => "open".to_owned(),
            Self::OpenServer(server) => format!("server {server}"),
            Self::SignIn(server, label) => format!("sign-in {server} {label}"),
            Self::CancelSignIn(server, label) => format!("cancel-sign-in {server} {label}"),
            Self::SignOut(server, label) => format!("sign-out {server} {label}"),
            Self::CopyEntry(server) => format!("copy-entry {server}"),
            Self::Add => "add".to_owned(),
            Self::Pause => "pause".to_owned(),
            Self::Resume => "resume".to_owned(),
            Self::Settings => "settings".to_owned(),
            Self::Logs => "logs".to_owned(),
            Self::Quit => "quit".to_owned(),
        }
    }

    /// The action of an id.
    pub(crate) fn of_id(id: &str) -> Option<Self> {
        let words: Vec<&str> = id.split(' ').collect();
        let own = str::to_owned;
        Some(match *words.as_slice() {
            ["open"] => Self::Open,
            ["server", server] => Self::OpenServer(own(server)),
            ["sign-in", server, label] => Self::SignIn(own(server), own(label)),
            ["cancel-sign-in", server, label] => Self::CancelSignIn(own(server), own(label)),
            ["sign-out", server, label] => Self::SignOut(own(server), own(label)),
            ["copy-entry", server] => Self::CopyEntry(own(server)),
            ["add"] => Self::Add,
            ["pause"] => Self::Pause,
            ["resume"] => Self::Resume,
            ["settings"] => Self::Settings,
            ["logs"] => Self::Logs,
            ["quit"] => Self::Quit,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_action_is_found_again_by_its_id() {
        let own = str::to_owned;
        let all = [
            Action::Open,
            Action::OpenServer(own("a")),
            Action::SignIn(own("a"), own("b")),
            Action::CancelSignIn(own("a"), own("b")),
            Action::SignOut(own("a"), own("b")),
            Action::CopyEntry(own("a")),
            Action::Add,
            Action::Pause,
            Action::Resume,
            Action::Settings,
            Action::Logs,
            Action::Quit,
        ];
        for action in all {
            assert_eq!(Action::of_id(&action.id()), Some(action));
        }
        for id in ["", "sign-in a", "sign-in a b c", "remove a"] {
            assert_eq!(Action::of_id(id), None, "{id}");
        }
    }
}
