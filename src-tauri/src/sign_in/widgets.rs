//! What the windows of sign-ins are made of.

use std::time::Duration;

use drawbridge::redact::plain;
use gtk::glib;
use gtk::prelude::*;

use crate::guarded::guarded;

/// How long a yes sleeps, so that no click that was meant for something else is one.
const SLEEP: Duration = Duration::from_secs(1);

/// A button that says what it does. With Alt, the letter after a `_` presses it, also while a page has the keyboard.
pub(super) fn button(label: &str, click: impl Fn() + 'static) -> gtk::Button {
    let button = gtk::Button::with_mnemonic(label);
    button.connect_clicked(move |_| guarded(&click));
    button
}

/// Has a button sleep before it can be pressed.
pub(super) fn wake_later(button: &gtk::Button) {
    button.set_sensitive(false);
    tracing::debug!("a sign-in asks before it goes on");
    let sleeping = button.downgrade();
    glib::timeout_add_local_once(SLEEP, move || {
        if let Some(button) = sleeping.upgrade() {
            button.set_sensitive(true);
        }
        tracing::debug!("the person can go on with a sign-in that is there still");
    });
}

/// Gives a button the keyboard. Who hears the screen instead of seeing it hears this text with the button.
pub(super) fn focus(button: &gtk::Button, text: &str) {
    if let Some(spoken) = button.accessible() {
        spoken.set_description(text);
    }
    button.grab_focus();
}

/// A line of text that takes no room away from the page; its end goes first.
pub(super) fn line(text: &str) -> gtk::Label {
    let line = gtk::Label::new(Some(text));
    line.set_xalign(0.0);
    line.set_ellipsize(gtk::pango::EllipsizeMode::End);
    line
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

/// What a window is about.
pub(super) fn heading(text: &str) -> gtk::Label {
    let heading = wrapped("");
    let text = glib::markup_escape_text(text);
    heading.set_markup(&format!("<span size=\"x-large\" weight=\"bold\">{text}</span>"));
    heading
}

/// A fact and its name.
pub(super) fn row(term: &str, text: &str) -> gtk::Box {
    let row = gtk::Box::new(gtk::Orientation::Vertical, 2);
    row.pack_start(&line(term), false, false, 0);
    let value = wrapped("");
    embolden(&value, &plain(text, 600));
    row.pack_start(&value, false, false, 0);
    row
}

/// Shows a text in bold letters.
pub(super) fn embolden(label: &gtk::Label, text: &str) {
    label.set_markup(&format!("<b>{}</b>", glib::markup_escape_text(text)));
}
