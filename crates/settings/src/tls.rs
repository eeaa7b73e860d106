//! TLS of the admin server: a chain, its key, and the authorities whose clients are let in.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};

use super::draft::{As, Draft, path};
use paceline_host::files::Exposed;

const CERT: &str = "admin.tls_cert";
const KEY: &str = "admin.tls_key";
const CLIENT_CA: &str = "admin.client_ca";

/// What connections are secured with.
#[derive(Clone)]
pub struct Tls {
    /// As the library takes it.
    pub config: Arc<ServerConfig>,
}

impl fmt::Debug for Tls {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Tls(…)")
    }
}

/// A field, and what is wrong with it.
type Wrong = (&'static str, String);

/// The three keys together; `None` if there is no certificate, or secrets are not read.
pub(super) fn tls(draft: &mut Draft<'_>) -> Option<Tls> {
    let [cert, key, client_ca] = [CERT, KEY, CLIENT_CA].map(|name| draft.file_path(name));
    for (name, other, is_alone) in [
        (KEY, CERT, key.is_some() && cert.is_none()),
        (CERT, KEY, cert.is_some() && key.is_none()),
        (CLIENT_CA, CERT, client_ca.is_some() && cert.is_none()),
    ] {
        if is_alone {
            draft.fault(&path(name), format!("expected {other} as well, got nothing"));
        }
    }
    let (cert, key) = cert.zip(key)?;
    if !draft.with_secrets {
        return None;
    }
    let chain = text(draft, CERT, &cert, As::Named)?;
    let secret = text(draft, KEY, &key, As::Secret)?;
    let roots = match &client_ca {
        Some(file) => Some(text(draft, CLIENT_CA, file, As::Named)?),
        None => None,
    };
    match config(&chain, &secret, roots.as_deref()) {
        Ok(config) => {
            draft.contents.insert(path(CERT), chain.into());
            draft.contents.extend(roots.map(|roots| (path(CLIENT_CA), roots.into())));
            Some(Tls { config: Arc::new(config) })
        }
        Err((name, message)) => {
            draft.fault(&path(name), message);
            None
        }
    }
}

fn text(draft: &mut Draft<'_>, name: &str, file: &Path, as_: As) -> Option<String> {
    match (draft.read_file)(file, as_) {
        Ok(text) => Some(text),
        Err(error) => {
            let is_exposed = error.get_ref().is_some_and(<dyn std::error::Error + Send + Sync>::is::<Exposed>);
            let why =
                if is_exposed { error.to_string() } else { format!("{} cannot be read: {error}", file.display()) };
            draft.fault(&path(name), why);
            None
        }
    }
}

fn config(chain: &str, key: &str, client_ca: Option<&str>) -> Result<ServerConfig, Wrong> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes())
        .map_err(|_| (KEY, "expected a private key in PEM, found none (what was read is not shown)".to_owned()))?;
    let config = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| (CERT, error.to_string()))?;
    let config = match client_ca {
        None => config.with_no_client_auth(),
        Some(text) => {
            let mut roots = RootCertStore::empty();
            for root in certificates(CLIENT_CA, text)? {
                roots
                    .add(root)
                    .map_err(|error| (CLIENT_CA, format!("expected an authority's certificate: {error}")))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            config.with_client_cert_verifier(verifier.map_err(|error| (CLIENT_CA, error.to_string()))?)
        }
    };
    let mut config = config
        .with_single_cert(certificates(CERT, chain)?, key)
        .map_err(|error| (KEY, format!("expected the key of {CERT}: {error}")))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn certificates(name: &'static str, text: &str) -> Result<Vec<CertificateDer<'static>>, Wrong> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text.as_bytes()).collect();
    match all {
        Ok(all) if !all.is_empty() => Ok(all),
        Ok(_) => Err((name, "expected certificates in PEM, found none".to_owned())),
        Err(error) => Err((name, format!("expected certificates in PEM: {error}"))),
    }
}
