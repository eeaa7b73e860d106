//! Rows that ended up inside a cell: between a quote too many in one row and another in a later one.

/// The least number of commas that make a line look like a row: a text has one or two now and then.
const COMMAS_MIN: usize = 3;

/// Whether a cell of several lines holds what looks like rows of a file with so many columns: behind its first line, lines
/// with exactly the commas of a row, and none of these with a space behind it, as texts have them.
pub(super) fn holds_rows(cell: &str, index: usize, columns: usize) -> bool {
    let mut lines = cell.split('\n').skip(1).map(|line| line.trim_end_matches('\r')).peekable();
    while let Some(line) = lines.next() {
        // The last line ends where the cell ends; the rest of its row are the cells behind.
        let commas = if lines.peek().is_some() { columns.saturating_sub(1) } else { index };
        if commas >= COMMAS_MIN && line.matches(',').count() == commas && !line.contains(", ") {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_in_a_cell_are_told_from_texts() {
        for (cell, index) in [
            ("65 inch\nB,10,omb_x,true,plain\nC,10,omb_x,true,see 65", 4),
            ("65 inch\r\nB,10,omb_x,true,see 65", 4),
            ("65 inch\nB,10,omb_x,true,plain\nC", 0),
        ] {
            assert!(holds_rows(cell, index, 5), "{cell:?}");
        }
        for (cell, index) in [
            ("B,10,omb_x,true,plain", 4),
            ("Ring twice\nprojector, screen, telephone, camera, board\nthanks", 4),
            ("Ring twice\nprojector,screen\nthanks", 4),
            ("a\nb\nc", 4),
            ("", 4),
        ] {
            assert!(!holds_rows(cell, index, 5), "{cell:?}");
        }
    }
}
