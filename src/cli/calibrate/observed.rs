//! What replies say of rate limits in their headers, noted beside the calls.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use crate::domain::catalog::{Catalog, Method};
use crate::domain::outcome::Reply;
use crate::engine::ports::{Request, Transport};

/// Header → the values that were seen, of one method.
pub(super) type Headers = BTreeMap<String, BTreeSet<String>>;

/// A transport that notes them.
pub(super) struct Observed {
    inner: Arc<dyn Transport>,
    catalog: Arc<Catalog>,
    seen: Mutex<BTreeMap<String, Headers>>,
}

impl Observed {
    pub(super) fn new(inner: Arc<dyn Transport>, catalog: Arc<Catalog>) -> Arc<Self> {
        Arc::new(Self { inner, catalog, seen: Mutex::default() })
    }

    /// What successful replies carried, by method; an empty entry for a method that answered without any.
    pub(super) fn seen(&self) -> BTreeMap<String, Headers> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl Transport for Observed {
    async fn send(&self, request: Request) -> Reply {
        let method = method_of(&self.catalog, &request).map(|method| method.counted_name().to_owned());
        let reply = self.inner.send(request).await;
        if let (Some(method), Reply::Answered(answer)) = (method, &reply)
            && answer.status < 400
        {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            let headers = seen.entry(method).or_default();
            for (name, value) in &answer.limits {
                headers.entry(name.clone()).or_default().insert(value.clone());
            }
        }
        reply
    }
}

/// The method that a request calls, by the shape of its path.
fn method_of<'c>(catalog: &'c Catalog, request: &Request) -> Option<&'c Method> {
    let path = request.url.split_once("://").and_then(|(_, rest)| rest.split_once('/'))?.1;
    let path = path.split('?').next().unwrap_or_default();
    let fits = |method: &&Arc<Method>| {
        method.http_method == request.http_method && is_shaped(method.path.trim_start_matches('/'), path)
    };
    // A path without a placeholder in a place comes before one with.
    let found = catalog.methods.values().filter(fits).min_by_key(|method| method.path.matches(':').count());
    found.map(|method| &**method)
}

fn is_shaped(template: &str, path: &str) -> bool {
    let (mut templates, mut parts) = (template.split('/'), path.split('/'));
    loop {
        match (templates.next(), parts.next()) {
            (None, None) => return true,
            (Some(template), Some(part)) if template == part || template.starts_with(':') => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_known_by_its_shape() {
        assert!(is_shaped("vc/v1/rooms/:room_id", "vc/v1/rooms/omm_1"));
        assert!(!is_shaped("vc/v1/rooms/:room_id", "vc/v1/rooms"));
        assert!(!is_shaped("vc/v1/rooms", "vc/v1/rooms/omm_1"));
    }
}
