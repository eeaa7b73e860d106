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
use crate::messages::{HeaderTrouble, Rule};

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
pub(super) fn faults(
    decoder: &Decoder,
    input: &Input,
    (line, header): (u64, &[String]),
    targets: &[Target],
) -> Vec<FileFault> {
    let fault = |column: Option<Column>, message: Rule| FileFault { file: input.name.clone(), line, column, message };
    let mut faults = faults_of_arguments(input, header, targets, |trouble| fault(None, trouble.into()));
    let is_lone = header.iter().filter(|name| !name.is_empty()).count() == 1;
    for (index, target) in targets.iter().enumerate().take(header.len()) {
        if matches!(target, Target::Nothing | Target::Ignored | Target::Result(_)) {
            continue;
        }
        let unseen = checks::unseen(&header[index]);
        let visible: String = header[index].chars().filter(|letter| !unseen.contains(letter)).collect();
        let label = Column { number: index + 1, header: visible, item: None };
        if !unseen.is_empty() {
            let codes = unseen.into_iter().map(checks::code).collect();
            faults.push(fault(Some(label), HeaderTrouble::UnseenInName { codes }.into()));
            continue;
        }
        if let Some(first) = targets[..index].iter().position(|other| other == target) {
            let same = HeaderTrouble::SameColumn { number: first + 1, header: header[first].clone() };
            faults.push(fault(Some(label), same.into()));
        } else if let Target::Param(part, path) = target {
            let why = column_fault(decoder, input, part, path, &header[index]);
            let why = why.map(|why| if is_lone { perhaps_title(why, line) } else { why });
            faults.extend(why.map(|why| fault(Some(label), why)));
        }
    }
    faults
}

/// Of the only heading that nobody knows: most are a title, and the headings stand below.
fn perhaps_title(why: Rule, line: u64) -> Rule {
    let is_unknown = matches!(why, Rule::OfHeader { trouble: HeaderTrouble::NoMethodTakes });
    if is_unknown { HeaderTrouble::PerhapsTitle { next: line + 1 }.into() } else { why }
}

/// What was said of the file that its header has not.
fn faults_of_arguments(
    input: &Input,
    header: &[String],
    targets: &[Target],
    fault: impl Fn(HeaderTrouble) -> FileFault,
) -> Vec<FileFault> {
    let mut faults = Vec::new();
    for (field, given) in [("method", &input.method), ("app", &input.app)] {
        if given.is_none() && !targets.contains(&Target::Field(field)) {
            faults.push(fault(HeaderTrouble::HeaderWithout { field: field.to_owned() }));
        }
    }
    let of_arguments = [
        ("--ignore-columns", input.layout.ignored.iter().collect::<Vec<_>>()),
        ("--where", input.layout.wanted.iter().map(|(name, _)| name).collect()),
    ];
    for (argument, names) in of_arguments {
        for name in names.into_iter().filter(|name| !header.contains(name)) {
            let (name, argument) = (name.clone(), argument.to_owned());
            let near = nearest(&name, header.iter().map(String::as_str)).map(str::to_owned);
            faults.push(fault(match near {
                None => HeaderTrouble::NoSuchColumn { name, argument },
                Some(near) => HeaderTrouble::NoSuchColumnBut { name, argument, near },
            }));
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
            let by =
                if first < own { HeaderTrouble::ColumnGives { number: first + 1 } } else { HeaderTrouble::MapGives };
            return Some(mapping.fault_of(added, by));
        }
        let Target::Param(part, path) = &added.target else { return None };
        let why = column_fault(decoder, input, part, path, &path.join("."))?;
        Some(mapping.fault_of(added, why))
    };
    added.iter().enumerate().filter_map(fault).collect()
}

/// Why no method of the catalog can use a column, if none can.
fn column_fault(decoder: &Decoder, input: &Input, part: &str, path: &[String], header: &str) -> Option<Rule> {
    let mut no_cell = None;
    for method in decoder.catalog.methods.values().filter(|method| method.kind == Kind::Job) {
        match meaning(method, part, path) {
            Meaning::Leaf(_) => return None,
            Meaning::NoCell(why) => no_cell = Some(why),
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
        let columns = meant.iter().map(|called| called.column.clone()).collect();
        let of_method = input.method.is_some();
        let trouble =
            if of_method { HeaderTrouble::MayMean { columns } } else { HeaderTrouble::MayMeanOfMethods { columns } };
        return Some(trouble.into());
    }
    let mut known: Vec<String> = jobs.flat_map(|method| [names(method), heading::aliases(method)].concat()).collect();
    known.extend(FIELDS.map(str::to_owned));
    let trouble = match nearest(header, known.iter().map(String::as_str)) {
        Some(near) => HeaderTrouble::NoMethodTakesBut { near: near.to_owned() },
        None => HeaderTrouble::NoMethodTakes,
    };
    Some(trouble.into())
}
