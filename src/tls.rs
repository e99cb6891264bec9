//! Whom our clients trust: the system's certificates, and those that Node trusts besides.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use crate::error::{Error, Result};

/// The set-up of a TLS client. `extra_file` is a PEM file (`NODE_EXTRA_CA_CERTS`) that is ignored when it can't be
/// read: Node, which reads the same file, warns about it and goes on. `pem` is for images without a system store: Node
/// brings its own certificates (`tls.rootCertificates`).
///
/// # Errors
/// [`Error::InvalidOption`] when the set-up fails.
pub(crate) fn client_config(extra_file: Option<&Path>, pem: Option<&[u8]>) -> Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    // Certificates that can't be read or parsed are left out, as every TLS client does: one odd
    // certificate must not cut off all hosts.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let file = extra_file.and_then(|path| std::fs::read(path).ok());
    for pem in [file.as_deref(), pem].into_iter().flatten() {
        roots.add_parsable_certificates(CertificateDer::pem_slice_iter(pem).flatten());
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::InvalidOption(format!("TLS: {error}")))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}
