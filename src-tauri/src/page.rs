//! What pages have natively on Linux: zoom by keys, as in browsers, and for our own a new start where their process died.

use std::cell::Cell;
use std::time::{Duration, Instant};

use gtk::gdk::ModifierType;
use gtk::gdk::keys::{Key, constants as key};
use gtk::glib::Propagation;
use gtk::prelude::*;
use webkit2gtk::{WebView, WebViewExt as _};

use crate::guarded::{guarded, tell_of_defect};

/// As browsers have them.
const LEVELS: [f64; 12] = [0.5, 0.67, 0.8, 0.9, 1.0, 1.1, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0];
/// A process that dies sooner after the one before would die for ever.
const BRIEF: Duration = Duration::from_secs(10);

/// Has Ctrl with plus and minus zoom a page, and with 0 show it as it was.
pub(crate) fn zooms_by_keys(page: &WebView) {
    page.connect_key_press_event(|page, event| {
        let level = guarded(|| {
            let has_control = event.state().contains(ModifierType::CONTROL_MASK);
            has_control.then(|| level_after(event.keyval(), page.zoom_level())).flatten()
        });
        let Some(level) = level else { return Propagation::Proceed };
        page.set_zoom_level(level);
        Propagation::Stop
    });
}

fn level_after(pressed: Key, level: f64) -> Option<f64> {
    match pressed {
        key::plus | key::equal | key::KP_Add => {
            Some(LEVELS.into_iter().find(|next| *next > level).unwrap_or(level))
        }
        key::minus | key::KP_Subtract => {
            Some(LEVELS.into_iter().rfind(|next| *next < level).unwrap_or(level))
        }
        key::_0 | key::KP_0 => Some(1.0),
        _ => None,
    }
}

/// Loads a page of ours again where its process died: what it shows is the Host's, so nothing is lost. Where that soon
/// happens again, its window is closed.
pub(crate) fn comes_back(page: &WebView) {
    let died = Cell::new(None::<Instant>);
    page.connect_web_process_terminated(move |page, reason| {
        guarded(|| {
            tracing::error!(?reason, "the process behind the window has died");
            tell_of_defect();
            let now = Instant::now();
            let is_brief = |before: Instant| now.duration_since(before) < BRIEF;
            if !died.replace(Some(now)).is_some_and(is_brief) {
                page.reload();
            } else if let Some(window) = page.toplevel().and_then(|top| top.downcast::<gtk::Window>().ok()) {
                window.close();
            }
        });
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_zoom_step_by_step_and_back() {
        let after =
            |keys: &[Key]| keys.iter().fold(1.0, |level, key| level_after(*key, level).unwrap_or(level));
        assert_eq!(after(&[key::plus, key::equal, key::KP_Add]), 1.5);
        assert_eq!(after(&[key::plus, key::minus, key::KP_Subtract]), 0.9);
        assert_eq!(after(&[key::plus; 20]), 3.0);
        assert_eq!(after(&[key::minus; 20]), 0.5);
        assert_eq!(after(&[key::minus, key::minus, key::_0]), 1.0);
        assert_eq!(level_after(key::a, 1.0), None);
    }
}
