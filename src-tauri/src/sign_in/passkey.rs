//! Passkeys, which a window of another program than a browser cannot give: a script in the page notices that the page
//! asks for one, and the bar points at the browser. It is the page's word, so nothing else comes of it.

use drawbridge::oauth::window::PASSKEY;
use webkit2gtk::{
    UserContentInjectedFrames, UserContentManagerExt as _, UserScript, UserScriptInjectionTime, WebView,
    WebViewExt as _,
};

use super::bar;

const SCRIPT: &str = include_str!("passkey.js");
const NAME: &str = "passkey";
const WORDS: &str = "This page asks for a passkey, which works in your browser only: choose Open in browser.";

/// Has a page say when it asks for one.
pub(super) fn notice(page: &WebView) {
    let script = UserScript::new(
        &SCRIPT.replace("$SENTINEL", PASSKEY),
        UserContentInjectedFrames::TopFrame,
        UserScriptInjectionTime::Start,
        &[],
        &[],
    );
    if let Some(scripts) = page.user_content_manager() {
        scripts.add_script(&script);
    }
}

/// Says below the bar of a page that it asks for one.
pub(super) fn tell(page: &WebView) {
    tracing::info!("a sign-in page asks for a passkey");
    bar::say(page, NAME, WORDS);
}
