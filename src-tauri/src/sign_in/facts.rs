//! Our own page before a sign-in that the person did not start, or that is unusual (security rule 1):
//! what it is about, and whether to go on. Nothing is loaded before.

use drawbridge::host::account::SignInFacts;
use drawbridge::redact::plain;
use gtk::prelude::*;
use webkit2gtk::WebView;

use super::widgets::{button, focus, heading, row, wake_later, wrapped};
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
    show_on(&panel, facts);
    let answers = gtk::Box::new(gtk::Orientation::Horizontal, GAP);
    let cancelling = shown.clone();
    let cancel = button("Cancel", move || cancelling.close());
    let (going, page, around, gone) = (shown.clone(), page.clone(), frame.clone(), panel.clone());
    let go_on = button("Continue", move || {
        gone.hide();
        elsewhere::begin(&page, &around, &going);
    });
    go_on.style_context().add_class("suggested-action");
    wake_later(&go_on);
    answers.pack_start(&cancel, false, false, 0);
    answers.pack_start(&go_on, false, false, 0);
    panel.pack_start(&answers, false, false, 0);
    frame.pack_start(&panel, true, true, 0);
    panel.show_all();
    focus(&cancel, &spoken(facts));
}

/// Puts what a sign-in is about on a panel.
pub(super) fn show_on(panel: &gtk::Box, facts: &SignInFacts) {
    for (term, text) in rows(facts) {
        panel.pack_start(&row(term, &text), false, false, 0);
    }
    for warning in &facts.warnings {
        panel.pack_start(&wrapped(&plain(warning, 300)), false, false, 0);
    }
}

/// The same in one text, warnings first.
pub(super) fn spoken(facts: &SignInFacts) -> String {
    let warnings = facts.warnings.iter().map(|warning| plain(warning, 300));
    let rows = rows(facts).into_iter().map(|(term, text)| format!("{term}: {}.", plain(&text, 600)));
    warnings.chain(rows).collect::<Vec<_>>().join(" ")
}

fn rows(facts: &SignInFacts) -> [(&'static str, String); 4] {
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
