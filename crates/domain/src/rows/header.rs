//! What is wrong with a CSV file's header, whatever its rows say.

use super::column::{Meaning, Target, meaning, names};
use super::exported::{is_export, result_of};
use super::heading::{self, Called, Headings};
use super::mapping::{Added, Mapping};
use super::{FileFault, Input};
use crate::catalog::{Kind, nearest};
use crate::checks;
use crate::decode::{Decoder, FIELDS};
use crate::job::Column;

/// What the columns of a header name, and the unit that it names for them. All result columns together are an export's;
/// one that a method has as a parameter is that, and the export's own carries a prefix then.
pub(super) fn targets(
    decoder: &Decoder,
    input: &Input,
    header: &[String],
    (told, headings): (&[Option<Target>], &Headings),
) -> Vec<(Target, Option<String>)> {
    let is_export = is_export(header);
    let is_parameter = |target: &Target| {
        let Target::Param(part, path) = target else { return false };
        let jobs = decoder.catalog.methods.values().filter(|method| method.kind == Kind::Job);
        jobs.map(|method| meaning(method, part, path)).any(|meaning| matches!(meaning, Meaning::Leaf(_)))
    };
    let target = |name: &String| {
        if input.layout.ignores(name) {
            return (Target::Ignored, None);
        }
        let target = Target::of(name);
        if !matches!(target, Target::Param(..)) || is_parameter(&target) {
            return (target, None);
        }
        if let Some(result) = result_of(name).filter(|_| is_export) {
            return (Target::Result(result), None);
        }
        match headings.find(name).as_slice() {
            [Called { column, unit }] => (Target::of(column), unit.clone()),
            _ => (target, None),
        }
    };
    let of_map = |index: usize| told.get(index).cloned().flatten().map(|target| (target, None));
    header.iter().enumerate().map(|(index, name)| of_map(index).unwrap_or_else(|| target(name))).collect()
}

/// What is wrong with a header whatever the rows say.
pub(super) fn faults(decoder: &Decoder, input: &Input, header: &[String], targets: &[Target]) -> Vec<String> {
    let mut faults = Vec::new();
    for (field, given) in [("method", &input.method), ("app", &input.app)] {
        if given.is_none() && !targets.contains(&Target::Field(field)) {
            faults.push(format!("names no {field}: add a column {field:?}, or give --{field}"));
        }
    }
    let of_arguments = [
        ("--ignore-columns", input.layout.ignored.iter().collect::<Vec<_>>()),
        ("--where", input.layout.wanted.iter().map(|(name, _)| name).collect()),
    ];
    for (argument, names) in of_arguments {
        for name in names.into_iter().filter(|name| !header.contains(name)) {
            let hint = nearest(name, header.iter().map(String::as_str));
            let hint = hint.map_or_else(String::new, |near| format!("; did you mean {near:?}?"));
            faults.push(format!("has no column {name:?}, which {argument} names{hint}"));
        }
    }
    for (index, target) in targets.iter().enumerate().take(header.len()) {
        if matches!(target, Target::Nothing | Target::Ignored | Target::Result(_)) {
            continue;
        }
        let unseen = checks::unseen(&header[index]);
        let visible: String = header[index].chars().filter(|letter| !unseen.contains(letter)).collect();
        let label = Column { number: index + 1, header: visible, item: None };
        if !unseen.is_empty() {
            let codes: Vec<_> = unseen.into_iter().map(checks::code).collect();
            faults.push(format!("{label}: the name holds what nobody sees, {}; remove it", codes.join(", ")));
            continue;
        }
        if let Some(first) = targets[..index].iter().position(|other| other == target) {
            faults.push(format!("{label}: the same as column {} ({})", first + 1, header[first]));
        } else if let Target::Param(part, path) = target {
            faults
                .extend(column_fault(decoder, input, part, path, &header[index]).map(|why| format!("{label}: {why}")));
        }
    }
    faults
}

/// What is wrong with the columns that a map adds.
pub(super) fn faults_of_added(
    decoder: &Decoder,
    input: &Input,
    (mapping, added): (&Mapping, &[Added]),
    targets: &[Target],
) -> Vec<FileFault> {
    let own = targets.len() - added.len();
    let fault = |(index, added): (usize, &Added)| {
        if let Some(first) = targets[..own + index].iter().position(|other| *other == added.target) {
            let by = if first < own { format!("column {}", first + 1) } else { "the map itself".to_owned() };
            return Some(mapping.fault_of(added, format_args!("{by} gives it already")));
        }
        let Target::Param(part, path) = &added.target else { return None };
        let why = column_fault(decoder, input, part, path, &path.join("."))?;
        Some(mapping.fault_of(added, why))
    };
    added.iter().enumerate().filter_map(fault).collect()
}

/// Why no method of the catalog can use a column, if none can.
fn column_fault(decoder: &Decoder, input: &Input, part: &str, path: &[String], header: &str) -> Option<String> {
    let mut no_cell = None;
    for method in decoder.catalog.methods.values().filter(|method| method.kind == Kind::Job) {
        match meaning(method, part, path) {
            Meaning::Leaf(_) => return None,
            Meaning::NoCell(why) => no_cell = Some(why.to_string()),
            Meaning::Unknown => {}
        }
    }
    if no_cell.is_some() {
        return no_cell;
    }
    let wanted = |name: &str| input.method.as_deref().is_none_or(|wanted| wanted == name);
    let jobs = decoder.catalog.methods.values().filter(|method| method.kind == Kind::Job && wanted(&method.name));
    let meant = Headings::of(&decoder.catalog, input.method.as_deref()).find(header);
    if meant.len() > 1 {
        let columns = meant.iter().map(|called| called.column.as_str()).collect::<Vec<_>>().join(", ");
        let what = if input.method.is_some() { "name one of them" } else { "give --method, or name one of them" };
        return Some(format!("may mean {columns}: {what}"));
    }
    let mut known: Vec<String> = jobs.flat_map(|method| [names(method), heading::aliases(method)].concat()).collect();
    known.extend(FIELDS.map(str::to_owned));
    let hint = match nearest(header, known.iter().map(String::as_str)) {
        Some(near) => format!("did you mean {near:?}?"),
        None => "`paceline methods show` lists what a method takes".to_owned(),
    };
    Some(format!("no method has such a parameter; {hint}"))
}
