//! The dashboard's files, compiled in. What they do is described in `docs/dashboard.md`; nothing of them is made by a tool.

use axum::http::StatusCode;
use axum::response::Response;
use serde_json::json;

use super::answer;
use crate::domain::messages::{Language, table};

const JAVASCRIPT: &str = "text/javascript; charset=utf-8";

/// A file by the path that it is served under.
pub(super) struct Asset {
    /// Where it is served.
    pub path: &'static str,
    text: &'static str,
}

macro_rules! asset {
    ($name:literal) => {
        Asset { path: concat!("/", $name), text: include_str!(concat!("assets/", $name)) }
    };
}

const INDEX: Asset = Asset { path: "/", text: include_str!("assets/index.html") };

/// Every file but the page itself.
const FILES: [Asset; 47] = [
    asset!("actions.js"),
    asset!("api.js"),
    asset!("batch-parts.js"),
    asset!("chart.js"),
    asset!("confirm.js"),
    asset!("dialog.js"),
    asset!("dom.js"),
    asset!("edit-prefill.js"),
    asset!("edit.js"),
    asset!("facts.js"),
    asset!("filters.js"),
    asset!("format.js"),
    asset!("i18n.js"),
    asset!("icon.svg"),
    asset!("import-body.js"),
    asset!("import-check.js"),
    asset!("import-choose.js"),
    asset!("import-form.js"),
    asset!("import-map.js"),
    asset!("import-plan.js"),
    asset!("import-start.js"),
    asset!("import-state.js"),
    asset!("lanes.js"),
    asset!("live.js"),
    asset!("main.js"),
    asset!("message.js"),
    asset!("page-batches.js"),
    asset!("page-dead.js"),
    asset!("page-held.js"),
    asset!("page-import.js"),
    asset!("page-input.js"),
    asset!("page-job.js"),
    asset!("page-jobs.js"),
    asset!("page-overview.js"),
    asset!("page-timetable.js"),
    asset!("pager.js"),
    asset!("parts.css"),
    asset!("parts.js"),
    asset!("route.js"),
    asset!("style.css"),
    asset!("text-en.js"),
    asset!("text-zh.js"),
    asset!("theme.js"),
    asset!("timetable-rule.js"),
    asset!("token.js"),
    asset!("trouble.js"),
    asset!("workers.js"),
];

/// Sentences of the program's messages by their codes, a file for each language of the page.
pub(super) const MESSAGES: [(&str, Language); 2] =
    [("/messages-en.js", Language::English), ("/messages-zh.js", Language::Chinese)];

/// See [`MESSAGES`].
pub(super) fn messages(language: Language) -> Response {
    answer::text(StatusCode::OK, JAVASCRIPT, format!("export default {};\n", json!(table(language))))
}

/// The page and its files. They are the same for everybody, and tell nothing of the jobs.
pub(super) fn all() -> impl Iterator<Item = &'static Asset> {
    static ALL: (Asset, [Asset; FILES.len()]) = (INDEX, FILES);
    std::iter::once(&ALL.0).chain(&ALL.1)
}

/// Whether a path is one of them.
pub(super) fn is_asset(path: &str) -> bool {
    MESSAGES.iter().any(|(made, _)| path == *made) || all().any(|asset| asset.path == path)
}

impl Asset {
    /// The file.
    pub(super) fn response(&self) -> Response {
        answer::text(StatusCode::OK, self.content_type(), self.text.to_owned())
    }

    fn content_type(&self) -> &'static str {
        match self.path.rsplit_once('.').map(|(_, ending)| ending) {
            Some("css") => "text/css; charset=utf-8",
            Some("js") => JAVASCRIPT,
            Some("svg") => "image/svg+xml",
            _ => "text/html; charset=utf-8",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_file_of_the_folder_is_served() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/admin/assets");
        let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let there: BTreeSet<_> = names.map(|name| format!("/{name}").replace("/index.html", "/")).collect();
        let served: BTreeSet<_> = all().map(|asset| asset.path.to_owned()).collect();
        assert_eq!(there, served);
    }

    #[test]
    fn files_say_what_they_are() {
        let kind = |path: &str| all().find(|asset| asset.path == path).unwrap().content_type();
        assert_eq!(kind("/"), "text/html; charset=utf-8");
        assert_eq!(kind("/main.js"), "text/javascript; charset=utf-8");
        assert_eq!(kind("/style.css"), "text/css; charset=utf-8");
        assert_eq!(kind("/icon.svg"), "image/svg+xml");
        assert!(
            is_asset("/messages-zh.js")
                && !is_asset("/api/v1/jobs")
                && !is_asset("/index.html")
                && !is_asset("/../Cargo.toml")
        );
    }
}
