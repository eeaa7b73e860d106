//! Objects that may be a held job's, in the words that hold it and out of them again.

use crate::domain::time::Timestamp;

const SEVERAL: &str = "objects that no job owns match what ";
const LISTED: &str = "): ";

/// Says that there are more objects than jobs they could be of; `names` as people read them.
pub(super) fn told(count: usize, uncertain: usize, at: Timestamp, names: &str) -> String {
    let whose = match uncertain {
        0 | 1 => "it".to_owned(),
        2 => "it and an equal job".to_owned(),
        more => format!("it and {} equal jobs", more - 1),
    };
    format!("{count} {SEVERAL}{whose} would have created (looked up at {at}{LISTED}{names}")
}

/// The keys that such words name; none of other words.
pub fn candidates(detail: &str) -> Vec<&str> {
    let Some((_, said)) = detail.rsplit_once(SEVERAL) else { return Vec::new() };
    let Some((_, names)) = said.split_once(LISTED) else { return Vec::new() };
    let names = match names.rsplit_once(" and ") {
        Some((names, more)) if more.ends_with(" more") => names,
        _ => names,
    };
    names.split(", ").collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn candidates_come_out_of_the_words_that_name_them() {
        for (uncertain, names) in [(1, "omm_1, omm_2"), (2, "omm_1, omm_2 and 8 more"), (7, "omm_1, omm_2")] {
            let detail = format!("no whole reply; {}", told(2, uncertain, Timestamp(0), names));
            assert_eq!(candidates(&detail), ["omm_1", "omm_2"], "{detail}");
        }
        assert!(candidates("no whole reply (in time): really").is_empty());
    }
}
