//! How a server is dialled and signed in to, from its entry and secrets.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName};
use secrecy::SecretString;
use url::{Origin, Url};

use super::Error;
use super::options::Server;
use crate::net::{ClientCert, ConnectionSettings};
use crate::oauth::{CallbackHost, OAuthOptions, ResourceOption};
use crate::private_file::{self, LARGEST_CERTIFICATES, Owner};
use crate::registry::{self, ServerEntry, header};

const CERTIFICATE_BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const CERTIFICATE_END: &str = "-----END CERTIFICATE-----";

/// How the server is dialled; reads the files of certificates.
pub(super) async fn settings(server: &Server) -> Result<ConnectionSettings, Error> {
    let Server { entry, secrets } = server;
    let ca = match &entry.ca {
        Some(path) => Some(authorities(path).await?.into()),
        None => None,
    };
    let client_cert = match &entry.client_cert {
        Some(path) => {
            let text = read(path.clone(), Owner::User).await?;
            Some(Arc::new(certificate(text, shown_to(entry))?))
        }
        None => None,
    };
    let proxy = match &secrets.proxy {
        Some(proxy) => Url::parse(proxy.expose()).ok(),
        None => entry.proxy.clone(),
    };
    Ok(ConnectionSettings {
        use_env_proxy: proxy.is_none(),
        proxy,
        ca,
        client_cert,
        class: entry.class,
        allow_private: entry.allow_private,
        allow_http: entry.allow_http,
    })
}

/// How to sign in.
///
/// # Errors
/// [`Error::Key`]
pub(super) fn oauth(server: &Server) -> Result<OAuthOptions, Error> {
    let oauth = &server.entry.oauth;
    let resource = match (&oauth.resource, oauth.no_resource) {
        (Some(resource), _) => ResourceOption::Given(resource.clone()),
        (None, true) => ResourceOption::None,
        (None, false) => ResourceOption::FromMetadata,
    };
    Ok(OAuthOptions {
        grant: server.grant()?,
        client_id: oauth.client_id.clone(),
        client_secret: server.secrets.client_secret.clone(),
        private_key: server.signing_key()?,
        client_metadata_url: oauth.client_metadata_url.clone(),
        scope: oauth.scope.clone(),
        resource,
        issuer: oauth.issuer.clone(),
        callback_port: oauth.callback_port,
        callback_host: match oauth.callback_host {
            registry::CallbackHost::Address => CallbackHost::Ipv4,
            registry::CallbackHost::Localhost => CallbackHost::Localhost,
        },
    })
}

/// The headers that go with every request.
pub(super) fn headers(server: &Server) -> Result<HeaderMap, Error> {
    let mut headers = HeaderMap::new();
    for (name, value) in &server.secrets.headers {
        let name: HeaderName = header::name(name)?;
        let value = header::value(&name, value.expose())?;
        headers.insert(name, value);
    }
    if let Some(bearer) = &server.secrets.bearer {
        headers.insert(AUTHORIZATION, header::value(&AUTHORIZATION, &format!("Bearer {}", bearer.expose()))?);
    }
    Ok(headers)
}

async fn read(path: PathBuf, owner: Owner) -> Result<Vec<u8>, Error> {
    let reading = tokio::task::spawn_blocking(move || private_file::read(&path, LARGEST_CERTIFICATES, owner));
    Ok(reading.await.map_err(|_| Error::Stopped)??)
}

/// Certificates of authorities, at least one.
async fn authorities(path: &Path) -> Result<Vec<u8>, Error> {
    let pem = read(path.to_owned(), Owner::UserOrSystem).await?;
    let has_one = memchr::memmem::find(&pem, CERTIFICATE_BEGIN.as_bytes()).is_some();
    has_one.then_some(pem).ok_or_else(|| Error::NoCertificate { path: path.to_owned() })
}

/// Certificates and key of one PEM file.
fn certificate(pem: Vec<u8>, shown_to: Vec<Origin>) -> Result<ClientCert, Error> {
    let text = String::from_utf8(pem).map_err(|_| Error::ClientCertificate)?;
    let chain: String = text
        .split_inclusive(CERTIFICATE_END)
        .filter_map(|part| part.find(CERTIFICATE_BEGIN).map(|start| format!("{}\n", &part[start..])))
        .collect();
    if chain.is_empty() || !text.contains("PRIVATE KEY-----") {
        return Err(Error::ClientCertificate);
    }
    Ok(ClientCert::new(chain, SecretString::from(text), shown_to))
}

/// Who may see the client certificate: the server, and the authorization servers that the user named.
fn shown_to(entry: &ServerEntry) -> Vec<Origin> {
    let named =
        entry.oauth.issuer.iter().chain(&entry.oauth.idp.issuer).chain(&entry.oauth.idp.token_endpoint);
    let named = named.filter_map(|url| Url::parse(url).ok());
    std::iter::once(entry.url.clone()).chain(named).map(|url| url.origin()).collect()
}
