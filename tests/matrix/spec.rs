//! What there is to show, and what a pair of peers cannot have by the specification.

use Feature::{
    Cancellation, Completion, Form, ListChanges, Logging, Progress, Prompts, Resources, Roots, Sampling,
    Subscriptions, Templates, Tools, UrlMode,
};

use crate::servers::Server;

/// The first version of the modern era.
pub(crate) const MODERN: &str = "2026-07-28";

/// The versions of clients.
pub(crate) const VERSIONS: [&str; 5] = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25", MODERN];

/// One thing that clients and servers do together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Feature {
    Tools,
    Prompts,
    Resources,
    Templates,
    Subscriptions,
    Progress,
    Cancellation,
    Logging,
    Form,
    UrlMode,
    Sampling,
    Roots,
    Completion,
    ListChanges,
}

/// All of them, in the order of the table's columns.
pub(crate) const FEATURES: [Feature; 14] = [
    Tools,
    Prompts,
    Resources,
    Templates,
    Subscriptions,
    Progress,
    Cancellation,
    Logging,
    Form,
    UrlMode,
    Sampling,
    Roots,
    Completion,
    ListChanges,
];

/// The features that did not exist from the beginning: since when they do, and why a pair with an
/// older client or server cannot have them. Everything else is wanted of every pair.
pub(crate) const LATER: [(Feature, &str, &str); 2] = [
    (
        Form,
        "2025-06-18",
        "elicitation came with 2025-06-18; an older client cannot be asked, an older server cannot ask",
    ),
    (UrlMode, "2025-11-25", "URL mode came with 2025-11-25; older clients and servers know forms alone"),
];

/// What other people's clients do not offer, and why. Their servers offer everything.
pub(crate) const NOT_OFFERED: [(&str, Feature, &str); 1] =
    [("Python SDK 1", Cancellation, "this client tells nobody that it has given up a request")];

/// Why a pair cannot have a feature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Absence {
    /// One side's version does not know it; using it is answered so.
    Later,
    /// The client does not offer it.
    NotOffered,
}

impl Absence {
    /// Whether the client may ask for it all the same, and is answered.
    pub(crate) fn is_answered(self) -> bool {
        self == Self::Later
    }
}

/// Why this client, of that version, and this server cannot have a feature; `None` where they can.
pub(crate) fn absence(feature: Feature, client: &str, version: &str, server: &Server) -> Option<Absence> {
    if NOT_OFFERED.iter().any(|(name, missing, _)| *missing == feature && *name == client) {
        return Some(Absence::NotOffered);
    }
    let is_too_old = |since: &str| version < since || server.newest() < since;
    LATER.iter().any(|(later, since, _)| *later == feature && is_too_old(since)).then_some(Absence::Later)
}

impl Feature {
    /// The head of its column.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Tools => "tools",
            Prompts => "prompts",
            Resources => "resources",
            Templates => "templates",
            Subscriptions => "subscriptions",
            Progress => "progress",
            Cancellation => "cancellation",
            Logging => "logging",
            Form => "form",
            UrlMode => "url",
            Sampling => "sampling",
            Roots => "roots",
            Completion => "completion",
            ListChanges => "list changes",
        }
    }
}
