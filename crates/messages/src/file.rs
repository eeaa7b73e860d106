//! Why a file is not read, and how it is where that is not as usual.

use crate::text::in_one_line;
use crate::{Language, Names, Render, messages};

messages! {
    /// Why a file is not read, and what to do about it.
    pub enum FileTrouble {
        FileUnreadable { error: String } = "cannot be read: {error}", "无法读取：{error}";
        EncodingUnknown { guess: String, name: String } = "the encoding is not UTF-8, UTF-16 or GB18030, and looks like {guess}: save it as \"CSV UTF-8\", or name its encoding, as in --encoding {name}", "编码不是 UTF-8、UTF-16 或 GB18030，看起来像 {guess}：请另存为“CSV UTF-8”，或指明编码，如 --encoding {name}";
        NoSuchEncoding { name: String } = "no encoding is called {name:?}; examples are gb18030, utf-16le, big5, windows-1252", "没有名为 {name:?} 的编码，可用的如 gb18030、utf-16le、big5、windows-1252";
        WebPageAsWorkbook = "is a web page under the name of a workbook: open it in Excel or WPS and save it as .xlsx", "是以工作簿命名的网页：请用 Excel 或 WPS 打开，另存为 .xlsx";
        NoWorkbookInside = "is named as a workbook and is none: open it in the program that wrote it and save it as .xlsx; if it is text, give it a name that ends in .csv", "以工作簿命名，却不是工作簿：请用写出它的程序打开，另存为 .xlsx；如果是文本，请把文件名改为 .csv 结尾";
        NoTextInside = "is no text: most of a table is letters, and this holds control characters; save the sheet as \"CSV UTF-8\", or as .xlsx", "不是文本：其中有许多控制字符；请把工作表另存为“CSV UTF-8”或 .xlsx";
        WorkbookPassword = "the workbook is protected by a password: remove it in Excel or WPS (File, Info), and save the file", "工作簿设有密码：请在 Excel 或 WPS 中取消密码（文件，信息）后保存";
        NotWorkbook = "the file is a ZIP archive, but not a workbook: open it in Excel or WPS and save it as .xlsx or \"CSV UTF-8\"", "文件是 ZIP 压缩包，不是工作簿：请用 Excel 或 WPS 打开，另存为 .xlsx 或“CSV UTF-8”";
        WorkbookDamaged { error: String } = "the workbook is damaged: {error}: open it in Excel or WPS and save it as .xlsx or \"CSV UTF-8\"", "工作簿已损坏（{error}）：请用 Excel 或 WPS 打开，另存为 .xlsx 或“CSV UTF-8”";
        WorkbookBomb { part: String, unpacked: u64, packed: u64 } = "{part} unpacks to {unpacked} bytes from {packed}, as no workbook does: it is not opened; save the sheet as \"CSV UTF-8\"", "{part} 由 {packed} 字节解压为 {unpacked} 字节，正常的工作簿不会如此，因此不打开：请把工作表另存为“CSV UTF-8”";
        WorkbookTooWide { row: u64, column: u64, most: u64 } = "row {row} has a value in column {column}; at most {most} columns are read: delete what stands far to the right", "第 {row} 行的第 {column} 列有值，最多读取 {most} 列：请删除最右边多余的内容";
        NoSuchSheet { name: String, has: String } = "there is no sheet {name:?}; the workbook has {has}", "没有名为 {name:?} 的工作表，工作簿中有 {has}";
        NoVisibleSheet = "the workbook has no visible sheet", "工作簿中没有可见的工作表";
        FileTooLarge { mebibytes: u64 } = "the file is larger than {mebibytes} MiB: `paceline run` reads files of any size; or split it", "文件超过 {mebibytes} MiB：请用 `paceline run` 导入，大小不限；或拆分后再导入";
        FileTooLong { rows: u64 } = "the file has more than {rows} rows: `paceline run` reads files of any length; or split it", "文件超过 {rows} 行：请用 `paceline run` 导入，行数不限；或拆分后再导入";
        FileIsEmpty = "the file is empty: choose another one", "文件是空的，请选择其他文件";
        FileIsGone = "there is no such file here: give it again; files are kept in the memory of one worker, and for 30 minutes after their last use", "这里没有这个文件，请重新选择；文件只保存在一个 worker 的内存中，最后一次使用 30 分钟后清除";
    }
}

messages! {
    /// How a file is read where that is not as usual, with what to do if it is not as meant.
    pub enum FileNote {
        ReadAs { encoding: String } = "read as {encoding} (--encoding names another)", "按 {encoding} 读取（不对就用 --encoding 指明）";
        TabsBetween = "columns separated by tabs (--delimiter names another character)", "各列以制表符分隔（不对就用 --delimiter 指明）";
        SeparatedBy { separator: String } = "columns separated by {separator} (--delimiter names another character)", "各列以 {separator} 分隔（不对就用 --delimiter 指明）";
        ReadSheet { sheet: String } = "read sheet {sheet:?}", "读取工作表 {sheet:?}";
        OtherSheets { others: Names } = "not {others}; --sheet chooses", "未读取 {others}；用 --sheet 选择";
        MergedCells { ranges: Names } = "merged cells have a value in their first cell only: {ranges}; split them, and fill in each cell", "合并的单元格只有第一格有值：{ranges}；请取消合并，逐格填写";
        HiddenRows { rows: Names } = "hidden rows are read, too: {rows}; delete those that are not meant", "隐藏的行也会读取：{rows}；不需要的请删除";
        HiddenUntold = "hidden rows are read, too; whether rows are hidden or cells merged is not known of such a file: .xlsx tells", "隐藏的行也会读取；这种文件看不出有没有隐藏的行和合并的单元格，.xlsx 可以";
    }
}

/// One after the other.
impl Render for Vec<FileNote> {
    fn render(&self, language: Language) -> String {
        in_one_line(self, language)
    }
}

messages! {
    /// What is wrong with the rights to a file or folder; `mode` is octal, as `chmod` takes it.
    pub enum Exposure {
        SecretReadable { path: String, mode: String } = "{path} can be read by other users (mode {mode})", "{path} 可被其他用户读取（权限 {mode}）";
        SecretWritable { path: String, mode: String } = "{path} can be written by other users (mode {mode})", "{path} 可被其他用户改写（权限 {mode}）";
        SettingsOfAnother { path: String, owner: u32 } = "{path} belongs to another user ({owner}); if these are the settings that you want, name them with --config; to make them yours", "{path} 属于另一个用户（{owner}）；如果要用的就是这份设置，用 --config 指明；要归自己所有";
        SettingsWritable { path: String, mode: String } = "{path} can be written by everybody (mode {mode})", "{path} 可被所有用户改写（权限 {mode}）";
        OwnedByAnother { path: String, owner: u32 } = "{path} belongs to another user ({owner}), who can change it", "{path} 属于另一个用户（{owner}），对方可以改动它";
        WritableByOthers { path: String, mode: String } = "{path} can be written by other users (mode {mode})", "{path} 可被其他用户改写（权限 {mode}）";
    }
}

messages! {
    /// The same with the command that corrects it.
    pub enum ExposedFile {
        CorrectRights { what: Exposure, command: String } = "{what}: run `{command}`", "{what}：请执行 `{command}`";
    }
}
