//! The panel of a desktop: tray icons register with it, and it reads and clicks their menus
//! (StatusNotifierItem, com.canonical.dbusmenu).

use tokio::sync::watch;
use tokio::time::timeout;
use zbus::message::Header;
use zbus::proxy::CacheProperties;
use zbus::zvariant::{ObjectPath, OwnedObjectPath, OwnedValue, Structure, Value};
use zbus::{Connection, Proxy, interface};

use crate::{LIMIT, until};

const ITEM: &str = "org.kde.StatusNotifierItem";
const MENU: &str = "com.canonical.dbusmenu";
/// What the bus answers for somebody who got a call and left it without an answer.
const WENT_AWAY: &str = "org.freedesktop.DBus.Error.NoReply";

/// Where a tray icon is on the bus.
#[derive(Debug, Clone)]
struct Icon {
    owner: String,
    path: String,
}

struct Watcher(watch::Sender<Option<Icon>>);

#[interface(name = "org.kde.StatusNotifierWatcher")]
impl Watcher {
    fn register_status_notifier_item(&self, service: &str, #[zbus(header)] header: Header<'_>) {
        let sender = header.sender().map(ToString::to_string).unwrap_or_default();
        let icon = if service.starts_with('/') {
            Icon { owner: sender, path: service.to_owned() }
        } else {
            Icon { owner: service.to_owned(), path: "/StatusNotifierItem".to_owned() }
        };
        self.0.send_replace(Some(icon));
    }

    fn register_status_notifier_host(&self, _service: &str) {}

    #[zbus(property)]
    fn is_status_notifier_host_registered(&self) -> bool {
        true
    }

    #[zbus(property)]
    fn protocol_version(&self) -> i32 {
        0
    }

    #[zbus(property)]
    fn registered_status_notifier_items(&self) -> Vec<String> {
        self.0.borrow().iter().map(|icon| format!("{}{}", icon.owner, icon.path)).collect()
    }
}

/// The panel of a session.
pub(crate) struct Panel {
    bus: Connection,
    icon: watch::Receiver<Option<Icon>>,
}

/// A line of a tray menu.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    id: i32,
    label: String,
    lines: Vec<Line>,
}

impl Panel {
    /// Gives the desktop of this bus a place for tray icons.
    pub(crate) async fn start(bus: &Connection) -> Self {
        let (icon, seen) = watch::channel(None);
        bus.object_server().at("/StatusNotifierWatcher", Watcher(icon)).await.unwrap();
        bus.request_name("org.kde.StatusNotifierWatcher").await.unwrap();
        Self { bus: bus.clone(), icon: seen }
    }

    /// The labels of the menu from the top, those of a submenu after its own with an indent.
    pub(crate) async fn labels(&self) -> Option<Vec<String>> {
        let mut labels = Vec::new();
        print(&self.menu().await?, "", &mut labels);
        Some(labels)
    }

    /// Waits until the menu has this line.
    pub(crate) async fn shows(&self, label: &str) {
        until(&format!("the menu's line {label:?}"), async || {
            self.labels().await?.iter().any(|line| line.trim_start() == label).then_some(())
        })
        .await;
    }

    /// Waits until there is no menu any more.
    pub(crate) async fn is_empty(&self) {
        until("the end of the menu", async || self.menu().await.is_none().then_some(())).await;
    }

    /// Clicks a line. One that is just being drawn anew takes no click. An app that is told to quit may be gone before
    /// it has said that it was.
    pub(crate) async fn click(&self, label: &str) {
        until(&format!("a click on {label:?}"), async || {
            let event = (find(&self.menu().await?, label)?, "clicked", Value::from(""), 0_u32);
            let (icon, path) = self.menu_place().await?;
            let owner = Some(icon.owner.as_str());
            match self.bus.call_method(owner, &path, Some(MENU), "Event", &event).await {
                Ok(_) => Some(()),
                Err(zbus::Error::MethodError(name, ..)) => (name.as_str() == WENT_AWAY).then_some(()),
                Err(_) => None,
            }
        })
        .await;
    }

    /// The icon on the bus, once there is one. What it says of itself is asked anew each time.
    pub(crate) async fn item(&self) -> Proxy<'static> {
        let mut icons = self.icon.clone();
        let icon = timeout(LIMIT, icons.wait_for(Option::is_some)).await.expect("an icon").unwrap().clone();
        let Icon { owner, path } = icon.expect("one was waited for");
        let item = zbus::proxy::Builder::new(&self.bus).destination(owner).unwrap().path(path).unwrap();
        let item = item.interface(ITEM).unwrap().cache_properties(CacheProperties::No);
        item.build().await.unwrap()
    }

    /// `None` while there is no icon.
    async fn menu(&self) -> Option<Vec<Line>> {
        let (icon, path) = self.menu_place().await?;
        let owner = Some(icon.owner.as_str());
        self.bus.call_method(owner, &path, Some(MENU), "AboutToShow", &0_i32).await.ok()?;
        let whole = (0_i32, -1_i32, Vec::<String>::new());
        let answer = self.bus.call_method(owner, &path, Some(MENU), "GetLayout", &whole).await.ok()?;
        let body = answer.body();
        let layout: Structure<'_> = body.deserialize().ok()?;
        Some(line(layout.fields().get(1)?)?.lines)
    }

    async fn menu_place(&self) -> Option<(Icon, OwnedObjectPath)> {
        let icon = self.icon.borrow().clone()?;
        let wanted = (ITEM, "Menu");
        let properties = Some("org.freedesktop.DBus.Properties");
        let answer =
            self.bus.call_method(Some(icon.owner.as_str()), icon.path.as_str(), properties, "Get", &wanted);
        let value: OwnedValue = answer.await.ok()?.body().deserialize().ok()?;
        let path = ObjectPath::try_from(value).ok()?;
        Some((icon, path.into()))
    }
}

fn line(value: &Value<'_>) -> Option<Line> {
    let Value::Structure(node) = plain(value) else { return None };
    let [Value::I32(id), Value::Dict(properties), Value::Array(children)] = node.fields() else {
        return None;
    };
    let label = properties.iter().find_map(|(key, value)| match (key, plain(value)) {
        (Value::Str(key), Value::Str(label)) if key.as_str() == "label" => Some(label.replace('_', "")),
        _ => None,
    });
    let lines = children.iter().filter_map(line).collect();
    Some(Line { id: *id, label: label.unwrap_or_default(), lines })
}

fn plain<'v>(value: &'v Value<'v>) -> &'v Value<'v> {
    if let Value::Value(inner) = value { plain(inner) } else { value }
}

fn print(lines: &[Line], indent: &str, labels: &mut Vec<String>) {
    for line in lines.iter().filter(|line| !line.label.is_empty()) {
        labels.push(format!("{indent}{}", line.label));
        print(&line.lines, &format!("{indent}  "), labels);
    }
}

fn find(lines: &[Line], label: &str) -> Option<i32> {
    lines.iter().find_map(|line| if line.label == label { Some(line.id) } else { find(&line.lines, label) })
}
