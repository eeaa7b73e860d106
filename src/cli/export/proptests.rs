//! A table that was exported reads back as the same jobs, in each of the formats.

use std::path::Path;
use std::sync::{Arc, LazyLock};

use proptest::prelude::*;
use serde_json::json;

use super::columns::Columns;
use super::{Workbook, cells, write_record};
use crate::cli::files::{FileArgs, Place, Written};
use crate::domain::catalog::{Catalog, built_in};
use crate::domain::decode::{Apps, Decoder};
use crate::domain::job::Job;
use crate::domain::messages::{Cause, Language};
use crate::domain::rows::{Input, Layout, Row};
use paceline_ports::operator::ExportRow;

static CATALOG: LazyLock<Arc<Catalog>> = LazyLock::new(|| Arc::new(built_in().unwrap()));

fn read(path: &Path) -> (Vec<String>, Vec<Row>) {
    let decoder = Arc::new(Decoder { catalog: Arc::clone(&CATALOG), apps: Apps::Any, rights: Arc::default() });
    let input = Input {
        name: "rooms".to_owned(),
        batch: "b".to_owned(),
        method: Some("feishu.vc.room.create".to_owned()),
        app: Some("acme".to_owned()),
        bytes_max: 1 << 20,
        layout: Layout::default(),
    };
    let place = Place::of(path).unwrap();
    let written = Written::of(&place, &FileArgs::default()).unwrap().unwrap();
    let rows = written.rows(&place, &input, &decoder).unwrap().unwrap();
    (rows.header().unwrap().to_vec(), rows.map(Result::unwrap).collect())
}

fn export_row(row: &Row) -> ExportRow {
    let (id, method, app) = match &row.input {
        Ok(job) => (&job.id, &job.lane.method, &job.lane.app),
        Err(rejection) => panic!("{:?}", rejection.faults),
    };
    ExportRow {
        document: json!({"id": id, "method": method, "app": app, "batch": "b", "status": "queued"}),
        place: row.place.clone(),
        cells: row.cells.as_deref().map(|cells| serde_json::from_str(cells).unwrap()),
        detail: Cause::default(),
        cure: None,
        linked: [Vec::new(), Vec::new()],
    }
}

fn jobs(rows: Vec<Row>) -> Vec<Job> {
    rows.into_iter().map(|row| row.input.unwrap_or_else(|why| panic!("{:?}", why.faults))).collect()
}

fn table() -> impl Strategy<Value = Vec<[String; 6]>> {
    let text = "[-=+@'0-9aE/: 会议室;\"，,]{0,8}";
    let name = "[-=+@'0-9A-Z会议<U+>]{0,6}[0-9F室]";
    let number = prop_oneof!["[1-9][0-9]{0,2}", "[1-9][0-9]?人", "1,000", "[１-９]", Just("010".to_owned())];
    let yes = prop_oneof!["true|false|TRUE|是|否|1|0|"];
    let row = (name, number, text, yes).prop_map(|(name, number, text, yes)| (name, number, text, yes));
    proptest::collection::vec(row, 1..6).prop_map(|rows| {
        let row = |(at, (name, number, text, yes)): (usize, (String, String, String, String))| {
            [format!("{name}{at}"), number, "omb_1".to_owned(), text, yes, format!("0{at}")]
        };
        rows.into_iter().enumerate().map(row).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn an_exported_table_reads_back_as_the_same_jobs(table in table()) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rooms.csv");
        let mut text = Vec::new();
        let header = ["名称", "容量", "room_level_id", "description", "room_status.status", "custom_room_id"];
        write_record(&header.map(str::to_owned), &mut text).unwrap();
        for row in &table {
            // As people keep a spreadsheet from changing a cell: a bare one may be a formula, which is a fault.
            let row = row.each_ref().map(|cell| crate::domain::rows::exported::harmless(cell, false));
            write_record(&row, &mut text).unwrap();
        }
        std::fs::write(&path, text).unwrap();
        let (own, rows) = read(&path);
        prop_assume!(rows.iter().all(|row| row.input.is_ok()));
        let exported: Vec<_> = rows.iter().map(export_row).collect();
        let wanted = jobs(rows);

        for language in [Language::English, Language::Chinese] {
            let mut columns = Columns::new(Some(own.clone()), &[], language).unwrap();
            let mut csv = Vec::new();
            write_record(&columns.header(), &mut csv).unwrap();
            let mut workbook = Workbook::new(["results", "faults"], &columns).unwrap();
            for row in &exported {
                write_record(&cells(&columns, row, false), &mut csv).unwrap();
                workbook.add(row, &mut columns, &CATALOG).unwrap();
            }
            for (name, bytes) in [("out.csv", csv), ("out.xlsx", workbook.book.finish().unwrap())] {
                let path = folder.path().join(name);
                std::fs::write(&path, bytes).unwrap();
                let (back, rows) = read(&path);
                prop_assert_eq!(&back[..own.len()], &own[..]);
                let jobs = jobs(rows);
                prop_assert_eq!(jobs.len(), wanted.len());
                for (job, wanted) in jobs.iter().zip(&wanted) {
                    prop_assert_eq!((&job.id, &job.params), (&wanted.id, &wanted.params), "{}", name);
                }
            }
        }
    }
}
