//! Everything there is to ask for.

use axum::Router;
use axum::handler::Handler;
use axum::http::{Method, StatusCode, Uri};
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodRouter, get, post};

use super::answer::{self, Fault};
use super::input::Fields;
use super::{
    Shared, activity, assets, batches, body, cancel, dead, edit, forecast, guard, health, held, inputs, job, jobs,
    methods, overview, redrive, resolve, submit, suspension, throughput,
};

/// What describes the API, free to read.
pub const DESCRIPTION: &str = "/api/v1/openapi.json";

/// One method of one address.
struct Route {
    method: &'static str,
    path: &'static str,
    handler: MethodRouter<Shared>,
}

fn reading<H: Handler<T, Shared>, T: 'static>(path: &'static str, handler: H) -> Route {
    Route { method: "GET", path, handler: get(handler) }
}

fn changing<H: Handler<T, Shared>, T: 'static>(path: &'static str, handler: H) -> Route {
    Route { method: "POST", path, handler: post(handler) }
}

/// Everything but the dashboard's files.
fn routes() -> Vec<Route> {
    vec![
        reading("/healthz", health::alive),
        reading("/readyz", health::ready),
        reading("/metrics", health::metrics),
        reading(DESCRIPTION, describe),
        reading("/api/v1/session", health::session),
        reading("/api/v1/overview", overview::show),
        reading("/api/v1/forecast", forecast::show),
        reading("/api/v1/throughput", throughput::show),
        reading("/api/v1/methods", methods::list),
        reading("/api/v1/held", held::list),
        reading("/api/v1/activity", activity::list),
        reading("/api/v1/batches", batches::list),
        reading("/api/v1/jobs", jobs::list),
        changing("/api/v1/jobs", submit::submit),
        // A job may have this id.
        reading("/api/v1/jobs/cancel", job::show_cancel),
        changing("/api/v1/jobs/cancel", cancel::cancel),
        reading("/api/v1/jobs/{id}", job::show),
        changing("/api/v1/jobs/{id}/resolve", resolve::resolve),
        reading("/api/v1/dead/groups", dead::groups),
        reading("/api/v1/dead/inputs", inputs::list),
        reading("/api/v1/dead/inputs/{id}", inputs::show),
        changing("/api/v1/dead/redrive", redrive::redrive),
        changing("/api/v1/dead/edit", edit::edit),
        changing("/api/v1/dead/drop", redrive::forget),
        changing("/api/v1/suspend", suspension::suspend),
        changing("/api/v1/resume", suspension::resume),
    ]
}

/// The methods and addresses of the HTTP API, as `docs/openapi.json` describes them.
pub fn addresses() -> Vec<(&'static str, &'static str)> {
    routes().into_iter().map(|route| (route.method, route.path)).collect()
}

async fn describe(uri: Uri) -> super::Answer {
    Fields::of_query(uri.query()).end()?;
    let text = include_str!("../../docs/openapi.json");
    Ok(answer::text(StatusCode::OK, "application/json", text.to_owned()))
}

/// The router.
pub fn router(shared: &Shared) -> Router {
    let pages =
        assets::all().fold(Router::new(), |router, asset| router.route(asset.path, get(async || asset.response())));
    let pages = pages.route(assets::CATALOG_ZH, get(assets::catalog_zh));
    routes()
        .into_iter()
        .fold(pages, |router, route| router.route(route.path, route.handler))
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
