//! What stands around a sign-in page, and what is switched off in it. Native on Linux; elsewhere the
//! title says where the page lies.

use tauri::WebviewWindow;

use super::Shown;

/// Puts the frame around the page and begins the sign-in.
///
/// # Errors
/// What the system says.
pub(super) fn put_around(window: &WebviewWindow, shown: &Shown) -> tauri::Result<()> {
    system::put_around(window, shown)
}

#[cfg(target_os = "linux")]
pub(super) use system::restrict;

#[cfg(target_os = "linux")]
mod system {
    use drawbridge::net::PageProxy;
    use gtk::prelude::*;
    use tauri::WebviewWindow;
    use webkit2gtk::{
        AuthenticationRequestExt as _, NetworkProxyMode, NetworkProxySettings, ScriptDialogType,
        SettingsExt as _, WebView, WebViewExt, WebsiteDataManagerExt as _,
    };

    use crate::guarded::guarded;
    use crate::page::zooms_by_keys;
    use crate::sign_in::bar::Began;
    use crate::sign_in::widgets::button;
    use crate::sign_in::{Shown, bar, elsewhere, facts, passkey, popup};

    pub(super) fn put_around(window: &WebviewWindow, shown: &Shown) -> tauri::Result<()> {
        let shown = shown.clone();
        window.with_webview(move |webview| guarded(|| fill(&webview.inner(), &shown)))
    }

    fn fill(page: &WebView, shown: &Shown) {
        let began = Began::default();
        restrict(page, shown, &began);
        if let Some(proxy) = &shown.sign_in.proxy {
            go_through(page, proxy);
        }
        let Some(frame) = page.parent().and_then(|parent| parent.downcast::<gtk::Box>().ok()) else {
            // Without a bar nobody could tell whose page it is.
            tracing::error!("the sign-in window has no place for its bar");
            return shown.close();
        };
        let cancelling = shown.clone();
        let ways_out = [button("_Cancel", move || cancelling.cancel()), bar::browser_button(shown)];
        bar::put_above(page, &frame, shown, began, &ways_out);
        if shown.sign_in.asks_first {
            facts::ask(page, &frame, shown);
        } else {
            elsewhere::begin(page, &frame, shown);
        }
    }

    /// The whole profile goes that way, and with it every window that the page opens.
    fn go_through(page: &WebView, proxy: &PageProxy) {
        let Some(profile) = page.website_data_manager() else { return };
        // There names are always left to such a proxy.
        let address = proxy.url.as_str().replacen("socks5h:", "socks5:", 1);
        let direct: Vec<&str> = proxy.direct.iter().map(String::as_str).collect();
        let mut settings = NetworkProxySettings::new(Some(&address), &direct);
        profile.set_network_proxy_settings(NetworkProxyMode::Custom, Some(&mut settings));
    }

    /// A page may be read and filled in; it may not ask for more, but for a few windows that may as little.
    pub(in crate::sign_in) fn restrict(page: &WebView, shown: &Shown, began: &Began) {
        zooms_by_keys(page);
        popup::allow(page, shown, began);
        passkey::notice(page);
        if let Some(settings) = WebViewExt::settings(page) {
            settings.set_enable_developer_extras(false);
            settings.set_enable_fullscreen(false);
            settings.set_enable_media_stream(false);
            settings.set_javascript_can_access_clipboard(false);
            settings.set_javascript_can_open_windows_automatically(false);
        }
        page.connect_authenticate(|_, request| {
            request.cancel();
            true
        });
        // A dialog of a page looks like one of ours; it is closed before anybody sees it. No page may keep anybody.
        page.connect_script_dialog(|_, dialog| {
            if dialog.dialog_type() == ScriptDialogType::BeforeUnloadConfirm {
                dialog.confirm_set_confirmed(true);
            }
            true
        });
        page.connect_enter_fullscreen(|_| true);
        page.connect_print(|_, _| true);
        page.connect_run_file_chooser(|_, _| true);
        page.connect_context_menu(|_, _, _, _| true);
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use drawbridge::oauth::window::needs_browser;
    use tauri::WebviewWindow;

    use crate::sign_in::{Shown, account_name};

    /// The facts are asked about in a browser, which has a page of ours for it; and it may know the proxy.
    pub(super) fn put_around(window: &WebviewWindow, shown: &Shown) -> tauri::Result<()> {
        let facts = &shown.sign_in.facts;
        if shown.sign_in.asks_first
            || shown.sign_in.proxy.is_some()
            || needs_browser(shown.sign_in.page.expose())
        {
            shown.hand_over();
            return Ok(());
        }
        let account = account_name(&shown.sign_in.account, facts);
        window.set_title(&format!("Sign in to {account} at {}", facts.sign_in_host))?;
        shown.begin();
        Ok(())
    }
}
