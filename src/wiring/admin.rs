//! The admin server around a running worker, as the settings describe it.

use std::sync::Arc;

use secrecy::ExposeSecret;

use super::Decoding;
use crate::admin::{Access, FileRules, SOLE_TOKEN, Token, Worker};
use crate::amqp::Service;
use crate::engine::Engine;
use crate::settings::Role;
use crate::settings::{Reading, Settings};
use paceline_ports::Store;

/// Who may ask the admin server.
pub fn admin_access(settings: &Settings) -> Access {
    let admin = &settings.admin;
    let sole = admin.token.as_ref().map(|token| Token::of_secret(SOLE_TOKEN, token.expose_secret(), Role::Admin));
    let named = admin.tokens.iter().filter_map(|(name, of)| Token::of_digest(name, &of.hash, of.role, of.expires));
    Access {
        tls: admin.tls.as_ref().map(|tls| Arc::clone(&tls.config)),
        tokens: sole.into_iter().chain(named).collect(),
        public_url: admin.public_url.clone(),
        reads_openly: admin.read == Reading::Open,
    }
}

/// The running worker as the admin server sees it.
pub(super) fn admin_worker(
    mode: &'static str,
    engine: &Arc<Engine>,
    (ledger, settings): (&Arc<dyn Store>, &Settings),
    service: Option<&Service>,
    decoding: Decoding,
) -> Worker {
    Worker {
        mode,
        engine: Arc::clone(engine),
        intake: Arc::clone(ledger) as _,
        decoder: Arc::new(move || decoding.current()),
        files: FileRules { row_bytes_max: settings.intake.body_bytes_max, time_zone: settings.files.time_zone.clone() },
        store: super::connector(&settings.store),
        broker: service.map(Service::look),
        metrics: Arc::new(String::new),
    }
}
