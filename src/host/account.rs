//! Stand-in until the account task arrives.
use crate::net::{ConnectionSettings, Network};
use crate::oauth::{self, OAuthOptions, PageOpener};
use crate::registry::ServerId;
use crate::secret::{AccessToken, Vault};
use http::{HeaderValue, StatusCode};
use std::sync::Arc;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use url::Url;
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AccountKey {
    pub entry: ServerId,
    pub label: String,
}
#[derive(Debug, Clone)]
pub struct AccountSpec {
    pub key: AccountKey,
    pub server_name: String,
    pub server_url: Url,
    pub settings: ConnectionSettings,
    pub oauth: OAuthOptions,
}
pub struct AccountDeps {
    pub network: Network,
    pub vault: Vault,
    pub shutdown: CancellationToken,
    pub opener: Arc<dyn PageOpener>,
}
#[derive(Debug, Clone)]
pub enum AccountState {
    Unknown,
    SignedOut,
}
impl AccountState {
    pub fn is_signed_in(&self) -> bool {
        false
    }
    pub fn is_signing_in(&self) -> bool {
        false
    }
    pub fn was_never_signed_in(&self) -> bool {
        false
    }
}
#[derive(Debug, Clone)]
pub struct AccountHandle {
    state: watch::Receiver<AccountState>,
    _keep: Arc<watch::Sender<AccountState>>,
}
pub enum Retry {
    WithNewToken,
    SignInNeeded,
}
#[derive(Debug)]
pub enum AskedBy {
    Person,
    Client(String),
}
#[derive(Debug)]
pub enum OpenWith {
    Host,
    Caller,
}
pub struct SignInRequest {
    pub asked_by: AskedBy,
    pub open_with: OpenWith,
}
pub struct SignIn {
    pub url: Url,
}
impl SignIn {
    pub async fn outcome(&mut self) -> Result<(), Arc<oauth::Error>> {
        Err(Arc::new(oauth::Error))
    }
}
impl AccountHandle {
    pub fn spawn(_: AccountSpec, _: AccountDeps) -> Self {
        let (s, r) = watch::channel(AccountState::Unknown);
        Self { state: r, _keep: Arc::new(s) }
    }
    pub fn state(&self) -> watch::Receiver<AccountState> {
        self.state.clone()
    }
    pub fn current_token(&self) -> Option<AccessToken> {
        None
    }
    pub async fn access_token(&self) -> Result<Option<AccessToken>, Arc<oauth::Error>> {
        Ok(None)
    }
    pub async fn refused(
        &self,
        _: Option<&AccessToken>,
        _: StatusCode,
        _: Vec<HeaderValue>,
    ) -> Result<Retry, Arc<oauth::Error>> {
        Ok(Retry::SignInNeeded)
    }
    pub async fn sign_in(&self, _: SignInRequest) -> Result<SignIn, Arc<oauth::Error>> {
        Err(Arc::new(oauth::Error))
    }
    pub async fn sign_out(&self) -> Result<(), Arc<oauth::Error>> {
        let _ = self._keep.send(AccountState::SignedOut);
        Ok(())
    }
    pub async fn sign_in_redirect(&self, _: &str) -> Result<(), Arc<oauth::Error>> {
        Err(Arc::new(oauth::Error))
    }
}
