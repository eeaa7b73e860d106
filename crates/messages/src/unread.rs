//! Why a listing cannot be read, and names not be looked up in it.

use crate::{Bilingual, Cause, Cure, Language, Names, Render, messages};

messages! {
    /// Why a listing cannot be read.
    pub enum NotRead {
        NotReadBecause { why: Cause } = "{why}", "{why}";
        NotReadByCode { code: i64, why: Cause } = "{code}: {why}", "{code}：{why}";
        /// The catalog's words stand beside the platform's.
        NotReadByKnownCode { code: i64, why: Cause, meaning: Bilingual } = "{code}: {why} ({meaning})", "{code}：{why}（{meaning}）";
        NotReadSuspended { scope: String, why: Cause } = "{scope} is suspended: {why}", "{scope} 已暂停：{why}";
        NotReadByLedger { error: String } = "{error}", "账本：{error}";
        NotReadStopping = "the worker stops; ask again when it has started", "worker 正在停止，启动后请再试";
        WithLogId { what: Box<NotRead>, log_id: String } = "{what} (log id {log_id})", "{what}（log id {log_id}）";
    }
}

messages! {
    /// Names that were not looked up, all for one cause.
    pub enum NamesNotRead {
        NamesUnread { method: String, app: String, count: usize, names: Names, why: NotRead } = "{method} of {app} cannot be read, and these names are looked up there ({count}): {names}: {why}", "{app} 的 {method} 无法读取，而以下名称要在其中查找（{count} 个）：{names}：{why}";
        NamesUnreadDo { what: Box<NamesNotRead>, cure: Cure } = "{what}; {cure}", "{what}；{cure}";
    }
}

/// One after the other.
impl Render for Vec<NamesNotRead> {
    fn render(&self, language: Language) -> String {
        let lines: Vec<_> = self.iter().map(|one| one.render(language)).collect();
        lines.join("\n")
    }
}

messages! {
    /// Why the rows of a file are not sent.
    pub enum RowsNotSent {
        NamesNotKnown { causes: Vec<NamesNotRead> } = "{causes}; nothing was sent", "{causes}；没有发出任何请求";
        FileCutShort = "the file cannot be read to its end; nothing was sent", "文件无法读到末尾；没有发出任何请求";
        RowsWithFaults { bad: u64, rows: u64 } = "{bad} of {rows} rows have faults; nothing was sent", "{rows} 行中的 {bad} 行有错误；没有发出任何请求";
        NoJobInFile = "the file holds no job; nothing was sent", "文件里没有任务；没有发出任何请求";
        RowsCreateAgain { rows: u64 } = "{rows} rows would create again what jobs of other ids created or are about to create; nothing was sent", "{rows} 行会再次创建其他 id 的任务已创建或将要创建的内容；没有发出任何请求";
        RowsChanged { rows: u64 } = "{rows} rows changed after their jobs succeeded; nothing was sent", "{rows} 行在任务成功之后有改动；没有发出任何请求";
        ChangesNotSendable { rows: u64 } = "{rows} changed rows cannot be sent as updates; nothing was sent", "{rows} 行的改动无法作为更新发送；没有发出任何请求";
        WorkerStopping = "the worker stops", "worker 正在停止";
    }
}

messages! {
    /// What to do so that they are.
    pub enum RowsCure {
        SeeCheck = "a check says where and why; correct it there", "检查会指出位置和原因，请在那里改正";
        CorrectOrSkip = "correct the file, or leave these rows out with \"skip_invalid\": true", "请改正文件，或略过这些行（\"skip_invalid\": true）";
        TakeOutOrAllow = "take them out, or create them once more with \"allow_duplicates\": true", "请去掉这些行，或允许再次创建（\"allow_duplicates\": true）";
        KeepOrUpdate = "say with \"on_change\" whether to keep what is there or to update it", "请选择保持原样还是更新（\"on_change\"）";
        PutRowsBack = "put these rows back as they were, or take them out", "请把这些行改回原样，或去掉它们";
        StartFileAgain = "start the file again: nothing is done twice", "请再次开始：任何内容都不会重复";
    }
}
