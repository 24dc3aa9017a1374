//! What the desktop can do for us, asked before it is relied on. On Linux over GTK and D-Bus;
//! other systems always have what is asked for here.

use drawbridge::failure::{Code, Failure};
use drawbridge::host::environment;

/// Says something to whoever started the app.
#[allow(clippy::print_stderr, reason = "before there is a window, and after, this is the only place")]
pub(crate) fn tell(text: &str) {
    eprintln!("{text}");
}

/// Shows a failure and waits until it was read. The display has to be connected, and no window of the app be there.
pub(crate) fn show(failure: &Failure) {
    system::show(failure);
}

/// Connects to the display.
///
/// # Errors
/// There is none.
pub(crate) fn connect() -> Result<(), Failure> {
    if environment::has_display() && system::connect() { Ok(()) } else { Err(no_display()) }
}

/// Whether the desktop shows tray icons.
pub(crate) fn has_tray() -> bool {
    system::has_tray()
}

/// Does something on the main thread whenever the desktop says that it shows tray icons from now on.
pub(crate) fn when_tray_comes(come: impl Fn() + Clone + Send + Sync + 'static) {
    system::when_tray_comes(come);
}

/// Whether the desktop wants light colours.
pub(crate) fn prefers_light() -> bool {
    system::prefers_light()
}

/// Has windows drawn by no rules until the first one is there. The desktop's rules take long to read, and an icon
/// with its menu, which the desktop draws itself, needs none.
pub(crate) fn draw_nothing_yet() {
    system::draw_nothing_yet();
}

/// Has the first window of the app bring the desktop's rules back. Call it once the app is there.
pub(crate) fn draw_with_first_window() {
    system::draw_with_first_window();
}

/// Brings them back for a window that is not one of the app's to GTK.
pub(crate) fn draw() {
    system::draw();
}

fn no_display() -> Failure {
    Failure::new(
        Code::HostGone,
        "There is no display to show a window on",
        "Use the `drawbridge` command here, or start the app from your desktop",
    )
}

#[cfg(target_os = "linux")]
mod system {
    use drawbridge::failure::Failure;
    use gtk::gio;
    use gtk::glib::{Bytes, Variant};
    use gtk::prelude::*;

    /// Who knows the places for tray icons (StatusNotifierWatcher).
    const WATCHER: &str = "org.kde.StatusNotifierWatcher";
    const WATCHER_PATH: &str = "/StatusNotifierWatcher";
    const PROPERTIES: &str = "org.freedesktop.DBus.Properties";
    /// Who knows what has come to the bus (D-Bus specification, "Message Bus Messages").
    const BUS: &str = "org.freedesktop.DBus";
    const BUS_PATH: &str = "/org/freedesktop/DBus";
    /// How long the session bus may take to answer.
    const LIMIT_MS: i32 = 2000;
    /// The theme without rules, as `theme/plain.gresource.xml` has it.
    const PLAIN: &str = "DrawbridgePlain";

    pub(super) fn connect() -> bool {
        gtk::init().is_ok()
    }

    pub(super) fn show(failure: &Failure) {
        draw();
        let dialog = gtk::MessageDialog::new(
            None::<&gtk::Window>,
            gtk::DialogFlags::empty(),
            gtk::MessageType::Error,
            gtk::ButtonsType::Close,
            &failure.sentence,
        );
        dialog.set_secondary_text(Some(&failure.next_step));
        dialog.set_title("Drawbridge");
        dialog.run();
    }

    pub(super) fn has_tray() -> bool {
        let Ok(bus) = gio::bus_get_sync(gio::BusType::Session, gio::Cancellable::NONE) else { return false };
        let answer = bus.call_sync(
            Some(WATCHER),
            WATCHER_PATH,
            PROPERTIES,
            "Get",
            Some(&has_panel()),
            None,
            // Nobody is started just to be asked.
            gio::DBusCallFlags::NO_AUTO_START,
            LIMIT_MS,
            gio::Cancellable::NONE,
        );
        answer.is_ok_and(|answer| is_true(&answer))
    }

    /// The property of the watcher that says whether a panel shows icons.
    fn has_panel() -> Variant {
        (WATCHER, "IsStatusNotifierHostRegistered").to_variant()
    }

    fn is_true(answer: &Variant) -> bool {
        answer.child_value(0).as_variant().and_then(|value| value.get::<bool>()).unwrap_or(false)
    }

    /// The service may come before the panel that shows the icons, which then says so. Windows may be open by then, so
    /// nobody waits for the answer. The names are not watched with `bus_watch_name`: that has nobody to tell where there
    /// is no bus, and panics.
    pub(super) fn when_tray_comes(come: impl Fn() + Clone + Send + Sync + 'static) {
        let Ok(bus) = gio::bus_get_sync(gio::BusType::Session, gio::Cancellable::NONE) else { return };
        let asked = bus.clone();
        let check = move || {
            let come = come.clone();
            asked.call(
                Some(WATCHER),
                WATCHER_PATH,
                PROPERTIES,
                "Get",
                Some(&has_panel()),
                None,
                gio::DBusCallFlags::NO_AUTO_START,
                LIMIT_MS,
                gio::Cancellable::NONE,
                move |answer| {
                    if answer.is_ok_and(|answer| is_true(&answer)) {
                        come();
                    }
                },
            );
        };
        let on = |sender, path, signal, of: Option<&str>| {
            let (check, flags) = (check.clone(), gio::DBusSignalFlags::NONE);
            let (sender, signal, path) = (Some(sender), Some(signal), Some(path));
            bus.signal_subscribe(sender, sender, signal, path, of, flags, move |_, _, _, _, _, _| check());
        };
        on(BUS, BUS_PATH, "NameOwnerChanged", Some(WATCHER));
        on(WATCHER, WATCHER_PATH, "StatusNotifierHostRegistered", None);
        // It may have come before this listened.
        check();
    }

    pub(super) fn prefers_light() -> bool {
        let Some(settings) = gtk::Settings::default() else { return false };
        let theme = settings.gtk_theme_name().unwrap_or_default().to_lowercase();
        let is_dark = settings.is_gtk_application_prefer_dark_theme() || theme.contains("dark");
        !is_dark && (theme.contains("light") || panels_follow_theme())
    }

    /// Elsewhere panels are dark with most themes that say nothing.
    fn panels_follow_theme() -> bool {
        let desktops = std::env::var("XDG_CURRENT_DESKTOP").unwrap_or_default();
        desktops.split(':').any(|desktop| ["KDE", "LXQt", "MATE", "XFCE"].contains(&desktop))
    }

    pub(super) fn draw_nothing_yet() {
        static RULES: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/plain.gresource"));
        let rules = gio::Resource::from_data(&Bytes::from_static(RULES));
        let (Ok(rules), Some(settings)) = (rules, gtk::Settings::default()) else { return };
        gio::resources_register(&rules);
        settings.set_gtk_theme_name(Some(PLAIN));
    }

    pub(super) fn draw_with_first_window() {
        let Some(app) = gio::Application::default().and_downcast::<gtk::Application>() else { return };
        app.connect_window_added(|_, _| draw());
    }

    pub(super) fn draw() {
        let plain = |settings: &gtk::Settings| settings.gtk_theme_name().as_deref() == Some(PLAIN);
        if let Some(settings) = gtk::Settings::default().filter(plain) {
            settings.reset_property("gtk-theme-name");
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use drawbridge::failure::Failure;

    pub(super) fn connect() -> bool {
        true
    }

    /// Whoever started it from a terminal reads it there.
    pub(super) fn show(_: &Failure) {}

    pub(super) fn has_tray() -> bool {
        true
    }

    pub(super) fn when_tray_comes(_come: impl Fn() + Clone + Send + Sync + 'static) {}

    pub(super) fn prefers_light() -> bool {
        false
    }

    pub(super) fn draw_nothing_yet() {}

    pub(super) fn draw_with_first_window() {}

    pub(super) fn draw() {}
}
