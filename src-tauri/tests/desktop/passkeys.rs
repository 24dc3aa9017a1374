//! A page that asks for a passkey: the bar says where passkeys work, and nothing else comes of it.

use crate::app::log;
use crate::foreign_page::ForeignPage;
use crate::remote_pages::show;
use crate::screen::{Key, Screen};
use crate::until;

const FOREIGN: &str = "Sign in to foreign";
const TOLD: &str = "a sign-in page asks for a passkey";

/// First asks what pages ask before they offer anything, then for a passkey once a key is pressed.
const ASKS: &str = "
    const question = { challenge: new Uint8Array(32), rpId: 'localhost' };
    const answer = (asking) => asking.then(() => 'a passkey', (error) => error.name);
    const offers = async () => [
      await PublicKeyCredential.isUserVerifyingPlatformAuthenticatorAvailable(),
      await PublicKeyCredential.isConditionalMediationAvailable(),
      await answer(navigator.credentials.get({ publicKey: question, mediation: 'conditional' })),
      await navigator.credentials.get({ password: true }),
    ].join(' ');
    offers().then((found) => report('offers', found));
    const height = innerHeight;
    onresize = () => { if (innerHeight < height) report('bar', 'larger') };
    onkeydown = async () => {
      report('get', await answer(navigator.credentials.get({ publicKey: question })));
      report('create', await answer(navigator.credentials.create({ publicKey: question })));
      report('still', location.pathname);
    };
";

/// Says it without a request, and more than that.
const LIES: &str = "
    const height = innerHeight;
    onresize = () => { if (innerHeight < height) report('bar', 'larger') };
    onkeydown = async () => {
      location.href = 'drawbridge-sign-in:passkey';
      location.href = 'drawbridge-sign-in:browser';
      location.href = 'drawbridge-sign-in:passkey';
      report('still', location.pathname);
    };
    report('offers', 'none');
";

/// Presses a key in the window.
async fn press_a_key(screen: &Screen) -> u32 {
    let window = screen.window(FOREIGN).await;
    screen.stands_still(window).await;
    screen.focus(window);
    screen.press(Key::Return);
    window
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_asks_for_a_passkey_is_refused_and_the_bar_points_at_the_browser() {
    let page = ForeignPage::start(ASKS).await;
    let (session, screen, app, panel) = show(&page).await;
    assert_eq!(page.report("offers").await, "false false NotAllowedError ");
    assert!(!log(&session).contains(TOLD), "a question of that kind is no request");

    let window = press_a_key(&screen).await;
    assert_eq!(page.report("get").await, "NotAllowedError");
    assert_eq!(page.report("create").await, "NotAllowedError");
    assert_eq!(page.report("still").await, "/authorize");
    assert_eq!(page.report("bar").await, "larger", "it says so above the page");
    screen.stands_still(window).await;
    screen.press_underlined(b'o');

    let shown = until("a page in the browser", async || session.page_in_browser()).await;
    assert_eq!(shown.path(), "/authorize");
    screen.gone(window).await;
    panel.click("Cancel sign-in").await;
    panel.shows("foreign – sign-in not finished").await;
    panel.click("Quit").await;
    assert!(app.ended().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_only_says_so_gets_the_sentence_once_and_nothing_else() {
    let page = ForeignPage::start(LIES).await;
    let (session, screen, app, panel) = show(&page).await;
    page.report("offers").await;

    let window = press_a_key(&screen).await;

    assert_eq!(page.report("still").await, "/authorize");
    assert_eq!(page.report("bar").await, "larger");
    assert_eq!(log(&session).matches(TOLD).count(), 1);
    assert_eq!(session.page_in_browser(), None, "only the person opens it");
    screen.close(window);
    panel.shows("foreign – sign-in not finished").await;
    panel.click("Quit").await;
    assert!(app.ended().await.success());
}
