//! Sign-in windows: one for each account whose sign-in is shown here (security rule 9).
//!
//! A window shows a page of somebody else, so no capability names it, its profile is in memory and
//! gone with it unless the person has it kept, and it goes to pages alone. Above the page stands a bar
//! that the page cannot reach.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use drawbridge::failure::Failure;
use drawbridge::host::HostHandle;
use drawbridge::host::account::{
    AccountKey, OpenError, PageOpener as _, SignInFacts, SystemBrowser, WindowSignIn,
};
use drawbridge::oauth::login::Next;
use drawbridge::oauth::window::Navigation;
use drawbridge::redact::plain;
use drawbridge::registry::AccountLabel;
use tauri::{AppHandle, Manager as _, Url, WebviewWindow};

use crate::front::{Wish, Wishes};
#[cfg(target_os = "linux")]
use crate::guarded::guarded;
use crate::menu::Action;
use crate::{unforeseen, webkit, window as main_window};

#[cfg(target_os = "linux")]
mod bar;
pub(crate) mod code;
#[cfg(target_os = "linux")]
mod elsewhere;
#[cfg(target_os = "linux")]
mod facts;
mod frame;
#[cfg(target_os = "linux")]
mod passkey;
#[cfg(target_os = "linux")]
mod popup;
mod shows;
#[cfg(target_os = "linux")]
mod widgets;
mod window;

pub(crate) use shows::Shows;
pub(crate) use window::KEEPS_PROFILES;

/// What every label of such a window begins with.
const LABEL: &str = "sign-in-";

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
    /// Whether the person was in the main window when it opened.
    came_from_main: bool,
    /// Whether its pages turned out to work in browsers alone.
    #[cfg(target_os = "linux")]
    has_left: Arc<AtomicBool>,
    /// The windows that its pages have open.
    #[cfg(target_os = "linux")]
    popups: popup::Popups,
}

/// Shows a sign-in, or brings its window to the front. One whose window the person is just closing is called off, so
/// it is begun anew after that.
///
/// # Errors
/// What the system says.
pub(crate) fn show(app: &AppHandle, sign_in: WindowSignIn) -> Result<(), Failure> {
    webkit::load()?;
    show_window(app, sign_in).map_err(|error| unforeseen::internal(&error.to_string()))
}

fn show_window(app: &AppHandle, sign_in: WindowSignIn) -> tauri::Result<()> {
    if let Some(shown) = app.state::<Shows>().find(&sign_in) {
        if let Some(window) = shown.open_window() {
            return window.set_focus();
        }
        if !shown.handed_over.load(Ordering::Relaxed) {
            tokio::spawn(shown.begin_anew());
            return Ok(());
        }
    }
    let profile = app.state::<HostHandle>().kept_profile(&sign_in.account)?;
    let shown = Shown::new(app, sign_in);
    let window = shown.build(profile)?;
    frame::put_around(&window, &shown)?;
    app.state::<Shows>().add(&shown);
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

impl Shown {
    /// No label is used twice, because a window that is being closed has its own still.
    fn new(app: &AppHandle, sign_in: WindowSignIn) -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        Self {
            app: app.clone(),
            label: format!("{LABEL}{}", NUMBER.fetch_add(1, Ordering::Relaxed)),
            sign_in: Arc::new(sign_in),
            handed_over: Arc::default(),
            has_begun: Arc::default(),
            came_from_main: main_window::is_focused(app),
            #[cfg(target_os = "linux")]
            has_left: Arc::default(),
            #[cfg(target_os = "linux")]
            popups: popup::Popups::default(),
        }
    }

    fn window(&self) -> Option<WebviewWindow> {
        self.app.get_webview_window(&self.label)
    }

    /// The window, unless it is being closed: then it answers no questions.
    fn open_window(&self) -> Option<WebviewWindow> {
        self.window().filter(|window| window.is_visible().is_ok())
    }

    /// Decides about every address that the page or one of its frames wants to go to.
    fn may_go(&self, url: &Url) -> bool {
        match Navigation::of(url, self.sign_in.redirect) {
            Navigation::Go => true,
            Navigation::Refused => {
                tracing::info!(scheme = %url.scheme(), "a sign-in page was kept from going elsewhere");
                false
            }
            Navigation::AsksForPasskey => {
                self.tell_of_passkey();
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

    #[cfg(target_os = "linux")]
    fn tell_of_passkey(&self) {
        self.with_page(|page| passkey::tell(&page));
    }

    /// Elsewhere the system has passkeys itself, and no script of ours is in the page.
    #[cfg(not(target_os = "linux"))]
    fn tell_of_passkey(&self) {}

    /// Does something with the page in the window, if that is still there.
    #[cfg(target_os = "linux")]
    fn with_page(&self, act: impl FnOnce(webkit2gtk::WebView) + Send + 'static) {
        if let Some(window) = self.window()
            && let Err(error) = window.with_webview(move |webview| guarded(|| act(webview.inner())))
        {
            tracing::warn!(%error, "the sign-in window cannot be reached");
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

    /// Has a browser show the sign-in, if it still waits for one; whether one does.
    async fn take_to_browser(&self) -> bool {
        let handle = &self.sign_in.handle;
        let Some(mut page) = handle.hand_over().await else { return false };
        if self.has_begun.load(Ordering::Relaxed) {
            let Some(agreed) = handle.agreed().await else { return false };
            page = agreed;
        }
        let opened = open_in_browser(&page);
        if opened.is_ok() {
            self.handed_over.store(true, Ordering::Relaxed);
        } else {
            self.tell_address(&page);
        }
        opened.is_ok()
    }

    /// Has the person open a page by themselves.
    #[cfg(target_os = "linux")]
    fn tell_address(&self, page: &Url) {
        let words = format!("No browser could be opened. Open this address in one: {page}");
        self.with_page(move |page| bar::say(&page, "address", &words));
    }

    /// Elsewhere every system has a browser.
    #[cfg(not(target_os = "linux"))]
    fn tell_address(&self, _: &Url) {}

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
        let has_worked = self.ended().await;
        self.app.state::<Shows>().remove(&self);
        self.close();
        if has_worked && !self.handed_over.load(Ordering::Relaxed) {
            self.app.state::<Wishes>().wish(Wish::SignedIn(self.server(), self.account_label()));
        }
    }

    /// Begins another sign-in of the account once this one has ended.
    async fn begin_anew(self) {
        if !self.sign_in.has_ended() && !self.ended().await {
            let sign_in = Action::SignIn(self.server(), self.account_label());
            self.app.state::<Wishes>().wish(Wish::Click(sign_in));
        }
    }

    /// Resolves once it has ended; whether somebody is signed in now.
    async fn ended(&self) -> bool {
        let sign_in: WindowSignIn = (*self.sign_in).clone();
        sign_in.ended().await
    }

    fn server(&self) -> String {
        self.sign_in.facts.server_name.clone()
    }

    fn account_label(&self) -> String {
        self.sign_in.account.label.clone()
    }

    /// Closes the window. A person who came from the main window is back there, unless a browser goes on; elsewhere the
    /// desktop leads back.
    fn close(&self) {
        let Some(window) = self.window() else { return };
        let had_focus = window.is_focused().unwrap_or(false);
        window.destroy().ok();
        if had_focus && self.came_from_main && !self.handed_over.load(Ordering::Relaxed) {
            main_window::focus(&self.app);
        }
    }
}

/// Shows a page in the system's browser.
///
/// # Errors
/// There is none, or it cannot be started; that is in the log then.
pub(crate) fn open_in_browser(page: &Url) -> Result<(), OpenError> {
    let opened = SystemBrowser::from_environment().open(page);
    if let Err(error) = &opened {
        tracing::warn!(%error, "the page cannot be opened");
    }
    opened
}
