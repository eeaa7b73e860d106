//! What a calibration would do: which objects are made, what is asked about them, and what cannot be tried.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::sync::Arc;

use serde_json::{Value, json};

use crate::cli::table::{Align, Table, plain};
use crate::domain::catalog::{Catalog, Creation, Method};
use crate::domain::probe::{self, Probe};
use crate::operations::refused::Refused;
use crate::operations::suspension::known_method;
use crate::settings;

/// Readings of a listing are so many at most, however long it may take: they wait longer each time.
pub(super) const READINGS_MAX: u32 = 120;

/// What a person chose.
pub(super) struct Chosen {
    pub app: String,
    pub tenant: Option<String>,
    /// These methods; all if none.
    pub methods: Vec<String>,
    pub given: BTreeMap<String, String>,
}

/// One create that is tried.
#[derive(Clone, Copy)]
pub(super) struct Step<'c> {
    pub method: &'c Method,
    pub probe: &'c Probe,
}

/// Why a method is not tried.
enum Skipped {
    /// A person has to name this: word, and what it is.
    Wants(Vec<(String, String)>),
    /// It needs the object of a method that is not tried.
    Needs(String),
}

/// The plan.
pub(super) struct Plan<'c> {
    pub chosen: Chosen,
    /// In order; objects are deleted from the last to the first.
    pub steps: Vec<Step<'c>>,
    skipped: Vec<(&'c Method, Skipped)>,
}

impl Step<'_> {
    /// The method that deletes the object.
    pub(super) fn deleted_by(&self) -> Option<&str> {
        let undo = self.method.undo.as_ref().map(|undo| undo.method.as_str());
        undo.or_else(|| self.probe.delete.as_ref().map(|delete| delete.method.as_str()))
    }

    /// The listing that its look-up reads.
    pub(super) fn listing(&self) -> Option<&str> {
        self.method.creation.look_up().map(|look_up| look_up.method.as_str())
    }

    /// What is asked, a word each.
    fn asks(&self) -> String {
        let mut asks = Vec::new();
        if let Some(listing) = self.listing() {
            asks.push(format!("when {listing} shows it"));
        }
        asks.push(match self.method.creation {
            Creation::IdempotencyKey(_) => "the same key again".to_owned(),
            Creation::LookUp(_) | Creation::None | Creation::Natural => "the same again".to_owned(),
        });
        if let Some(deletes) = self.deleted_by() {
            asks.push(format!("{deletes} twice"));
        }
        if let Some(get) = &self.probe.get {
            asks.push(format!("{} after that", get.method));
        }
        asks.join(", ")
    }
}

impl<'c> Plan<'c> {
    /// The plan for an app.
    ///
    /// # Errors
    /// A method that has no probe.
    pub(super) fn of(app: &settings::App, catalog: &'c Arc<Catalog>, chosen: Chosen) -> Result<Self, Refused> {
        let family = catalog.platforms.get(&app.platform).map(|platform| platform.family.as_str()).unwrap_or_default();
        for name in &chosen.methods {
            let method = known_method(catalog, name)?;
            if method.probe.is_none() || method.family != family {
                let error = format!("{name} cannot be calibrated with {}", chosen.app);
                return Err(Refused::new(error, "a [probe] in its file says how: config/methods/README.md"));
            }
        }
        let is_of_app = |method: &Method| {
            let is_chosen = chosen.methods.is_empty() || chosen.methods.contains(&method.name);
            let edition = method.edition.as_ref();
            let fits = edition.is_none_or(|edition| app.editions.get(&edition.setting) == Some(&edition.is));
            method.family == family && is_chosen && fits
        };
        let (mut steps, mut skipped, mut missing) = (Vec::new(), Vec::new(), BTreeSet::new());
        for (method, probe) in probe::in_order(catalog, is_of_app) {
            let lacks = probe.wants().into_iter().filter(|word| !chosen.given.contains_key(*word));
            let lacks: Vec<_> =
                lacks.map(|word| (word.to_owned(), probe.given.get(word).cloned().unwrap_or_default())).collect();
            let needs = probe.needs().into_iter().find(|need| missing.contains(*need)).map(str::to_owned);
            let why = match (lacks.is_empty(), needs) {
                (true, None) => {
                    steps.push(Step { method, probe });
                    continue;
                }
                (false, _) => Skipped::Wants(lacks),
                (true, Some(need)) => Skipped::Needs(need),
            };
            missing.insert(method.name.clone());
            skipped.push((method, why));
        }
        Ok(Self { chosen, steps, skipped })
    }

    /// For people.
    pub(super) fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        if !self.steps.is_empty() {
            let tenant = self.chosen.tenant.as_ref().map(|tenant| format!("/{tenant}")).unwrap_or_default();
            let mut table = Table::new([
                ("MAKES AN OBJECT", Align::Left),
                ("ASKS", Align::Left),
                ("DELETED BY", Align::Left),
                ("QUOTA", Align::Left),
            ]);
            for step in &self.steps {
                let quota = step.method.quotas.first().map(|quota| quota.quota.to_string()).unwrap_or_default();
                let deleted = step.deleted_by().unwrap_or("what it belongs to").to_owned();
                table.row([step.method.name.clone(), step.asks(), deleted, quota]);
            }
            let methods = if self.steps.len() == 1 { "1 method" } else { &format!("{} methods", self.steps.len()) };
            writeln!(out, "in the tenant of {}{}, {methods}:", plain(&self.chosen.app), plain(&tenant))?;
            table.write(out)?;
            writeln!(out, "at most {READINGS_MAX} readings of each listing; everything made is deleted again")?;
        }
        self.write_skipped(out)
    }

    /// What is not tried, for people.
    pub(super) fn write_skipped(&self, out: &mut dyn Write) -> io::Result<()> {
        for (method, why) in &self.skipped {
            match why {
                Skipped::Wants(lacks) => {
                    let lacks = lacks.iter().map(|(word, what)| format!("--given {word}=… ({})", plain(what)));
                    writeln!(out, "not tried: {} needs {}", method.name, lacks.collect::<Vec<_>>().join(" and "))?;
                }
                Skipped::Needs(need) => writeln!(out, "not tried: {} needs an object of {need}", method.name)?,
            }
        }
        Ok(())
    }

    /// For programs.
    pub(super) fn document(&self) -> Value {
        let step = |step: &Step<'_>| {
            json!({"method": step.method.name, "listing": step.listing(), "deleted_by": step.deleted_by(),
                "get": step.probe.get.as_ref().map(|get| &get.method)})
        };
        json!({
            "app": self.chosen.app,
            "tenant": self.chosen.tenant,
            "steps": self.steps.iter().map(step).collect::<Vec<_>>(),
            "not_tried": self.not_tried(),
        })
    }

    /// What is not tried, for programs.
    pub(super) fn not_tried(&self) -> Value {
        let skipped = self.skipped.iter().map(|(method, why)| match why {
            Skipped::Wants(lacks) => {
                let words: Vec<_> = lacks.iter().map(|(word, _)| word).collect();
                json!({"method": method.name, "given": words})
            }
            Skipped::Needs(need) => json!({"method": method.name, "needs": need}),
        });
        skipped.collect()
    }
}
