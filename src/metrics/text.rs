//! Gauges in Prometheus' text format: at ten thousand of them, building the library's families would cost more than
//! everything else of a scrape.

use std::fmt::Write as _;

use super::names::Described;

/// Writes metric after metric.
#[derive(Debug, Default)]
pub struct Text {
    out: String,
}

impl Text {
    /// Begins after what has been written already.
    pub const fn after(out: String) -> Self {
        Self { out }
    }

    /// Writes a metric whole: each sample is the values of its labels, in the order of `of.labels`, and its value.
    /// Without samples nothing is written.
    pub fn metric<'s, const N: usize>(
        &mut self,
        of: &Described,
        samples: impl IntoIterator<Item = ([&'s str; N], f64)>,
    ) {
        let mut has_begun = false;
        for (values, value) in samples {
            if !std::mem::replace(&mut has_begun, true) {
                let Described { name, help, kind, .. } = of;
                self.write(format_args!("# HELP {name} {help}\n# TYPE {name} {}\n", kind.as_str()));
            }
            self.sample(of, &values, value);
        }
    }

    /// Writes a metric that has one sample and no labels.
    pub fn single(&mut self, of: &Described, value: f64) {
        self.metric(of, [([], value)]);
    }

    /// What has been written.
    pub fn finish(self) -> String {
        self.out
    }

    fn sample(&mut self, of: &Described, values: &[&str], value: f64) {
        self.out.push_str(of.name);
        let mut before = '{';
        for (label, value) in of.labels.iter().zip(values) {
            self.out.push(before);
            before = ',';
            self.out.push_str(label);
            self.out.push_str("=\"");
            self.label_value(value);
            self.out.push('"');
        }
        if before == ',' {
            self.out.push('}');
        }
        self.write(format_args!(" {value}\n"));
    }

    fn label_value(&mut self, value: &str) {
        if !value.contains(['\\', '"', '\n']) {
            return self.out.push_str(value);
        }
        for char in value.chars() {
            match char {
                '\\' => self.out.push_str("\\\\"),
                '"' => self.out.push_str("\\\""),
                '\n' => self.out.push_str("\\n"),
                char => self.out.push(char),
            }
        }
    }

    fn write(&mut self, text: std::fmt::Arguments<'_>) {
        // A string takes everything.
        let _ = self.out.write_fmt(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::names;

    #[test]
    fn labels_are_escaped_and_numbers_plain() {
        let mut text = Text::after("before\n".to_owned());
        text.single(&names::OUTBOX_ROWS, 3.0);
        text.metric(&names::SUSPENSIONS, [(["a\"b\\c\nd", "person"], 1.5)]);
        text.metric(&names::RESTRAINTS, std::iter::empty::<([&str; 2], f64)>());
        let expected = "before\n# HELP paceline_outbox_rows Results and dead letters that wait to be published.\n\
            # TYPE paceline_outbox_rows gauge\npaceline_outbox_rows 3\n\
            # HELP paceline_suspensions Suspensions in force, by the platform's refusals or by a person.\n\
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
