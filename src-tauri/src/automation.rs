//! Whether other programs may drive the windows (WebDriver), as tests do. Tauri obeys an environment
//! variable for that in every build, so a build that people get does not start with it (security rule 15).

use drawbridge::failure::{Code, Failure};

/// What Tauri looks at.
const VARIABLE: &str = "TAURI_WEBVIEW_AUTOMATION";

/// Ends the start of a build that people get, if its windows would be driven.
///
/// # Errors
/// They would.
pub(crate) fn refuse() -> Result<(), Failure> {
    may_start(cfg!(debug_assertions), std::env::var_os(VARIABLE).is_some())
}

/// Whether sign-in windows share the main window's context. WebKit lets itself be driven in one context alone, so a test
/// that drives both says so with this variable, which no build that people get looks at.
pub(crate) fn shares_context() -> bool {
    cfg!(debug_assertions) && std::env::var_os("DRAWBRIDGE_TEST_SHARED_CONTEXT").is_some()
}

/// Panics at the place that a test of that has named. No build that people get looks there.
pub(crate) fn break_at(place: &str) {
    if cfg!(debug_assertions) && std::env::var("DRAWBRIDGE_TEST_PANIC").is_ok_and(|named| named == place) {
        panic!("a test asked for it");
    }
}

fn may_start(is_for_tests: bool, is_driven: bool) -> Result<(), Failure> {
    if is_for_tests || !is_driven {
        return Ok(());
    }
    Err(Failure::new(
        Code::Forbidden,
        "Another program wants to drive Drawbridge's windows",
        format!("Start it without {VARIABLE} in its environment"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_build_for_tests_starts_to_be_driven() {
        for (is_for_tests, is_driven, may) in
            [(true, true, true), (true, false, true), (false, false, true), (false, true, false)]
        {
            assert_eq!(may_start(is_for_tests, is_driven).is_ok(), may, "{is_for_tests} {is_driven}");
        }
    }
}
