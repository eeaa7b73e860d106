//! What goes wrong with requests, how often and when.

use serde::Deserialize;

use super::fits;

/// Something that goes wrong. Without `chance`, `every` or `first` it strikes every request that fits.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Methods that it strikes, by name or pattern.
    #[serde(default = "all")]
    pub method: String,
    /// What happens.
    pub kind: FaultKind,
    /// With this probability, 0 to 1.
    pub chance: Option<f64>,
    /// Every n-th request that fits.
    pub every: Option<u64>,
    /// The first n requests that fit.
    pub first: Option<u64>,
    /// From when, in seconds since the scenario began.
    #[serde(default)]
    pub from_s: f64,
    /// Until when; left out: for ever.
    pub until_s: Option<f64>,
    /// `code`: the platform's code.
    pub code: Option<i64>,
    /// `code`: its HTTP status, in place of the documented one. `status`: the status.
    pub status: Option<u16>,
    /// Whether the request is carried out all the same; by default only for `late`, `cut-after`, `partial` and `huge`.
    pub applied: Option<bool>,
    /// `late`: how much later the reply comes, in milliseconds.
    pub late_ms: Option<u64>,
    /// `huge`: the size of the reply's body.
    pub body_bytes: Option<usize>,
    /// `throttle`: whether Feishu's headers are there; by default as in `[counting]`.
    pub header: Option<bool>,
}

/// What happens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultKind {
    /// Refused as if the quota were used up.
    Throttle,
    /// Answered with a code of the platform's.
    Code,
    /// Answered with an HTTP status and no code, as gateways do.
    #[default]
    Status,
    /// The connection is cut, nothing was done.
    CutBefore,
    /// The connection is cut, it was done.
    CutAfter,
    /// Done, but the reply comes later.
    Late,
    /// Status 200 with a page of HTML, as captive proxies do.
    Html,
    /// A body larger than any client should read.
    Huge,
    /// Half a reply, then the connection is cut.
    Partial,
    /// Status 503 before anything was looked at.
    Refuse,
    /// No connection: in process the request never leaves; over HTTP the connection is closed, nothing is counted.
    Unreachable,
}

impl FaultKind {
    /// The word used in scenarios and books.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Throttle => "throttle",
            Self::Code => "code",
            Self::Status => "status",
            Self::CutBefore => "cut-before",
            Self::CutAfter => "cut-after",
            Self::Late => "late",
            Self::Html => "html",
            Self::Huge => "huge",
            Self::Partial => "partial",
            Self::Refuse => "refuse",
            Self::Unreachable => "unreachable",
        }
    }

    /// Whether the request is carried out unless the scenario says otherwise.
    const fn applies(self) -> bool {
        match self {
            Self::Late | Self::CutAfter | Self::Partial | Self::Huge => true,
            Self::Throttle
            | Self::Code
            | Self::Status
            | Self::CutBefore
            | Self::Html
            | Self::Refuse
            | Self::Unreachable => false,
        }
    }
}

fn all() -> String {
    "*".to_owned()
}

impl Fault {
    /// Whether the request is carried out all the same.
    pub fn is_applied(&self) -> bool {
        self.applied.unwrap_or(self.kind.applies())
    }

    /// What is wrong with it, if anything is.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut need = |kinds: &[FaultKind], field: &str, given: bool, required: bool| {
            let wanted = kinds.contains(&self.kind);
            if wanted && required && !given {
                faults.push(format!("kind \"{}\" needs `{field}`", self.kind.as_str()));
            } else if given && !wanted {
                faults.push(format!("`{field}` means nothing for kind \"{}\"", self.kind.as_str()));
            }
        };
        let free = [FaultKind::Code, FaultKind::Status, FaultKind::Html, FaultKind::Huge, FaultKind::Partial];
        need(&[FaultKind::Code], "code", self.code.is_some(), true);
        need(&[FaultKind::Status], "status", self.status.is_some() && self.kind != FaultKind::Code, true);
        need(&[FaultKind::Late], "late_ms", self.late_ms.is_some(), true);
        need(&[FaultKind::Huge], "body_bytes", self.body_bytes.is_some(), false);
        need(&[FaultKind::Throttle], "header", self.header.is_some(), false);
        need(&free, "applied", self.applied.is_some(), false);
        if self.chance.is_some_and(|chance| !(0.0..=1.0).contains(&chance)) {
            faults.push("`chance` is a number from 0 to 1".to_owned());
        }
        if self.every == Some(0) {
            faults.push("`every` is at least 1".to_owned());
        }
        if self.code == Some(0) {
            faults.push("`code` 0 is success".to_owned());
        }
        if self.status.is_some_and(|status| !(200..=599).contains(&status)) {
            faults.push("`status` is an HTTP status from 200 to 599".to_owned());
        }
        if [self.chance.is_some(), self.every.is_some(), self.first.is_some()].iter().filter(|it| **it).count() > 1 {
            faults.push("only one of `chance`, `every` and `first` can be given".to_owned());
        }
        faults
    }
}

/// A fault with its counter.
#[derive(Clone, Debug)]
pub(crate) struct FaultTrigger {
    fault: Fault,
    /// Requests seen that fit.
    seen: u64,
}

impl FaultTrigger {
    pub(crate) fn new(fault: Fault) -> Self {
        Self { fault, seen: 0 }
    }

    pub(crate) const fn kind(&self) -> FaultKind {
        self.fault.kind
    }

    /// Looks at a request that comes `at_s` seconds after the scenario began.
    pub(crate) fn fires(&mut self, method: &str, at_s: f64, random: &mut fastrand::Rng) -> Option<&Fault> {
        let fault = &self.fault;
        if at_s < fault.from_s || fault.until_s.is_some_and(|until| at_s >= until) || !fits(&fault.method, method) {
            return None;
        }
        self.seen += 1;
        let fires = match (fault.chance, fault.every, fault.first) {
            (Some(chance), ..) => random.f64() < chance,
            (None, Some(every), _) => self.seen.is_multiple_of(every),
            (None, None, Some(first)) => self.seen <= first,
            (None, None, None) => true,
        };
        fires.then_some(fault)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trigger(text: &str) -> FaultTrigger {
        FaultTrigger::new(toml::from_str(text).unwrap())
    }

    fn fired(trigger: &mut FaultTrigger, count: usize) -> Vec<usize> {
        let mut random = fastrand::Rng::with_seed(1);
        (1..=count).filter(|_| trigger.fires("feishu.a", 0.0, &mut random).is_some()).collect()
    }

    #[test]
    fn frequency_is_counted_over_fitting_requests() {
        let mut every = trigger("kind = \"cut-before\"\nevery = 3\nmethod = \"feishu.*\"");
        let mut random = fastrand::Rng::with_seed(1);
        assert!(every.fires("wecom.a", 0.0, &mut random).is_none());
        assert_eq!(
            (1..=7).map(|_| every.fires("feishu.a", 0.0, &mut random).is_some()).collect::<Vec<_>>(),
            [false, false, true, false, false, true, false]
        );
        assert_eq!(fired(&mut trigger("kind = \"refuse\"\nfirst = 2"), 5).len(), 2);
        assert_eq!(fired(&mut trigger("kind = \"refuse\""), 5).len(), 5);
        let share = fired(&mut trigger("kind = \"refuse\"\nchance = 0.25"), 4_000).len();
        assert!((900..1_100).contains(&share), "{share}");
    }

    #[test]
    fn a_fault_has_its_time() {
        let mut fault = trigger("kind = \"refuse\"\nfrom_s = 1\nuntil_s = 2");
        let mut random = fastrand::Rng::with_seed(1);
        let mut at = |at_s| fault.fires("a", at_s, &mut random).is_some();
        assert_eq!([at(0.999), at(1.0), at(1.999), at(2.0)], [false, true, true, false]);
    }

    #[test]
    fn what_a_kind_needs_and_what_means_nothing_is_named() {
        let faults = |text: &str| toml::from_str::<Fault>(text).unwrap().faults();
        assert_eq!(faults("kind = \"code\""), ["kind \"code\" needs `code`"]);
        assert_eq!(faults("kind = \"status\""), ["kind \"status\" needs `status`"]);
        assert_eq!(faults("kind = \"late\""), ["kind \"late\" needs `late_ms`"]);
        assert_eq!(faults("kind = \"cut-after\"\napplied = false").len(), 1);
        assert_eq!(faults("kind = \"refuse\"\nchance = 2\nevery = 0\ncode = 0").len(), 5);
        assert!(faults("kind = \"code\"\ncode = 190010\nstatus = 400\napplied = true").is_empty());
    }
}
