//! The bar above a sign-in page: where the page lies, who wants the sign-in, and the ways out. It is
//! no part of the page, which can neither change nor cover it.

use std::cell::OnceCell;
use std::rc::Rc;

use drawbridge::oauth::window::shown_site;
use drawbridge::redact::plain;
use gtk::atk;
use gtk::prelude::*;
use tauri::Url;
use webkit2gtk::{LoadEvent, WebView, WebViewExt as _};

use crate::guarded::guarded;

use super::widgets::{button, embolden, line, wrapped};
use super::{Shown, account_name};

const GAP: i32 = 6;
const NAME: &str = "bar";
/// What is in an empty page can be anybody's who could reach its window.
const EMPTY: &str = "a page without an address";

/// Where a sign-in began; all its windows know.
pub(super) type Began = Rc<OnceCell<String>>;

/// Puts the bar above the page, with the ways out from the right.
pub(super) fn put_above(
    page: &WebView,
    frame: &gtk::Box,
    shown: &Shown,
    began: Began,
    ways_out: &[gtk::Button],
) {
    let bar = gtk::Box::new(gtk::Orientation::Vertical, GAP);
    bar.set_border_width(GAP.unsigned_abs());
    bar.set_widget_name(NAME);
    let place = Place::new(began);
    bar.pack_start(&buttons(page, ways_out), false, false, 0);
    bar.pack_start(&place.site, false, false, 0);
    bar.pack_start(&place.moved, false, false, 0);
    bar.pack_start(&line(&words_for(shown)), false, false, 0);
    bar.pack_start(&gtk::Separator::new(gtk::Orientation::Horizontal), false, false, 0);
    frame.pack_start(&bar, false, false, 0);
    frame.reorder_child(&bar, 0);
    bar.show_all();
    place.follow(page);
}

/// Says something below the bar of a page, once under each name.
pub(super) fn say(page: &WebView, name: &str, words: &str) {
    let Some(bar) = above(page) else { return };
    if bar.children().iter().any(|line| line.widget_name() == name) {
        return;
    }
    let said = gtk::InfoBar::new();
    said.set_widget_name(name);
    let words = wrapped(words);
    words.set_selectable(true);
    said.content_area().add(&words);
    bar.pack_start(&said, false, false, 0);
    said.show_all();
}

fn above(page: &WebView) -> Option<gtk::Box> {
    let around = page.parent()?.downcast::<gtk::Box>().ok()?.children().into_iter();
    around.filter_map(|part| part.downcast::<gtk::Box>().ok()).find(|part| part.widget_name() == NAME)
}

fn buttons(page: &WebView, ways_out: &[gtk::Button]) -> gtk::Box {
    let row = gtk::Box::new(gtk::Orientation::Horizontal, GAP);
    let (back, reload) = (page.clone(), page.clone());
    for moves in [button("_Back", move || back.go_back()), button("_Reload", move || reload.reload())] {
        // They are about the page, which a panel of ours may stand in the place of.
        page.bind_property("visible", &moves, "visible").build();
        row.pack_start(&moves, false, false, 0);
    }
    for way_out in ways_out {
        row.pack_end(way_out, false, false, 0);
    }
    row
}

/// The button that has a browser go on.
pub(super) fn browser_button(shown: &Shown) -> gtk::Button {
    let leaving = shown.clone();
    button("_Open in browser", move || leaving.hand_over())
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

/// The lines that say where the page lies. Of a site no letter is left out, however narrow the window.
#[derive(Clone)]
struct Place {
    site: gtk::Label,
    moved: gtk::Label,
    began: Began,
}

impl Place {
    fn new(began: Began) -> Self {
        let (site, moved) = (wrapped(""), wrapped(""));
        // It comes by itself, so it is read out by itself.
        if let Some(spoken) = moved.accessible() {
            spoken.set_role(atk::Role::Notification);
        }
        for label in [&site, &moved] {
            label.set_no_show_all(true);
        }
        let place = Self { site, moved, began };
        place.show_empty();
        place
    }

    fn follow(self, page: &WebView) {
        page.connect_load_changed(move |page, event| {
            // Not the address it wants to go to: until the page there has begun, the one before is shown and can be
            // typed into.
            if event == LoadEvent::Committed {
                guarded(|| self.show(page));
            }
        });
    }

    fn show(&self, page: &WebView) {
        let Some(url) = page.uri().and_then(|uri| Url::parse(&uri).ok()) else { return };
        let site = shown_site(&url);
        if site.is_empty() {
            return self.show_empty();
        }
        tracing::debug!(%site, "the bar shows where the page lies");
        embolden(&self.site, &site);
        self.site.show();
        let began = self.began.get_or_init(|| site.clone());
        self.moved.set_text(&format!("This is another site than {began}, where the sign-in began."));
        self.moved.set_visible(*began != site);
    }

    /// The first window is empty until its first page comes; that needs no words.
    fn show_empty(&self) {
        if self.began.get().is_some() {
            tracing::debug!(site = %EMPTY, "the bar shows where the page lies");
            self.site.set_text(EMPTY);
            self.site.show();
            self.moved.hide();
        }
    }
}
