//! The rules across fields that a method's file declares.

use std::collections::HashSet;

use serde_json::Value;

use super::{Check, Finding};
use crate::catalog::{Method, Period, Rule, RuleKind, Schema, shown};
use crate::chain;
use crate::job::Params;

/// Rules of work days and months go by the calendar of UTC+8, where both platforms are.
const ZONE_S: i64 = 8 * 3_600;
const DAY_S: i64 = 86_400;

/// Adds every rule that the parameters break.
pub(super) fn check(method: &Method, params: &Params, found: &mut Vec<Finding>) {
    let is_known = |rule: &&Rule| !involved(rule).any(|name| chain::is_open(params, name));
    for rule in method.checks.iter().filter(|rule| applies(method, rule, params)).filter(is_known) {
        for field in &rule.fields {
            let schema = method.param(field);
            for (item, got) in broken(rule, field, schema, params) {
                let field = item.map_or_else(|| field.clone(), |item| format!("{field}[{item}]"));
                let got = if schema.is_some_and(Schema::holds_secrets) { String::new() } else { got };
                let check = Check::Rule { message: rule.words(), got };
                found.push(Finding::new(rule.severity, field, check));
            }
        }
    }
}

/// The parameters that a rule compares: where a value of one is not known yet, nothing can be said.
fn involved(rule: &Rule) -> impl Iterator<Item = &String> {
    let others: Vec<&String> = match &rule.kind {
        RuleKind::Member { of } => of.iter().collect(),
        RuleKind::After { than } => vec![than],
        RuleKind::Occurrences { from, .. } => vec![from],
        RuleKind::OneOf { .. }
        | RuleKind::Distinct
        | RuleKind::Required
        | RuleKind::Absent
        | RuleKind::Range { .. }
        | RuleKind::Overlap { .. }
        | RuleKind::Total { .. } => Vec::new(),
    };
    rule.fields.iter().chain(rule.when.iter().map(|(name, _)| name)).chain(others)
}

/// Whether the job has the values that the rule is for, given or by default.
pub(super) fn applies(method: &Method, rule: &Rule, params: &Params) -> bool {
    rule.when.iter().all(|(name, wanted)| {
        let default = || method.param(name)?.default.as_ref();
        params.get(name).or_else(default) == Some(wanted)
    })
}

/// Where a field breaks a rule: the item of its list, if there is one, and what stands there.
fn broken(rule: &Rule, field: &str, schema: Option<&Schema>, params: &Params) -> Vec<(Option<usize>, String)> {
    let value = params.get(field);
    let one = |got: String| vec![(None, got)];
    match &rule.kind {
        RuleKind::Member { of } => {
            let known: Vec<&Value> = of.iter().filter_map(|name| params.get(name)).flat_map(items).collect();
            strangers(value, |item| known.contains(&item))
        }
        RuleKind::OneOf { values } => strangers(value, |item| values.contains(item)),
        RuleKind::Distinct => repeated(value),
        RuleKind::After { than } => match (value.and_then(time), params.get(than).and_then(time)) {
            (Some(at), Some(than)) if at < than => one(at.to_string()),
            _ => Vec::new(),
        },
        RuleKind::Required if value.is_none_or(is_empty) => one(String::new()),
        RuleKind::Absent => match value {
            Some(value) if !is_empty(value) && schema.and_then(|schema| schema.default.as_ref()) != Some(value) => {
                one(shown(value))
            }
            _ => Vec::new(),
        },
        RuleKind::Range { min, max } => match value.and_then(size) {
            Some(size) if min.is_some_and(|min| size < min) || max.is_some_and(|max| size > max) => {
                one(size.to_string())
            }
            _ => Vec::new(),
        },
        RuleKind::Occurrences { from, every, step, max } => {
            match (params.get(from).and_then(time), value.and_then(time)) {
                (Some(from), Some(until)) => match occurrences(from, until, *every, *step) {
                    count if count > *max => one(count.to_string()),
                    _ => Vec::new(),
                },
                _ => Vec::new(),
            }
        }
        RuleKind::Required | RuleKind::Overlap { .. } | RuleKind::Total { .. } => Vec::new(),
    }
}

/// Items that are not known.
fn strangers(value: Option<&Value>, is_known: impl Fn(&Value) -> bool) -> Vec<(Option<usize>, String)> {
    let strangers = value.into_iter().flat_map(items).enumerate().filter(|(_, item)| !is_known(item));
    strangers.map(|(index, item)| (value.is_some_and(Value::is_array).then_some(index), shown(item))).collect()
}

/// Items that stand in the list before.
fn repeated(value: Option<&Value>) -> Vec<(Option<usize>, String)> {
    let mut seen = HashSet::new();
    let again = value.into_iter().flat_map(items).enumerate().filter(|(_, item)| !seen.insert(item.to_string()));
    again.map(|(index, item)| (Some(index), shown(item))).collect()
}

/// The items of a list, or the one value.
fn items(value: &Value) -> &[Value] {
    match value {
        Value::Array(items) => items,
        one @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_)) => {
            std::slice::from_ref(one)
        }
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.is_empty(),
        Value::String(text) => text.is_empty(),
        Value::Object(map) => map.is_empty(),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// A time in Unix seconds; 0 is none.
pub(super) fn time(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.parse().ok()).filter(|time| *time != 0)
}

/// A number, or how many items a list has.
fn size(value: &Value) -> Option<i64> {
    match value {
        Value::Array(items) => i64::try_from(items.len()).ok(),
        one @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_)) => one.as_i64(),
    }
}

/// How often something that starts at `from` takes place until `until`.
fn occurrences(from: i64, until: i64, every: Period, step: i64) -> i64 {
    if until < from {
        return 0;
    }
    let from = from.saturating_add(ZONE_S);
    let (first, last) = (from.div_euclid(DAY_S), until.saturating_add(ZONE_S));
    // A day counts if its time of day has come.
    let last = last.saturating_sub(from.rem_euclid(DAY_S)).div_euclid(DAY_S);
    let periods = match every {
        Period::Day => last - first,
        Period::Week => (last - first) / 7,
        Period::Month => months(first, last),
        Period::WorkingDay => return working_days(last) - working_days(first - 1),
    };
    periods / step.max(1) + 1
}

/// Working days from the first day of 1970, a Thursday, up to this day.
const fn working_days(day: i64) -> i64 {
    // Counted from the Monday of that week.
    let days = day + 4;
    let rest = days.rem_euclid(7);
    days.div_euclid(7) * 5 + if rest < 5 { rest } else { 5 }
}

/// Whole months between two days.
fn months(first: i64, last: i64) -> i64 {
    let ((year, month, day), (last_year, last_month, last_day)) = (date(first), date(last));
    let months = (last_year - year) * 12 + last_month - month;
    months - i64::from(last_day < day)
}

/// Year, month and day of a day since 1970; days after the calendar's end are its last.
fn date(day: i64) -> (i64, i64, i64) {
    let at = jiff::Timestamp::from_second(day.saturating_mul(DAY_S)).unwrap_or(jiff::Timestamp::MAX);
    let date = at.to_zoned(jiff::tz::TimeZone::UTC).date();
    (i64::from(date.year()), i64::from(date.month()), i64::from(date.day()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-30 09:00 in UTC+8, a Monday.
    const START: i64 = 1_796_000_400;

    #[test]
    fn occurrences_are_counted_by_the_calendar() {
        let count = |every, step, days: i64| occurrences(START, START + days * DAY_S, every, step);
        assert_eq!([0, 1, 199, 200].map(|days| count(Period::Day, 1, days)), [1, 2, 200, 201]);
        assert_eq!([6, 7, 1_393, 1_400].map(|days| count(Period::Week, 1, days)), [1, 2, 200, 201]);
        assert_eq!([13, 14, 686, 700].map(|days| count(Period::Week, 2, days)), [1, 2, 50, 51]);
        assert_eq!([4, 5, 6, 7].map(|days| count(Period::WorkingDay, 1, days)), [5, 5, 5, 6]);
        assert_eq!([29, 30, 61, 365].map(|days| count(Period::Month, 1, days)), [1, 2, 3, 13]);
        assert_eq!(occurrences(START, START + DAY_S - 1, Period::Day, 1), 1, "the second day has not come that far");
        assert_eq!(occurrences(START, START - 1, Period::Day, 1), 0);
        assert!(occurrences(START, i64::MAX, Period::Month, 1) > 50, "no calendar goes that far");
    }
}
