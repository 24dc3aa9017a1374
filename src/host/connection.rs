//! What a session connects with: the server's entry, network settings, and the credentials that
//! belong to exactly this connection (security rules 2 and 6).

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue, Method};
use url::Url;

use crate::host::account::{self, AccountHandle, Credential, Shows};
use crate::host::standing::Watched;
use crate::host::visible_tools::VisibleTools;
use crate::net::ConnectionSettings;
use crate::oauth::dpop;
use crate::registry::ServerEntry;
use crate::secret::AccessToken;
use crate::upstream::{AuthorizeError, Authorizer, ResponseHead};

/// Names everything that is kept for a connection: entry, account, and digests of the options
/// that make it a connection of its own.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ConnectionKey {
    /// The entry's id.
    pub entry: String,
    /// The account's label.
    pub account: String,
    /// A digest of this connection's own options; `None` for the entry's.
    pub options: Option<String>,
    /// A digest of this connection's own rules for tools; `None` where it has none.
    pub tools: Option<String>,
}

impl ConnectionKey {
    /// The key of a connection as the entry has it, without options of its own.
    pub fn of_entry(entry: &str, account: &str) -> Self {
        Self { entry: entry.into(), account: account.into(), options: None, tools: None }
    }

    /// What every key of this account starts with.
    pub fn account_prefix(entry: &str, account: &str) -> String {
        let account: String = account.bytes().map(|byte| format!("{byte:02x}")).collect();
        format!("{entry}.{account}.")
    }
}

impl fmt::Display for ConnectionKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prefix = Self::account_prefix(&self.entry, &self.account);
        write!(formatter, "{prefix}{}", self.options.as_deref().unwrap_or("entry"))?;
        match &self.tools {
            Some(tools) => write!(formatter, ".{tools}"),
            None => Ok(()),
        }
    }
}

/// Everything one session needs to reach its server.
#[derive(Debug, Clone)]
pub struct Connection {
    /// The server.
    pub entry: Arc<ServerEntry>,
    /// How it is dialled.
    pub settings: ConnectionSettings,
    /// Headers of the user's own, marked sensitive.
    pub static_headers: HeaderMap,
    /// Whose tokens are used; `None` for a connection with options of its own, and where the
    /// user gave a fixed `Authorization`.
    pub account: Option<AccountHandle>,
    /// Which tools its clients may see.
    pub tools: VisibleTools,
    /// What is kept for it is kept under this.
    pub key: ConnectionKey,
    /// Whether the entry still is what this was made from.
    pub standing: Watched,
}

impl Connection {
    /// The authorizer of this connection's transports.
    pub fn authorizer(&self) -> Arc<dyn Authorizer> {
        Arc::new(ConnectionAuthorizer {
            url: self.entry.url.clone(),
            static_headers: self.static_headers.clone(),
            account: self.account.clone(),
        })
    }

    /// The same for somebody who leaves the account as it is.
    #[must_use]
    pub fn for_onlooker(self) -> Self {
        let account = self.account.map(|account| account.looked_at(Shows::Token).0);
        Self { account, ..self }
    }
}

/// Gives the connection's credentials to its own server and to nobody else.
struct ConnectionAuthorizer {
    url: Url,
    static_headers: HeaderMap,
    account: Option<AccountHandle>,
}

impl Authorizer for ConnectionAuthorizer {
    fn headers<'a>(
        &'a self,
        method: &'a Method,
        url: &'a Url,
    ) -> BoxFuture<'a, Result<HeaderMap, AuthorizeError>> {
        async move {
            if url.origin() != self.url.origin() {
                return Ok(HeaderMap::new());
            }
            let mut headers = self.static_headers.clone();
            let Some(account) = self.account.as_ref().filter(|account| account.is_for(url)) else {
                return Ok(headers);
            };
            let credential = account.credential().await.map_err(authorize_error)?;
            match credential {
                Some(Credential { token, key: Some(key) }) => {
                    headers.insert(AUTHORIZATION, authorization("DPoP", &token)?);
                    let proof = key.proof(method, url, Some(&token), SystemTime::now());
                    headers.insert(dpop::HEADER, proof);
                }
                Some(Credential { token, key: None }) => {
                    headers.insert(AUTHORIZATION, authorization("Bearer", &token)?);
                }
                None => {}
            }
            Ok(headers)
        }
        .boxed()
    }

    fn observe(&self, response: ResponseHead<'_>) {
        if let Some(account) = &self.account {
            account.observe(&self.url, response.headers);
        }
    }
}

fn authorize_error(error: account::Error) -> AuthorizeError {
    match error {
        account::Error::SignedOut { .. } => AuthorizeError::SignedOut,
        account::Error::OAuth(_)
        | account::Error::Vault(_)
        | account::Error::NoSignIn
        | account::Error::NotAgain
        | account::Error::Stopped => AuthorizeError::Unavailable(error.to_string()),
    }
}

fn authorization(scheme: &str, token: &AccessToken) -> Result<HeaderValue, AuthorizeError> {
    let mut value = HeaderValue::try_from(format!("{scheme} {}", token.expose())).map_err(|_| {
        AuthorizeError::Unavailable("the access token holds characters that no header may hold".into())
    })?;
    value.set_sensitive(true);
    Ok(value)
}
