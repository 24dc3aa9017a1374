//! The main window: made when it is first wanted, gone when it is closed.

use drawbridge::failure::Failure;
use drawbridge::host::HostHandle;
use tauri::{
    AppHandle, Manager as _, Url, UserAttentionType, WebviewUrl, WebviewWindow, WebviewWindowBuilder,
    WindowEvent,
};

#[cfg(target_os = "linux")]
use crate::{guarded::guarded, page};
use crate::{unforeseen, webkit};

/// Its label, which the capability names.
pub(crate) const MAIN: &str = "main";

/// Shows it at a route and brings it to the front.
///
/// # Errors
/// What the system says.
pub(crate) fn show(app: &AppHandle, route: &str) -> Result<(), Failure> {
    webkit::load()?;
    show_at(app, route).map_err(|error| unforeseen::internal(&error.to_string()))
}

fn show_at(app: &AppHandle, route: &str) -> tauri::Result<()> {
    match app.get_webview_window(MAIN) {
        Some(window) => {
            window.eval(going_to(route))?;
            raise(&window)
        }
        None => build(app, route),
    }
}

/// Has the desktop point at it, without taking the focus from wherever the person is; whether it is there.
pub(crate) fn draws_attention(app: &AppHandle) -> bool {
    let Some(window) = app.get_webview_window(MAIN) else { return false };
    if !window.is_focused().unwrap_or(false) {
        window.request_user_attention(Some(UserAttentionType::Informational)).ok();
    }
    true
}

/// What leads the page to a route: its address, which it reads once it is ready and at every change. A view that is
/// there already begins anew.
fn going_to(route: &str) -> String {
    let route = serde_json::Value::from(route);
    format!(
        "{{
            const before = location.hash;
            location.hash = {route};
            if (location.hash === before) dispatchEvent(new Event('hashchange'));
        }}"
    )
}

/// Closes it, if it is there.
pub(crate) fn close(app: &AppHandle) {
    if let Some(window) = app.get_webview_window(MAIN) {
        window.destroy().ok();
    }
}

/// Whether the person is in it.
pub(crate) fn is_focused(app: &AppHandle) -> bool {
    app.get_webview_window(MAIN).is_some_and(|window| window.is_focused().unwrap_or(false))
}

/// Gives it the keyboard, if it is there.
pub(crate) fn focus(app: &AppHandle) {
    if let Some(window) = app.get_webview_window(MAIN) {
        window.set_focus().ok();
    }
}

fn raise(window: &WebviewWindow) -> tauri::Result<()> {
    window.unminimize()?;
    window.show()?;
    window.set_focus()
}

fn build(app: &AppHandle, route: &str) -> tauri::Result<()> {
    let page = WebviewUrl::App(format!("index.html#{route}").into());
    let window = WebviewWindowBuilder::new(app, MAIN, page)
        .title("Drawbridge")
        .inner_size(960.0, 680.0)
        .min_inner_size(480.0, 400.0)
        .zoom_hotkeys_enabled(cfg!(windows))
        .on_navigation(is_ours)
        .build()?;
    #[cfg(target_os = "linux")]
    window.with_webview(|webview| {
        guarded(|| {
            let page = webview.inner();
            page::zooms_by_keys(&page);
            page::comes_back(&page);
        });
    })?;
    // While a person looks at it, the Host is needed.
    let needed = app.state::<HostHandle>().activity().other();
    let needed = std::sync::Mutex::new(Some(needed));
    let pointed_at = window.clone();
    window.on_window_event(move |event| {
        if let WindowEvent::Destroyed = event
            && let Ok(mut needed) = needed.lock()
        {
            needed.take();
        }
        // On X11 a window says that it wants attention until it says otherwise.
        if let WindowEvent::Focused(true) = event {
            pointed_at.request_user_attention(None).ok();
        }
    });
    Ok(())
}

/// The main window shows our own pages and nothing else.
fn is_ours(url: &Url) -> bool {
    let own_scheme = url.scheme() == "tauri" && url.host_str() == Some("localhost");
    let own_host = matches!(url.scheme(), "http" | "https") && url.host_str() == Some("tauri.localhost");
    own_scheme || own_host
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_main_window_shows_our_own_pages_alone() {
        let table = [
            ("tauri://localhost/index.html#/add", true),
            ("https://tauri.localhost/", true),
            ("tauri://elsewhere/", false),
            ("https://tauri.localhost.example/", false),
            ("https://example.com/", false),
            ("file:///etc/passwd", false),
            ("data:text/html,x", false),
            ("about:blank", false),
        ];
        for (url, allowed) in table {
            assert_eq!(is_ours(&Url::parse(url).expect("a URL")), allowed, "{url}");
        }
    }
}
