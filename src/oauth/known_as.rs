//! How an authorization server knows this program, found out without asking it and without making us known there.

use std::time::{SystemTime, UNIX_EPOCH};

use super::discovery::Discovered;
use super::grant::Grant;
use super::registration::{ClientKind, Registrations};
use super::{Error, OAuthOptions};

/// How an authorization server knows this program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KnownAs {
    /// By a client id that the options name.
    Given,
    /// By the metadata document that the options name.
    Document,
    /// By a registration of ours.
    Registered,
    /// Not yet: the first sign-in registers us.
    NotYet,
    /// By nothing: the grant itself says who asks.
    Unnamed,
}

/// Looks up how the authorization server knows us, in the order in which a sign-in chooses.
///
/// # Errors
/// [`Error::ForeignCredentials`], [`Error::NoRegistration`], and [`Error::NotSaved`] where the vault does not answer.
pub async fn known_as(
    registrations: &Registrations,
    options: &OAuthOptions,
    discovered: &Discovered,
) -> Result<KnownAs, Error> {
    let server = &discovered.server;
    if let Some(client_id) = &options.client_id {
        registrations.check_given(client_id, &server.issuer).await?;
        return Ok(KnownAs::Given);
    }
    if options.client_metadata_url.is_some() && server.client_id_documents {
        return Ok(KnownAs::Document);
    }
    let nobody = || Error::NoRegistration { issuer: server.issuer.to_string() };
    match options.grant {
        Grant::Workload(_) => return Ok(KnownAs::Unnamed),
        Grant::ClientCredentials | Grant::Enterprise(_) => return Err(nobody()),
        Grant::Code | Grant::Device => {}
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let stored = registrations.load(&server.issuer).await.map_err(Error::NotSaved)?;
    if stored.is_some_and(|known| known.kind == ClientKind::Dynamic && !known.has_expired(now)) {
        return Ok(KnownAs::Registered);
    }
    match server.registration_endpoint {
        Some(_) => Ok(KnownAs::NotYet),
        None => Err(nobody()),
    }
}
