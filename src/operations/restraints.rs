//! What holds calls back beyond the quotas, with what the catalog says of its cause.

use serde_json::{Value, json};

use crate::domain::catalog::{Catalog, ErrorRule, Platform};
use crate::domain::messages::{Bilingual, Cure};
use crate::engine::ports::{Restrained, Restraint, RestraintKind};

/// A restraint with what the catalog says of its code.
pub struct ExplainedRestraint {
    /// The restraint.
    pub restraint: Restraint,
    /// What the code means.
    pub meaning: Option<Bilingual>,
}

/// Looks the codes up; `platform_of` knows each app's platform.
pub fn explain<'c>(
    restraints: Vec<Restraint>,
    catalog: &'c Catalog,
    platform_of: impl Fn(&str) -> Option<&'c Platform>,
) -> Vec<ExplainedRestraint> {
    let explained = restraints.into_iter().map(|restraint| {
        let platform = platform_of(&restraint.app);
        let method = catalog.method(method_of(&restraint));
        let rule = restraint.cause.code.and_then(|code| {
            let own = method.and_then(|method| method.errors.get(&code));
            own.or_else(|| platform.and_then(|platform| platform.errors.get(&code)))
        });
        let meaning = rule.map(ErrorRule::meaning);
        ExplainedRestraint { restraint, meaning }
    });
    explained.collect()
}

fn method_of(restraint: &Restraint) -> &str {
    match &restraint.target {
        Restrained::Key(key) => &key.method,
        Restrained::Lane(lane) => &lane.method,
        Restrained::App => "",
    }
}

impl ExplainedRestraint {
    /// What to do about it.
    pub fn cure(&self) -> Cure {
        if let RestraintKind::Limit { .. } = self.restraint.kind {
            return Cure::Share { app: self.restraint.app.clone() };
        }
        self.restraint.cause.cure.clone().unwrap_or(Cure::TriedAgain)
    }

    /// For programs.
    pub fn document(&self) -> Value {
        let Restraint { target, app, kind, since, until, cause } = &self.restraint;
        let (meaning, cure) = (self.meaning.as_ref(), self.cure());
        let mut document = json!({
            "app": app, "since": since, "until": until, "code": cause.code, "meaning": meaning.map(|it| &it.en),
            "meaning_zh": meaning.map(|it| &it.zh), "detail": cause.detail.to_string(), "detail_fact": cause.detail,
            "log_id": cause.log_id, "cure": cure.to_string(), "cure_fact": cure,
        });
        let target = match target {
            Restrained::App => json!({}),
            Restrained::Key(key) => json!({"method": key.method, "scope": key.scope, "owner": key.owner}),
            Restrained::Lane(lane) => json!({"method": lane.method, "tenant": lane.tenant}),
        };
        let kind = match kind {
            RestraintKind::Pause { refusals } => json!({"kind": "pause", "refusals": refusals}),
            RestraintKind::Rate { per_s, refused_at } => {
                json!({"kind": "rate", "per_s": per_s, "refused_at_per_s": refused_at})
            }
            RestraintKind::Concurrency { limit, max } => json!({"kind": "concurrency", "limit": limit, "max": max}),
            RestraintKind::Limit { window, limit, .. } => {
                json!({"kind": "limit", "window": window.to_string(), "limit": limit, "max": window.limit})
            }
        };
        for part in [target, kind] {
            if let (Some(document), Value::Object(part)) = (document.as_object_mut(), part) {
                document.extend(part);
            }
        }
        document
    }
}
