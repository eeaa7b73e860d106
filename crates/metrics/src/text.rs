//! Prometheus' text format, for what there is much of: at ten thousand samples, building the library's families would
//! cost more than everything else of a scrape.

use std::fmt::Write as _;

use prometheus::TextEncoder;
use prometheus::proto::MetricFamily;

use super::names::Described;

/// Below it every whole number is exact.
const WHOLE_MAX: f64 = 9e15;

/// The labels of a sample, as [`labels`] writes them, in parts: what many samples share is made once.
pub trait Labels {
    /// One after the other; without labels the first part is empty.
    fn parts(&self) -> [&str; 2];
}

impl<T: AsRef<str>> Labels for T {
    fn parts(&self) -> [&str; 2] {
        [self.as_ref(), ""]
    }
}

/// The labels of a lane or the like, and what tells this sample from its others.
#[derive(Clone, Copy, Debug)]
pub struct And<'a>(pub &'a str, pub &'a str);

impl Labels for And<'_> {
    fn parts(&self) -> [&str; 2] {
        [self.0, self.1]
    }
}

/// Writes metric after metric.
#[derive(Debug, Default)]
pub struct Text {
    out: String,
}

impl Text {
    /// For about so many bytes.
    pub fn with_capacity(bytes: usize) -> Self {
        Self { out: String::with_capacity(bytes) }
    }

    /// Writes metrics of the library.
    pub fn families(&mut self, families: &[MetricFamily]) {
        // Writing to memory fails for a metric without samples alone, and a registry gives none.
        let _ = TextEncoder::new().encode_utf8(families, &mut self.out);
    }

    /// Writes a metric whole. Without samples nothing is written.
    pub fn metric(&mut self, of: &Described, samples: impl IntoIterator<Item = (impl Labels, f64)>) {
        let mut has_begun = false;
        for (labels, value) in samples {
            if !std::mem::replace(&mut has_begun, true) {
                self.begin(of);
            }
            self.sample(of.name, labels.parts(), value);
        }
    }

    /// Writes a metric that has one sample and no labels.
    pub fn single(&mut self, of: &Described, value: f64) {
        self.metric(of, [("", value)]);
    }

    /// What has been written.
    pub fn finish(self) -> String {
        self.out
    }

    fn begin(&mut self, Described { name, help, kind, .. }: &Described) {
        // A string takes everything.
        let _ = write!(self.out, "# HELP {name} {help}\n# TYPE {name} {}\n", kind.as_str());
    }

    fn sample(&mut self, name: &str, labels: [&str; 2], value: f64) {
        self.out.push_str(name);
        if !labels[0].is_empty() {
            self.out.push('{');
            self.out.push_str(labels[0]);
            self.out.push_str(labels[1]);
            self.out.push('}');
        }
        // Most are one digit, and most others whole numbers: both are written faster as such.
        let _ = if value.fract() != 0.0 || value.abs() >= WHOLE_MAX {
            writeln!(self.out, " {value}")
        } else if let digit @ 0..=9 = value as i64 {
            self.out.extend([' ', char::from(b'0' + digit as u8), '\n']);
            Ok(())
        } else {
            writeln!(self.out, " {}", value as i64)
        };
    }
}

/// Labels with their values, in the same order, as they stand between the braces.
pub fn labels(names: &[&str], values: &[&str]) -> String {
    let mut out = String::with_capacity(96);
    for (name, value) in names.iter().zip(values) {
        if !out.is_empty() {
            out.push(',');
        }
        out.push_str(name);
        out.push_str("=\"");
        if value.bytes().any(|byte| matches!(byte, b'\\' | b'"' | b'\n')) {
            escape(&mut out, value);
        } else {
            out.push_str(value);
        }
        out.push('"');
    }
    out
}

fn escape(out: &mut String, value: &str) {
    for char in value.chars() {
        match char {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            char => out.push(char),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names;

    #[test]
    fn labels_are_escaped_and_numbers_plain() {
        let mut text = Text::default();
        text.single(&names::OUTBOX_ROWS, 3.0);
        let odd = labels(names::SUSPENSIONS.labels, &["a\"b\\c\nd", "person"]);
        text.metric(&names::SUSPENSIONS, [(odd, 1.5)]);
        text.metric(&names::RESTRAINTS, std::iter::empty::<(&str, f64)>());
        let expected = "# HELP paceline_outbox_rows Results and dead letters that wait to be published.\n\
            # TYPE paceline_outbox_rows gauge\npaceline_outbox_rows 3\n\
            # HELP paceline_suspensions Suspensions in force: by the platform's refusals, by the worker (jobs that die one \
            after the other of one code) or by a person.\n\
            # TYPE paceline_suspensions gauge\npaceline_suspensions{app=\"a\\\"b\\\\c\\nd\",by=\"person\"} 1.5\n";
        assert_eq!(text.finish(), expected);
    }

    #[test]
    fn help_needs_no_escapes() {
        for described in names::ALL {
            assert!(!described.help.contains(['\\', '\n']), "{}", described.name);
        }
    }
}
