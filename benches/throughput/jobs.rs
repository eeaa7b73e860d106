//! The jobs: calendars of a usual size.

use std::io::{BufWriter, Write as _};
use std::path::Path;

use serde_json::json;

/// The method that all of them call.
pub(crate) const METHOD: &str = "feishu.calendar.create";
/// Where it is called.
pub(crate) const PATH: &str = "/open-apis/calendar/v4/calendars";

/// Writes so many jobs, one a line.
pub(crate) fn write(path: &Path, jobs: usize) -> anyhow::Result<()> {
    let mut file = BufWriter::new(std::fs::File::create(path)?);
    for n in 0..jobs {
        let body = json!({
            "summary": format!("Department {n:05}"),
            "description": format!("Shared calendar of department {n:05}: rooms, holidays and the duty roster"),
            "permissions": "private",
            "color": -1,
        });
        let job = json!({"id": format!("department-{n:05}"), "method": METHOD, "app": "bench", "body": body});
        writeln!(file, "{job}")?;
    }
    Ok(file.flush()?)
}
