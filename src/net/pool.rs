//! Connections to one origin under one set of settings.
//!
//! One HTTP/2 connection carries only as many requests as the server allows, and the client
//! library opens no second one. So a pool holds several clients, each with connections of its
//! own, and a request takes the first that has room. Requests and long-lived streams use
//! different pools.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::ClientConfig;
use url::Url;

use super::dial::{Guard, Lookup};
use super::{AddressClass, Lane, Limits};

/// Receive windows of HTTP/2. A connection's window holds what all its streams together may
/// have unread, so that one slow reader never starves the others.
const STREAM_WINDOW: u32 = 512 * 1024;

const USER_AGENT: &str = concat!("drawbridge/", env!("CARGO_PKG_VERSION"));

pub(super) struct Pool {
    plan: Plan,
    slots: Mutex<Vec<Slot>>,
}

/// What every client of a pool is made from.
pub(super) struct Plan {
    pub(super) lane: Lane,
    pub(super) limits: Limits,
    pub(super) tls: ClientConfig,
    pub(super) proxy: Option<Url>,
    pub(super) least: AddressClass,
    pub(super) lookup: Arc<dyn Lookup>,
}

struct Slot {
    client: reqwest::Client,
    in_flight: Arc<AtomicUsize>,
}

/// A place on a client, given back when dropped.
pub(super) struct Lease {
    pub(super) client: reqwest::Client,
    in_flight: Arc<AtomicUsize>,
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Pool {
    pub(super) fn new(plan: Plan) -> Self {
        Self { plan, slots: Mutex::default() }
    }

    /// Takes the first client with room, or makes one.
    pub(super) fn lease(&self) -> Result<Lease, reqwest::Error> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let room = self.plan.per_client();
        if let Some(slot) = slots.iter().find(|slot| slot.in_flight.load(Ordering::Relaxed) < room) {
            return Ok(slot.lease());
        }
        let slot = Slot { client: self.plan.client()?, in_flight: Arc::default() };
        let lease = slot.lease();
        slots.push(slot);
        Ok(lease)
    }

    /// Whether nothing is under way.
    pub(super) fn is_idle(&self) -> bool {
        let slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.iter().all(|slot| slot.in_flight.load(Ordering::Relaxed) == 0)
    }

    #[cfg(test)]
    pub(super) fn clients(&self) -> usize {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

impl Slot {
    fn lease(&self) -> Lease {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        Lease { client: self.client.clone(), in_flight: Arc::clone(&self.in_flight) }
    }
}

impl Plan {
    fn per_client(&self) -> usize {
        match self.lane {
            Lane::Request => self.limits.requests_per_connection,
            Lane::Stream => self.limits.streams_per_connection,
        }
    }

    fn client(&self) -> Result<reqwest::Client, reqwest::Error> {
        let guard = Guard {
            lookup: Arc::clone(&self.lookup),
            least: self.least,
            proxy_host: self.proxy.as_ref().and_then(Url::host_str).map(str::to_owned),
        };
        let connection_window = STREAM_WINDOW.saturating_mul(self.per_client() as u32);
        #[expect(clippy::disallowed_methods, reason = "this is the one place that dials")]
        let builder = reqwest::Client::builder()
            .tls_backend_preconfigured(self.tls.clone())
            .dns_resolver(Arc::new(guard))
            .user_agent(USER_AGENT)
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .no_proxy()
            .connect_timeout(self.limits.connect)
            .pool_idle_timeout(Duration::from_secs(60))
            .tcp_nodelay(true)
            .tcp_keepalive(Duration::from_secs(30))
            .tcp_keepalive_interval(Duration::from_secs(10))
            .tcp_keepalive_retries(3)
            .http2_keep_alive_interval(Duration::from_secs(15))
            .http2_keep_alive_timeout(Duration::from_secs(15))
            .http2_keep_alive_while_idle(true)
            .http2_initial_stream_window_size(STREAM_WINDOW)
            .http2_initial_connection_window_size(connection_window)
            .http2_max_header_list_size(256 * 1024);
        #[cfg(any(target_os = "linux", target_os = "android"))]
        let builder = builder.tcp_user_timeout(Duration::from_secs(30));
        match &self.proxy {
            Some(proxy) => builder.proxy(reqwest::Proxy::all(proxy.clone())?),
            None => builder,
        }
        .build()
    }
}
