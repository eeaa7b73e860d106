//! What is asked about a file: how it is written, what its rows are for, and what is done with those that are not plain.

use std::str::FromStr;
use std::sync::Arc;

use super::held::Upload;
use crate::admin::Shared;
use crate::admin::answer::Fault;
use crate::admin::input::Fields;
use crate::domain::decode::Decoder;
use crate::domain::find::Names;
use crate::domain::rows::{Input, Layout, Mapping, RowIds};
use crate::domain::time::Zone;
use crate::operations::files::{How, Memory, OnChange};

/// How a file is written, as far as somebody said it.
pub(super) struct Reading {
    /// Sheet and encoding.
    pub how: How,
    header_row: Option<u64>,
    separator: Option<u8>,
    /// The method of rows that name none.
    pub method: Option<String>,
}

/// What is done with rows that changed after their job succeeded.
struct Change(OnChange);

impl FromStr for Change {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "stop" => Ok(Self(OnChange::Stop)),
            "keep" => Ok(Self(OnChange::Keep)),
            "update" => Ok(Self(OnChange::Update)),
            _ => Err("expected stop, keep or update".to_owned()),
        }
    }
}

/// What the rows are for.
pub(super) struct Asked {
    reading: Reading,
    app: Option<String>,
    batch: Option<String>,
    mapping: Option<Arc<Mapping>>,
    /// Rows with faults become dead letters.
    pub skip_invalid: bool,
    /// Rows may create again what is there.
    pub allow_duplicates: bool,
    /// What is done with changed rows.
    pub on_change: OnChange,
    /// Names are looked up.
    pub resolve: bool,
}

impl Reading {
    /// Reads it.
    pub(super) fn of(fields: &mut Fields) -> Self {
        let how = How { sheet: text(fields, "sheet"), encoding: text(fields, "encoding") };
        let header_row = fields.whole("header_row", 1, 1 << 20).and_then(|row| u64::try_from(row).ok());
        let separator = fields.text("delimiter").and_then(|text| match text.as_bytes() {
            [byte] if byte.is_ascii() && !byte.is_ascii_alphanumeric() && !b"\"\r\n".contains(byte) => Some(*byte),
            _ => {
                fields.fault("delimiter", "expected one ASCII character that is no letter, digit or quote");
                None
            }
        });
        Self { how, header_row, separator, method: text(fields, "method") }
    }

    /// The file, read so.
    pub(super) fn memory(&self, shared: &Shared, upload: &Upload) -> Result<Memory, Fault> {
        let rules = &shared.worker.files;
        let zone = rules.time_zone.as_deref().map(Zone::parse).transpose();
        let layout = Layout {
            zone: zone
                .map_err(|why| Fault::conflict(format!("files.time_zone: {why}"), "correct it in the settings"))?,
            separator: self.separator,
            header_row: self.header_row,
            ..Layout::default()
        };
        let (method, bytes_max) = (self.method.clone(), rules.row_bytes_max);
        let input =
            Input { name: upload.name.clone(), batch: stem(&upload.name), method, app: None, bytes_max, layout };
        Ok(Memory::of(upload.reader(), input, &self.how))
    }
}

impl Asked {
    /// Reads it.
    pub(super) fn of(fields: &mut Fields) -> Self {
        let reading = Reading::of(fields);
        let mapping = text(fields, "map").and_then(|map| match Mapping::read("map", &map) {
            Ok(mapping) => Some(Arc::new(mapping)),
            Err(faults) => {
                for fault in &faults {
                    fields.wrong("map", fault.as_wrong());
                }
                None
            }
        });
        Self {
            reading,
            app: text(fields, "app"),
            batch: text(fields, "batch"),
            mapping,
            skip_invalid: fields.flag("skip_invalid"),
            allow_duplicates: fields.flag("allow_duplicates"),
            on_change: fields.parsed("on_change").map_or(OnChange::Stop, |Change(on_change)| on_change),
            resolve: fields.flag("resolve"),
        }
    }

    /// The file, read so. A method or an app that nobody knows is said once, not for every row.
    pub(super) fn memory(&self, shared: &Shared, decoder: &Decoder, upload: &Upload) -> Result<Memory, Fault> {
        let mut unknown = Fields::of_query(None);
        for fault in decoder.faults_of(self.reading.method.as_deref(), self.app.as_deref()) {
            unknown.fault(&fault.field, &fault.message());
        }
        unknown.end()?;
        let mut memory = self.reading.memory(shared, upload)?;
        memory.input.app.clone_from(&self.app);
        memory.input.layout.mapping.clone_from(&self.mapping);
        if let Some(batch) = &self.batch {
            memory.input.batch.clone_from(batch);
        }
        let names = upload.names().clone();
        if !names.is_empty() {
            memory.names = Names::Found(Arc::new(names));
        }
        Ok(memory)
    }

    /// What gives its rows their ids.
    pub(super) fn ids(&self, shared: &Shared, decoder: &Decoder) -> RowIds {
        let known = shared.worker.store.known_jobs(Arc::clone(&decoder.catalog));
        RowIds::new(self.allow_duplicates, Some(known))
    }
}

/// A text that says something.
fn text(fields: &mut Fields, name: &'static str) -> Option<String> {
    fields.text(name).filter(|text| !text.is_empty())
}

/// A file's name without its ending.
pub(super) fn stem(name: &str) -> String {
    name.rsplit_once('.').map_or(name, |(stem, _)| if stem.is_empty() { name } else { stem }).to_owned()
}
