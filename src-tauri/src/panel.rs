//! What kind of panel the tray icon stands in.

/// A kind of panel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Panel {
    /// Light, so the icon is dark.
    Light,
    /// Dark, so the icon is light.
    Dark,
    /// The system colours the icon itself.
    Template,
}

impl Panel {
    /// As the desktop says.
    pub(crate) fn find() -> Self {
        if cfg!(target_os = "macos") {
            Self::Template
        } else if crate::desktop::prefers_light() {
            Self::Light
        } else {
            Self::Dark
        }
    }
}
