//! TLS: rustls with the ring provider, trusting what the operating system trusts.
//!
//! On Linux the verifier reads the system's bundle, or `SSL_CERT_FILE` and `SSL_CERT_DIR` in its
//! stead; macOS and Windows ask the operating system at every handshake.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_name;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_platform_verifier::Verifier;
use secrecy::ExposeSecret as _;

use super::{ClientCert, ConnectionSettings};

/// Why no TLS configuration could be made.
pub(super) enum Trouble {
    NoAuthorities,
    Unreadable(&'static str),
}

const CA_FILE: &str = "the file of further certificate authorities";
const CLIENT_CERT: &str = "the client certificate or its key";

/// The configuration for connections under `settings`. Reads files, so it is not for async code.
pub(super) fn build(settings: &ConnectionSettings) -> Result<ClientConfig, Trouble> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let extra = match &settings.ca {
        Some(pem) => certificates(pem).ok_or(Trouble::Unreadable(CA_FILE))?,
        None => Vec::new(),
    };
    let system = Verifier::new_with_extra_roots(extra.clone(), Arc::clone(&provider)).map_err(|error| {
        tracing::debug!(%error, "no certificate verifier");
        if settings.ca.is_some() { Trouble::Unreadable(CA_FILE) } else { Trouble::NoAuthorities }
    })?;
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|_| Trouble::NoAuthorities)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Trust { system, exact: extra }));
    let config = match &settings.client_cert {
        Some(cert) => {
            let (chain, key) = identity(cert).ok_or(Trouble::Unreadable(CLIENT_CERT))?;
            builder.with_client_auth_cert(chain, key).map_err(|_| Trouble::Unreadable(CLIENT_CERT))?
        }
        None => builder.with_no_client_auth(),
    };
    Ok(with_protocols(config))
}

/// A configuration that trusts nobody, for connections that use no TLS.
pub(super) fn none() -> ClientConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring supports the default protocol versions")
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    with_protocols(config)
}

/// What the system trusts, and what the user does. A self-signed certificate that calls itself an
/// authority, as `openssl req -x509` makes it, is no server's certificate by the rules; the one
/// the user handed us is nevertheless.
#[derive(Debug)]
struct Trust {
    system: Verifier,
    exact: Vec<CertificateDer<'static>>,
}

impl ServerCertVerifier for Trust {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let judged =
            self.system.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        match judged {
            Err(error) if is_authority_as_server(&error) && self.exact.contains(end_entity) => {
                verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
                Ok(ServerCertVerified::assertion())
            }
            judged => judged,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.system.verify_tls12_signature(message, cert, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.system.verify_tls13_signature(message, cert, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.system.supported_verify_schemes()
    }
}

/// webpki's `CaUsedAsEndEntity`, which it finds after checking the dates; rustls has no name for it.
pub(super) fn is_authority_as_server(error: &rustls::Error) -> bool {
    let rustls::Error::InvalidCertificate(CertificateError::Other(other)) = error else { return false };
    format!("{other:?}").contains("CaUsedAsEndEntity")
}

fn with_protocols(mut config: ClientConfig) -> ClientConfig {
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config
}

fn certificates(pem: &[u8]) -> Option<Vec<CertificateDer<'static>>> {
    let all: Vec<_> = CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().ok()?;
    (!all.is_empty()).then_some(all)
}

fn identity(cert: &ClientCert) -> Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)> {
    let chain = certificates(&cert.chain)?;
    let key = PrivateKeyDer::from_pem_slice(cert.key.expose_secret().as_bytes()).ok()?;
    Some((chain, key))
}
