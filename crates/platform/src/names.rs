//! Looks names up as the system does, and says so where that fails.

use paceline_host::connect::Unresolved;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// The names that the system knows.
pub(super) struct SystemNames;

impl Resolve for SystemNames {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await.map_err(Unresolved)?;
            let addresses: Vec<_> = found.collect();
            let addresses: Addrs = Box::new(addresses.into_iter());
            Ok(addresses)
        })
    }
}
