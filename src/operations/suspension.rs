//! Apps and lanes that a person suspends and resumes.

use serde::Serialize;

use super::refused::Refused;
use crate::domain::catalog::{Catalog, Method, nearest};
use crate::domain::cure;
use crate::domain::time::Timestamp;
use crate::engine::ports::{LedgerError, SuspendedBy, Suspension};
use crate::store::operator::Operator;

/// Why something is suspended, where nobody says.
pub const REASON_DEFAULT: &str = "suspended by a person";

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
    pub fn suspend(self, ledger: &mut Operator, reason: String, now: Timestamp) -> Result<Suspension, LedgerError> {
        let suspension = Suspension {
            app: self.app,
            tenant: self.tenant,
            method: self.method,
            by: SuspendedBy::Person,
            since: now,
            until: None,
            code: None,
            detail: reason,
            cure: cure::BY_HAND.to_owned(),
            log_id: None,
        };
        ledger.suspend(&suspension)?;
        Ok(suspension)
    }

    /// Resumes it. For a whole app, what holds it back beyond its quotas ends, too.
    pub fn resume(&self, ledger: &mut Operator) -> Result<Resumed, LedgerError> {
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
        let option = |name: &str, value: &str| {
            if value.is_empty() { String::new() } else { format!(" --{name} {}", as_argument(value)) }
        };
        let (tenant, method) = (option("tenant", &self.tenant), option("method", &self.method));
        format!("paceline resume {}{tenant}{method}", as_argument(&self.app))
    }

    /// `acme/feishu.vc.room.create`.
    pub fn name(&self) -> String {
        let parts = [&self.app, &self.tenant, &self.method];
        parts.into_iter().filter(|part| !part.is_empty()).map(String::as_str).collect::<Vec<_>>().join("/")
    }
}

/// As a shell takes it for one argument.
fn as_argument(text: &str) -> String {
    let is_bare = |char: char| char.is_alphanumeric() || "-_./:@".contains(char);
    if !text.is_empty() && text.chars().all(is_bare) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

/// How advice names the command that resumes what is suspended; here it is given its arguments.
const RESUME: &str = "`paceline resume`";

/// What a person does about a suspension, with the command as it is typed.
pub fn what_to_do(suspension: &Suspension) -> String {
    let command = format!("`{}`", Scope::of(suspension).resume_command());
    if suspension.cure.contains(RESUME) || suspension.until.is_some() {
        return suspension.cure.replace(RESUME, &command);
    }
    format!("{}; then {command}", suspension.cure)
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
        "the settings have no [apps]".to_owned()
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

    fn suspension(method: &str, cure: &str, until: Option<Timestamp>) -> Suspension {
        Suspension {
            app: "acme".to_owned(),
            tenant: String::new(),
            method: method.to_owned(),
            by: SuspendedBy::Person,
            since: Timestamp(0),
            until,
            code: None,
            detail: String::new(),
            cure: cure.to_owned(),
            log_id: None,
        }
    }

    #[test]
    fn advice_has_the_command_as_it_is_typed() {
        let lane = suspension("feishu.vc.room.create", cure::MEND, None);
        assert_eq!(
            what_to_do(&lane),
            cure::MEND.replace("`paceline resume`", "`paceline resume acme --method feishu.vc.room.create`")
        );
        assert_eq!(what_to_do(&suspension("", "grant it", None)), "grant it; then `paceline resume acme`");
        assert_eq!(what_to_do(&suspension("", "wait", Some(Timestamp(9)))), "wait");
    }

    #[test]
    fn commands_are_safe_to_paste() {
        let scope = Scope { app: "acme".to_owned(), tenant: "a b'c".to_owned(), method: String::new() };
        assert_eq!(scope.resume_command(), r"paceline resume acme --tenant 'a b'\''c'");
    }
}
