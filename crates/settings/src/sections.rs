//! What the table cannot say of the fixed sections: what only holds between keys.

use std::path::Path;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};

use super::app::entries;
use super::draft::{Draft, path};
use super::publishers;
use super::table::{Broker, Engine, Lanes};
use paceline_domain::quota::Reserve;
use paceline_ports::location::{KeySource, Server, StoreUrl, UrlFault};

/// `[store]`.
pub(crate) fn store(draft: &mut Draft<'_>, lease: Duration) -> StoreUrl {
    let field = path("store.url");
    let key = draft.key(&path("store.key"));
    let nowhere = StoreUrl::from(Path::new(""));
    // As a text it stands in the file; a password comes from elsewhere.
    let is_elsewhere = draft.is_given(&field) && draft.leaf(&field).is_none();
    let url = if is_elsewhere {
        // Also for those who need no secret: it says where the ledger is.
        let with_secrets = std::mem::replace(&mut draft.with_secrets, true);
        let url = draft.secret(&field).map(|url| url.expose_secret().to_owned());
        draft.with_secrets = with_secrets;
        url
    } else {
        draft.text(&field)
    };
    let Some(url) = url else { return nowhere };
    if url.starts_with("postgres://") || url.starts_with("postgresql://") {
        if key == KeySource::Beside {
            let message = "expected a key for a ledger on PostgreSQL, the same for every worker: 32 bytes in Base64, as \
                           `openssl rand -base64 32` makes them; got nothing";
            draft.fault(&path("store.key"), message);
        }
        return StoreUrl::postgres(super::masked_url(&url).into(), key, Server { url: url.into(), lease });
    }
    let message = match StoreUrl::parse(&url, key) {
        Ok(store) => return store,
        Err(UrlFault::Options) => "expected sqlite:// and a path alone, got options behind it".to_owned(),
        Err(UrlFault::Memory) => "expected the path of a file: a ledger in memory forgets what was sent".to_owned(),
        Err(UrlFault::Other) => {
            format!(
                "expected a URL like sqlite://paceline.db or postgres://host/database, got {}",
                super::masked_url(&url)
            )
        }
    };
    draft.fault(&field, message);
    nowhere
}

/// `[broker]`, `None` if no key of it is given.
pub(crate) fn broker(draft: &mut Draft<'_>) -> Option<Broker> {
    if !draft.tree.tables.contains_key(&path("broker")) {
        return None;
    }
    let mut broker = Broker { urls: broker_urls(draft), ..Broker::read(draft) };
    broker.rights = publishers::rights(draft, &broker);
    check_sign_in(draft, &broker);
    check_queues(draft, &broker);
    Some(broker)
}

/// What `broker.url` or `broker.urls` say.
fn broker_urls(draft: &mut Draft<'_>) -> Vec<SecretString> {
    let (one, several) = (path("broker.url"), path("broker.urls"));
    match (draft.is_given(&one), draft.is_given(&several)) {
        (true, false) => draft.secret(&one).into_iter().collect(),
        (false, true) => draft.addresses(&several),
        (false, false) => {
            draft.fault(&one, "expected a URL like amqp://user:password@host:5672/%2f, got nothing");
            Vec::new()
        }
        (true, true) => {
            draft.fault(&several, "expected either broker.url or broker.urls, got both: remove one of them");
            Vec::new()
        }
    }
}

/// What signs in goes together.
fn check_sign_in(draft: &mut Draft<'_>, broker: &Broker) {
    let (cert, key) = ("broker.tls_cert", "broker.tls_key");
    match (&broker.tls_cert, &broker.tls_key) {
        (Some(_), None) => draft.fault(&path(cert), format!("expected {key} as well, got nothing")),
        (None, Some(_)) => draft.fault(&path(key), format!("expected {cert} as well, got nothing")),
        (Some(_), Some(_)) if broker.urls.iter().any(|url| url.expose_secret().starts_with("amqp://")) => {
            draft.fault(&path(cert), "expected addresses that begin with amqps://, got one without TLS");
        }
        _ => {}
    }
    if broker.token_file.is_some() && broker.token_command.is_some() {
        let message = "expected either broker.token_file or broker.token_command, got both: remove one of them";
        draft.fault(&path("broker.token_command"), message);
    }
}

/// Queue names are AMQP short strings, and no two roles may share a queue.
fn check_queues(draft: &mut Draft<'_>, broker: &Broker) {
    let names = [
        ("broker.jobs_queue", broker.jobs_queue.as_str()),
        ("broker.results_queue", broker.results_queue.as_deref().unwrap_or_default()),
        ("broker.dead_queue", broker.dead_queue.as_str()),
    ];
    for (index, (field, name)) in names.iter().enumerate() {
        if let Some((other, _)) = names[..index].iter().find(|(_, other)| !name.is_empty() && other == name) {
            draft.fault(&path(field), format!("expected a queue of its own, got {name:?} like {other}"));
        }
    }
    for (field, name) in names.into_iter().chain([("broker.results_exchange", broker.results_exchange.as_str())]) {
        if name.len() > 255 {
            draft.fault(&path(field), format!("expected at most 255 bytes, got {}", name.len()));
        } else if name.starts_with("amq.") {
            draft.fault(&path(field), format!("expected a name without the reserved beginning \"amq.\", got {name:?}"));
        }
    }
}

/// `[engine]`.
pub(crate) fn engine(draft: &mut Draft<'_>) -> Engine {
    let engine = Engine::read(draft);
    if engine.backoff_initial > engine.backoff_max && !engine.backoff_max.is_zero() {
        let message = format!(
            "expected at most engine.backoff_max_ms ({}), got {}",
            engine.backoff_max.as_millis(),
            engine.backoff_initial.as_millis()
        );
        draft.fault(&path("engine.backoff_initial_ms"), message);
    }
    Engine { lane_concurrency_max: engine.lane_concurrency_max.min(engine.concurrency_max), ..engine }
}

/// `[lanes]`.
pub(crate) fn lanes(draft: &mut Draft<'_>) -> Lanes {
    let table = path("lanes.reserve");
    let (mut reserve, mut sum, faults) = (Reserve::NONE, 0.0_f64, draft.faults.len());
    for field in entries(draft, &table) {
        let name = &field[2];
        let priority = name.parse::<u8>().ok().filter(|priority| (1..=9).contains(priority) && name.len() == 1);
        let Some(priority) = priority else {
            draft.fault(&field, format!("expected a priority from 1 to 9 as the key, got {name:?}"));
            continue;
        };
        if draft.leaf(&field).is_some() {
            let share = draft.share(&field);
            sum += share;
            reserve = reserve.keep(priority, share);
        }
    }
    if sum >= 1.0 && draft.faults.len() == faults {
        // Something must be left to everyone.
        draft.fault(&table, format!("expected fractions that are below 1 together, got {}", (sum * 1e3).round() / 1e3));
    }
    Lanes { reserve, ..Lanes::read(draft) }
}
