//! Our own page before a sign-in that the person did not start, or that is unusual (security rule 1):
//! what it is about, and whether to go on. Nothing is loaded before.

use drawbridge::host::account::SignInFacts;
use drawbridge::redact::plain;
use gtk::prelude::*;
use webkit2gtk::WebView;

use super::bar::{button, line};
use super::{Shown, account_name, elsewhere};

const GAP: i32 = 12;

/// Shows the facts in the page's place, until the person goes on.
pub(super) fn ask(page: &WebView, frame: &gtk::Box, shown: &Shown) {
    page.hide();
    let facts = &shown.sign_in.facts;
    let panel = gtk::Box::new(gtk::Orientation::Vertical, GAP);
    panel.set_border_width(GAP.unsigned_abs() * 2);
    panel.pack_start(
        &heading(&format!("Sign in to {}?", account_name(&shown.sign_in.account, facts))),
        false,
        false,
        0,
    );
    for (term, text) in rows(facts) {
        panel.pack_start(&row(term, &text), false, false, 0);
    }
    for warning in &facts.warnings {
        panel.pack_start(&wrapped(&plain(warning, 300)), false, false, 0);
    }
    let answers = gtk::Box::new(gtk::Orientation::Horizontal, GAP);
    let cancelling = shown.clone();
    let cancel = button("Cancel", move || cancelling.close());
    let (going, page, around, gone) = (shown.clone(), page.clone(), frame.clone(), panel.clone());
    let go_on = button("Continue", move || {
        gone.hide();
        elsewhere::begin(&page, &around, &going);
    });
    go_on.style_context().add_class("suggested-action");
    answers.pack_start(&cancel, false, false, 0);
    answers.pack_start(&go_on, false, false, 0);
    panel.pack_start(&answers, false, false, 0);
    frame.pack_start(&panel, true, true, 0);
    panel.show_all();
    cancel.grab_focus();
}

/// What a sign-in is about.
pub(super) fn rows(facts: &SignInFacts) -> [(&'static str, String); 4] {
    let scopes = match facts.scopes.as_slice() {
        [] => "what the server gives by default".to_owned(),
        scopes => scopes.join(", "),
    };
    [
        ("Server", facts.server_host.clone()),
        ("You will sign in at", facts.sign_in_host.clone()),
        ("It asks for", scopes),
        ("Asked by", facts.asked_by.clone().unwrap_or_else(|| "you".to_owned())),
    ]
}

fn heading(text: &str) -> gtk::Label {
    let heading = wrapped("");
    let text = gtk::glib::markup_escape_text(text);
    heading.set_markup(&format!("<span size=\"x-large\" weight=\"bold\">{text}</span>"));
    heading
}

/// A fact and its name.
pub(super) fn row(term: &str, text: &str) -> gtk::Box {
    let row = gtk::Box::new(gtk::Orientation::Vertical, 2);
    let name = line();
    name.set_text(term);
    row.pack_start(&name, false, false, 0);
    let value = wrapped("");
    value.set_markup(&format!("<b>{}</b>", gtk::glib::markup_escape_text(&plain(text, 600))));
    row.pack_start(&value, false, false, 0);
    row
}

/// Text of any length.
pub(super) fn wrapped(text: &str) -> gtk::Label {
    let label = gtk::Label::new(Some(text));
    label.set_xalign(0.0);
    label.set_line_wrap(true);
    label.set_line_wrap_mode(gtk::pango::WrapMode::WordChar);
    label.set_selectable(false);
    label
}
