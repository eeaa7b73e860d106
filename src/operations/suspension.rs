//! Apps and lanes that a person suspends and resumes.

use serde::Serialize;
use serde_json::{Value, json};

use super::refused::Refused;
use crate::domain::catalog::{Catalog, Method, nearest};
use crate::domain::messages::{Cause, Cure, command};
use crate::domain::time::Timestamp;
use crate::engine::ports::{LedgerError, SuspendedBy, Suspension};
use paceline_ports::operator::Commands;

/// What is suspended or resumed: an app, or of it one tenant or one method alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// The app, as the settings name it.
    pub app: String,
    /// Empty for all.
    pub tenant: String,
    /// Empty for all.
    pub method: String,
}

/// What goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Resumed {
    /// Suspensions ended.
    pub resumed: usize,
    /// Pauses and lowered limits ended.
    pub lifted: usize,
}

impl Scope {
    /// Suspends it; its jobs wait.
    pub fn suspend(
        self,
        ledger: &mut dyn Commands,
        reason: Option<String>,
        now: Timestamp,
    ) -> Result<Suspension, LedgerError> {
        let suspension = Suspension {
            app: self.app,
            tenant: self.tenant,
            method: self.method,
            by: SuspendedBy::Person,
            since: now,
            until: None,
            code: None,
            detail: reason.map_or(Cause::SuspendedByPerson, Cause::from),
            cure: Cure::ReasonGone,
            log_id: None,
        };
        ledger.suspend(&suspension)?;
        Ok(suspension)
    }

    /// Resumes it. For a whole app, what holds it back beyond its quotas ends, too.
    pub fn resume(&self, ledger: &mut dyn Commands) -> Result<Resumed, LedgerError> {
        let resumed = ledger.resume(&self.app, &self.tenant, &self.method)?;
        let is_whole = self.tenant.is_empty() && self.method.is_empty();
        let lifted = if is_whole { ledger.lift(&self.app)? } else { 0 };
        Ok(Resumed { resumed, lifted })
    }

    /// What a suspension suspends.
    pub fn of(suspension: &Suspension) -> Self {
        let Suspension { app, tenant, method, .. } = suspension;
        Self { app: app.clone(), tenant: tenant.clone(), method: method.clone() }
    }

    /// The command that resumes exactly this.
    pub fn resume_command(&self) -> String {
        command::resume(&self.app, &self.tenant, &self.method)
    }

    /// `acme/feishu.vc.room.create`.
    pub fn name(&self) -> String {
        let parts = [&self.app, &self.tenant, &self.method];
        parts.into_iter().filter(|part| !part.is_empty()).map(String::as_str).collect::<Vec<_>>().join("/")
    }
}

/// For programs, with what to do.
pub fn document(suspension: &Suspension) -> Value {
    let Suspension { app, tenant, method, by, since, until, code, detail, log_id, .. } = suspension;
    let cure = suspension.what_to_do();
    json!({
        "app": app, "tenant": tenant, "method": method, "by": by, "since": since, "until": until, "code": code,
        "detail": detail.to_string(), "detail_fact": detail, "cure": cure.to_string(), "cure_fact": cure,
        "log_id": log_id,
    })
}

/// Who suspended it, in words.
pub const fn who(by: SuspendedBy) -> &'static str {
    match by {
        SuspendedBy::Person => "suspended by a person",
        SuspendedBy::Platform => "suspended because of the platform's answer",
        SuspendedBy::Worker => "suspended by the worker because too many jobs in a row failed",
    }
}

/// Refuses an app that is not among those of the settings.
pub fn known_app<'a>(app: &str, mut apps: impl Iterator<Item = &'a str> + Clone) -> Result<(), Refused> {
    let known = apps.clone();
    if apps.any(|known| known == app) {
        return Ok(());
    }
    let names: Vec<_> = known.collect();
    let cure = if names.is_empty() {
        "no apps configured: add an [apps.NAME] section".to_owned()
    } else {
        format!("there are {}", names.join(", "))
    };
    Err(Refused::new(format!("the settings have no app {app:?}"), cure))
}

/// The method of that name, or a refusal that names the nearest one.
pub fn known_method<'c>(catalog: &'c Catalog, name: &str) -> Result<&'c Method, Refused> {
    if let Some(method) = catalog.method(name) {
        return Ok(method);
    }
    let cure = match nearest(name, catalog.methods.keys().map(String::as_str)) {
        Some(known) => format!("did you mean {known}?"),
        None => "`paceline methods list` shows them".to_owned(),
    };
    Err(Refused::new(format!("no such method {name:?}"), cure))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn suspension(method: &str, cure: Cure, until: Option<Timestamp>) -> Suspension {
        Suspension {
            app: "acme".to_owned(),
            tenant: String::new(),
            method: method.to_owned(),
            by: SuspendedBy::Person,
            since: Timestamp(0),
            until,
            code: Some(7),
            detail: Cause::default(),
            cure,
            log_id: None,
        }
    }

    #[test]
    fn advice_has_the_command_as_it_is_typed() {
        let advice = |method: &str, cure, until| suspension(method, cure, until).what_to_do().to_string();
        assert_eq!(
            advice("feishu.vc.room.create", Cure::FixCause, None),
            "fix the cause; then `paceline resume acme --method feishu.vc.room.create`"
        );
        assert_eq!(advice("", Cure::ReasonGone, None), "`paceline resume acme` when the reason is gone");
        assert_eq!(advice("", Cure::FixCause, Some(Timestamp(9))), "fix the cause");
        let fails = Cure::AlwaysFails { in_a_row: 20, fix: Box::new(Cure::FindCause) };
        assert_eq!(
            advice("a.b", fails, None),
            "20 jobs in a row are dead letters of this code: find and fix the cause; then `paceline resume acme \
             --method a.b`, and for those `paceline dead redrive --app acme --method a.b --code 7`"
        );
    }

    #[test]
    fn programs_get_the_sentences_and_what_they_are_made_of() {
        let shown = document(&suspension("", Cure::ReasonGone, None));
        assert_eq!(shown["cure"], "`paceline resume acme` when the reason is gone");
        assert_eq!(
            shown["cure_fact"],
            json!({"code": "resume-when-gone", "values": {"resume": "paceline resume acme"}})
        );
        assert_eq!((&shown["detail"], &shown["by"]), (&json!(""), &json!("person")));
    }
}
