//! `[[checks]]`: rules across the fields of a job, or across the rows of a file, which schemas cannot say.
//!
//! How they are followed stands in `domain/checks`.

use crate::messages::Bilingual;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::Method;
use super::cross::param_schema;
use super::read::{File, Section};
use super::schema::{Format, Kind as SchemaKind, Schema};
use crate::checks::Severity;

/// One rule of a method.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// What must hold.
    pub kind: RuleKind,
    /// The parameters that it judges, dotted: `body.settings.hosts.userid`; empty for a rule about all of them.
    pub fields: Vec<String>,
    /// It holds only for jobs with these values, given or by default: dotted name → value.
    pub when: Vec<(String, Value)>,
    /// How grave it is to break it.
    pub severity: Severity,
    /// What is expected, in English.
    pub message: String,
    /// The same in Chinese.
    pub message_zh: String,
}

/// What a rule asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuleKind {
    /// Every value is among those of other parameters.
    Member {
        /// Their names.
        of: Vec<String>,
    },
    /// Every value is one of these.
    OneOf {
        /// They.
        values: Vec<Value>,
    },
    /// The time is no earlier than that of another parameter; 0 is no time.
    After {
        /// Its name.
        than: String,
    },
    /// The parameter is there, and not empty.
    Required,
    /// The parameter is absent, or has its default.
    Absent,
    /// A number, or how many items a list has.
    Range {
        /// The least.
        min: Option<i64>,
        /// The most.
        max: Option<i64>,
    },
    /// No item stands in the list a second time.
    Distinct,
    /// How often something repeated takes place until the time that the field says.
    Occurrences {
        /// The parameter with the first time.
        from: String,
        /// How far two times lie apart.
        every: Period,
        /// How many periods.
        step: i64,
        /// The most times.
        max: i64,
    },
    /// Across rows: from the time in the field on, nothing else takes place for as long as `length` says.
    Overlap {
        /// The parameter with the length in seconds.
        length: String,
        /// Whose time it is: parameters.
        by: Vec<String>,
    },
    /// Across rows: how many jobs an identity may have.
    Total {
        /// The most.
        max: u64,
    },
}

impl RuleKind {
    /// The word in catalog files.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Member { .. } => "member",
            Self::OneOf { .. } => "one-of",
            Self::After { .. } => "after",
            Self::Required => "required",
            Self::Absent => "absent",
            Self::Range { .. } => "range",
            Self::Distinct => "distinct",
            Self::Occurrences { .. } => "occurrences",
            Self::Overlap { .. } => "overlap",
            Self::Total { .. } => "total",
        }
    }

    /// Whether it needs several rows.
    pub const fn is_across_rows(&self) -> bool {
        matches!(self, Self::Overlap { .. } | Self::Total { .. })
    }

    /// Other parameters that it names.
    fn names(&self) -> Vec<&String> {
        match self {
            Self::Member { of } => of.iter().collect(),
            Self::After { than } => vec![than],
            Self::Occurrences { from, .. } => vec![from],
            Self::Overlap { length, by } => by.iter().chain([length]).collect(),
            Self::OneOf { .. }
            | Self::Required
            | Self::Absent
            | Self::Range { .. }
            | Self::Distinct
            | Self::Total { .. } => Vec::new(),
        }
    }
}

/// How far two times of something repeated lie apart, in the calendar of UTC+8.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Period {
    /// Every day.
    Day,
    /// Monday to Friday.
    WorkingDay,
    /// Every week.
    Week,
    /// Every month.
    Month,
}

/// Reads the rules of a method.
pub(super) fn rules<'i>(root: &mut Section<'i>, file: &mut File<'i>) -> Vec<Rule> {
    let sections = root.sections("checks", file);
    sections.into_iter().filter_map(|section| rule(section, file)).collect()
}

fn rule<'i>(mut section: Section<'i>, file: &mut File<'i>) -> Option<Rule> {
    let kind = kind(&mut section, file);
    let is_total = matches!(kind, Some(RuleKind::Total { .. }));
    let fields = if is_total { None } else { section.require::<Vec<String>>("fields", file) };
    let when = section.or_default::<Map<String, Value>>("when", file).into_iter().collect();
    let severity = section.require::<Severity>("severity", file);
    let message = section.require("message", file);
    let message_zh = section.require("message_zh", file);
    if fields.as_ref().is_some_and(Vec::is_empty) {
        file.fault(section.at(), &section.field("fields"), "needs at least one parameter");
    }
    section.finish(file);
    Some(Rule {
        kind: kind?,
        fields: fields.unwrap_or_default(),
        when,
        severity: severity?,
        message: message?,
        message_zh: message_zh?,
    })
}

fn kind<'i>(section: &mut Section<'i>, file: &mut File<'i>) -> Option<RuleKind> {
    let word: String = section.require("kind", file)?;
    Some(match word.as_str() {
        "member" => RuleKind::Member { of: section.require("of", file)? },
        "one-of" => RuleKind::OneOf { values: section.require("values", file)? },
        "after" => RuleKind::After { than: section.require("than", file)? },
        "required" => RuleKind::Required,
        "absent" => RuleKind::Absent,
        "range" => RuleKind::Range { min: section.take("min", file), max: section.take("max", file) },
        "distinct" => RuleKind::Distinct,
        "occurrences" => RuleKind::Occurrences {
            from: section.require("from", file)?,
            every: section.require("every", file)?,
            step: section.take("step", file).unwrap_or(1),
            max: section.require("max", file)?,
        },
        "overlap" => RuleKind::Overlap { length: section.require("length", file)?, by: section.require("by", file)? },
        "total" => RuleKind::Total { max: section.require("max", file)? },
        other => {
            let known = "member, one-of, after, required, absent, range, distinct, occurrences, overlap or total";
            file.fault(section.at(), &section.field("kind"), format!("expected {known}, got {other:?}"));
            return None;
        }
    })
}

/// What is wrong with the rules of a method: the field of its file, and why.
pub(super) fn faults(method: &Method) -> Vec<(String, String)> {
    let mut faults = Vec::new();
    for (index, rule) in method.checks.iter().enumerate() {
        let at = |key: &str| format!("checks[{index}].{key}");
        for name in rule.fields.iter().chain(rule.kind.names()).chain(rule.when.iter().map(|(name, _)| name)) {
            if param_schema(method, name).is_none() {
                faults.push((at("fields"), format!("the method has no parameter {name}")));
            }
        }
        for (name, value) in &rule.when {
            let mut wrong = Vec::new();
            if let Some(schema) = param_schema(method, name) {
                schema.check(name, value, &mut wrong);
            }
            faults.extend(wrong.iter().map(|fault| (at("when"), fault.to_string())));
        }
        let schemas = rule.fields.iter().filter_map(|name| param_schema(method, name));
        faults.extend(schemas.filter_map(|schema| misfit(&rule.kind, schema)).map(|why| (at("kind"), why.to_owned())));
        if let (RuleKind::Range { min: None, max: None }, _) = (&rule.kind, rule.severity) {
            faults.push((at("kind"), "needs min, max or both".to_owned()));
        }
        if rule.kind.is_across_rows() && rule.severity == Severity::Fault {
            faults.push((at("severity"), "what several rows show is a warning".to_owned()));
        }
    }
    faults
}

/// Why a rule cannot judge a parameter, if it cannot.
fn misfit(kind: &RuleKind, schema: &Schema) -> Option<&'static str> {
    let is_time = schema.format == Some(Format::UnixSeconds);
    match kind {
        RuleKind::After { .. } | RuleKind::Occurrences { .. } | RuleKind::Overlap { .. } => {
            (!is_time).then_some("judges times: x-format = \"unix-seconds\"")
        }
        RuleKind::Range { .. } => {
            (![SchemaKind::Integer, SchemaKind::Array].contains(&schema.kind)).then_some("judges integers and lists")
        }
        RuleKind::Distinct => (schema.kind != SchemaKind::Array).then_some("judges lists"),
        RuleKind::Member { .. }
        | RuleKind::OneOf { .. }
        | RuleKind::Required
        | RuleKind::Absent
        | RuleKind::Total { .. } => None,
    }
}

impl Rule {
    /// What is expected.
    pub fn words(&self) -> Bilingual {
        Bilingual { en: self.message.clone(), zh: self.message_zh.clone() }
    }

    /// The rule as data, with the keys of catalog files.
    pub fn to_json(&self) -> Value {
        let mut out = match &self.kind {
            RuleKind::Member { of } => json!({"of": of}),
            RuleKind::OneOf { values } => json!({"values": values}),
            RuleKind::After { than } => json!({"than": than}),
            RuleKind::Range { min, max } => json!({"min": min, "max": max}),
            RuleKind::Occurrences { from, every, step, max } => {
                json!({"from": from, "every": every, "step": step, "max": max})
            }
            RuleKind::Overlap { length, by } => json!({"length": length, "by": by}),
            RuleKind::Total { max } => json!({"max": max}),
            RuleKind::Required | RuleKind::Absent | RuleKind::Distinct => json!({}),
        };
        let when: Map<String, Value> = self.when.iter().cloned().collect();
        out["kind"] = json!(self.kind.as_str());
        out["fields"] = json!(self.fields);
        out["when"] = Value::Object(when);
        out["severity"] = json!(self.severity);
        out["message"] = json!(self.message);
        out["message_zh"] = json!(self.message_zh);
        out
    }
}

#[cfg(test)]
mod tests {
    use crate::catalog::{CatalogSource, built_in};

    const ROOM: &str = include_str!("../../../../config/methods/feishu.vc.room.create.toml");

    /// The faults of the room's file with its own rules replaced by one.
    fn faults(rule: &str) -> Vec<String> {
        let (before, rest) = ROOM.split_once("[[checks]]").unwrap();
        let after = &rest[rest.find("\n[undo]").unwrap()..];
        let words = "message = \"m\"\nmessage_zh = \"m\"\n";
        let text = format!("{before}[[checks]]\n{rule}\n{words}{after}");
        let source = CatalogSource { name: "own.toml".to_owned(), text };
        built_in().unwrap().extend(&[source]).err().map(|error| error.0).unwrap_or_default()
    }

    #[test]
    fn a_rule_is_checked_when_it_is_loaded() {
        let good = "severity = \"warning\"\nfields = [\"body.capacity\"]";
        assert_eq!(faults(&format!("kind = \"range\"\nmax = 5\n{good}")), [""; 0]);
        assert_eq!(faults("kind = \"total\"\nmax = 5\nseverity = \"warning\""), [""; 0]);
        for (rule, words) in [
            (format!("kind = \"ranges\"\n{good}"), "expected member, one-of, after, required"),
            (format!("kind = \"range\"\n{good}"), "needs min, max or both"),
            (format!("kind = \"range\"\nmax = 5\nmost = 5\n{good}"), "no such key"),
            (format!("kind = \"distinct\"\n{good}"), "judges lists"),
            (format!("kind = \"after\"\nthan = \"body.capacity\"\n{good}"), "judges times"),
            (format!("kind = \"member\"\nof = [\"body.nobody\"]\n{good}"), "the method has no parameter body.nobody"),
            (format!("kind = \"absent\"\nwhen = {{ \"body.capacity\" = \"ten\" }}\n{good}"), "expected an integer"),
            ("kind = \"absent\"\nseverity = \"warning\"\nfields = []".to_owned(), "needs at least one parameter"),
            ("kind = \"absent\"\nseverity = \"warning\"".to_owned(), "missing required field"),
            ("kind = \"total\"\nmax = 5\nseverity = \"fault\"".to_owned(), "what several rows show is a warning"),
            (format!("kind = \"absent\"\nseverity = \"error\"\n{}", &good[21..]), "unknown variant"),
        ] {
            let found = faults(&rule);
            assert!(
                found.len() == 1 && found[0].starts_with("own.toml:") && found[0].contains(words),
                "{rule}: {found:?}"
            );
        }
    }
}
