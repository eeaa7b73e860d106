//! The rows of a sheet that are hidden: filters hide some, and people forget them. They are read like the others.

use std::collections::HashMap;
use std::io::{BufReader, Read, Seek};

use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};
use zip::ZipArchive;

/// The numbers of the hidden rows of an XLSX's sheet, counted from 1; none if it cannot be told.
pub(super) fn rows(source: impl Read + Seek, sheet: &str) -> Vec<u64> {
    let mut hidden = Vec::new();
    let Ok(mut archive) = ZipArchive::new(source) else { return hidden };
    let Some(part) = part_of(&mut archive, sheet) else { return hidden };
    each(&mut archive, &part, "row", |row| {
        let is_hidden = row.get("hidden").is_some_and(|value| value == "1" || value == "true");
        hidden.extend(row.get("r").filter(|_| is_hidden).and_then(|number| number.parse::<u64>().ok()));
    });
    hidden
}

/// Where in the archive the sheet is.
fn part_of(archive: &mut ZipArchive<impl Read + Seek>, sheet: &str) -> Option<String> {
    let (mut id, mut target) = (None, None);
    each(archive, "xl/workbook.xml", "sheet", |found| {
        if found.get("name").is_some_and(|name| name == sheet) {
            id = found.get("id").cloned();
        }
    });
    let id = id?;
    each(archive, "xl/_rels/workbook.xml.rels", "Relationship", |found| {
        if found.get("Id") == Some(&id) {
            target = found.get("Target").cloned();
        }
    });
    let target = target?;
    Some(target.strip_prefix('/').map_or_else(|| format!("xl/{target}"), str::to_owned))
}

/// Shows `take` the attributes of every element of this name in a part, as far as the part can be read.
fn each(
    archive: &mut ZipArchive<impl Read + Seek>,
    part: &str,
    name: &str,
    mut take: impl FnMut(&HashMap<String, String>),
) {
    let Ok(part) = archive.by_name(part) else { return };
    let mut reader = Reader::from_reader(BufReader::new(part));
    let mut buffer = Vec::new();
    loop {
        match reader.read_event_into(&mut buffer) {
            Ok(Event::Start(element) | Event::Empty(element)) if element.local_name().as_ref() == name => {
                take(&attributes(&element));
            }
            Ok(Event::Eof) | Err(_) => return,
            Ok(_) => {}
        }
        buffer.clear();
    }
}

/// By their names without prefixes.
fn attributes(element: &BytesStart<'_>) -> HashMap<String, String> {
    let pair = |attribute: quick_xml::events::attributes::Attribute<'_>| {
        let value = attribute.normalized_value(XmlVersion::Implicit1_0).ok()?.into_owned();
        Some((attribute.key.local_name().as_ref().to_owned(), value))
    };
    element.attributes().flatten().filter_map(pair).collect()
}
