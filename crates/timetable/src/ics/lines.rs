//! Where events and properties stand in a file whose long lines are folded.

/// The lines of a calendar, counted from 1.
#[derive(Debug)]
pub(super) struct Lines {
    /// On which line each unfolded line begins.
    starts: Vec<u64>,
    /// Of each event its line, and the names of its properties with theirs.
    events: Vec<(u64, Vec<(String, u64)>)>,
}

impl Lines {
    pub(super) fn of(text: &str) -> Self {
        let mut lines = Self { starts: Vec::new(), events: Vec::new() };
        let mut is_inside = false;
        for (number, line) in (1..).zip(text.lines()) {
            if line.starts_with([' ', '\t']) {
                continue;
            }
            lines.starts.push(number);
            match line.trim_end() {
                "BEGIN:VEVENT" => {
                    is_inside = true;
                    lines.events.push((number, Vec::new()));
                }
                "END:VEVENT" => is_inside = false,
                line => {
                    let name = line.split([':', ';']).next().unwrap_or_default();
                    if let Some((_, properties)) = lines.events.last_mut().filter(|_| is_inside) {
                        properties.push((name.to_owned(), number));
                    }
                }
            }
        }
        lines
    }

    pub(super) fn of_event(&self, event: usize) -> u64 {
        self.events.get(event).map_or(1, |(line, _)| *line)
    }

    /// The line of an event's property, else of the event.
    pub(super) fn of_property(&self, event: usize, property: &str) -> u64 {
        let properties = self.events.get(event).into_iter().flat_map(|(_, properties)| properties);
        let found = properties.filter(|(name, _)| name == property).map(|(_, line)| *line).next();
        found.unwrap_or_else(|| self.of_event(event))
    }

    /// The line that the parser's words name: it counts unfolded ones.
    pub(super) fn of_error(&self, error: &str) -> u64 {
        let number =
            error.split("at line ").nth(1).and_then(|rest| rest.split(|letter: char| !letter.is_ascii_digit()).next());
        let number = number.and_then(|number| number.parse::<usize>().ok()).unwrap_or(1);
        self.starts.get(number.saturating_sub(1)).or(self.starts.last()).copied().unwrap_or(1)
    }
}
