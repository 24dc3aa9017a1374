//! What is known of a server from what it said, and whether it could be reached.

use serde::{Deserialize, Serialize};

use super::FailureView;
use crate::host::snapshot::SeenTransport;
use crate::mcp::era::Era;

/// Whether a server could be reached when it was last tried.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "specta", derive(specta::Type))]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "kind")]
pub enum ReachView {
    /// Nobody has tried since Drawbridge was started.
    #[default]
    Unknown,
    /// It is being tried, and nothing was known of it before.
    Connecting,
    /// It answered, be it with the wish for a sign-in.
    Reached,
    /// It did not answer as an MCP server does.
    Failed {
        /// What was wrong.
        failure: FailureView,
        /// Since when, in seconds since 1970.
        since: Option<u64>,
    },
}

/// What a server last said to an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "specta", derive(specta::Type))]
#[serde(rename_all = "camelCase")]
pub struct DetailsView {
    /// What it calls itself.
    pub server: Option<String>,
    /// Its own release.
    pub server_version: Option<String>,
    /// The protocol version that was agreed.
    pub protocol_version: Option<String>,
    /// What it tells the model about itself.
    pub instructions: Option<String>,
    /// Its era, once there was evidence.
    pub era: Option<Era>,
    /// Its transport, once there was evidence.
    pub transport: Option<SeenTransport>,
    /// Its tools, once it has listed them.
    pub tools: Option<Vec<ToolView>>,
    /// How many more it has listed than are told here.
    #[serde(default)]
    pub tools_left_out: usize,
    /// What is held back of them; none where they are not pinned.
    #[serde(default)]
    pub held: Option<HeldToolsView>,
}

/// The tools that a server lists and that are not as the person accepted them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "specta", derive(specta::Type))]
#[serde(rename_all = "camelCase")]
pub struct HeldToolsView {
    /// Names what this was made from: what is accepted is this and nothing else.
    pub seen: String,
    /// Those tools, in the server's order.
    pub tools: Vec<HeldToolView>,
    /// How many more there are, of which nothing can be shown or accepted now.
    #[serde(default)]
    pub left_out: usize,
}

/// A tool that is held back from clients.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "specta", derive(specta::Type))]
#[serde(rename_all = "camelCase")]
pub struct HeldToolView {
    /// Its name.
    pub name: String,
    /// Why it is held back.
    pub why: HeldWhy,
    /// All that the server says of it, beside what was accepted; nothing where it cannot be accepted now.
    pub lines: Vec<LineView>,
}

/// Why a tool is held back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "specta", derive(specta::Type))]
#[serde(rename_all = "snake_case")]
pub enum HeldWhy {
    /// No tool of that name was accepted.
    New,
    /// It was accepted with other words.
    Changed,
    /// The server lists several of that name, so nobody knows which one a client would get.
    Several,
    /// It says more than is shown, so it cannot be accepted.
    TooLong,
    /// It is shown once the others are accepted, because all of them are too much at once.
    Later,
}

impl HeldWhy {
    /// Whether it is shown, so that it can be accepted.
    pub fn is_shown(self) -> bool {
        match self {
            Self::New | Self::Changed => true,
            Self::Several | Self::TooLong | Self::Later => false,
        }
    }
}

/// A line of a tool's description.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "specta", derive(specta::Type))]
#[serde(rename_all = "camelCase")]
pub struct LineView {
    /// What became of it.
    pub change: LineChange,
    /// It, with what is invisible made visible.
    pub text: String,
}

/// What became of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "specta", derive(specta::Type))]
#[serde(rename_all = "snake_case")]
pub enum LineChange {
    /// It is as it was.
    Same,
    /// It is gone.
    Removed,
    /// It is new.
    Added,
}

/// The person accepts tools.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "specta", derive(specta::Type))]
#[serde(rename_all = "camelCase")]
pub struct AcceptTools {
    /// The list that was looked at, by its name in [`HeldToolsView`].
    pub seen: String,
}

/// A tool as its server describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "specta", derive(specta::Type))]
#[serde(rename_all = "camelCase")]
pub struct ToolView {
    /// Its name.
    pub name: String,
    /// Its name for people.
    pub title: Option<String>,
    /// What it does.
    pub description: Option<String>,
    /// What it may do to the person's things. It is the server's own word.
    pub effect: ToolEffect,
}

/// What a tool does, in its server's words; where it has none, the worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "specta", derive(specta::Type))]
#[serde(rename_all = "snake_case")]
pub enum ToolEffect {
    /// It only reads.
    Reads,
    /// It adds and destroys nothing.
    Adds,
    /// It may change or delete.
    Changes,
}
