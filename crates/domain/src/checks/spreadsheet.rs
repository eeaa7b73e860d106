//! What a spreadsheet makes of a cell that went wrong.

/// The error values of Excel, WPS and others.
const ERRORS: [&str; 11] = [
    "#N/A",
    "#REF!",
    "#VALUE!",
    "#NAME?",
    "#DIV/0!",
    "#NULL!",
    "#NUM!",
    "#SPILL!",
    "#CALC!",
    "#FIELD!",
    "#GETTING_DATA",
];
/// A number in a column that is too narrow is saved as at least so many of these.
const NARROW_MIN: usize = 5;

/// Whether a spreadsheet has spoilt the text: nobody meant it.
pub(crate) fn is_spoilt(text: &str) -> bool {
    is_error(text) || is_shortened(text)
}

/// Whether the text is an error value, or what a column that is too narrow shows in place of a number.
pub(super) fn is_error(text: &str) -> bool {
    let text = text.trim();
    text.starts_with('#')
        && (ERRORS.contains(&text) || (text.len() >= NARROW_MIN && text.bytes().all(|byte| byte == b'#')))
}

/// Whether the text is a long number as a spreadsheet shortens it, to the letter: `1.38E+10`. `2E5` is none.
pub(super) fn is_shortened(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let text = text.trim();
    let Some((mantissa, exponent)) = text.strip_prefix('-').unwrap_or(text).split_once("E+") else { return false };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
    whole.len() == 1 && digits(whole) && digits(fraction) && exponent.len() >= 2 && digits(exponent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_values_are_whole_cells() {
        for bad in ["#N/A", " #REF! ", "#VALUE!", "#NAME?", "#DIV/0!", "#NULL!", "#NUM!", "########"] {
            assert!(is_error(bad), "{bad}");
        }
        for good in ["", "#1", "#", "###", "#N/A room", "N/A", "#701", "#n/a"] {
            assert!(!is_error(good), "{good}");
        }
    }

    #[test]
    fn shortened_numbers_are_told_to_the_letter() {
        for bad in ["1.38E+10", "1E+10", "-4.00E+15", "9.007199E+123"] {
            assert!(is_shortened(bad), "{bad}");
        }
        for good in ["2E5", "2E+5", "1.38e+10", "13.8E+10", "E+10", "1.E+10", "1.38E+1x", "A1.38E+10", "3E-10", "1E10"]
        {
            assert!(!is_shortened(good), "{good}");
        }
    }
}
