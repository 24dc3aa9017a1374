//! Windows that a sign-in page opens: as far from the app as the page's own, in the same profile, and gone with it.
//! To Tauri they are that page, which no capability names.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use drawbridge::oauth::window::{Navigation, PASSKEY};
use drawbridge::redact::plain;
use gtk::prelude::*;
use tauri::Url;
use webkit2gtk::{
    NavigationPolicyDecision, NavigationPolicyDecisionExt as _, PermissionRequestExt as _,
    PolicyDecisionExt as _, PolicyDecisionType, URIRequestExt as _, WebView, WebViewExt as _,
};

use crate::guarded::guarded;

use super::bar::{self, Began};
use super::widgets::button;
use super::{Shown, elsewhere, frame, passkey};

/// As many as a sign-in may have open at once.
const MOST: usize = 3;
const SIZE: (i32, i32) = (480, 640);

/// How many windows the pages of one sign-in have open.
#[derive(Debug, Clone, Default)]
pub(super) struct Popups(Arc<AtomicUsize>);

impl Popups {
    /// Counts one more, if that may be.
    fn take(&self) -> bool {
        let more = |open: usize| (open < MOST).then_some(open + 1);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
    }

    fn give_back(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Lets a page open windows; WebKit asks only where a click or key of the person led there.
pub(super) fn allow(page: &WebView, shown: &Shown, began: &Began) {
    let (shown, began) = (shown.clone(), began.clone());
    page.connect_create(move |opener, action| {
        let wanted = action.request().and_then(|request| request.uri()).unwrap_or_default();
        guarded(|| open(opener, &wanted, &shown, &began)).map(|popup| popup.upcast())
    });
}

/// The page of a new window, which WebKit fills.
fn open(opener: &WebView, wanted: &str, shown: &Shown, began: &Began) -> Option<WebView> {
    if !is_allowed(wanted, shown) || !shown.popups.take() {
        tracing::info!("a sign-in page was kept from opening a window");
        return None;
    }
    let page = WebView::builder().related_view(opener).build();
    frame::restrict(&page, shown, began);
    decide(&page, shown);
    elsewhere::follow(&page, shown);
    let window = gtk::Window::new(gtk::WindowType::Toplevel);
    let server = plain(&shown.sign_in.facts.server_name, 60);
    window.set_title(&format!("Sign in to {server} – another window"));
    window.set_default_size(SIZE.0, SIZE.1);
    if let Some(behind) = opener.toplevel().and_then(|top| top.downcast::<gtk::Window>().ok()) {
        window.set_transient_for(Some(&behind));
        window.set_destroy_with_parent(true);
    }
    let inside = gtk::Box::new(gtk::Orientation::Vertical, 0);
    inside.pack_start(&page, true, true, 0);
    window.add(&inside);
    // The toolkit keeps the window; whoever else did would keep it for ever.
    let weak = window.downgrade();
    let close = move || {
        if let Some(window) = weak.upgrade() {
            window.close();
        }
    };
    let closing = close.clone();
    page.connect_close(move |_| closing());
    let ways_out = [button("_Close", close), bar::browser_button(shown)];
    bar::put_above(&page, &inside, shown, began.clone(), &ways_out);
    let popups = shown.popups.clone();
    window.connect_destroy(move |_| popups.give_back());
    let (weak, showing) = (window.downgrade(), shown.clone());
    page.connect_ready_to_show(move |page| {
        if let Some(window) = weak.upgrade()
            && !showing.has_left.load(Ordering::Relaxed)
        {
            window.show_all();
            page.grab_focus();
        }
    });
    Some(page)
}

/// Whether a window may be opened for that. A page may also open an empty one, and go on from there.
fn is_allowed(wanted: &str, shown: &Shown) -> bool {
    let goes = |url: Url| match Navigation::of(&url, shown.sign_in.redirect) {
        Navigation::Go | Navigation::Returned(_) => true,
        Navigation::Refused | Navigation::AsksForPasskey => false,
    };
    wanted.is_empty() || Url::parse(wanted).is_ok_and(goes)
}

/// The rules of the sign-in window, which Tauri sees to there.
fn decide(page: &WebView, shown: &Shown) {
    let shown = shown.clone();
    page.connect_decide_policy(move |page, decision, kind| {
        if kind != PolicyDecisionType::NavigationAction {
            return false;
        }
        let decided = decision.downcast_ref::<NavigationPolicyDecision>();
        let action = decided.and_then(|decided| decided.navigation_action());
        let wanted = action.and_then(|action| action.request()?.uri());
        let wanted = wanted.and_then(|uri| Url::parse(&uri).ok());
        if wanted.as_ref().is_some_and(|url| url.as_str() == PASSKEY) {
            guarded(|| passkey::tell(page));
            decision.ignore();
        } else if wanted.is_some_and(|url| guarded(|| shown.may_go(&url))) {
            decision.use_()
        } else {
            decision.ignore()
        }
        true
    });
    page.connect_permission_request(|_, request| {
        request.deny();
        true
    });
}
