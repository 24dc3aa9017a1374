//! Sign-in windows: one for each account whose sign-in is shown here (security rule 9).
//!
//! A window shows a page of somebody else, so no capability names it, its profile is in memory and
//! gone with it unless the person has it kept, and it goes to pages alone. Above the page stands a bar
//! that the page cannot reach.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use drawbridge::host::HostHandle;
use drawbridge::host::account::{
    AccountKey, CodeSignIn, OpenError, PageOpener as _, SignInFacts, SignInWindows, SystemBrowser,
    WindowSignIn,
};
use drawbridge::oauth::login::Next;
use drawbridge::oauth::window::{Navigation, shown_site};
use drawbridge::redact::plain;
use drawbridge::registry::AccountLabel;
use tauri::webview::{PageLoadEvent, PermissionResponse};
use tauri::{
    AppHandle, Manager as _, Url, WebviewUrl, WebviewWindow, WebviewWindowBuilder, WindowEvent, Wry,
};

use crate::front::{Wish, Wishes};

#[cfg(target_os = "linux")]
mod bar;
pub(crate) mod code;
#[cfg(target_os = "linux")]
mod elsewhere;
#[cfg(target_os = "linux")]
mod facts;
mod frame;
#[cfg(target_os = "linux")]
mod popup;

/// What every label of such a window begins with.
const LABEL: &str = "sign-in-";

type Builder<'a> = WebviewWindowBuilder<'a, Wry, AppHandle>;

impl SignInWindows for Wishes {
    fn show(&self, sign_in: WindowSignIn) -> Result<(), OpenError> {
        self.wish(Wish::SignIn(Box::new(sign_in)));
        Ok(())
    }

    fn show_code(&self, sign_in: CodeSignIn) -> Result<(), OpenError> {
        self.wish(Wish::Code(Box::new(sign_in)));
        Ok(())
    }
}

/// A sign-in and its window.
#[derive(Clone)]
struct Shown {
    app: AppHandle,
    label: String,
    sign_in: Arc<WindowSignIn>,
    /// Whether a browser has taken over, so that closing the window ends nothing.
    handed_over: Arc<AtomicBool>,
    /// Whether the person has agreed to what it is about, so that a browser need not ask.
    has_begun: Arc<AtomicBool>,
    /// The windows that its pages have open.
    #[cfg(target_os = "linux")]
    popups: popup::Popups,
}

/// Shows a sign-in, or brings its window to the front.
///
/// # Errors
/// What the system says.
pub(crate) fn show(app: &AppHandle, sign_in: WindowSignIn) -> tauri::Result<()> {
    let label = label(&sign_in);
    if let Some(window) = app.get_webview_window(&label) {
        return window.set_focus();
    }
    let profile = app.state::<HostHandle>().kept_profile(&sign_in.account)?;
    let shown = Shown {
        app: app.clone(),
        label,
        sign_in: Arc::new(sign_in),
        handed_over: Arc::default(),
        has_begun: Arc::default(),
        #[cfg(target_os = "linux")]
        popups: popup::Popups::default(),
    };
    let window = shown.build(profile)?;
    frame::put_around(&window, &shown)?;
    tokio::spawn(shown.close_at_the_end());
    Ok(())
}

/// Closes every sign-in window.
pub(crate) fn close_all(app: &AppHandle) {
    for (label, window) in app.webview_windows() {
        if label.starts_with(LABEL) {
            window.destroy().ok();
        }
    }
}

/// Whose sign-in it is; an account that nobody named goes by the server's name.
fn account_name(account: &AccountKey, facts: &SignInFacts) -> String {
    let server = plain(&facts.server_name, 60);
    if account.label == AccountLabel::unnamed().as_str() {
        server
    } else {
        format!("{server}@{}", plain(&account.label, 60))
    }
}

/// One window for an account. Labels of windows know few letters.
fn label(sign_in: &WindowSignIn) -> String {
    let account: String = sign_in.account.label.bytes().map(|byte| format!("{byte:02x}")).collect();
    format!("{LABEL}{}-{account}", sign_in.account.entry)
}

impl Shown {
    /// An empty window: nothing is loaded before its frame is there.
    fn build(&self, profile: Option<PathBuf>) -> tauri::Result<WebviewWindow> {
        let facts = &self.sign_in.facts;
        let nowhere = Url::parse("about:blank").expect("a URL");
        let navigating = self.clone();
        let window = WebviewWindowBuilder::new(&self.app, &self.label, WebviewUrl::External(nowhere))
            .title(format!("Sign in to {}", account_name(&self.sign_in.account, facts)))
            .inner_size(520.0, 720.0)
            .min_inner_size(360.0, 420.0)
            .devtools(false)
            .zoom_hotkeys_enabled(true)
            // One that opens by itself takes nobody's keyboard away.
            .focused(facts.asked_by.is_none())
            .on_navigation(move |url| navigating.may_go(url))
            .on_page_load(|_, page| {
                if let PageLoadEvent::Finished = page.event() {
                    tracing::debug!(site = %shown_site(page.url()), "a sign-in page was loaded");
                }
            })
            .on_download(|_, _| false)
            .on_permission_request(|_, _| PermissionResponse::Deny);
        let window = match profile {
            None => window.incognito(true),
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
                open_in_browser(&url);
            }
            tauri::webview::NewWindowResponse::Deny
        })
    }

    fn window(&self) -> Option<WebviewWindow> {
        self.app.get_webview_window(&self.label)
    }

    /// Decides about every address that the page or one of its frames wants to go to.
    fn may_go(&self, url: &Url) -> bool {
        match Navigation::of(url, self.sign_in.redirect) {
            Navigation::Go => true,
            Navigation::Refused => {
                tracing::info!(scheme = %url.scheme(), "a sign-in page was kept from going elsewhere");
                false
            }
            Navigation::Returned(query) => {
                let shown = self.clone();
                tokio::spawn(async move {
                    if let Next::Open(url) = shown.sign_in.handle.returned(&query).await {
                        shown.open(url);
                    }
                });
                false
            }
        }
    }

    /// Loads a page of the sign-in.
    fn open(&self, page: Url) {
        if let Some(window) = self.window()
            && let Err(error) = window.navigate(page)
        {
            tracing::warn!(%error, "the sign-in page cannot be loaded");
        }
    }

    /// The first page.
    fn begin(&self) {
        self.open(self.sign_in.page.expose().clone());
    }

    /// Goes on in a browser.
    fn hand_over(&self) {
        let shown = self.clone();
        tokio::spawn(async move {
            if shown.take_to_browser().await {
                shown.close();
            }
        });
    }

    /// Has a browser show the sign-in; whether it still waits for one.
    async fn take_to_browser(&self) -> bool {
        let handle = &self.sign_in.handle;
        let Some(mut page) = handle.hand_over().await else { return false };
        if self.has_begun.load(Ordering::Relaxed) {
            let Some(agreed) = handle.agreed().await else { return false };
            page = agreed;
        }
        self.handed_over.store(true, Ordering::Relaxed);
        open_in_browser(&page);
        true
    }

    /// Calls the sign-in off, wherever it is shown.
    #[cfg(target_os = "linux")]
    fn cancel(&self) {
        self.handed_over.store(false, Ordering::Relaxed);
        self.close();
    }

    /// Ends the sign-in, unless it has ended or goes on elsewhere.
    fn decline(&self) {
        if self.handed_over.load(Ordering::Relaxed) {
            return;
        }
        let sign_in = self.sign_in.clone();
        tauri::async_runtime::spawn(async move { sign_in.handle.decline().await });
    }

    async fn close_at_the_end(self) {
        let sign_in: WindowSignIn = (*self.sign_in).clone();
        let (server, label) = (sign_in.facts.server_name.clone(), sign_in.account.label.clone());
        let has_worked = sign_in.ended().await;
        self.close();
        if has_worked && !self.handed_over.load(Ordering::Relaxed) {
            self.app.state::<Wishes>().wish(Wish::SignedIn(server, label));
        }
    }

    fn close(&self) {
        if let Some(window) = self.window() {
            window.destroy().ok();
        }
    }
}

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

fn open_in_browser(page: &Url) {
    if let Err(error) = SystemBrowser::from_environment().open(page) {
        tracing::warn!(%error, "the page cannot be opened");
    }
}
