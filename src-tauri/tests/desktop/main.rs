//! The app as people meet it, on a desktop without a screen: its tray icon over D-Bus, its windows
//! over X11, the keys of a person, a real keychain, and the demo server's own sign-in page.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test that is surprised should say so and end"
)]

mod accounts;
mod app;
mod at_login;
mod browser;
mod checkup;
mod client;
mod client_configs;
mod clipboard;
mod codes;
mod demo;
mod desk;
mod foreign_page;
mod icon;
mod kept_profile;
mod keychain;
mod lifecycle;
mod main_window;
mod menu_lines;
mod message_tray;
mod notifications;
mod other_servers;
mod page_rights;
mod passkeys;
mod pausing;
mod pictures;
mod popups;
mod proxy;
mod questions;
mod remote_pages;
mod screen;
mod session;
mod sign_in;
mod tray;
mod webdriver;
mod windows;

use std::time::Duration;

use tokio::time::{sleep, timeout};

/// The longest any single step may take; far more than any does.
const LIMIT: Duration = Duration::from_secs(60);
/// Until something is looked at again.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// What there is to see, once it is there.
async fn until<T>(what: &str, look: impl AsyncFn() -> Option<T>) -> T {
    let seen = async {
        loop {
            if let Some(seen) = look().await {
                return seen;
            }
            sleep(LOOK_AGAIN).await;
        }
    };
    timeout(LIMIT, seen).await.unwrap_or_else(|_| panic!("waited in vain for {what}"))
}
