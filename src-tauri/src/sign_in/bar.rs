//! The bar above a sign-in page: where the page lies, who wants the sign-in, and the ways out. It is
//! no part of the page, which can neither change nor cover it.

use std::cell::RefCell;
use std::rc::Rc;

use drawbridge::oauth::window::shown_site;
use drawbridge::redact::plain;
use gtk::prelude::*;
use tauri::Url;
use webkit2gtk::{LoadEvent, WebView, WebViewExt as _};

use crate::guarded::guarded;

use super::{Shown, account_name};

const GAP: i32 = 6;
const NAME: &str = "bar";

/// Whose the page is that is shown now, of those that have begun.
#[derive(Debug, Default)]
pub(super) struct Site {
    now: RefCell<String>,
    /// The page that opened this one's window. An empty page is what its opener makes of it.
    opener: Option<Rc<Site>>,
}

impl Site {
    /// Of a page in a window of its own, which another page opens.
    pub(super) fn opened_by(opener: &Rc<Self>) -> Rc<Self> {
        let now = RefCell::new(opener.now());
        Rc::new(Self { now, opener: Some(opener.clone()) })
    }

    fn now(&self) -> String {
        self.now.borrow().clone()
    }

    /// A page has begun.
    fn begins(&self, page: &Url) {
        let site = shown_site(page);
        let site = match &self.opener {
            Some(opener) if site.is_empty() => opener.now(),
            Some(_) | None => site,
        };
        if !site.is_empty() {
            self.now.replace(site);
        }
    }
}

/// Puts the bar above the page, with the ways out from the right.
pub(super) fn put_above(
    page: &WebView,
    frame: &gtk::Box,
    shown: &Shown,
    site: Rc<Site>,
    ways_out: &[gtk::Button],
) {
    let bar = gtk::Box::new(gtk::Orientation::Vertical, GAP);
    bar.set_border_width(GAP.unsigned_abs());
    let label = line();
    let words = line();
    words.set_text(&words_for(shown));
    bar.pack_start(&buttons(page, ways_out, &label), false, false, 0);
    bar.pack_start(&words, false, false, 0);
    bar.pack_start(&gtk::Separator::new(gtk::Orientation::Horizontal), false, false, 0);
    bar.set_widget_name(NAME);
    frame.pack_start(&bar, false, false, 0);
    frame.reorder_child(&bar, 0);
    bar.show_all();
    follow(page, label, site);
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
    button.connect_clicked(move |_| guarded(&click));
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
fn follow(page: &WebView, label: gtk::Label, site: Rc<Site>) {
    // Until a page says otherwise, what is in it is the opener's.
    label.set_text(&site.now());
    let first = RefCell::new(site.opener.as_ref().map(|opener| opener.now()));
    page.connect_load_changed(move |page, event| {
        // Not the address it wants to go to: until the page there has begun, the one before is shown and can be typed
        // into.
        if event == LoadEvent::Committed {
            guarded(|| show(page, &label, &site, &first));
        }
    });
}

fn show(page: &WebView, label: &gtk::Label, site: &Site, first: &RefCell<Option<String>>) {
    let Some(url) = page.uri().and_then(|uri| Url::parse(&uri).ok()) else { return };
    site.begins(&url);
    let now = site.now();
    if now.is_empty() {
        return;
    }
    tracing::debug!(site = %now, "the bar shows where the page lies");
    let text = gtk::glib::markup_escape_text(&now);
    let first = first.borrow_mut().get_or_insert_with(|| now.clone()).clone();
    if first == now {
        label.set_markup(&format!("<b>{text}</b>"));
    } else {
        let first = gtk::glib::markup_escape_text(&first);
        label.set_markup(&format!("<b>{text}</b> – the sign-in began at {first}"));
    }
}
