//! What is said of files and of what was found in them, in English and in Chinese.

use crate::domain::checks::Severity;
use crate::domain::messages::{FileNote, Language, Render as _, Spot};
use crate::domain::printable::plain;

use super::batch::Checked;

/// What is found in rows or files, and how it was made.
pub(super) struct At<'a> {
    /// `rooms.csv:2`, or the file alone.
    pub place: &'a str,
    /// How grave it is.
    pub severity: Severity,
    /// The column or field.
    pub spot: Option<&'a Spot>,
}

impl<'a> At<'a> {
    /// A fault of a file as a whole.
    pub(super) const fn whole(file: &'a str) -> Self {
        Self { place: file, severity: Severity::Fault, spot: None }
    }
}

/// `rooms.csv:2: warning: column 2 (name): ` and what is said of it, in one line.
pub(super) fn at(at: &At<'_>, what: &str, language: Language) -> String {
    let colon = colon(language);
    let warning = match (at.severity, language) {
        (Severity::Fault, _) => String::new(),
        (Severity::Warning, Language::English) => format!("warning{colon}"),
        (Severity::Warning, Language::Chinese) => format!("警告{colon}"),
    };
    let spot = at.spot.map(|spot| spot.render(language) + colon).unwrap_or_default();
    plain(&format!("{}{colon}{warning}{spot}{what}", at.place))
}

/// A finding, and that others are like it.
pub(super) fn and_like(what: &str, language: Language) -> String {
    match language {
        Language::English => format!("{what} and the like"),
        Language::Chinese => format!("{what}，等等"),
    }
}

/// A finding that a row has several times.
pub(super) fn times(count: u64, what: &str, language: Language) -> String {
    match language {
        Language::English => format!("{count} times: {what}"),
        Language::Chinese => format!("{count} 处：{what}"),
    }
}

/// A finding that several rows have.
pub(super) fn in_rows(rows: u64, what: &str, lines: &[String], language: Language) -> String {
    let lines = lines.to_vec().render(language);
    match language {
        Language::English => format!("{rows} rows: {what}; lines {lines}"),
        Language::Chinese => format!("{rows} 行：{what}；行号 {lines}"),
    }
}

/// That there are more findings of other causes.
pub(super) fn left_out(count: u64, severity: Severity, language: Language) -> String {
    let what = match (severity, language) {
        (Severity::Fault, Language::English) => counted(count, "more fault"),
        (Severity::Warning, Language::English) => counted(count, "more warning"),
        (Severity::Fault, Language::Chinese) => format!("{count} 处错误"),
        (Severity::Warning, Language::Chinese) => format!("{count} 处警告"),
    };
    match language {
        Language::English => format!("… and {what} of other causes; `paceline validate --json` prints them all"),
        Language::Chinese => format!("……另有其他原因的 {what}；`paceline validate --json` 会全部列出"),
    }
}

/// How a file is read.
pub(super) fn note(file: &str, notes: &Vec<FileNote>, language: Language) -> String {
    let notes = notes.render(language);
    plain(&match language {
        Language::English => format!("note: {file}: {notes}"),
        Language::Chinese => format!("提示：{file}：{notes}"),
    })
}

/// That a table has no column for what the method requires.
pub(super) fn missing(names: &[String], language: Language) -> String {
    match language {
        Language::English => format!(
            "no column gives what the method requires: {}\n\
             hint: name them in the map: a column, a constant, or a text of several columns",
            names.join(", ")
        ),
        Language::Chinese => format!(
            "没有列给出接口必填的参数：{}\n提示：请在映射文件里写明：一列、一个常量，或由几列组成的文本",
            names.join("、")
        ),
    }
}

/// `3 faults in 2 of 200 rows`.
pub(super) fn summary(checked: &Checked, language: Language) -> String {
    let Checked { rows, bad_rows, faults, warnings, bad_files, .. } = checked;
    let of_rows = if *rows == 1 { "row" } else { "rows" };
    match (language, checked.is_valid(), bad_files) {
        (Language::English, true, _) => format!("{rows} {of_rows}, no fault{}", and_warnings(*warnings, language)),
        (Language::Chinese, true, _) => format!("{rows} 行，没有错误{}", and_warnings(*warnings, language)),
        (Language::English, false, 0) => {
            let faults = counted(*faults, "fault");
            format!("{faults} in {bad_rows} of {rows} {of_rows}{}", and_warnings(*warnings, language))
        }
        (Language::Chinese, false, 0) => {
            let warnings = and_warnings(*warnings, language);
            format!("{rows} 行中的 {bad_rows} 行有错误，共 {faults} 处{warnings}")
        }
        (Language::English, false, files) => {
            let unread = if *files == 1 { "a file".to_owned() } else { format!("{files} files") };
            let faults = counted(*faults, "fault");
            format!(
                "{faults}{}; {unread} could not be read to {} end",
                and_warnings(*warnings, language),
                whose(*files)
            )
        }
        (Language::Chinese, false, files) => {
            format!("{faults} 处错误{}；{files} 个文件无法读到末尾", and_warnings(*warnings, language))
        }
    }
}

/// That there is nothing to do.
pub(super) const fn no_job(language: Language) -> &'static str {
    match language {
        Language::English => "the files hold no job",
        Language::Chinese => "文件里没有任务",
    }
}

/// That nothing was sent, behind why.
pub(super) fn nothing_sent(why: &str, language: Language) -> String {
    match language {
        Language::English => format!("{why}; nothing was sent"),
        Language::Chinese => format!("{why}；没有发出任何请求"),
    }
}

/// What to do about faults, where rows with faults can be passed over by `--skip-invalid`.
pub(super) fn cure(checked: &Checked, becomes: Becomes, language: Language) -> &'static str {
    match (language, checked.bad_files > 0, becomes) {
        (Language::English, true, _) => {
            "correct what is said above; --skip-invalid does not help a file that cannot be read"
        }
        (Language::Chinese, true, _) => "请按上面所说的改正；文件无法读取时 --skip-invalid 也没有用",
        (Language::English, false, Becomes::DeadLetter) => {
            "correct the rows, or let them become dead letters with --skip-invalid"
        }
        (Language::Chinese, false, Becomes::DeadLetter) => "请改正这些行，或用 --skip-invalid 让它们成为死信",
        (Language::English, false, Becomes::Nothing) => "correct the rows, or leave them out with --skip-invalid",
        (Language::Chinese, false, Becomes::Nothing) => "请改正这些行，或用 --skip-invalid 略过它们",
    }
}

/// What to do about warnings that count as faults.
pub(super) const fn strict(language: Language) -> &'static str {
    match language {
        Language::English => "correct the rows, or leave out --strict, which treats warnings as faults",
        Language::Chinese => "请改正这些行，或去掉把警告当作错误的 --strict",
    }
}

/// What rows with faults become that are passed over.
#[derive(Clone, Copy, Debug)]
pub(super) enum Becomes {
    /// Something to be looked at later.
    DeadLetter,
    /// Nothing.
    Nothing,
}

const fn colon(language: Language) -> &'static str {
    match language {
        Language::English => ": ",
        Language::Chinese => "：",
    }
}

const fn whose(files: u64) -> &'static str {
    if files == 1 { "its" } else { "their" }
}

fn and_warnings(count: u64, language: Language) -> String {
    match (count, language) {
        (0, _) => String::new(),
        (count, Language::English) => format!(", {}", counted(count, "warning")),
        (count, Language::Chinese) => format!("，{count} 处警告"),
    }
}

fn counted(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}
