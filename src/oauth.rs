//! Stand-in until the sign-in module arrives.
use crate::secret::ClientSecret;
use url::Url;
#[derive(Debug, thiserror::Error)]
#[error("signing in is not possible yet")]
pub struct Error;
impl Error {
    pub fn code(&self) -> crate::failure::Code {
        crate::failure::Code::SignedOut
    }
    pub fn next_step(&self, _s: &str) -> String {
        String::new()
    }
    pub fn into_authorize_error(&self) -> crate::upstream::AuthorizeError {
        crate::upstream::AuthorizeError::SignedOut
    }
}
#[derive(Debug, Clone, Default)]
pub struct OAuthOptions {
    pub client_id: Option<String>,
    pub client_secret: Option<ClientSecret>,
    pub client_metadata_url: Option<Url>,
    pub scope: Option<String>,
    pub resource: ResourceOption,
    pub issuer: Option<String>,
    pub callback_port: Option<u16>,
    pub callback_host: Option<String>,
}
#[derive(Debug, Clone, Default)]
pub enum ResourceOption {
    #[default]
    FromMetadata,
    Given(String),
    None,
}
pub trait PageOpener: Send + Sync {
    fn open(&self, url: &Url) -> Result<(), OpenError>;
}
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("no browser")]
    NoBrowser,
}
#[derive(Debug)]
pub struct SystemBrowser;
impl PageOpener for SystemBrowser {
    fn open(&self, _: &Url) -> Result<(), OpenError> {
        Err(OpenError::NoBrowser)
    }
}
