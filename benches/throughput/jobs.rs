//! The jobs: calendars of a usual size.

use std::io::{BufWriter, Write as _};
use std::path::Path;

use serde_json::json;

/// The method that all of them call.
pub(crate) const METHOD: &str = "feishu.calendar.create";
/// Where it is called.
pub(crate) const PATH: &str = "/open-apis/calendar/v4/calendars";

/// Writes so many jobs, one a line. In chains of `links` each waits for the one before it.
pub(crate) fn write(path: &Path, jobs: usize, links: usize) -> anyhow::Result<()> {
    let mut file = BufWriter::new(std::fs::File::create(path)?);
    for n in 0..jobs {
        let body = json!({
            "summary": format!("Department {n:05}"),
            "description": format!("Shared calendar of department {n:05}: rooms, holidays and the duty roster"),
            "permissions": "private",
            "color": -1,
        });
        let mut job = json!({"id": id(n), "method": METHOD, "app": "bench", "body": body});
        if !n.is_multiple_of(links) {
            job["after"] = json!([id(n - 1)]);
        }
        writeln!(file, "{job}")?;
    }
    Ok(file.flush()?)
}

fn id(n: usize) -> String {
    format!("department-{n:05}")
}
