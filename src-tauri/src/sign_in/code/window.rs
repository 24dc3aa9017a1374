//! The window of a code: first what the sign-in is about, where anything about it is unusual, then the
//! code. The page opens with a click and not before.

use drawbridge::host::account::CodeSignIn;
use gtk::glib;
use gtk::prelude::*;

use crate::desktop;
use crate::sign_in::facts::{show_on, spoken};
use crate::sign_in::widgets::{button, focus, row, wake_later, wrapped};
use crate::sign_in::{account_name, open_in_browser};

const GAP: i32 = 12;
const SIZE: (i32, i32) = (440, 360);

/// Shows it, or brings it to the front.
pub(super) fn show(sign_in: CodeSignIn) {
    // With its code, because the window of a sign-in before may be closing still.
    let name =
        format!("code {} {} {}", sign_in.account.entry, sign_in.account.label, sign_in.prompt.user_code);
    let windows = gtk::Window::list_toplevels().into_iter();
    let mut windows = windows.filter_map(|window| window.downcast::<gtk::Window>().ok());
    match windows.find(|window| window.widget_name() == name.as_str()) {
        Some(window) => window.present(),
        None => build(&name, sign_in),
    }
}

fn build(name: &str, sign_in: CodeSignIn) {
    desktop::draw();
    let window = gtk::Window::new(gtk::WindowType::Toplevel);
    window.set_widget_name(name);
    window.set_title(&format!("Sign in to {}", account_name(&sign_in.account, &sign_in.facts)));
    window.set_default_size(SIZE.0, SIZE.1);
    let closing = sign_in.clone();
    window.connect_delete_event(move |_, _| {
        closing.decline();
        glib::Propagation::Proceed
    });
    if sign_in.facts.warnings.is_empty() {
        show_code(&window, &sign_in);
    } else {
        ask_first(&window, &sign_in);
    }
    window.show_all();
    glib::MainContext::default().spawn_local(async move {
        sign_in.ended().await;
        window.close();
    });
}

/// A code that was given out cannot be taken back, so the warnings come before it.
fn ask_first(window: &gtk::Window, sign_in: &CodeSignIn) {
    let panel = panel(window);
    show_on(&panel, &sign_in.facts);
    let (going, behind) = (sign_in.clone(), window.clone());
    let go_on = button("Continue", move || show_code(&behind, &going));
    wake_later(&go_on);
    focus(&answers(&panel, window, &go_on), &spoken(&sign_in.facts));
}

fn show_code(window: &gtk::Window, sign_in: &CodeSignIn) {
    let panel = panel(window);
    let prompt = &sign_in.prompt;
    let code = wrapped("");
    let text = glib::markup_escape_text(&prompt.user_code);
    code.set_markup(&format!("<span size=\"xx-large\" weight=\"bold\">{text}</span>"));
    code.set_selectable(true);
    panel.pack_start(&row("Enter this code", ""), false, false, 0);
    panel.pack_start(&code, false, false, 0);
    panel.pack_start(&row("on this page", prompt.verification_uri.as_str()), false, false, 0);
    let same = "Go on there only if the page shows the same code.";
    panel.pack_start(&wrapped(same), false, false, 0);
    let page = prompt.verification_uri_complete.clone().unwrap_or_else(|| prompt.verification_uri.clone());
    // Where no browser opens, the address stands above.
    let open = button("Open the page", move || drop(open_in_browser(&page)));
    answers(&panel, window, &open);
    panel.show_all();
    focus(&open, &format!("Enter the code {} on {}. {same}", prompt.user_code, prompt.verification_uri));
}

/// A window's empty inside, in place of what it has shown.
fn panel(window: &gtk::Window) -> gtk::Box {
    for shown in window.children() {
        window.remove(&shown);
    }
    let panel = gtk::Box::new(gtk::Orientation::Vertical, GAP);
    panel.set_border_width(GAP.unsigned_abs() * 2);
    window.add(&panel);
    panel
}

/// The two buttons; returns the one that cancels.
fn answers(panel: &gtk::Box, window: &gtk::Window, go_on: &gtk::Button) -> gtk::Button {
    let row = gtk::Box::new(gtk::Orientation::Horizontal, GAP);
    let closing = window.clone();
    let cancel = button("Cancel", move || closing.close());
    row.pack_start(&cancel, false, false, 0);
    row.pack_start(go_on, false, false, 0);
    panel.pack_start(&row, false, false, 0);
    cancel
}
