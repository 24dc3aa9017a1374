//! The desktop's notifications.

pub(super) use system::Post;

/// Over D-Bus, because only so is a click heard of
/// (<https://specifications.freedesktop.org/notification-spec/latest/>). Its calls wait for the desktop.
#[cfg(target_os = "linux")]
mod system {
    use std::collections::HashMap;

    use gtk::gio;
    use gtk::glib;
    use gtk::prelude::*;
    use tokio::sync::mpsc;

    use crate::notice::Notice;
    use crate::notify::{BUTTON, CLICK, Heard};

    const SERVICE: &str = "org.freedesktop.Notifications";
    const PATH: &str = "/org/freedesktop/Notifications";
    /// How long the desktop may take for one.
    const LIMIT_MS: i32 = 5000;
    /// As long as the desktop thinks right.
    const USUAL_TIME: i32 = -1;
    /// Why one has gone: the person closed it.
    const BY_PERSON: u32 = 2;
    /// How much it matters: little, or as usual.
    const URGENCY: [u8; 2] = [0, 1];

    /// The desktop's notifications.
    pub(in crate::notify) struct Post {
        bus: gio::DBusConnection,
        reads_markup: bool,
    }

    impl Post {
        /// Listens from now on; `None` where there is no session bus.
        pub(in crate::notify) fn open(hearing: mpsc::Sender<Heard>) -> Option<Self> {
            let bus = gio::bus_get_sync(gio::BusType::Session, gio::Cancellable::NONE).ok()?;
            let (service, flags) = (Some(SERVICE), gio::DBusSignalFlags::NONE);
            let heard = move |_: &gio::DBusConnection,
                              _: &str,
                              _: &str,
                              _: &str,
                              signal: &str,
                              content: &glib::Variant| {
                if let Some(heard) = heard(signal, content)
                    && let Err(error) = hearing.try_send(heard)
                {
                    tracing::debug!(%error, "a click on a notification was lost");
                }
            };
            bus.signal_subscribe(service, service, None, Some(PATH), None, flags, heard);
            let mut post = Self { bus, reads_markup: false };
            let capabilities =
                post.call("GetCapabilities", None).and_then(|answer| answer.get::<(Vec<String>,)>());
            post.reads_markup =
                capabilities.is_some_and(|(names,)| names.iter().any(|name| name == "body-markup"));
            Some(post)
        }

        /// Shows one, in the place of the one with that number unless that is 0; its number.
        pub(in crate::notify) fn show(&self, notice: &Notice, before: u32) -> Option<u32> {
            let mut actions = vec![CLICK, "Open"];
            if let Some((label, _)) = &notice.button {
                actions.extend([BUTTON, label]);
            }
            let text = if self.reads_markup {
                glib::markup_escape_text(&notice.text).to_string()
            } else {
                notice.text.clone()
            };
            let hints = HashMap::from([
                ("urgency", URGENCY[usize::from(!notice.is_passing)].to_variant()),
                ("transient", notice.is_passing.to_variant()),
                ("desktop-entry", "Drawbridge".to_variant()),
            ]);
            let content = (
                "Drawbridge",
                before,
                "drawbridge-app",
                notice.title.as_str(),
                text.as_str(),
                actions,
                hints,
                USUAL_TIME,
            );
            let answer = self.call("Notify", Some(&content.to_variant()))?;
            answer.get::<(u32,)>().map(|(id,)| id)
        }

        /// Takes one away.
        pub(in crate::notify) fn withdraw(&self, id: u32) {
            self.call("CloseNotification", Some(&(id,).to_variant()));
        }

        fn call(&self, method: &str, content: Option<&glib::Variant>) -> Option<glib::Variant> {
            let (flags, nothing) = (gio::DBusCallFlags::NONE, gio::Cancellable::NONE);
            let answer = self.bus.call_sync(
                Some(SERVICE),
                PATH,
                SERVICE,
                method,
                content,
                None,
                flags,
                LIMIT_MS,
                nothing,
            );
            answer.inspect_err(|error| tracing::info!(%error, "the desktop shows no notifications")).ok()
        }
    }

    fn heard(signal: &str, content: &glib::Variant) -> Option<Heard> {
        match signal {
            "ActionInvoked" => content.get::<(u32, String)>().map(|(id, what)| Heard::Chosen(id, what)),
            "NotificationClosed" => {
                content.get::<(u32, u32)>().map(|(id, why)| Heard::Closed { id, by_person: why == BY_PERSON })
            }
            _ => None,
        }
    }
}

/// Elsewhere they are shown, and nothing is heard of them.
#[cfg(not(target_os = "linux"))]
mod system {
    use tokio::sync::mpsc;

    use crate::notice::Notice;
    use crate::notify::Heard;

    /// The desktop's notifications.
    pub(in crate::notify) struct Post;

    impl Post {
        pub(in crate::notify) fn open(_: mpsc::Sender<Heard>) -> Option<Self> {
            Some(Self)
        }

        pub(in crate::notify) fn show(&self, notice: &Notice, _: u32) -> Option<u32> {
            let mut shown = notify_rust::Notification::new();
            let shown = shown.appname("Drawbridge").summary(&notice.title).body(&notice.text).show();
            if let Err(error) = shown {
                tracing::info!(%error, "the desktop shows no notifications");
            }
            None
        }

        pub(in crate::notify) fn withdraw(&self, _: u32) {}
    }
}
