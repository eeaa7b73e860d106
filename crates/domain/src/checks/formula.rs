//! Whether a cell is a spreadsheet's formula, and not a text that begins like one: `-abc`, `+86 138`, `=7F-1`, `@all`.
//!
//! It is one if it can be read as one to its end: operands with operators between them.

/// How deep brackets are followed: deeper ones are nobody's formula.
const DEPTH_MAX: usize = 32;

/// Whether a spreadsheet would work the cell out.
pub(super) fn is_formula(cell: &str) -> bool {
    let cell = cell.trim();
    let Some(sign) = cell.chars().next().filter(|sign| "=+-@".contains(*sign)) else { return false };
    let mut reader =
        Reader { rest: cell.get(1..).unwrap_or_default(), depth: 0, in_call: false, seen: Seen::default() };
    let is_whole = reader.expression().is_some() && reader.rest.trim().is_empty();
    let Seen { calls, references, texts } = reader.seen;
    is_whole
        && match sign {
            '=' => true,
            // Of numbers alone it is a telephone number, or a number.
            '+' | '-' => calls || references || texts,
            _ => calls,
        }
}

/// Which operands there are, besides numbers.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    calls: bool,
    references: bool,
    texts: bool,
}

struct Reader<'a> {
    rest: &'a str,
    depth: usize,
    /// Whether it is inside a function's brackets, where names stand for themselves.
    in_call: bool,
    seen: Seen,
}

impl Reader<'_> {
    /// Operands with operators between them; `None` if it is none.
    fn expression(&mut self) -> Option<()> {
        loop {
            while self.takes(|sign| "+-@".contains(sign)) {}
            self.operand()?;
            while self.takes(|sign| sign == '%') {}
            if !self.takes(|sign| "+-*/^&=<>".contains(sign)) {
                return Some(());
            }
            // The second sign of `<=`, `>=` and `<>`.
            self.takes(|sign| "=>".contains(sign));
        }
    }

    fn operand(&mut self) -> Option<()> {
        self.rest = self.rest.trim_start();
        match self.rest.chars().next()? {
            '(' => self.brackets(')', false),
            '{' => self.brackets('}', true),
            '"' => {
                self.text('"')?;
                self.seen.texts = true;
                Some(())
            }
            '\'' => {
                self.text('\'')?;
                self.place()
            }
            '#' => self.error(),
            sign if sign.is_ascii_digit() || sign == '.' => self.number(),
            _ => self.name(),
        }
    }

    /// What is in brackets: one expression, or those of a list, which may be left out.
    fn brackets(&mut self, end: char, is_list: bool) -> Option<()> {
        self.rest = self.rest.get(1..)?;
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return None;
        }
        loop {
            if is_list && (self.takes(|sign| ",;".contains(sign))) {
                continue;
            }
            if self.takes(|sign| sign == end) {
                self.depth -= 1;
                return is_list.then_some(());
            }
            self.expression()?;
            if !is_list {
                self.depth -= 1;
                return self.takes(|sign| sign == end).then_some(());
            }
            self.rest = self.rest.trim_start();
            if !self.rest.starts_with([',', ';', end]) {
                return None;
            }
        }
    }

    /// A text between two quotes; doubled ones are part of it.
    fn text(&mut self, quote: char) -> Option<()> {
        loop {
            let (_, rest) = self.rest.get(1..)?.split_once(quote)?;
            self.rest = rest;
            if !rest.starts_with(quote) {
                return Some(());
            }
        }
    }

    fn number(&mut self) -> Option<()> {
        let end = self.rest.find(|sign: char| !sign.is_ascii_digit() && sign != '.').unwrap_or(self.rest.len());
        self.rest = self.rest.get(end..)?;
        // `1:1` are rows.
        if self.in_call && self.rest.starts_with(':') {
            self.rest = self.rest.get(1..)?;
            return self.number();
        }
        (!self.rest.starts_with(is_of_a_name)).then_some(())
    }

    fn error(&mut self) -> Option<()> {
        let end = self.rest.find(['!', '?']).or_else(|| self.rest.find("N/A").map(|at| at + 2))?;
        self.rest = self.rest.get(end + 1..)?;
        Some(())
    }

    /// A function, a cell, a place in another sheet or program, or a name.
    fn name(&mut self) -> Option<()> {
        let end = self.rest.find(|sign: char| !is_of_a_name(sign) && sign != '$').unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at_checked(end).filter(|(name, _)| !name.is_empty())?;
        self.rest = rest;
        match rest.chars().next() {
            Some('(') => {
                self.seen.calls = true;
                let outer = std::mem::replace(&mut self.in_call, true);
                self.brackets(')', true)?;
                self.in_call = outer;
                Some(())
            }
            Some('!') => self.place(),
            Some('|') => {
                self.rest = rest.get(1..)?;
                self.text('\'')?;
                self.place()
            }
            _ => self.cell(name),
        }
    }

    /// A cell or a range of cells, or a name where one may stand.
    fn cell(&mut self, name: &str) -> Option<()> {
        let is_column = |name: &str| {
            let letters = name.trim_matches('$');
            (1..=3).contains(&letters.len()) && letters.bytes().all(|letter| letter.is_ascii_alphabetic())
        };
        let is_range = self.rest.starts_with(':');
        if is_cell(name) || (is_range && is_column(name)) {
            self.seen.references = true;
            if is_range {
                self.rest = self.rest.get(1..)?;
                return self.name();
            }
            return Some(());
        }
        let is_value = ["TRUE", "FALSE"].iter().any(|value| name.eq_ignore_ascii_case(value));
        let ends_a_range = self.seen.references && is_column(name);
        (self.in_call || is_value || ends_a_range).then_some(())
    }

    /// `!A1`, behind a sheet or a program, which says itself what its places are called.
    fn place(&mut self) -> Option<()> {
        let place = self.rest.strip_prefix('!')?;
        let end = place.find(|sign: char| !is_of_a_name(sign) && !"$:".contains(sign)).unwrap_or(place.len());
        self.rest = place.get(end..).filter(|_| end > 0)?;
        self.seen.references = true;
        Some(())
    }

    /// Takes the next sign, if it is such a one.
    fn takes(&mut self, is_it: impl Fn(char) -> bool) -> bool {
        let rest = self.rest.trim_start();
        match rest.strip_prefix(is_it) {
            Some(after) => {
                self.rest = after;
                true
            }
            None => false,
        }
    }
}

fn is_of_a_name(sign: char) -> bool {
    sign.is_alphanumeric() || "_.\\".contains(sign)
}

/// `A1`, `$XFD$1048576`.
fn is_cell(name: &str) -> bool {
    let name = name.strip_prefix('$').unwrap_or(name);
    let digits = name.find(|sign: char| !sign.is_ascii_alphabetic()).unwrap_or(name.len());
    let Some((letters, row)) = name.split_at_checked(digits) else { return false };
    let row = row.strip_prefix('$').unwrap_or(row);
    (1..=3).contains(&letters.len())
        && (1..=7).contains(&row.len())
        && !row.starts_with('0')
        && row.bytes().all(|digit| digit.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn formulas_are_told_from_texts_that_begin_like_them() {
        for formula in [
            "=\"0701\"",
            "=\"a\"\"b\"",
            "=A1",
            " =A1",
            "=$A$1*2",
            "=1+1",
            "=-A1",
            "=SUM(A1:A9)",
            "=SUM(A:A)",
            "=sum(a1;b2)",
            "=IF(A1>=2,\"x\",)",
            "=VLOOKUP(A2,'Sheet 2'!A:B,2,FALSE)",
            "=Sheet1!A1",
            "=TODAY()",
            "=TEXT(701,\"0000\")",
            "=(A1+B1)/2",
            "=A1&\" \"&B1",
            "=50%",
            "=#REF!+1",
            "=会议室(A1)",
            "=_xlfn.CONCAT(名称,A1)",
            "=cmd|' /C calc'!A0",
            "=HYPERLINK(\"http://x\",\"y\")",
            "+A1",
            "-A1+B1",
            "+SUM(A1:A2)",
            "-2+3+cmd|' /C calc'!A1",
            "-\"0701\"",
            "@SUM(A1:A2)",
            "={1,2}",
        ] {
            assert!(is_formula(formula), "{formula}");
        }
        for good in [
            "",
            "=",
            "==",
            "=> see below",
            "=7F-1",
            "=== 7F ===",
            "-",
            "-abc",
            "-abc-1",
            "-7F",
            "-1F",
            "-5",
            "+5",
            "-2-3",
            "+86 138 0000 0000",
            "+86-10-8888",
            "+8613800000000",
            "+floor",
            "+ projector",
            "- item",
            "-hq(7F)x",
            "@all",
            "@zhang.san",
            "a=b",
            "A1",
            "SUM(A1)",
            "=SUM(A1",
            "=\"a",
            "1+1",
            "=1 2",
        ] {
            assert!(!is_formula(good), "{good}");
        }
        assert!(!is_formula(&format!("={}1", "(".repeat(10_000))));
    }

    proptest! {
        #[test]
        fn any_text_is_judged(cell in "[=+@-][-=+@A1a\"'!(){}|,;:#%$ 会.]{0,12}") {
            let _ = is_formula(&cell);
        }

        /// Ids as programs make them.
        #[test]
        fn ids_behind_a_dash_are_good(id in "-[a-z]{4,8}(-[a-z0-9]{1,4})?") {
            prop_assert!(!is_formula(&id), "{}", id);
        }
    }
}
