//! Everything there is to ask for.

use axum::Router;
use axum::http::{Method, StatusCode, Uri};
use axum::middleware::from_fn_with_state;
use axum::routing::get;

use super::answer::Fault;
use super::{Shared, assets, batches, dead, forecast, guard, health, held, job, jobs, methods, overview, throughput};

/// The router.
pub fn router(shared: &Shared) -> Router {
    Router::new()
        .route("/", get(assets::index))
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(health::metrics))
        .route("/api/v1/session", get(health::session))
        .route("/api/v1/overview", get(overview::show))
        .route("/api/v1/forecast", get(forecast::show))
        .route("/api/v1/throughput", get(throughput::show))
        .route("/api/v1/methods", get(methods::list))
        .route("/api/v1/held", get(held::list))
        .route("/api/v1/batches", get(batches::list))
        .route("/api/v1/jobs", get(jobs::list))
        .route("/api/v1/jobs/{id}", get(job::show))
        .route("/api/v1/dead/groups", get(dead::groups))
        .fallback(async |uri: Uri| {
            Fault::unknown(format!("there is nothing at {:?}", uri.path()), "docs/api.md names what there is")
        })
        .method_not_allowed_fallback(async |method: Method| {
            let error = format!("{method} is not for this address");
            Fault::new(StatusCode::METHOD_NOT_ALLOWED, error, "the header Allow names the methods that are")
        })
        .layer(from_fn_with_state(shared.clone(), guard::check))
        .with_state(shared.clone())
}
