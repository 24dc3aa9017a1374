//! The window of a sign-in, made of what Tauri offers: what its page may not do, and what it keeps.

use std::path::PathBuf;

use drawbridge::host::HostHandle;
#[cfg(not(target_os = "linux"))]
use drawbridge::oauth::window::Navigation;
use drawbridge::oauth::window::shown_site;
use tauri::webview::{PageLoadEvent, PermissionResponse};
use tauri::{
    AppHandle, Manager as _, Url, WebviewUrl, WebviewWindow, WebviewWindowBuilder, WindowEvent, Wry,
};

use super::{Shown, account_name};
use crate::automation;
use crate::guarded::guarded;

type Builder<'a> = WebviewWindowBuilder<'a, Wry, AppHandle>;

impl Shown {
    /// An empty window: nothing is loaded before its frame is there.
    pub(super) fn build(&self, profile: Option<PathBuf>) -> tauri::Result<WebviewWindow> {
        let facts = &self.sign_in.facts;
        let nowhere = Url::parse("about:blank").expect("a URL");
        let navigating = self.clone();
        let window = WebviewWindowBuilder::new(&self.app, &self.label, WebviewUrl::External(nowhere))
            .title(format!("Sign in to {}", account_name(&self.sign_in.account, facts)))
            .inner_size(520.0, 720.0)
            .min_inner_size(360.0, 420.0)
            .devtools(false)
            .zoom_hotkeys_enabled(cfg!(windows))
            // One that opens by itself takes nobody's keyboard away.
            .focused(facts.asked_by.is_none())
            .on_navigation(move |url| guarded(|| navigating.may_go(url)))
            .on_page_load(|_, page| {
                if let PageLoadEvent::Finished = page.event() {
                    tracing::debug!(site = %shown_site(page.url()), "a sign-in page was loaded");
                }
            })
            .on_download(|_, _| {
                tracing::info!("a sign-in page was kept from loading a file down");
                false
            })
            .on_permission_request(|_, _| PermissionResponse::Deny);
        let window = match profile {
            None => window.incognito(!automation::shares_context()),
            Some(folder) => kept(window, folder),
        };
        let window = self.with_popups(window).build()?;
        let closing = self.clone();
        window.on_window_event(move |event| {
            if let WindowEvent::Destroyed = event {
                closing.decline();
                let (host, account) =
                    (closing.app.state::<HostHandle>().inner().clone(), closing.sign_in.account.clone());
                tauri::async_runtime::spawn(async move { host.tidy_profile(&account).await });
            }
        });
        Ok(window)
    }

    /// What becomes of windows that the page opens: on Linux `frame` allows some.
    #[cfg(target_os = "linux")]
    fn with_popups<'a>(&self, window: Builder<'a>) -> Builder<'a> {
        window
    }

    /// Elsewhere they go to the browser, where people know them.
    #[cfg(not(target_os = "linux"))]
    fn with_popups<'a>(&self, window: Builder<'a>) -> Builder<'a> {
        let redirect = self.sign_in.redirect;
        window.on_new_window(move |url, _| {
            if url.scheme() == "https" && Navigation::of(&url, redirect) == Navigation::Go {
                super::open_in_browser(&url).ok();
            }
            tauri::webview::NewWindowResponse::Deny
        })
    }
}

/// Whether a window can keep what its pages store.
pub(crate) const KEEPS_PROFILES: bool = cfg!(not(target_os = "macos"));

/// Has a window keep what its pages store.
#[cfg(not(target_os = "macos"))]
fn kept(window: Builder<'_>, folder: PathBuf) -> Builder<'_> {
    window.data_directory(folder)
}

/// There the system knows profiles by a number, and keeps them where no folder of ours is; so none is kept yet.
#[cfg(target_os = "macos")]
fn kept(window: Builder<'_>, _: PathBuf) -> Builder<'_> {
    window.incognito(true)
}
