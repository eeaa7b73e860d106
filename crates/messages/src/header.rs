//! What is wrong with a table's beginning, with its quotes, and with a map of its columns.

use crate::{Rule, messages};

messages! {
    /// What is wrong with how a table begins or is written, or with what a map says of its columns.
    pub enum HeaderTrouble {
        HeaderWithout { field: String } = "names no {field}: add a column {field:?}, or give --{field}", "没有指明 {field}：请加上 {field:?} 列，或给出 --{field}";
        NoSuchColumn { name: String, argument: String } = "has no column {name:?}, which {argument} names", "没有 {argument} 指定的列 {name:?}";
        NoSuchColumnBut { name: String, argument: String, near: String } = "has no column {name:?}, which {argument} names; did you mean {near:?}?", "没有 {argument} 指定的列 {name:?}；是不是 {near:?}？";
        NoColumnsToName { name: String } = "has no columns, so none is called {name}", "没有列，因此没有名为 {name} 的列";
        UnseenInName { codes: Vec<String> } = "the name holds what nobody sees, {codes}; remove it", "列名里有看不见的字符 {codes}，请删除";
        SameColumn { number: usize, header: String } = "the same as column {number} ({header})", "与第 {number} 列（{header}）相同";
        MayMean { columns: Vec<String> } = "may mean {columns}: name one of them", "可能是 {columns}：请写明是哪一个";
        MayMeanOfMethods { columns: Vec<String> } = "may mean {columns}: give --method, or name one of them", "可能是 {columns}：请给出 --method，或写明是哪一个";
        NoMethodTakes = "no method has such a parameter; `paceline methods show` lists what a method takes, and --ignore-columns leaves a column out", "没有接口有这个参数；用 `paceline methods show` 查看接口的参数，不需要的列用 --ignore-columns 略过";
        NoMethodTakesBut { near: String } = "no method has such a parameter; did you mean {near:?}?", "没有接口有这个参数；是不是 {near:?}？";
        PerhapsTitle { next: u64 } = "no method has such a parameter; if it is a title above the headings, give --header-row with the number of their row, as in --header-row {next}", "没有接口有这个参数；如果它是表头上方的标题，请用 --header-row 给出表头所在的行，如 --header-row {next}";
        NoSuchRow { row: u64 } = "has no row {row}, which --header-row names", "没有 --header-row 指定的第 {row} 行";
        NoHeader = "is empty: expected a header of column names", "是空的：应有一行列名";
        TooManyColumns { count: usize, most: usize } = "has {count} columns; at most {most} are read", "有 {count} 列，最多读取 {most} 列";
        NotUtf8Here = "is not UTF-8 here; save the file as \"CSV UTF-8\" again, or give its --encoding", "此处不是 UTF-8；请重新另存为“CSV UTF-8”，或给出 --encoding";

        TwoMarks = "begins with the byte order mark (U+FEFF) twice: remove one", "开头有两个字节顺序标记（U+FEFF）：请去掉一个";
        CarriageReturns = "the lines end with a carriage return alone (U+000D), as old programs write them; save the file as \"CSV UTF-8 (Comma delimited)\"", "各行只以回车（U+000D）结尾，是旧程序的写法；请另存为“CSV UTF-8（逗号分隔）”";
        OddSeparatorTold { separator: String } = "says that the columns are separated by {separator}; expected a comma, a semicolon or a tab: save the file as \"CSV UTF-8 (Comma delimited)\", and remove the line", "写明各列以 {separator} 分隔；应为逗号、分号或制表符：请另存为“CSV UTF-8（逗号分隔）”，并删除这一行";
        OddSeparator { separator: String } = "the columns are separated by {separator}; expected a comma, a semicolon or a tab: save the file as \"CSV UTF-8 (Comma delimited)\"", "各列以 {separator} 分隔；应为逗号、分号或制表符：请另存为“CSV UTF-8（逗号分隔）”";
        BarSeparator = "the columns seem to be separated by '|': if so, give --delimiter '|'", "各列好像以 '|' 分隔：如果是，请给出 --delimiter '|'";
        QuoteInside = "a quote inside a cell that does not begin with one: put the whole cell in quotes and double the quotes inside, as in \"65\"\" screen\"", "单元格里有引号，开头却没有：请给整个单元格加上引号，里面的引号写两次，如 \"65\"\" screen\"";
        QuoteClosedOn { line: u64 } = "the quote that opens here is closed in the middle of a text on line {line}: close it where the cell ends, or double it if it is part of the text, as in \"65\"\" screen\"", "此处开始的引号在第 {line} 行的文字中间结束：请在单元格末尾结束它；引号是文字的一部分时写两次，如 \"65\"\" screen\"";
        TextBehindQuote = "text behind the closing quote: double the quotes inside a cell, as in \"65\"\" screen\"", "结束引号后面还有文字：单元格里的引号要写两次，如 \"65\"\" screen\"";
        QuoteUnclosed = "the quote that opens here is never closed: close it where the cell ends, or double it if it is part of the text, as in \"65\"\" screen\"", "此处开始的引号一直没有结束：请在单元格末尾结束它；引号是文字的一部分时写两次，如 \"65\"\" screen\"";
        JsonArray { command: String } = "is a JSON array; expected one job a line: `{command}` writes them so", "是 JSON 数组；应每行一个任务：用 `{command}` 转换";
        JsonSpread { command: String, of_array: String } = "is a JSON object over several lines; expected one job a line: `{command}` writes it so, and `{of_array}` does where the jobs stand in an array", "是分成多行的 JSON 对象；应每行一个任务：用 `{command}` 转换，任务在数组里时用 `{of_array}`";
        NumberRounded = "a number of more than 15 digits, which the spreadsheet has rounded: format the column as text, and enter it again", "超过 15 位的数字，已被表格软件舍入：请把该列设为文本格式后重新填入";

        /// A key of a map or a rule, in TOML's form.
        OfEntry { entry: String, rule: Box<Rule> } = "{entry}: {rule}", "{entry}：{rule}";
        TomlBroken { error: String } = "{error}", "TOML 有误：{error}";
        ColumnGives { number: usize } = "column {number} gives it already", "第 {number} 列已经给出它";
        MapGives = "the map itself gives it already", "映射文件已经给出它";
        NothingGives = "no column gives it", "没有列给出它";
        FileWithoutColumn { heading: String } = "the file has no column {heading:?}", "文件里没有 {heading:?} 列";
        FileWithoutColumnBut { heading: String, near: String } = "the file has no column {heading:?}; did you mean {near:?}?", "文件里没有 {heading:?} 列；是不是 {near:?}？";
        ColumnNotClosed { form: String } = "a brace is not closed: {form} is a column's cell", "花括号没有结束：{form} 是一列的单元格";
        ColumnExpected = "expected a column's name in braces", "花括号里应为列名";
        NoColumnInText { form: String } = "names no {form}: put it among the constants", "没有写 {form}：请放到常量（constants）里";
    }
}
