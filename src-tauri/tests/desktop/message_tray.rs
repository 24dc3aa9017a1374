//! Where a desktop shows notifications (`org.freedesktop.Notifications`), and the person who clicks on them.

use std::collections::HashMap;

use tokio::sync::watch;
use zbus::zvariant::OwnedValue;
use zbus::{Connection, interface};

use crate::until;

const SERVICE: &str = "org.freedesktop.Notifications";
const PATH: &str = "/org/freedesktop/Notifications";
/// Why a notification has gone: the person was done with it.
const BY_PERSON: u32 = 2;
/// Or a program wanted it.
const BY_PROGRAM: u32 = 3;

/// A notification that was asked for, and whether it is still there.
#[derive(Debug, Clone)]
struct Shown {
    id: u32,
    title: String,
    buttons: Vec<String>,
    is_there: bool,
}

#[derive(Clone)]
struct Service(watch::Sender<Vec<Shown>>);

impl Service {
    async fn close(&self, bus: &Connection, id: u32, why: u32) {
        self.0.send_modify(|shown| {
            for one in shown.iter_mut().filter(|one| one.id == id) {
                one.is_there = false;
            }
        });
        bus.emit_signal(None::<&str>, PATH, SERVICE, "NotificationClosed", &(id, why)).await.unwrap();
    }
}

#[interface(name = "org.freedesktop.Notifications")]
impl Service {
    #[allow(clippy::too_many_arguments, reason = "the specification's")]
    fn notify(
        &self,
        _program: &str,
        before: u32,
        _icon: &str,
        title: &str,
        _text: &str,
        buttons: Vec<String>,
        _hints: HashMap<String, OwnedValue>,
        _time: i32,
    ) -> u32 {
        let mut id = before;
        self.0.send_modify(|shown| {
            if before == 0 {
                id = u32::try_from(shown.len()).unwrap() + 1;
            }
            shown.push(Shown { id, title: title.to_owned(), buttons, is_there: true });
        });
        id
    }

    async fn close_notification(&self, id: u32, #[zbus(connection)] bus: &Connection) {
        self.close(bus, id, BY_PROGRAM).await;
    }

    fn get_capabilities(&self) -> Vec<String> {
        ["actions", "body", "body-markup"].map(str::to_owned).into()
    }

    fn get_server_information(&self) -> (String, String, String, String) {
        ["Tray", "Nobody", "1", "1.2"].map(str::to_owned).into()
    }
}

/// The notifications of a session.
pub(crate) struct MessageTray {
    bus: Connection,
    service: Service,
    shown: watch::Receiver<Vec<Shown>>,
}

impl MessageTray {
    /// Gives the desktop of this bus a place for notifications.
    pub(crate) async fn start(bus: &Connection) -> Self {
        let (shown, seen) = watch::channel(Vec::new());
        let service = Service(shown);
        bus.object_server().at(PATH, service.clone()).await.unwrap();
        bus.request_name(SERVICE).await.unwrap();
        Self { bus: bus.clone(), service, shown: seen }
    }

    /// The titles of all that were ever shown.
    pub(crate) fn titles(&self) -> Vec<String> {
        self.shown.borrow().iter().map(|shown| shown.title.clone()).collect()
    }

    /// Waits for one.
    pub(crate) async fn shows(&self, title: &str) {
        self.find(title).await;
    }

    /// Waits until one was taken away.
    pub(crate) async fn no_longer_shows(&self, title: &str) {
        until(&format!("the end of the notification {title:?}"), async || {
            self.shown
                .borrow()
                .iter()
                .rfind(|shown| shown.title == title)
                .filter(|shown| !shown.is_there)
                .map(drop)
        })
        .await;
    }

    /// Clicks on one, or on a button of it, which takes it away.
    pub(crate) async fn click(&self, title: &str, label: &str) {
        let Shown { id, buttons, .. } = self.find(title).await;
        let pair = buttons.chunks(2).find(|pair| pair[1] == label).expect("such a button");
        let signal = (id, pair[0].as_str());
        self.bus.emit_signal(None::<&str>, PATH, SERVICE, "ActionInvoked", &signal).await.unwrap();
        self.service.close(&self.bus, id, BY_PERSON).await;
    }

    async fn find(&self, title: &str) -> Shown {
        until(&format!("the notification {title:?}"), async || {
            self.shown.borrow().iter().rfind(|shown| shown.title == title && shown.is_there).cloned()
        })
        .await
    }
}
