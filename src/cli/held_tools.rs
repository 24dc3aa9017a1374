//! `drawbridge tools --changes` and `--accept`: what a pinned server's tools have become, and the person's word on it.

use std::fmt::Write as _;

use http::Method;

use super::client::{Client, account_path};
use super::output;
use super::target::NamedAccount;
use crate::api::types::{AcceptTools, DetailsView, HeldToolsView, HeldWhy, LineChange};
use crate::failure::{Code, Failure};

/// The held tools of an account, as the Host has them.
pub(super) struct HeldTools {
    server: NamedAccount,
    held: Option<HeldToolsView>,
}

impl HeldTools {
    /// Asks the Host.
    ///
    /// # Errors
    /// There is no such account, or no Host.
    pub(super) async fn look(server: NamedAccount) -> Result<Self, Failure> {
        let mut client = Client::connect().await?;
        let (name, label) = client.account(&server).await?;
        let details: DetailsView = client.get(&format!("{}/details", account_path(&name, &label))).await?;
        Ok(Self { server, held: details.held })
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.held.as_ref().map_or(0, |held| held.tools.len() + held.left_out)
    }

    /// One sentence and what to do, where there are any.
    pub(super) fn note(&self) -> Option<String> {
        let what = match self.count() {
            0 => return None,
            1 => "1 tool is held back, because it is not as you accepted it.".to_owned(),
            count => format!("{count} tools are held back, because they are not as you accepted them."),
        };
        Some(format!("{what}\n`drawbridge tools {} --changes` shows what has changed.", self.server))
    }

    /// Shows them.
    ///
    /// # Errors
    /// The tools are not pinned.
    pub(super) fn show(self, json: bool) -> Result<(), Failure> {
        let Some(held) = &self.held else { return Err(not_pinned(&self.server)) };
        if json {
            output::print_json(held);
        } else if held.tools.is_empty() {
            output::tell("All tools are as you accepted them.");
        } else {
            output::print(&text(held));
            if held.tools.iter().any(|tool| tool.why.is_shown()) {
                output::tell(&format!(
                    "To accept this: `drawbridge tools {} --accept={}`",
                    self.server, held.seen
                ));
            }
        }
        Ok(())
    }
}

/// Accepts the tools that [`HeldTools::show`] named so.
///
/// # Errors
/// The tools are not pinned, or have changed since.
pub(super) async fn accept(server: NamedAccount, seen: String) -> Result<(), Failure> {
    let mut client = Client::connect().await?;
    let (name, label) = client.account(&server).await?;
    let path = format!("{}/tools/accept", account_path(&name, &label));
    client.tell(Method::POST, &path, Some(&AcceptTools { seen })).await?;
    output::tell("Accepted. Clients get them from now on.");
    Ok(())
}

fn not_pinned(server: &NamedAccount) -> Failure {
    Failure::new(
        Code::Invalid,
        format!("the tools of {} are not pinned", server.server),
        format!("Pin them with `drawbridge edit {} --pin-tools`", server.server),
    )
}

/// Every tool under its name, with `-` before what is gone and `+` before what is new.
fn text(held: &HeldToolsView) -> String {
    let mut text = String::new();
    for tool in &held.tools {
        let what = match tool.why {
            HeldWhy::New => "is new",
            HeldWhy::Changed => "has changed",
            HeldWhy::Several => {
                "stands for several tools, so nobody knows which one a client would get; it stays held back"
            }
            HeldWhy::TooLong => "is longer than what is shown here, so it stays held back",
            HeldWhy::Later => "is shown once you have accepted the others; it stays held back until then",
        };
        _ = writeln!(text, "{} {what}", tool.name);
        for line in &tool.lines {
            let mark = match line.change {
                LineChange::Same => ' ',
                LineChange::Removed => '-',
                LineChange::Added => '+',
            };
            _ = writeln!(text, "  {mark} {}", line.text);
        }
    }
    if held.left_out > 0 {
        _ = writeln!(text, "{} more stay held back", held.left_out);
    }
    text
}
