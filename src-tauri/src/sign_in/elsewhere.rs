//! Pages that work in browsers alone: the sign-in goes on there by itself, and the window says why.

use std::cell::Cell;
use std::sync::atomic::Ordering;

use drawbridge::oauth::window::{needs_browser, shown_site};
use gtk::prelude::*;
use tauri::Url;
use webkit2gtk::{WebView, WebViewExt as _};

use super::Shown;
use super::bar::button;
use super::facts::{row, wrapped};

const GAP: i32 = 12;

/// Begins the sign-in here or there. Every address counts that the page itself, and no frame in it, goes to.
pub(super) fn begin(page: &WebView, frame: &gtk::Box, shown: &Shown) {
    shown.has_begun.store(true, Ordering::Relaxed);
    let first = shown.sign_in.page.expose();
    if needs_browser(first) {
        return leave(page, frame, shown, first);
    }
    let (frame, leaving, has_left) = (frame.clone(), shown.clone(), Cell::new(false));
    page.connect_uri_notify(move |page| {
        let uri = page.uri().and_then(|uri| Url::parse(&uri).ok());
        let Some(uri) = uri.filter(needs_browser) else { return };
        page.stop_loading();
        if !has_left.replace(true) {
            leave(page, &frame, &leaving, &uri);
        }
    });
    page.show();
    page.grab_focus();
    shown.begin();
}

/// Goes on in a browser, and says so in the page's place until the sign-in ends.
fn leave(page: &WebView, frame: &gtk::Box, shown: &Shown, uri: &Url) {
    tracing::info!(site = %shown_site(uri), "a sign-in page wants a browser");
    page.hide();
    let panel = gtk::Box::new(gtk::Orientation::Vertical, GAP);
    panel.set_border_width(GAP.unsigned_abs() * 2);
    panel.pack_start(&row("Go on in your browser", &shown_site(uri)), false, false, 0);
    let why = "This service does not let people sign in inside other programs, so the page has opened in your browser. \
               This window closes by itself when you have signed in there.";
    panel.pack_start(&wrapped(why), false, false, 0);
    let again = shown.clone();
    let open_again = button("Open it again", move || open(&again));
    open_again.set_halign(gtk::Align::Start);
    panel.pack_start(&open_again, false, false, 0);
    frame.pack_start(&panel, true, true, 0);
    panel.show_all();
    open_again.grab_focus();
    open(shown);
}

fn open(shown: &Shown) {
    let shown = shown.clone();
    tokio::spawn(async move { shown.take_to_browser().await });
}
