//! The bar above a sign-in page: where the page lies, who wants the sign-in, and the ways out. It is
//! no part of the page, which can neither change nor cover it.

use std::cell::RefCell;

use drawbridge::oauth::window::shown_site;
use drawbridge::redact::plain;
use gtk::prelude::*;
use tauri::Url;
use webkit2gtk::{WebView, WebViewExt as _};

use super::{Shown, account_name};

const GAP: i32 = 6;
const NAME: &str = "bar";

/// Puts the bar above the page, with the ways out from the right. `began` is the site that the page was opened from, if
/// it did not begin the sign-in itself.
pub(super) fn put_above(
    page: &WebView,
    frame: &gtk::Box,
    shown: &Shown,
    began: Option<String>,
    ways_out: &[gtk::Button],
) {
    let bar = gtk::Box::new(gtk::Orientation::Vertical, GAP);
    bar.set_border_width(GAP.unsigned_abs());
    let site = line();
    let words = line();
    words.set_text(&words_for(shown));
    bar.pack_start(&buttons(page, ways_out, &site), false, false, 0);
    bar.pack_start(&words, false, false, 0);
    bar.pack_start(&gtk::Separator::new(gtk::Orientation::Horizontal), false, false, 0);
    bar.set_widget_name(NAME);
    frame.pack_start(&bar, false, false, 0);
    frame.reorder_child(&bar, 0);
    bar.show_all();
    follow(page, &site, began);
}

/// The bar above a page.
pub(super) fn above(page: &WebView) -> Option<gtk::Box> {
    let around = page.parent()?.downcast::<gtk::Box>().ok()?.children().into_iter();
    around.filter_map(|part| part.downcast::<gtk::Box>().ok()).find(|part| part.widget_name() == NAME)
}

fn buttons(page: &WebView, ways_out: &[gtk::Button], site: &gtk::Label) -> gtk::Box {
    let row = gtk::Box::new(gtk::Orientation::Horizontal, GAP);
    let (back, reload) = (page.clone(), page.clone());
    row.pack_start(&button("_Back", move || back.go_back()), false, false, 0);
    row.pack_start(&button("_Reload", move || reload.reload()), false, false, 0);
    row.pack_start(site, true, true, 0);
    for way_out in ways_out {
        row.pack_end(way_out, false, false, 0);
    }
    row
}

/// A button that says what it does. With Alt, the letter after a `_` presses it, also while a page has the keyboard.
pub(super) fn button(label: &str, click: impl Fn() + 'static) -> gtk::Button {
    let button = gtk::Button::with_mnemonic(label);
    button.connect_clicked(move |_| click());
    button
}

/// The button that has a browser go on.
pub(super) fn browser_button(shown: &Shown) -> gtk::Button {
    let leaving = shown.clone();
    button("_Open in browser", move || leaving.hand_over())
}

/// A line of text that takes no room away from the page.
pub(super) fn line() -> gtk::Label {
    let line = gtk::Label::new(None);
    line.set_xalign(0.0);
    line.set_ellipsize(gtk::pango::EllipsizeMode::Middle);
    line
}

fn words_for(shown: &Shown) -> String {
    let facts = &shown.sign_in.facts;
    let asked_by = facts.asked_by.as_deref().map(|who| format!(", asked by {}", plain(who, 60)));
    format!(
        "Sign-in for {} ({}){}",
        account_name(&shown.sign_in.account, facts),
        plain(&facts.server_host, 80),
        asked_by.unwrap_or_default()
    )
}

/// Shows where the page lies, and that it lies elsewhere than where the sign-in began.
fn follow(page: &WebView, site: &gtk::Label, began: Option<String>) {
    // Until a page says otherwise, what is in it is the opener's.
    site.set_text(began.as_deref().unwrap_or_default());
    let (label, began) = (site.clone(), RefCell::new(began));
    page.connect_uri_notify(move |page| {
        let uri = page.uri().unwrap_or_default();
        let Some(site) = Url::parse(&uri).ok().map(|url| shown_site(&url)).filter(|site| !site.is_empty())
        else {
            return;
        };
        let mut began = began.borrow_mut();
        let first = began.get_or_insert_with(|| site.clone());
        let text = gtk::glib::markup_escape_text(&site);
        if *first == site {
            label.set_markup(&format!("<b>{text}</b>"));
        } else {
            let first = gtk::glib::markup_escape_text(first);
            label.set_markup(&format!("<b>{text}</b> – the sign-in began at {first}"));
        }
    });
}
