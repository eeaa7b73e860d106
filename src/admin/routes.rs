//! Everything there is to ask for.

use std::sync::LazyLock;

use axum::Router;
use axum::handler::Handler;
use axum::http::{Method, StatusCode, Uri};
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodRouter, get, post};

use super::answer::{self, Fault};
use super::input::Fields;
use super::{
    Shared, activity, assets, batches, body, cancel, dead, edit, forecast, guard, health, held, imports, inputs, job,
    jobs, methods, overview, reads, redrive, resolve, submit, suspension, throughput,
};
use crate::settings::Role;

/// What describes the API, free to read.
pub(super) const DESCRIPTION: &str = "/api/v1/openapi.json";

/// One method of one address.
struct Route {
    method: &'static str,
    path: &'static str,
    role: Role,
    handler: MethodRouter<Shared>,
}

fn reading<H: Handler<T, Shared>, T: 'static>(path: &'static str, handler: H) -> Route {
    Route { method: "GET", path, role: Role::Read, handler: get(handler) }
}

fn changing<H: Handler<T, Shared>, T: 'static>(path: &'static str, handler: H) -> Route {
    Route { method: "POST", path, role: Role::Operate, handler: post(handler) }
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
        reading("/api/v1/schemas/job.json", methods::schema),
        // It spends the platform's quota.
        Route { role: Role::Operate, ..reading("/api/v1/reads/{method}", reads::page) },
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
        Route { role: Role::Admin, ..changing("/api/v1/dead/drop", redrive::forget) },
        changing("/api/v1/imports", imports::give),
        changing("/api/v1/imports/{id}/look", imports::look),
        changing("/api/v1/imports/{id}/check", imports::check),
        changing("/api/v1/imports/{id}/start", imports::start),
        changing("/api/v1/imports/{id}/expand", imports::expand),
        changing("/api/v1/imports/{id}/text", imports::text),
        changing("/api/v1/imports/{id}/drop", imports::drop_it),
        changing("/api/v1/suspend", suspension::suspend),
        changing("/api/v1/resume", suspension::resume),
    ]
}

/// The methods and addresses of the HTTP API, as `docs/openapi.json` describes them.
pub fn addresses() -> Vec<(&'static str, &'static str)> {
    routes().into_iter().map(|route| (route.method, route.path)).collect()
}

/// The role that each method of an address needs, of those who have to show a token for it.
pub fn roles() -> Vec<(&'static str, &'static str, Role)> {
    routes().into_iter().map(|route| (route.method, route.path, route.role)).collect()
}

/// The role that a request needs. Of what there is not, everybody with a token may read that it is not there.
pub(super) fn role(method: &Method, path: &str) -> Role {
    static ROLES: LazyLock<Vec<(&str, &str, Role)>> = LazyLock::new(roles);
    let is_reading = matches!(*method, Method::GET | Method::HEAD);
    let of_method = ROLES.iter().filter(|(one, ..)| *one == if is_reading { "GET" } else { method.as_str() });
    // Where a part of a path is not fixed, what fits is one operation, or several of one role.
    let needed = of_method.filter(|(_, pattern, _)| fits(pattern, path)).map(|(.., role)| *role).max();
    needed.unwrap_or(if is_reading { Role::Read } else { Role::Admin })
}

/// Whether an address is one of a route's, in which `{…}` stands for one part.
fn fits(pattern: &str, path: &str) -> bool {
    let (mut wanted, mut given) = (pattern.split('/'), path.split('/'));
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return true,
            (Some(wanted), Some(given)) if wanted == given || wanted.starts_with('{') => {}
            _ => return false,
        }
    }
}

async fn describe(uri: Uri) -> super::Answer {
    Fields::of_query(uri.query()).end()?;
    let text = include_str!("../../docs/openapi.json");
    Ok(answer::text(StatusCode::OK, "application/json", text.to_owned()))
}

/// The router.
pub(super) fn router(shared: &Shared) -> Router {
    let pages =
        assets::all().fold(Router::new(), |router, asset| router.route(asset.path, get(async || asset.response())));
    let made =
        |pages: Router<Shared>, (path, language)| pages.route(path, get(async move || assets::messages(language)));
    let pages = assets::MESSAGES.into_iter().fold(pages, made);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_needs_its_own_role_and_what_is_none_the_highest() {
        for (method, path, needed) in roles() {
            let path = path.replace("{id}", "hq%2F7").replace("{method}", "feishu.vc.room.list");
            let method = method.parse().unwrap();
            assert_eq!(role(&method, &path), needed, "{method} {path}");
        }
        assert_eq!(role(&Method::GET, "/nowhere"), Role::Read);
        assert_eq!(role(&Method::HEAD, "/api/v1/jobs"), Role::Read);
        for path in ["/nowhere", "/api/v1/dead/drop/", "/api/v1/dead//drop", "/api/v1/jobs/a/b/resolve"] {
            assert_eq!(role(&Method::POST, path), Role::Admin, "{path}");
        }
        assert_eq!(role(&Method::PUT, "/api/v1/jobs"), Role::Admin);
    }
}
