//! An account, a demo server, and a person with a browser.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use demo_server::{Config, DemoServer, OAuthConfig};
use drawbridge::host::account::{
    AccountDeps, AccountHandle, AccountKey, AccountLimits, AccountSpec, AccountState, AskedBy, Clock,
    GivingBack, OpenError, OpenWith, Operation, PageOpener, Prompt, Refusal, Served, SignIn, SignInRequest,
};
use drawbridge::net::{AddressClass, ConnectionSettings, EnvProxies, Limits, Network, SystemLookup};
use drawbridge::oauth::OAuthOptions;
use drawbridge::secret::{AccessToken, MemoryControl, Vault};
use http::{HeaderValue, StatusCode};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use url::Url;

pub(crate) struct Fixture {
    pub(crate) demo: DemoServer,
    pub(crate) store: MemoryControl,
    pub(crate) opened: Opened,
    pub(crate) spec: AccountSpec,
    pub(crate) deps: AccountDeps,
    ahead: Arc<AtomicU64>,
}

/// Remembers what it should have opened.
#[derive(Clone, Default)]
pub(crate) struct Opened(Arc<Mutex<Vec<Url>>>);

impl Opened {
    pub(crate) fn urls(&self) -> Vec<Url> {
        self.0.lock().unwrap().clone()
    }
}

impl PageOpener for Opened {
    fn open(&self, url: &Url) -> Result<(), OpenError> {
        self.0.lock().unwrap().push(url.clone());
        Ok(())
    }
}

impl Fixture {
    pub(crate) async fn new(oauth: OAuthConfig) -> Self {
        // For the browser of these tests; the product brings its own to every connection.
        rustls::crypto::ring::default_provider().install_default().ok();
        let demo = DemoServer::start(Config::with_auth(demo_server::Auth::OAuth(oauth))).await.unwrap();
        let (vault, store) = Vault::memory("home");
        let opened = Opened::default();
        let ahead = Arc::<AtomicU64>::default();
        let offset = ahead.clone();
        let (tasks, shutdown) = (TaskTracker::new(), CancellationToken::new());
        let giving_back = GivingBack::spawn(network(), vault.clone(), &tasks, shutdown.clone());
        let deps = AccountDeps {
            network: network(),
            vault,
            opener: Arc::new(opened.clone()),
            windows: None,
            giving_back,
            served: nothing_served(),
            shutdown,
            tasks,
            // A test that waits for a person in vain ends.
            limits: AccountLimits { sign_in: Duration::from_secs(30), ..AccountLimits::default() },
            clock: Clock::from_fn(move || {
                SystemTime::now() + Duration::from_secs(offset.load(Ordering::Relaxed))
            }),
        };
        let spec = spec(demo.url());
        Self { demo, store, opened, spec, deps, ahead }
    }

    pub(crate) async fn start() -> Self {
        Self::new(OAuthConfig::default()).await
    }

    /// The account, as a Host that just started has it.
    pub(crate) fn account(&self) -> AccountHandle {
        AccountHandle::spawn(self.spec.clone(), self.deps.clone())
    }

    /// An account that is signed in.
    pub(crate) async fn signed_in(&self) -> (AccountHandle, AccessToken) {
        let account = self.account();
        let sign_in = account.sign_in(by_person()).await.unwrap();
        let redirect = person_allows(sign_in.url.expose()).await;
        assert_eq!(visit(&redirect).await.status(), 200);
        sign_in.outcome().await.unwrap();
        let token = account.access_token().await.unwrap().unwrap();
        (account, token)
    }

    /// Lets our wall clock run ahead, as after sleep.
    pub(crate) fn let_time_pass(&self, by: Duration) {
        self.ahead.fetch_add(by.as_secs(), Ordering::Relaxed);
    }

    pub(crate) fn refreshes(&self) -> u64 {
        self.demo.control().stats().grant("refresh_token")
    }

    /// The challenge of the server for a request without a token.
    pub(crate) async fn challenge(&self) -> Vec<HeaderValue> {
        let response = self.call(None).await;
        assert_eq!(response.status(), 401);
        response.headers().get_all("www-authenticate").iter().cloned().collect()
    }

    /// One MCP request.
    pub(crate) async fn call(&self, token: Option<&AccessToken>) -> reqwest::Response {
        let body = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}"#;
        let mut request = client()
            .post(self.demo.url())
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream")
            .body(body);
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {}", token.expose()));
        }
        request.send().await.unwrap()
    }
}

/// Nobody has signed in to any other server.
pub(crate) fn nothing_served() -> watch::Receiver<Arc<Vec<Served>>> {
    watch::channel(Arc::default()).1
}

pub(crate) fn network() -> Network {
    Network::with(Limits::default(), Arc::new(SystemLookup), EnvProxies::from_vars(|_| None))
}

pub(crate) fn spec(server_url: Url) -> AccountSpec {
    AccountSpec {
        key: AccountKey { entry: "e1".to_owned().try_into().unwrap(), label: "default".to_owned() },
        stored_as: "e1".to_owned(),
        server_name: "demo".to_owned(),
        server_url,
        settings: ConnectionSettings { class: AddressClass::Loopback, ..ConnectionSettings::default() },
        oauth: OAuthOptions::default(),
        sign_in: drawbridge::registry::SignInChoice::Window,
    }
}

pub(crate) fn by_person() -> SignInRequest {
    SignInRequest {
        asked_by: AskedBy::Person,
        prompt: Prompt::Clicked,
        open: OpenWith::Caller,
        challenge: Vec::new(),
        only_if_offered: false,
    }
}

pub(crate) fn by_client() -> SignInRequest {
    let asked_by = AskedBy::Client("Claude <Desktop>".to_owned());
    SignInRequest { asked_by, prompt: Prompt::ByItself, open: OpenWith::Host, ..by_person() }
}

/// A call of the demo's search that the server refused.
pub(crate) fn refusal(
    used: Option<&AccessToken>,
    status: StatusCode,
    challenge: Vec<HeaderValue>,
) -> Refusal {
    let operation = Operation { method: "tools/call".to_owned(), name: Some("web_search".to_owned()) };
    Refusal { used: used.cloned(), status, challenge, operation }
}

#[expect(clippy::disallowed_methods, reason = "it plays the browser, which is not ours")]
pub(crate) fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap()
}

pub(crate) async fn visit(url: &Url) -> reqwest::Response {
    client().get(url.clone()).send().await.unwrap()
}

/// Signs in and allows; where the authorization server sends the browser then.
pub(crate) async fn person_allows(authorize_url: &Url) -> Url {
    demo_server::sign_in_with_form(authorize_url, "demo", "demo123").await.unwrap()
}

/// The whole way of a person through a sign-in.
pub(crate) async fn person_signs_in(sign_in: SignIn) {
    let redirect = person_allows(sign_in.url.expose()).await;
    visit(&redirect).await;
    sign_in.outcome().await.unwrap();
}

/// Waits until the state is as wanted.
pub(crate) async fn state_where(
    account: &AccountHandle,
    wanted: impl Fn(&AccountState) -> bool,
) -> AccountState {
    let mut state = account.state();
    let found = tokio::time::timeout(Duration::from_secs(20), state.wait_for(|state| wanted(state))).await;
    found.expect("the state never came").unwrap().clone()
}

pub(crate) fn param(url: &Url, name: &str) -> Option<String> {
    url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}
