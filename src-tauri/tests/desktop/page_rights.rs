//! What a sign-in page may ask of the person and the system, and what the bar above it says and does.

use tokio::net::TcpListener;

use crate::app::log;
use crate::foreign_page::ForeignPage;
use crate::remote_pages::show;
use crate::{LIMIT, until};

/// Asks for all there is, one after the other.
const ASK: &str = "
    const limit = (asked) => Promise.race([asked, new Promise((done) => setTimeout(() => done('silence'), 20000))]);
    const framed = (attribute, value) => {
      const frame = document.createElement('iframe');
      frame[attribute] = value;
      document.body.append(frame);
    };
    globalThis.tell = report;
    const ask = async () => {
      framed('src', '/frame');
      framed('srcdoc', '<script>parent.tell(\"inner frame\", \"shown\")<\\/script>');
      const devices = navigator.mediaDevices;
      const camera = devices ? devices.getUserMedia({ video: true }).then(() => 'given', (error) => error.name) : 'absent';
      await report('camera', await limit(camera));
      const place = new Promise((done) =>
        navigator.geolocation.getCurrentPosition(() => done('given'), (error) => done(`refused: ${error.code}`)));
      await report('place', await limit(place));
      await report('dialogs', [alert('a'), confirm('b'), prompt('c')].join(' '));
      print();
      await report('password', (await fetch('/basic').catch(() => ({ status: 'refused' }))).status);
      location.href = '/file';
      await new Promise((done) => setTimeout(done, 500));
      await report('file', location.pathname);
    };
    onload = () => setTimeout(ask, 0);
";

/// Does not want to be left.
const STAY: &str = "
    onpageshow = () => report('page', 'shown');
    onkeydown = (event) => {
      if (event.key !== 'l') return;
      onbeforeunload = (leaving) => { leaving.preventDefault(); return 'stay' };
      location.href = '/elsewhere';
    };
";

/// Pretends to be elsewhere: goes to a page that never comes, by way of one of its own.
const PRETEND: &str = "onload = () => setTimeout(() => { location.href = '/away?ELSEWHERE' }, 0);";

/// Opens a window of another site, and has it empty again, to write into it.
const BORROW: &str = "
    let other;
    onload = () => report('page', 'shown');
    onkeydown = (event) => {
      if (event.key === 'o') other = open(`http://localhost:${location.port}/elsewhere`);
      if (event.key === 'b') other.location = 'about:blank';
    };
";

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_page_gets_nothing_of_the_system() {
    let page = ForeignPage::start(ASK).await;
    let (session, screen, app, panel) = show(&page).await;

    assert_eq!(page.report("frame").await, "shown", "frames are part of pages");
    assert_eq!(page.report("inner frame").await, "shown");
    assert_eq!(page.report("camera").await, "absent");
    assert_eq!(page.report("place").await, "refused: 1");
    assert_eq!(page.report("dialogs").await, " false ", "nobody was asked");
    assert_eq!(page.report("password").await, "refused");
    assert_eq!(page.report("file").await, "/authorize", "a file is no page");
    until("the refusal", async || log(&session).contains("kept from loading a file down").then_some(()))
        .await;
    assert_eq!(screen.titles(), ["Sign in to foreign"], "nothing else is shown");
    let kept = ["home", "cache", "data"].map(|name| files(&session.folder(name)));
    assert!(!kept.concat().iter().any(|file| file.contains("taken")), "{kept:?}");

    panel.click("Quit").await;
    assert!(app.ended().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bar_goes_back_loads_anew_and_cancels_and_no_page_keeps_anybody() {
    let page = ForeignPage::start(STAY).await;
    let (_session, screen, app, panel) = show(&page).await;
    assert_eq!(page.report("page").await, "shown");
    let window = screen.window("Sign in to foreign").await;
    screen.stands_still(window).await;
    screen.focus(window);

    screen.press_underlined(b'r');
    assert_eq!(page.report("page").await, "shown", "loaded anew");
    screen.focus(window);
    screen.type_text("l");
    assert_eq!(page.report("elsewhere").await, "shown");
    screen.press_underlined(b'b');
    assert_eq!(page.report("page").await, "shown", "gone back");
    screen.press_underlined(b'c');
    screen.no_window("Sign in to foreign").await;

    panel.shows("foreign – sign-in not finished").await;
    panel.click("Quit").await;
    assert!(app.ended().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bar_names_where_the_page_lies_and_not_where_it_wants_to_go() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = silent.local_addr().unwrap().port();
    let page = ForeignPage::start(&PRETEND.replace("ELSEWHERE", &format!("http://localhost:{port}/"))).await;
    let (session, screen, app, panel) = show(&page).await;
    let window = screen.window("Sign in to foreign").await;
    let shows =
        |site: &str| log(&session).contains(&format!("the bar shows where the page lies site={site}"));

    until("the bar", async || shows("127.0.0.1").then_some(())).await;
    let _never_answered = tokio::time::timeout(LIMIT, silent.accept()).await.expect("it goes there").unwrap();

    screen.stands_still(window).await;
    screen.focus(window);
    screen.press_underlined(b'c');
    screen.no_window("Sign in to foreign").await;
    assert!(!shows("localhost"), "{}", log(&session));

    panel.click("Quit").await;
    assert!(app.ended().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_that_is_empty_again_bears_nobodys_name() {
    let page = ForeignPage::start(BORROW).await;
    let (session, screen, app, panel) = show(&page).await;
    assert_eq!(page.report("page").await, "shown");
    let window = screen.window("Sign in to foreign").await;
    screen.stands_still(window).await;
    let shows = |site: &str| {
        let log = log(&session);
        log.lines().rfind(|line| line.contains("the bar shows")).is_some_and(|line| line.ends_with(site))
    };

    screen.focus(window);
    screen.type_text("o");
    assert_eq!(page.report("elsewhere").await, "shown");
    until("the other site", async || shows("site=localhost").then_some(())).await;
    screen.focus(window);
    screen.type_text("b");
    until("no site", async || shows("site=a page without an address").then_some(())).await;

    panel.click("Quit").await;
    assert!(app.ended().await.success());
}

/// All files in a folder, by name.
fn files(folder: &std::path::Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .flat_map(|path| if path.is_dir() { files(&path) } else { vec![path.display().to_string()] })
        .collect()
}
