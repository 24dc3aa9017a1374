//! Windows that a sign-in page opens: they are the page's own, and may no more than it may.

use crate::app::log;
use crate::foreign_page::ForeignPage;
use crate::remote_pages::{every_command, json, show};
use crate::screen::Key;

const POPUP: &str = "Sign in to foreign – another window";

/// Every key opens a window. In one of those the page says what it finds, and tries to get out.
const OPEN: &str = "
    const pause = () => new Promise((done) => setTimeout(done, 200));
    const leave = async () => {
      for (const address of ['file:///etc/passwd', 'tauri://localhost/index.html', 'http://192.0.2.1/']) {
        try { location.href = address } catch (error) { await report(`error ${address}`, error) }
        await pause();
        await report(address, location.search);
      }
      const limit = new Promise((_, no) => setTimeout(() => no('silence'), 20000));
      const ask = (command) => Promise.race([__TAURI_INTERNALS__.invoke(command), limit]).then(
        () => [`${command}: allowed`],
        (error) => /not allowed|failed to acquire webview/.test(error) ? [] : [`${command}: ${error}`]);
      const answered = await Promise.all(COMMANDS.map(ask));
      report('app', answered.flat().join(' '));
    };
    if (location.search === '?popup') {
      report('popup', [!!opener, document.cookie].join(' '));
      onload = () => setTimeout(leave, 0);
    } else {
      document.cookie = 'known=1';
      report('sign-in', 'shown');
      onkeydown = (event) => {
        if (event.key === 'Enter') report('opened', !!open('/authorize?popup', '_blank'));
        if (event.key === 'f') report('refused', !!open('file:///etc/passwd', '_blank'));
      };
    }
";

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_page_has_a_few_windows_and_they_go_with_it() {
    let page = ForeignPage::start(&OPEN.replace("COMMANDS", &json(&every_command()))).await;
    let (session, screen, app, panel) = show(&page).await;
    let window = screen.window("Sign in to foreign").await;
    assert_eq!(page.report("sign-in").await, "shown");
    screen.stands_still(window).await;
    screen.focus(window);

    screen.type_text("f");
    assert_eq!(page.report("refused").await, "false", "a file");
    for _ in 0..3 {
        screen.focus(window);
        screen.press(Key::Return);
        assert_eq!(page.report("opened").await, "true");
        assert_eq!(page.report("popup").await, "true known=1", "the same profile");
        for address in ["file:///etc/passwd", "tauri://localhost/index.html", "http://192.0.2.1/"] {
            assert_eq!(page.report(address).await, "?popup", "{address}");
        }
        assert_eq!(page.report("app").await, "", "no command of the app answers");
    }
    screen.focus(window);
    screen.press(Key::Return);
    assert_eq!(page.report("opened").await, "false", "one too many");
    assert!(log(&session).contains("kept from opening a window"));
    assert_eq!(screen.titles().iter().filter(|title| *title == POPUP).count(), 3);

    screen.close(screen.window(POPUP).await);
    crate::until("one window less", async || {
        (screen.titles().iter().filter(|title| *title == POPUP).count() == 2).then_some(())
    })
    .await;
    screen.close(window);
    screen.no_window("Sign in to foreign").await;
    screen.no_window(POPUP).await;

    panel.shows("foreign – sign-in not finished").await;
    panel.click("Quit").await;
    assert!(app.ended().await.success());
}

/// The window that Enter opens says in its turn, at the next key, that it asks for a passkey.
const ASKS: &str = "
    if (location.search === '?popup') {
      onkeydown = () => {
        const height = innerHeight;
        onresize = () => { if (innerHeight < height) report('bar', 'larger') };
        location.href = 'drawbridge-sign-in:passkey';
        report('still', location.search);
      };
      report('popup', 'shown');
    } else {
      onkeydown = () => open('/authorize?popup', '_blank');
      report('sign-in', 'shown');
    }
";

#[tokio::test(flavor = "multi_thread")]
async fn a_window_that_asks_for_a_passkey_has_the_sentence_above_itself() {
    let page = ForeignPage::start(ASKS).await;
    let (session, screen, app, panel) = show(&page).await;
    let window = screen.window("Sign in to foreign").await;
    assert_eq!(page.report("sign-in").await, "shown");
    screen.stands_still(window).await;
    screen.focus(window);
    screen.press(Key::Return);
    assert_eq!(page.report("popup").await, "shown");

    let popup = screen.window(POPUP).await;
    screen.stands_still(popup).await;
    screen.focus(popup);
    screen.press(Key::Return);

    assert_eq!(page.report("still").await, "?popup");
    assert_eq!(page.report("bar").await, "larger");
    assert!(log(&session).contains("a sign-in page asks for a passkey"));
    assert_eq!(session.page_in_browser(), None, "only the person opens it");
    screen.close(window);
    screen.no_window(POPUP).await;
    panel.shows("foreign – sign-in not finished").await;
    panel.click("Quit").await;
    assert!(app.ended().await.success());
}
