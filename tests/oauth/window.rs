//! Sign-ins in a window of this program: nothing listens for them until a browser takes over.

use std::sync::Arc;

use demo_server::OAuthConfig;
use drawbridge::host::account::{
    AccountState, CodeSignIn, OpenError, OpenWith, SignInRequest, SignInWindows, WindowSignIn,
};
use drawbridge::oauth::login::Next;
use drawbridge::oauth::window::Navigation;
use drawbridge::registry::SignInChoice;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use url::Url;

use crate::support::{Fixture, by_client, by_person, person_allows, visit};

/// Hands shown windows to the test.
struct Windows(mpsc::Sender<WindowSignIn>);

impl SignInWindows for Windows {
    fn show(&self, sign_in: WindowSignIn) -> Result<(), OpenError> {
        self.0.try_send(sign_in).map_err(|_| OpenError::NoBrowser)
    }

    fn show_code(&self, _: CodeSignIn) -> Result<(), OpenError> {
        Err(OpenError::NoBrowser)
    }
}

async fn with_windows() -> (Fixture, mpsc::Receiver<WindowSignIn>) {
    let (shown, windows) = mpsc::channel(4);
    let mut fixture = Fixture::new(OAuthConfig::default()).await;
    fixture.deps.windows = Some(Arc::new(Windows(shown)));
    (fixture, windows)
}

fn here(request: SignInRequest) -> SignInRequest {
    SignInRequest { open: OpenWith::Host, ..request }
}

/// The query that the window's navigation hook catches.
fn caught(redirect: &Url, window: &WindowSignIn) -> String {
    match Navigation::of(redirect, window.redirect) {
        Navigation::Returned(query) => query,
        Navigation::Go | Navigation::Refused | Navigation::AsksForPasskey => {
            panic!("the redirect is not caught")
        }
    }
}

fn is_in_browser(state: &AccountState) -> bool {
    matches!(state, AccountState::SigningIn { in_browser: true, .. })
}

async fn is_listening(window: &WindowSignIn) -> bool {
    TcpStream::connect((window.redirect.host.as_str(), window.redirect.port)).await.is_ok()
}

#[tokio::test]
async fn a_window_brings_the_redirect_itself_and_nothing_listens() {
    let (fixture, mut windows) = with_windows().await;
    let account = fixture.account();
    let sign_in = account.sign_in(here(by_person())).await.unwrap();
    let window = windows.recv().await.unwrap();
    assert!(!window.asks_first && fixture.opened.urls().is_empty());
    assert!(!is_listening(&window).await);
    let redirect = person_allows(window.page.expose()).await;
    assert_eq!(window.handle.returned("code=wrong&state=wrong").await, Next::Same);
    assert_eq!(window.handle.returned(&caught(&redirect, &window)).await, Next::Ended);
    sign_in.outcome().await.unwrap();
    assert!(window.ended().await);
    assert!(account.access_token().await.unwrap().is_some());
}

#[tokio::test]
async fn a_browser_takes_over_and_returns_to_a_listener() {
    let (fixture, mut windows) = with_windows().await;
    let account = fixture.account();
    let sign_in = account.sign_in(here(by_person())).await.unwrap();
    let window = windows.recv().await.unwrap();
    assert!(!is_in_browser(&account.state().borrow()));
    let page = window.handle.hand_over().await.unwrap();
    assert!(is_listening(&window).await);
    account.state().wait_for(is_in_browser).await.unwrap();
    let redirect = person_allows(&page).await;
    assert_eq!(visit(&redirect).await.status(), 200);
    sign_in.outcome().await.unwrap();
    assert_eq!(window.handle.hand_over().await, None, "a sign-in that has ended opens nothing");
}

#[tokio::test]
async fn somebody_who_brings_a_browser_joins_a_window() {
    let (fixture, mut windows) = with_windows().await;
    let account = fixture.account();
    let sign_in = account.sign_in(here(by_client())).await.unwrap();
    let window = windows.recv().await.unwrap();
    assert!(window.asks_first, "a program asked for it");
    let joined = account.sign_in(by_person()).await.unwrap();
    assert!(is_listening(&window).await);
    drop(joined);
    window.handle.decline().await;
    assert!(sign_in.outcome().await.is_err() && !window.ended().await);
}

#[tokio::test]
async fn an_entry_with_ways_of_its_own_goes_to_the_browser() {
    let (mut fixture, mut windows) = with_windows().await;
    fixture.spec.sign_in = SignInChoice::Browser;
    fixture.account().sign_in(here(by_person())).await.unwrap();
    assert_eq!(fixture.opened.urls().len(), 1);
    assert!(windows.try_recv().is_err());
}
