//! What was found in a file, for a page: by cause, and cell by cell in the first rows that have something.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::domain::rows::Row;
use crate::operations::files::{Cause, Finding};

/// Causes that are told.
const CAUSES_MAX: usize = 50;
/// Lines of each that are named.
const LINES_MAX: usize = 10;
/// Rows that are shown with their cells.
const ROWS_MAX: usize = 100;
/// Findings that are told one by one.
const FINDINGS_MAX: usize = 1_000;

/// Everything that was found so far.
#[derive(Default)]
pub(super) struct Findings {
    causes: Vec<Group>,
    places: HashMap<Cause, usize>,
    left_out: u64,
    rows: Vec<(u64, Value)>,
    documents: Vec<Value>,
    /// The row that is looked at, until it is shown.
    latest: Option<(u64, Option<String>)>,
}

/// Findings of one cause.
struct Group {
    first: Finding,
    count: u64,
    rows: u64,
    lines: Vec<u64>,
    last_line: u64,
    is_uniform: bool,
}

impl Findings {
    /// Keeps a row's cells at hand: what is found in it comes next.
    pub(super) fn row(&mut self, row: &Row) {
        self.latest = Some((row.line, row.cells.clone()));
    }

    /// Notes a finding.
    pub(super) fn add(&mut self, finding: &Finding) {
        self.group(finding);
        if self.rows.len() < ROWS_MAX
            && let Some((line, cells)) = self.latest.take_if(|(line, _)| *line == finding.line)
        {
            let cells = cells.and_then(|cells| serde_json::from_str(&cells).ok());
            self.rows.push((line, cells.unwrap_or_else(|| json!([]))));
        }
        let is_shown = self.rows.iter().any(|(line, _)| *line == finding.line);
        if is_shown && self.documents.len() < FINDINGS_MAX {
            self.documents.push(document(finding));
        }
    }

    fn group(&mut self, finding: &Finding) {
        if let Some(place) = self.places.get(&finding.cause) {
            self.causes[*place].add(finding);
        } else if self.causes.len() == CAUSES_MAX {
            self.left_out += 1;
        } else {
            self.places.insert(finding.cause.clone(), self.causes.len());
            let (first, lines, last_line) = (finding.clone(), vec![finding.line], finding.line);
            self.causes.push(Group { first, count: 1, rows: 1, lines, last_line, is_uniform: true });
        }
    }

    /// Adds all of it to a document: faults before warnings.
    pub(super) fn tell(mut self, document: &mut Value) {
        self.causes.sort_by_key(|group| group.first.severity);
        self.rows.sort_by_key(|(line, _)| *line);
        document["groups"] = self.causes.iter().map(Group::document).collect();
        document["left_out"] = json!(self.left_out);
        document["lines"] = self.rows.into_iter().map(|(line, cells)| json!({"line": line, "cells": cells})).collect();
        document["findings"] = self.documents.into();
    }
}

impl Group {
    fn add(&mut self, finding: &Finding) {
        self.count += 1;
        self.is_uniform &= finding.message == self.first.message;
        if self.last_line != finding.line {
            self.last_line = finding.line;
            self.rows += 1;
            if self.lines.len() < LINES_MAX {
                self.lines.push(finding.line);
            }
        }
    }

    fn document(&self) -> Value {
        let mut document = document(&self.first);
        document["heading"] = json!(self.first.heading);
        document["rule"] = json!(self.first.cause.rule);
        document["rule_fact"] = json!(self.first.fact.rule);
        document["uniform"] = json!(self.is_uniform);
        document["count"] = json!(self.count);
        document["rows"] = json!(self.rows);
        document["lines"] = json!(self.lines);
        document
    }
}

fn document(finding: &Finding) -> Value {
    json!({
        "line": finding.line, "column": finding.column, "field": finding.field, "severity": finding.severity,
        "message": finding.message, "message_fact": finding.fact.message,
    })
}
