//! Draws the plain menu and icon of `menu` with Tauri, and hands clicks on.

use std::mem;
use std::path::Path;
use std::time::Duration;

use drawbridge::api::types::ServerView;
use tauri::image::Image;
use tauri::menu::{IsMenuItem, Menu, MenuItem, PredefinedMenuItem, Submenu};
use tauri::tray::{TrayIcon, TrayIconBuilder};
use tauri::{AppHandle, Wry, include_image};
use tokio::time::sleep;

use crate::guarded::expecting_panics;
use crate::menu::{Action, Item, Overall, menu};
use crate::panel::Panel;

/// How long a click may be under way to a menu that was replaced.
const CLICK_LIMIT: Duration = Duration::from_secs(2);

/// The tray icon and what it shows.
pub(crate) struct Tray {
    icon: TrayIcon,
    panel: Panel,
    shown: (Vec<Item>, Overall),
    menu: Menu<Wry>,
}

impl Tray {
    /// Puts the icon into the desktop's panel, which has a place for it and reads the picture from that folder; `None`
    /// where that fails.
    pub(crate) fn show(
        app: &AppHandle,
        panel: Panel,
        pictures: &Path,
        servers: &[ServerView],
        is_paused: bool,
        on_click: impl Fn(Action) + Send + Sync + 'static,
    ) -> Option<Self> {
        let shown = values(servers, is_paused);
        let build = || {
            let menu = drawn_menu(app, &shown.0)?;
            let icon = TrayIconBuilder::<Wry>::with_id("tray")
                // Otherwise all homes of a person share one.
                .temp_dir_path(pictures)
                .icon(picture(shown.1, panel))
                .icon_as_template(panel == Panel::Template)
                .tooltip(shown.1.words())
                .menu(&menu)
                .on_menu_event(move |_, event| {
                    if let Some(action) = Action::of_id(event.id().as_ref()) {
                        on_click(action);
                    }
                })
                .build(app)?;
            Ok::<_, tauri::Error>((icon, menu))
        };
        // The library behind it panics where the system's own part of it is not installed.
        match expecting_panics(build) {
            Some(Ok((icon, menu))) => Some(Self { icon, panel, shown, menu }),
            Some(Err(error)) => {
                tracing::warn!(%error, "no tray icon");
                None
            }
            None => {
                tracing::warn!("no tray icon: the system's library for it is missing");
                None
            }
        }
    }

    /// Shows how the servers stand now; draws only what is different.
    pub(crate) fn update(&mut self, app: &AppHandle, servers: &[ServerView], is_paused: bool) {
        let new = values(servers, is_paused);
        match self.draw(app, &new) {
            Ok(()) => self.shown = new,
            Err(error) => tracing::warn!(%error, "the tray could not be drawn"),
        }
    }

    fn draw(&mut self, app: &AppHandle, new: &(Vec<Item>, Overall)) -> tauri::Result<()> {
        if new.0 != self.shown.0 {
            self.replace_menu(drawn_menu(app, &new.0)?)?;
        }
        if new.1 != self.shown.1 {
            self.icon
                .set_icon_with_as_template(Some(picture(new.1, self.panel)), self.panel == Panel::Template)?;
            self.icon.set_tooltip(Some(new.1.words()))?;
        }
        Ok(())
    }

    /// A click that the system has taken already is handed to the line it was meant for, so that line has to be
    /// there a little longer.
    fn replace_menu(&mut self, menu: Menu<Wry>) -> tauri::Result<()> {
        self.icon.set_menu(Some(menu.clone()))?;
        let before = mem::replace(&mut self.menu, menu);
        tokio::spawn(async move {
            sleep(CLICK_LIMIT).await;
            drop(before);
        });
        Ok(())
    }
}

fn values(servers: &[ServerView], is_paused: bool) -> (Vec<Item>, Overall) {
    (menu(servers, is_paused), Overall::of(servers, is_paused))
}

fn drawn_menu(app: &AppHandle, items: &[Item]) -> tauri::Result<Menu<Wry>> {
    let drawn = drawn_items(app, items)?;
    let items: Vec<&dyn IsMenuItem<Wry>> = drawn.iter().map(AsRef::as_ref).collect();
    Menu::with_items(app, &items)
}

fn drawn_items(app: &AppHandle, items: &[Item]) -> tauri::Result<Vec<Box<dyn IsMenuItem<Wry>>>> {
    items.iter().map(|item| drawn_item(app, item)).collect()
}

fn drawn_item(app: &AppHandle, item: &Item) -> tauri::Result<Box<dyn IsMenuItem<Wry>>> {
    Ok(match item {
        Item::Text(text) => Box::new(MenuItem::new(app, literal(text), false, None::<&str>)?),
        Item::Action { label, action } => {
            Box::new(MenuItem::with_id(app, action.id(), literal(label), true, None::<&str>)?)
        }
        Item::More { label, items } => {
            let drawn = drawn_items(app, items)?;
            let items: Vec<&dyn IsMenuItem<Wry>> = drawn.iter().map(AsRef::as_ref).collect();
            Box::new(Submenu::with_items(app, literal(label), true, &items)?)
        }
        Item::Separator => Box::new(PredefinedMenuItem::separator(app)?),
    })
}

/// Menus read `&` as the mark of a shortcut.
fn literal(text: &str) -> String {
    text.replace('&', "&&")
}

fn picture(overall: Overall, panel: Panel) -> Image<'static> {
    match (overall, panel) {
        (Overall::Ready, Panel::Light) => include_image!("../icons/tray-ready-light.png"),
        (Overall::Ready, Panel::Dark) => include_image!("../icons/tray-ready-dark.png"),
        (Overall::Ready, Panel::Template) => include_image!("../icons/tray-ready-template.png"),
        (Overall::Attention, Panel::Light) => include_image!("../icons/tray-attention-light.png"),
        (Overall::Attention, Panel::Dark) => include_image!("../icons/tray-attention-dark.png"),
        (Overall::Attention, Panel::Template) => include_image!("../icons/tray-attention-template.png"),
        (Overall::Failed, Panel::Light) => include_image!("../icons/tray-failed-light.png"),
        (Overall::Failed, Panel::Dark) => include_image!("../icons/tray-failed-dark.png"),
        (Overall::Failed, Panel::Template) => include_image!("../icons/tray-failed-template.png"),
        (Overall::Paused, Panel::Light) => include_image!("../icons/tray-paused-light.png"),
        (Overall::Paused, Panel::Dark) => include_image!("../icons/tray-paused-dark.png"),
        (Overall::Paused, Panel::Template) => include_image!("../icons/tray-paused-template.png"),
    }
}
