//! Which client a sign-in uses, in the order of the specification: one registered beforehand, one that a metadata
//! document stands for, one we registered earlier, one we register now. With a client for browsers comes the
//! listener that its redirect URI needs.

use std::time::SystemTime;

use super::discovery::Discovered;
use super::loopback::Listener;
use super::registration::{self, ClientKind, ClientRegistration, Registrations, Wish};
use super::{CallbackHost, Error, OAuthOptions};
use crate::net::{ConnectionSettings, Network};

/// The grant of sign-ins in a browser.
const CODE_GRANT: &str = "authorization_code";

/// A client that needs no browser here.
pub(super) struct DeviceClient {
    pub(super) registration: ClientRegistration,
    /// Whether the server may have forgotten it since it was made.
    pub(super) may_be_forgotten: bool,
}

/// What a choice is made from.
#[derive(Clone, Copy)]
pub(super) struct Choice<'a> {
    pub(super) network: &'a Network,
    pub(super) settings: &'a ConnectionSettings,
    pub(super) registrations: &'a Registrations,
    pub(super) options: &'a OAuthOptions,
    pub(super) discovered: &'a Discovered,
}

/// A client that is ready for a browser's return.
pub(super) struct BrowserClient {
    pub(super) listener: Listener,
    pub(super) registration: ClientRegistration,
    /// Whether the server may have forgotten it since it was made.
    pub(super) may_be_forgotten: bool,
}

impl Choice<'_> {
    /// The client for a sign-in in a browser.
    pub(super) async fn for_browser(self) -> Result<BrowserClient, Error> {
        let OAuthOptions { callback_port, callback_host, .. } = self.options;
        let server = &self.discovered.server;
        self.check_given().await?;
        if let Some(known) = self.known().await? {
            match Listener::bind(known.host, Some(known.port)).await {
                Ok(listener) => {
                    let registration = known.registration;
                    return Ok(BrowserClient { listener, registration, may_be_forgotten: true });
                }
                Err(error) => {
                    tracing::info!(%error, "the port of our registration is in use; registering again")
                }
            }
        }
        let listener = bind(*callback_host, *callback_port).await?;
        let redirect = Some(listener.redirect());
        if let Some(registration) = ClientRegistration::given(self.options, server, redirect) {
            return Ok(BrowserClient { listener, registration, may_be_forgotten: false });
        }
        if let Some(registration) = ClientRegistration::document(self.options, server, redirect) {
            let may_be_forgotten = server.registration_endpoint.is_some();
            return Ok(BrowserClient { listener, registration, may_be_forgotten });
        }
        self.register_for_browser(listener).await
    }

    /// Registers a client for a listener; where the server does not take its address, once more under this
    /// computer's other name.
    async fn register_for_browser(self, listener: Listener) -> Result<BrowserClient, Error> {
        let mut listener = listener;
        let registration = match self.register(&listener).await {
            Err(error @ Error::RedirectRefused { .. }) => {
                tracing::info!(%error, "trying the other name of this computer");
                listener = rebound(listener, |redirect| redirect.host.other()).await?;
                // What the server said first is about what was asked for.
                self.register(&listener).await.map_err(|_| error)?
            }
            registered => registered?,
        };
        if let Some(redirect) = registration.redirect.filter(|redirect| *redirect != listener.redirect()) {
            listener = rebound(listener, |_| redirect.host).await?;
        }
        Ok(BrowserClient { listener, registration, may_be_forgotten: false })
    }

    /// Registers in place of a client that the server has forgotten or does not take, for a browser that returns to
    /// the same address.
    pub(super) async fn register_in_place_of(
        self,
        forgotten: &ClientRegistration,
    ) -> Result<ClientRegistration, Error> {
        let wish = self.wish(CODE_GRANT);
        self.register_with(Wish { redirect: forgotten.redirect, ..wish }).await
    }

    async fn register(self, listener: &Listener) -> Result<ClientRegistration, Error> {
        let wish = self.wish(CODE_GRANT);
        self.register_with(Wish { redirect: Some(listener.redirect()), ..wish }).await
    }

    /// The client for a sign-in with a code that is typed in elsewhere.
    pub(super) async fn for_device(self, grant_type: &'static str) -> Result<DeviceClient, Error> {
        let server = &self.discovered.server;
        self.check_given().await?;
        let document = || ClientRegistration::document(self.options, server, None);
        if let Some(registration) = ClientRegistration::given(self.options, server, None) {
            return Ok(DeviceClient { registration, may_be_forgotten: false });
        }
        if let Some(registration) = document() {
            return Ok(DeviceClient {
                registration,
                may_be_forgotten: server.registration_endpoint.is_some(),
            });
        }
        let stored = self.stored().await?;
        if let Some(registration) = stored.filter(|known| known.redirect.is_none()) {
            return Ok(DeviceClient { registration, may_be_forgotten: true });
        }
        let registration = self.register_for_device(grant_type).await?;
        Ok(DeviceClient { registration, may_be_forgotten: false })
    }

    /// Registers a client without a browser.
    pub(super) async fn register_for_device(
        self,
        grant_type: &'static str,
    ) -> Result<ClientRegistration, Error> {
        let wish = self.wish(grant_type);
        self.register_with(wish).await
    }

    /// The client that the options name, for a grant in which none registers itself.
    pub(super) async fn given(self) -> Result<ClientRegistration, Error> {
        self.check_given().await?;
        let server = &self.discovered.server;
        ClientRegistration::given(self.options, server, None)
            .or_else(|| ClientRegistration::document(self.options, server, None))
            .ok_or_else(|| Error::NoRegistration { issuer: server.issuer.to_string() })
    }

    /// As [`given`](Self::given); where the options name none, whoever the assertion is about (RFC 7521 §4.1).
    pub(super) async fn given_or_unnamed(self) -> Result<ClientRegistration, Error> {
        match self.given().await {
            Err(Error::NoRegistration { .. }) => {
                Ok(ClientRegistration::unnamed(self.discovered.server.issuer.clone()))
            }
            given => given,
        }
    }

    /// Remembers the issuer that a client from the options worked with.
    pub(super) async fn bind(self, registration: &ClientRegistration) -> Result<(), Error> {
        let ClientRegistration { kind: ClientKind::Given, client_id, issuer, .. } = registration else {
            return Ok(());
        };
        if client_id.is_empty() {
            return Ok(());
        }
        self.registrations.bind_given(client_id, issuer).await.map_err(Error::NotSaved)
    }

    /// Checks that a client from the options meets the issuer it worked with.
    async fn check_given(self) -> Result<(), Error> {
        match &self.options.client_id {
            Some(client_id) => {
                self.registrations.check_given(client_id, &self.discovered.server.issuer).await
            }
            None => Ok(()),
        }
    }

    fn wish(&self, grant_type: &'static str) -> Wish<'_> {
        let key = self.options.private_key.as_ref();
        Wish { redirect: None, grant_type, scopes: &self.discovered.scopes, key }
    }

    async fn register_with(self, wish: Wish<'_>) -> Result<ClientRegistration, Error> {
        let server = &self.discovered.server;
        let registration = registration::register(self.network, self.settings, server, wish).await?;
        self.registrations.save(&registration).await.map_err(Error::NotSaved)?;
        Ok(registration)
    }

    /// The client we registered earlier, where none comes from the options and it still fits them.
    async fn known(self) -> Result<Option<Known>, Error> {
        let server = &self.discovered.server;
        let OAuthOptions { client_id, client_metadata_url, callback_port, callback_host, .. } = self.options;
        let is_from_options =
            client_id.is_some() || (client_metadata_url.is_some() && server.client_id_documents);
        if is_from_options {
            return Ok(None);
        }
        Ok(self.stored().await?.and_then(|registration| {
            let redirect = registration.redirect?;
            // A server may have insisted on the name; nothing else replaces what the options say.
            let fits = redirect.host == *callback_host || redirect.host == CallbackHost::Localhost;
            let port = callback_port.is_none_or(|port| port == redirect.port);
            (fits && port).then_some(Known { registration, host: redirect.host, port: redirect.port })
        }))
    }

    /// The client we registered earlier, while its secret lives.
    async fn stored(self) -> Result<Option<ClientRegistration>, Error> {
        let stored =
            self.registrations.load(&self.discovered.server.issuer).await.map_err(Error::NotSaved)?;
        Ok(stored.filter(|known| known.kind == ClientKind::Dynamic && !known.has_expired(unix_now())))
    }
}

struct Known {
    registration: ClientRegistration,
    host: CallbackHost,
    port: u16,
}

/// The same port under another name of this computer.
async fn rebound(
    listener: Listener,
    host: impl Fn(super::registration::RedirectUri) -> CallbackHost,
) -> Result<Listener, Error> {
    let redirect = listener.redirect();
    drop(listener);
    bind(host(redirect), Some(redirect.port)).await
}

async fn bind(host: CallbackHost, port: Option<u16>) -> Result<Listener, Error> {
    Listener::bind(host, port).await.map_err(|error| match port {
        Some(port) if error.kind() == std::io::ErrorKind::AddrInUse => Error::PortTaken { port },
        Some(_) | None => Error::Listener(error),
    })
}

fn unix_now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
