//! Pages that work in browsers alone: the sign-in goes on there by itself, and the window says why.

use std::sync::atomic::Ordering;

use drawbridge::oauth::window::{needs_browser, shown_site};
use gtk::prelude::*;
use tauri::Url;
use webkit2gtk::{WebView, WebViewExt as _};

use crate::guarded::guarded;

use super::Shown;
use super::widgets::{button, focus, heading, row, wrapped};

const GAP: i32 = 12;

/// Begins the sign-in here or there. Every address counts that the page itself, and no frame in it, goes to.
pub(super) fn begin(page: &WebView, frame: &gtk::Box, shown: &Shown) {
    shown.has_begun.store(true, Ordering::Relaxed);
    let first = shown.sign_in.page.expose();
    if needs_browser(first) {
        return leave(page, frame, shown, first);
    }
    let (frame, leaving) = (frame.clone(), shown.clone());
    page.connect_uri_notify(move |page| {
        guarded(|| {
            if let Some(uri) = refusal(page) {
                page.stop_loading();
                leave(page, &frame, &leaving, &uri);
            }
        });
    });
    page.show();
    page.grab_focus();
    shown.begin();
}

/// Leaves everything for a browser once a page in another window of the sign-in works there alone. That window goes, or
/// is not shown at all.
pub(super) fn follow(popup: &WebView, shown: &Shown) {
    let shown = shown.clone();
    popup.connect_uri_notify(move |popup| {
        guarded(|| {
            if let Some(uri) = refusal(popup) {
                popup.stop_loading();
                leave_popup(popup, &shown, uri);
            }
        });
    });
}

fn leave_popup(popup: &WebView, shown: &Shown, uri: Url) {
    if let Some(window) = popup.toplevel().and_then(|top| top.downcast::<gtk::Window>().ok()) {
        window.close();
    }
    let leaving = shown.clone();
    shown.with_page(move |page| {
        if let Some(frame) = page.parent().and_then(|parent| parent.downcast::<gtk::Box>().ok()) {
            leave(&page, &frame, &leaving, &uri);
        }
    });
}

/// Where a page is, if it works in browsers alone.
fn refusal(page: &WebView) -> Option<Url> {
    page.uri().and_then(|uri| Url::parse(&uri).ok()).filter(needs_browser)
}

/// Goes on in a browser, once, and says so in the page's place until the sign-in ends.
fn leave(page: &WebView, frame: &gtk::Box, shown: &Shown, uri: &Url) {
    if shown.has_left.swap(true, Ordering::Relaxed) {
        return;
    }
    tracing::info!(site = %shown_site(uri), "a sign-in page wants a browser");
    page.hide();
    let panel = gtk::Box::new(gtk::Orientation::Vertical, GAP);
    panel.set_border_width(GAP.unsigned_abs() * 2);
    panel.pack_start(&heading("Go on in your browser"), false, false, 0);
    panel.pack_start(&row("You will sign in at", &shown_site(uri)), false, false, 0);
    let why = "This service does not let people sign in inside other programs, so the page has opened in your browser. \
               This window closes by itself when you have signed in there.";
    panel.pack_start(&wrapped(why), false, false, 0);
    let again = shown.clone();
    let open_again = button("Open it again", move || open(&again));
    open_again.set_halign(gtk::Align::Start);
    panel.pack_start(&open_again, false, false, 0);
    frame.pack_start(&panel, true, true, 0);
    panel.show_all();
    focus(&open_again, why);
    open(shown);
}

fn open(shown: &Shown) {
    let shown = shown.clone();
    tokio::spawn(async move { shown.take_to_browser().await });
}
