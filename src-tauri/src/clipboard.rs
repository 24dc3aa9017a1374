//! The clipboard, for the tray menu, which has no page that could write it.

/// Puts text there.
pub(crate) fn copy(text: &str) {
    system::copy(text);
}

#[cfg(target_os = "linux")]
mod system {
    /// GTK's clipboard belongs to the main thread.
    pub(super) fn copy(text: &str) {
        let text = text.to_owned();
        gtk::glib::MainContext::default().invoke(move || {
            let clipboard = gtk::Clipboard::get(&gtk::gdk::SELECTION_CLIPBOARD);
            clipboard.set_text(&text);
            // A clipboard manager may keep it after our end.
            clipboard.store();
        });
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    pub(super) fn copy(text: &str) {
        let copied = arboard::Clipboard::new().and_then(|mut clipboard| clipboard.set_text(text));
        if let Err(error) = copied {
            tracing::warn!(%error, "the clipboard cannot be written");
        }
    }
}
