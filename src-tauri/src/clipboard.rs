//! The clipboard, for the tray menu, which has no page that could write it.

/// Puts text there.
///
/// # Errors
/// What the system says.
pub(crate) fn copy(text: &str) -> Result<(), String> {
    system::copy(text)
}

#[cfg(target_os = "linux")]
mod system {
    /// GTK's clipboard belongs to the main thread.
    #[allow(clippy::unnecessary_wraps, reason = "other systems refuse")]
    pub(super) fn copy(text: &str) -> Result<(), String> {
        let text = text.to_owned();
        gtk::glib::MainContext::default().invoke(move || {
            let clipboard = gtk::Clipboard::get(&gtk::gdk::SELECTION_CLIPBOARD);
            clipboard.set_text(&text);
            // A clipboard manager may keep it after our end.
            clipboard.store();
        });
        Ok(())
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    pub(super) fn copy(text: &str) -> Result<(), String> {
        let copied = arboard::Clipboard::new().and_then(|mut clipboard| clipboard.set_text(text));
        copied.map_err(|error| error.to_string())
    }
}
