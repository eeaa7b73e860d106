//! Everything there is to ask for.

use axum::Router;
use axum::http::{Method, StatusCode, Uri};
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};

use super::answer::Fault;
use super::{
    Shared, assets, batches, body, cancel, dead, edit, forecast, guard, health, held, job, jobs, methods, overview,
    redrive, resolve, submit, suspension, throughput,
};

/// The router.
pub fn router(shared: &Shared) -> Router {
    let pages =
        assets::all().fold(Router::new(), |router, asset| router.route(asset.path, get(async || asset.response())));
    pages
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
        .route("/api/v1/jobs", get(jobs::list).post(submit::submit))
        // A job may have this id.
        .route("/api/v1/jobs/cancel", post(cancel::cancel).get(job::show_cancel))
        .route("/api/v1/jobs/{id}", get(job::show))
        .route("/api/v1/jobs/{id}/resolve", post(resolve::resolve))
        .route("/api/v1/dead/groups", get(dead::groups))
        .route("/api/v1/dead/redrive", post(redrive::redrive))
        .route("/api/v1/dead/edit", post(edit::edit))
        .route("/api/v1/dead/drop", post(redrive::forget))
        .route("/api/v1/suspend", post(suspension::suspend))
        .route("/api/v1/resume", post(suspension::resume))
        .fallback(async |uri: Uri| {
            Fault::unknown(format!("there is nothing at {:?}", uri.path()), "docs/api.md names what there is")
        })
        .method_not_allowed_fallback(async |method: Method| {
            let error = format!("{method} is not for this address");
            Fault::new(StatusCode::METHOD_NOT_ALLOWED, error, "the header Allow names the methods that are")
        })
        .layer(body::limit())
        .layer(from_fn_with_state(shared.clone(), guard::check))
        .with_state(shared.clone())
}
