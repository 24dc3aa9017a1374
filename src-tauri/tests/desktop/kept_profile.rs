//! A sign-in window whose profile the person has kept.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use demo_server::{Auth, Config, OAuthConfig};

use crate::app::drawbridge;
use crate::desk::Desk;
use crate::session::Session;
use crate::until;

/// A provider that remembers browsers.
pub(crate) fn remembering() -> Config {
    Config::with_auth(Auth::OAuth(OAuthConfig { remember_browser: true, ..OAuthConfig::default() }))
}

/// The kept profiles.
fn profiles(session: &Session) -> Vec<PathBuf> {
    let folders = std::fs::read_dir(session.drawbridge_home().join("state/profiles"));
    folders.into_iter().flatten().flatten().map(|folder| folder.path()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kept_profile_saves_the_password_until_the_sign_out() {
    let desk = Desk::with(remembering()).await;
    let kept = drawbridge(&desk.session, &["edit", "demo", "--keep-profile", "default"]).await;
    assert!(kept.status.success(), "{}", String::from_utf8_lossy(&kept.stderr));
    let window = desk.open_window().await;
    desk.fill_in(window, "demo", "demo123").await;
    desk.panel.shows("Sign out").await;
    let folders = profiles(&desk.session);
    let [folder] = folders.as_slice() else { panic!("{folders:?}") };
    let mode = std::fs::metadata(folder).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);

    desk.server.control().revoke_tokens(None);
    drawbridge(&desk.session, &["tools", "demo"]).await;
    let window = desk.open_window().await;
    desk.agree(window).await;
    desk.panel.shows("Sign out").await;
    assert_eq!(desk.server.control().stats().remembered_pages, 1);

    desk.panel.click("Sign out").await;
    desk.panel.shows("demo – signed out").await;
    until("the end of the profile", async || profiles(&desk.session).is_empty().then_some(())).await;
    let window = desk.open_window().await;
    desk.fill_in(window, "demo", "demo123").await;
    desk.panel.shows("Sign out").await;
    assert_eq!(desk.server.control().stats().remembered_pages, 1, "no cookie of before is left");
    assert_eq!(profiles(&desk.session).len(), 1, "the choice stays");

    let dropped = drawbridge(&desk.session, &["edit", "demo", "--unset", "keep-profile:default"]).await;
    assert!(dropped.status.success(), "{}", String::from_utf8_lossy(&dropped.stderr));
    until("the end of the profile", async || profiles(&desk.session).is_empty().then_some(())).await;
    desk.quit().await;
}
