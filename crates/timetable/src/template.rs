//! A parameter's text with names in braces, such as `{course} ({teacher})`.

use paceline_domain::messages::TimetableTrouble;

/// A text with the names of what a lesson has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Template(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Name(String),
}

impl Template {
    /// # Errors
    /// What was expected.
    pub(crate) fn read(text: &str) -> Result<Self, TimetableTrouble> {
        let form = || "{course}".to_owned();
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, behind)) = rest.split_once('{') {
            let closed = behind.split_once('}');
            let (name, behind) = closed.ok_or_else(|| TimetableTrouble::NameNotClosed { form: form() })?;
            if name.trim().is_empty() {
                return Err(TimetableTrouble::NameExpected { form: form() });
            }
            parts.extend((!before.is_empty()).then(|| Part::Text(before.to_owned())));
            parts.push(Part::Name(name.trim().to_owned()));
            rest = behind;
        }
        parts.extend((!rest.is_empty()).then(|| Part::Text(rest.to_owned())));
        Ok(Self(parts))
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|part| match part {
            Part::Name(name) => Some(name.as_str()),
            Part::Text(_) => None,
        })
    }

    /// The text, empty if nothing of what it names has a value.
    pub(crate) fn fill(&self, value: impl Fn(&str) -> String) -> String {
        let mut out = String::new();
        let mut is_empty = self.names().next().is_some();
        for part in &self.0 {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Name(name) => {
                    let value = value(name);
                    is_empty &= value.is_empty();
                    out.push_str(&value);
                }
            }
        }
        if is_empty { String::new() } else { out }
    }
}
