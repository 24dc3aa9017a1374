//! The runs that cannot pass yet, and why. One that passes all the same fails the test, so that this
//! list only ever names what is missing.

use crate::suite::Run;

/// Scenario, version or `None` for every one, and what is missing.
const MISSING: &[(&str, Option<&str>, &str)] = &[];

/// Why this run cannot pass.
pub(crate) fn reason(run: &Run) -> Option<&'static str> {
    let found = MISSING.iter().find(|(scenario, version, _)| {
        *scenario == run.scenario && version.is_none_or(|version| version == run.version)
    });
    found.map(|(_, _, reason)| *reason)
}
