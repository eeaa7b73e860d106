//! What a parameter must be, in the words that stand beside it in a form or a spreadsheet.

use crate::{Bilingual, Language, Render, messages};

messages! {
    /// What a parameter must be.
    pub enum Limit {
        Required = "required", "必填";
        NotEmpty = "not empty", "不能为空";
        Length { least: usize, most: usize } = "{least} to {most} characters", "{least} 到 {most} 个字符";
        LengthLeast { least: usize } = "≥ {least} characters", "至少 {least} 个字符";
        LengthMost { most: usize } = "≤ {most} characters", "不超过 {most} 个字符";
        Bytes { most: usize } = "≤ {most} bytes", "不超过 {most} 字节";
        BytesOrCharacters { bytes: usize, characters: usize } = "≤ {bytes} bytes or ≤ {characters} characters", "不超过 {bytes} 字节或 {characters} 个字符";
        Range { least: String, most: String } = "{least} to {most}", "{least} 到 {most}";
        RangeLeast { least: String } = "≥ {least}", "不小于 {least}";
        RangeMost { most: String } = "≤ {most}", "不大于 {most}";
        /// What an id of the kind looks like.
        Shape { shape: Bilingual } = "{shape}", "{shape}";
        Items { least: usize, most: usize } = "{least} to {most} items", "{least} 到 {most} 项";
        ItemsLeast { least: usize } = "≥ {least} items", "至少 {least} 项";
        ItemsMost { most: usize } = "≤ {most} items", "不超过 {most} 项";
        ItemsMostBesides { most: usize, besides: String } = "≤ {most} items besides {besides}", "除 {besides} 外不超过 {most} 项";
        DigitsAlone = "digits", "数字";
        SecondsSince1970 = "Unix seconds", "Unix 时间戳（秒）";
        /// The values that there are, with their meanings.
        Values { values: Bilingual } = "{values}", "{values}";
        OnlyBeside { name: String, value: String } = "only when {name} = {value}", "仅当 {name} = {value}";
        RequiredWhen { name: String, value: String } = "required when {name} = {value}", "{name} = {value} 时必填";
        OneOf { names: Vec<String> } = "exactly one of {names}", "{names} 中恰好填一项";
        Default { value: String } = "default {value}", "默认 {value}";
        Each { limits: Box<Limits> } = "each {limits}", "每项 {limits}";
        /// How a spreadsheet's cell holds a time.
        TimeInCell = "a time such as 2026-11-21T16:00:00+08:00", "时间，如 2026-11-21T16:00:00+08:00";
        /// How a cell holds several.
        SeveralInCell = "several with ; between them", "多项之间用 ; 分隔";
        WholeNumber = "a whole number", "整数";
        AnyNumber = "a number", "数字";
        YesOrNo = "true or false", "是或否";
    }
}

/// Several limits of one parameter.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Limits(pub Vec<Limit>);

impl Render for Limits {
    fn render(&self, language: Language) -> String {
        let words: Vec<String> = self.0.iter().map(|limit| limit.render(language)).collect();
        words.join(match language {
            Language::English => ", ",
            Language::Chinese => "，",
        })
    }
}
