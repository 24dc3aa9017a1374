//! Which of a server's tools clients may see, as people say it: by globs, and as they accepted them.

use serde::{Deserialize, Serialize};

/// Which tools clients may see. A glob knows `*`, any run of characters, and `?`, any one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "specta", derive(specta::Type))]
pub struct ToolRules {
    /// Only these, where there are any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allow: Vec<String>,
    /// Never these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deny: Vec<String>,
    /// Only as the person last accepted them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub pinned: bool,
}

impl ToolRules {
    /// Whether there are none, so that every tool may be seen.
    pub fn is_empty(&self) -> bool {
        self.allow.is_empty() && self.deny.is_empty() && !self.pinned
    }

    /// Adds globs; one that is there already is not added again.
    pub fn add(&mut self, allow: &[String], deny: &[String]) {
        for (globs, further) in [(&mut self.allow, allow), (&mut self.deny, deny)] {
            for glob in further {
                if !globs.contains(glob) {
                    globs.push(glob.clone());
                }
            }
        }
    }
}
