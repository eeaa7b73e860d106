//! `paceline methods schema`: JSON Schema of jobs.

use std::io::Write;

use serde_json::Value;

use crate::domain::catalog::{Catalog, Method};
use crate::domain::job_schema;

use super::super::context::Context;

/// Prints the schema of one method's jobs, or of all.
pub(super) fn carry_out(context: &mut Context, catalog: &Catalog, method: Option<&Method>) -> anyhow::Result<()> {
    let schema: Value = method.map_or_else(|| job_schema::of_catalog(catalog), job_schema::of_method);
    writeln!(context.out, "{schema:#}")?;
    Ok(())
}
