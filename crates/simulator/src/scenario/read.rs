//! From text to a scenario, with every fault of the text named at once.

use super::Scenario;
use super::check::Place;

/// The scenarios that are compiled in.
const BUILT_IN: &[(&str, &str)] = &[
    ("calm", include_str!("../../../../config/scenarios/calm.toml")),
    ("heavy-tail", include_str!("../../../../config/scenarios/heavy-tail.toml")),
    ("revoked-token", include_str!("../../../../config/scenarios/revoked-token.toml")),
    ("rooms", include_str!("../../../../config/scenarios/rooms.toml")),
    ("shared-app", include_str!("../../../../config/scenarios/shared-app.toml")),
    ("storm", include_str!("../../../../config/scenarios/storm.toml")),
    ("strict", include_str!("../../../../config/scenarios/strict.toml")),
    ("warnings", include_str!("../../../../config/scenarios/warnings.toml")),
    ("wrong-secret", include_str!("../../../../config/scenarios/wrong-secret.toml")),
    ("zero", include_str!("../../../../config/scenarios/zero.toml")),
];

/// The most faults that are named.
const FAULTS_MAX: usize = 20;

/// Everything that is wrong with a scenario, one fault a line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct ScenarioError(pub Vec<String>);

/// The names of the scenarios that are compiled in.
pub fn built_in_names() -> impl Iterator<Item = &'static str> {
    BUILT_IN.iter().map(|(name, _)| *name)
}

impl Scenario {
    /// The scenario that is compiled in under this name.
    pub fn built_in(name: &str) -> Option<Result<Self, ScenarioError>> {
        let (name, text) = BUILT_IN.iter().find(|(known, _)| *known == name)?;
        Some(Self::parse(text, name))
    }

    /// Reads a scenario by name, or from the file of that path.
    ///
    /// # Errors
    /// Every fault with file and line, or what is known by name when there is no such file.
    pub fn load(name_or_path: &str) -> Result<Self, ScenarioError> {
        if let Some(scenario) = Self::built_in(name_or_path) {
            return scenario;
        }
        let text = std::fs::read_to_string(name_or_path).map_err(|error| {
            let names = built_in_names().collect::<Vec<_>>().join(", ");
            ScenarioError(vec![format!("{name_or_path}: no such scenario ({error}); known by name: {names}")])
        })?;
        Self::parse(&text, name_or_path)
    }

    /// Reads TOML; `name` stands in front of every fault.
    ///
    /// # Errors
    /// Every fault with its line, at most 20.
    pub fn parse(text: &str, name: &str) -> Result<Self, ScenarioError> {
        let mut faults: Vec<(usize, String)> = Vec::new();
        let mut lines: Vec<&str> = text.lines().collect();
        // The reader stops at the first fault, so the faulty line is blanked and the rest is read again.
        let scenario = loop {
            let text = lines.join("\n");
            let error = match toml::from_str::<Self>(&text) {
                Ok(scenario) => break Some(scenario),
                Err(error) => error,
            };
            let start = error.span().map_or(0, |span| span.start);
            let line = text.get(..start).unwrap_or_default().matches('\n').count();
            faults.push((line + 1, error.message().trim().to_owned()));
            if faults.len() >= FAULTS_MAX || !blank(&mut lines, line) {
                break None;
            }
        };
        let unseen = scenario.iter().flat_map(Self::check);
        faults.extend(unseen.map(|fault| match fault.place {
            Place::Section(section) => (0, format!("{section}: {}", fault.message)),
            Place::Entry(list, position) => {
                (line_of(&lines, list, position), format!("{list}[{position}]: {}", fault.message))
            }
        }));
        match scenario {
            Some(scenario) if faults.is_empty() => Ok(scenario),
            _ => {
                faults.sort();
                let text = |(line, fault)| match line {
                    0 => format!("{name}: {fault}"),
                    line => format!("{name}:{line}: {fault}"),
                };
                Err(ScenarioError(faults.into_iter().map(text).collect()))
            }
        }
    }
}

/// The line of an entry's header, 0 if the list is not written with headers.
fn line_of(lines: &[&str], list: &str, position: usize) -> usize {
    let header = format!("[[{list}]]");
    let mut headers = lines.iter().enumerate().filter(|(_, line)| line.trim_start().starts_with(&header));
    headers.nth(position).map_or(0, |(line, _)| line + 1)
}

/// Takes a faulty line out; a faulty header goes with its whole section. False if nothing is left to take out.
fn blank(lines: &mut [&str], line: usize) -> bool {
    let Some(faulty) = lines.get_mut(line) else { return false };
    let is_header = |line: &str| line.trim_start().starts_with('[');
    let was_header = is_header(faulty);
    let was_blank = std::mem::take(faulty).trim().is_empty();
    if was_header {
        lines.iter_mut().skip(line + 1).take_while(|line| !is_header(line)).for_each(|line| *line = "");
    }
    !was_blank
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shipped_scenario_loads_and_says_what_it_is_for() {
        for name in built_in_names() {
            let scenario = Scenario::load(name).unwrap_or_else(|error| panic!("{error}"));
            assert!(!scenario.title.is_empty(), "{name}");
        }
    }

    #[test]
    fn the_reference_in_the_calm_scenario_is_true() {
        let (_, calm) = BUILT_IN.iter().find(|(name, _)| *name == "calm").unwrap();
        let marked = calm.lines().filter_map(|line| line.strip_prefix("#:"));
        let reference =
            Scenario::parse(&marked.collect::<Vec<_>>().join("\n"), "calm").unwrap_or_else(|error| panic!("{error}"));
        let defaults = Scenario::default();
        let shown = |scenario: &Scenario| {
            let Scenario { counting, tokens, listing, decisions, checks, .. } = scenario;
            format!("{counting:?} {tokens:?} {listing:?} {decisions:?} {checks:?}")
        };
        assert_eq!(shown(&reference), shown(&defaults), "it shows the defaults");
        assert!(!format!("{reference:?}").contains("made-up"), "secrets are not shown");
        for kind in ["throttle", "cut-before", "cut-after", "html", "huge", "partial", "refuse", "unreachable"] {
            assert!(
                calm.contains(kind) && Scenario::parse(&format!("[[faults]]\nkind = \"{kind}\""), "x").is_ok(),
                "{kind}"
            );
        }
    }

    #[test]
    fn shipped_scenarios_and_their_folder_agree() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../config/scenarios");
        let mut names: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
            .collect();
        names.sort();
        assert_eq!(names, built_in_names().collect::<Vec<_>>());
    }

    #[test]
    fn all_faults_are_named_with_their_lines() {
        let text = "sead = 1\n[latency]\nbefore = { kind = \"slow\" }\n[[faults]]\nchance = 1\n[[faults]]\nkind = \"code\"\n\
                    [quotas]\n\"*\" = \"20 per minute\"\n";
        let ScenarioError(faults) = Scenario::parse(text, "x.toml").unwrap_err();
        assert_eq!(faults.len(), 5, "{faults:#?}");
        for (fault, start) in faults.iter().zip(["x.toml:1:", "x.toml:3:", "x.toml:4:", "x.toml:6:", "x.toml:9:"]) {
            assert!(fault.starts_with(start), "{start} {faults:#?}");
        }
        let twice = "[counting]\nfeishu_status = 200\n[latency]\nafter = { ms = -1 }";
        let ScenarioError(faults) = Scenario::parse(twice, "x").unwrap_err();
        assert!(faults[0].contains("counting.feishu_status") && faults[1].contains("latency.after"), "{faults:#?}");
    }

    #[test]
    fn broken_toml_is_one_fault_not_a_flood() {
        let ScenarioError(faults) = Scenario::parse("[latency\nbefore = 1", "x").unwrap_err();
        assert!(faults.len() <= 3, "{faults:?}");
        let error = Scenario::load("no/such/file.toml").unwrap_err().to_string();
        assert!(error.contains("no/such/file.toml") && error.contains("calm"), "{error}");
    }
}
