//! Dialling: every HTTP request of the Host goes out through a [`Network`].
//!
//! Owns address guard, proxies, certificates and connection pools; follows no redirect save
//! those of metadata documents, keeps no cookies, and knows neither tokens nor MCP. The rules are
//! numbers 7 and 8 of the security rules: literal addresses are checked here when a URL is used,
//! names by the resolver at every dial.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method};
use tokio::sync::watch;
use url::Url;

use crate::redact::SafeUrl;

mod address;
mod dial;
mod documents;
mod error;
mod pool;
mod proxy;
mod response;
mod settings;
mod tls;

use address::HostKind;
use documents::Documents;
use pool::{Lease, Plan, Pool};

pub use address::AddressClass;
pub use dial::{Lookup, SystemLookup};
pub use error::{Error, TlsTrouble};
pub use proxy::{EnvProxies, PageProxy};
pub use response::{Response, SmallResponse, retry_after};
pub use settings::{ClientCert, ConnectionSettings};

/// Sizes and times of the network; the design's defaults.
#[derive(Debug, Clone)]
pub struct Limits {
    /// For name, connection and TLS handshake together.
    pub connect: Duration,
    /// For a whole metadata document, redirects included.
    pub metadata: Duration,
    /// For a whole [`Network::post`].
    pub post: Duration,
    /// The largest metadata document, and the largest answer of [`Network::post`].
    pub document_bytes: usize,
    /// Concurrent requests before another connection is opened.
    pub requests_per_connection: usize,
    /// Concurrent streams before another connection is opened.
    pub streams_per_connection: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            metadata: Duration::from_secs(10),
            post: Duration::from_secs(30),
            document_bytes: 1024 * 1024,
            requests_per_connection: 64,
            streams_per_connection: 32,
        }
    }
}

/// What a request is for; streams get connections of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Lane {
    /// Ends soon.
    Request,
    /// Stays open.
    Stream,
}

/// All outgoing HTTP of a Host. Clones share their connections.
#[derive(Clone)]
pub struct Network {
    inner: Arc<Inner>,
}

struct Inner {
    limits: Limits,
    lookup: Arc<dyn Lookup>,
    env: EnvProxies,
    /// The Host's, for servers without one of their own.
    proxy: watch::Sender<Option<Url>>,
    pools: Mutex<HashMap<PoolKey, Arc<Pool>>>,
    tls: Mutex<HashMap<TlsKey, rustls::ClientConfig>>,
    documents: Documents,
    /// Told when streams have to be opened anew.
    redialled: watch::Sender<()>,
}

#[derive(PartialEq, Eq, Hash)]
struct PoolKey {
    origin: url::Origin,
    lane: Lane,
    settings: ConnectionSettings,
    proxy: Option<Url>,
}

type TlsKey = (Option<Arc<[u8]>>, Option<Arc<ClientCert>>);

/// Pools beyond which idle ones are dropped: metadata of strangers may name any number of origins.
const MOST_POOLS: usize = 256;

impl Network {
    /// A network with the system's resolver and this process's proxy variables.
    pub fn new(limits: Limits) -> Self {
        Self::with(limits, Arc::new(SystemLookup), EnvProxies::from_env())
    }

    /// A network with another resolver and other proxy variables.
    pub fn with(limits: Limits, lookup: Arc<dyn Lookup>, env: EnvProxies) -> Self {
        let inner = Inner {
            limits,
            lookup,
            env,
            proxy: watch::Sender::new(None),
            pools: Mutex::default(),
            tls: Mutex::default(),
            documents: Documents::default(),
            redialled: watch::Sender::new(()),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Forgets all connections and certificates, so that the next requests dial anew: after the
    /// computer woke up. Streams break off, for their readers to open them anew; requests that are
    /// under way go on.
    pub fn redial(&self) {
        lock(&self.inner.pools).clear();
        lock(&self.inner.tls).clear();
        self.inner.documents.clear();
        self.inner.redialled.send_replace(());
    }

    /// Has servers without a proxy of their own reached through this one in place of the environment's. Later requests
    /// dial anew; what is under way goes on, but for streams, which break off for their readers to open them anew.
    pub fn set_proxy(&self, proxy: Option<Url>) {
        let is_new = self.inner.proxy.send_if_modified(|before| {
            let is_new = *before != proxy;
            *before = proxy;
            is_new
        });
        if is_new {
            self.redial();
        }
    }

    /// The proxy that was [set](Self::set_proxy), now and at every change.
    pub fn proxy(&self) -> watch::Receiver<Option<Url>> {
        self.inner.proxy.subscribe()
    }

    /// The proxy for the pages of a sign-in to a server that is reached so; `None` leaves them to the system's.
    pub fn page_proxy(&self, settings: &ConnectionSettings) -> Option<PageProxy> {
        proxy::choose_for_pages(settings, self.inner.proxy.borrow().as_ref(), &self.inner.env)
    }

    /// Checks what can be checked of a URL before it is dialled.
    ///
    /// # Errors
    /// [`Error::InvalidUrl`], [`Error::InsecureUrl`] or [`Error::ForbiddenAddress`].
    pub fn check(&self, url: &Url, settings: &ConnectionSettings) -> Result<(), Error> {
        check(url, settings)
    }

    /// Sends one request and returns once the head of its answer is here. Follows no redirect
    /// and sets no time limit beyond the one for connecting.
    ///
    /// # Errors
    /// [`Error`]; ask it whether the request [may have run](Error::may_have_run).
    pub async fn send(
        &self,
        lane: Lane,
        request: http::Request<Bytes>,
        settings: &ConnectionSettings,
    ) -> Result<Response, Error> {
        let (head, body) = request.into_parts();
        let url = Url::parse(&head.uri.to_string())
            .map_err(|_| Error::InvalidUrl { url: SafeUrl::unreadable(), why: "it is not absolute" })?;
        self.exchange(lane, head.method, url, head.headers, body, settings).await
    }

    /// Like [`send`](Self::send), from its parts.
    ///
    /// # Errors
    /// See [`send`](Self::send).
    pub async fn exchange(
        &self,
        lane: Lane,
        method: Method,
        url: Url,
        headers: HeaderMap,
        body: Bytes,
        settings: &ConnectionSettings,
    ) -> Result<Response, Error> {
        check(&url, settings)?;
        // Before the proxy is chosen, so that no stream misses that it has changed.
        let redialled = (lane == Lane::Stream).then(|| self.inner.redialled.subscribe());
        let proxy = self.proxy_for(&url, settings);
        let lease = self.lease(lane, &url, proxy.clone(), settings).await?;
        let safe = SafeUrl::from(&url);
        let mut request = reqwest::Request::new(method, url);
        *request.headers_mut() = headers;
        if !body.is_empty() {
            *request.body_mut() = Some(body.into());
        }
        match lease.client.execute(request).await {
            Ok(inner) => Ok(Response::new(inner, safe, lease, redialled)),
            Err(error) => {
                let error = error.without_url();
                tracing::debug!(url = %safe, ?error, "request failed");
                Err(Error::of_request(&error, safe, proxy.as_ref().map(SafeUrl::from)))
            }
        }
    }

    /// Posts a small request, as OAuth does, and reads its whole answer, whatever its status.
    /// Follows no redirect.
    ///
    /// # Errors
    /// [`Error::TooLarge`], [`Error::TimedOut`] and what [`send`](Self::send) returns.
    pub async fn post(
        &self,
        url: &Url,
        headers: HeaderMap,
        body: Bytes,
        settings: &ConnectionSettings,
    ) -> Result<SmallResponse, Error> {
        let exchange = async {
            let mut response =
                self.exchange(Lane::Request, Method::POST, url.clone(), headers, body, settings).await?;
            let body = response.read(self.inner.limits.document_bytes).await?;
            Ok(SmallResponse {
                status: response.status,
                headers: std::mem::take(&mut response.headers),
                body,
            })
        };
        match tokio::time::timeout(self.inner.limits.post, exchange).await {
            Ok(answer) => answer,
            Err(_) => Err(Error::TimedOut { url: url.into(), sent: true }),
        }
    }

    /// The class a server at `url` would have, resolving its name if it is one. A server behind a
    /// proxy counts as public, since its address is the proxy's affair.
    ///
    /// # Errors
    /// [`Error::ForbiddenAddress`] or [`Error::Dns`].
    pub async fn class_of(&self, url: &Url, settings: &ConnectionSettings) -> Result<AddressClass, Error> {
        let safe = SafeUrl::from(url);
        match HostKind::of(url) {
            HostKind::Class(class) => return Ok(class),
            HostKind::Never => return Err(Error::ForbiddenAddress { url: safe, found: None }),
            HostKind::Name if self.proxy_for(url, settings).is_some() => return Ok(AddressClass::Public),
            HostKind::Name => {}
        }
        let name = url.host_str().unwrap_or_default().to_owned();
        let lookup = dial::resolve(&*self.inner.lookup, name);
        let Ok(found) = tokio::time::timeout(self.inner.limits.connect, lookup).await else {
            return Err(Error::Dns { url: safe });
        };
        let allowed = found
            .and_then(|addresses| dial::vet(addresses, AddressClass::Private))
            .map_err(|error| error.at(safe.clone()))?;
        // The most public one, so that a server gains nothing by adding private addresses to its name.
        let class = allowed.into_iter().filter_map(AddressClass::of_ip).max();
        class.ok_or(Error::Dns { url: safe })
    }

    fn proxy_for(&self, url: &Url, settings: &ConnectionSettings) -> Option<Url> {
        proxy::choose(url, settings, self.inner.proxy.borrow().as_ref(), &self.inner.env)
    }

    async fn lease(
        &self,
        lane: Lane,
        url: &Url,
        proxy: Option<Url>,
        settings: &ConnectionSettings,
    ) -> Result<Lease, Error> {
        let key = PoolKey { origin: url.origin(), lane, settings: settings.clone(), proxy };
        let known = lock(&self.inner.pools).get(&key).cloned();
        let pool = match known {
            Some(pool) => pool,
            None => {
                let pool = Arc::new(self.pool(url, &key).await?);
                let mut pools = lock(&self.inner.pools);
                if pools.len() >= MOST_POOLS {
                    pools.retain(|_, pool| !pool.is_idle());
                }
                Arc::clone(pools.entry(key).or_insert(pool))
            }
        };
        pool.lease().map_err(|error| {
            tracing::debug!(error = ?error.without_url(), "no client");
            Error::InvalidUrl { url: url.into(), why: "its proxy is of a kind that is not supported" }
        })
    }

    async fn pool(&self, url: &Url, key: &PoolKey) -> Result<Pool, Error> {
        let encrypted = |url: &Url| url.scheme() == "https";
        let needs_tls = encrypted(url) || key.proxy.as_ref().is_some_and(encrypted);
        let mut settings = key.settings.clone();
        settings.client_cert.take_if(|cert| !cert.is_for(&key.origin));
        let tls = if needs_tls { self.tls(url, &settings).await? } else { tls::none() };
        Ok(Pool::new(Plan {
            lane: key.lane,
            limits: self.inner.limits.clone(),
            tls,
            proxy: key.proxy.clone(),
            least: key.settings.least_class(),
            lookup: Arc::clone(&self.inner.lookup),
        }))
    }

    /// The TLS configuration, which takes reading all of the system's certificates to make.
    async fn tls(&self, url: &Url, settings: &ConnectionSettings) -> Result<rustls::ClientConfig, Error> {
        let key = (settings.ca.clone(), settings.client_cert.clone());
        if let Some(known) = lock(&self.inner.tls).get(&key) {
            return Ok(known.clone());
        }
        let settings = settings.clone();
        let built = tokio::task::spawn_blocking(move || tls::build(&settings)).await;
        let config = match built {
            Ok(Ok(config)) => config,
            Ok(Err(tls::Trouble::Unreadable(what))) => return Err(Error::Certificate { what }),
            Ok(Err(tls::Trouble::NoAuthorities)) | Err(_) => {
                return Err(Error::Tls { url: url.into(), why: TlsTrouble::NoAuthorities });
            }
        };
        lock(&self.inner.tls).insert(key, config.clone());
        Ok(config)
    }
}

fn check(url: &Url, settings: &ConnectionSettings) -> Result<(), Error> {
    let fault = |why| Err(Error::InvalidUrl { url: url.into(), why });
    let forbidden = |found| Err(Error::ForbiddenAddress { url: url.into(), found });
    if !matches!(url.scheme(), "https" | "http") {
        return fault("it is neither https nor http");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return fault("it holds a user name or password");
    }
    let host = HostKind::of(url);
    match host {
        HostKind::Never => return forbidden(None),
        HostKind::Class(class) if !settings.least_class().may_dial(class) => return forbidden(Some(class)),
        HostKind::Class(_) | HostKind::Name => {}
    }
    let encrypted = url.scheme() == "https";
    if encrypted || settings.allow_http || host == HostKind::Class(AddressClass::Loopback) {
        Ok(())
    } else {
        Err(Error::InsecureUrl { url: url.into() })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
