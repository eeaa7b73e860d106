//! What went wrong, or why something is as it is.

use crate::{Bilingual, Connect, Cure, Names, Wrong, messages};

messages! {
    /// What went wrong, or why something is as it is. Values whose names end in `at` are instants, in RFC 3339.
    pub enum Cause {
        /// In somebody else's words: the platform's, a person's, or those of an older ledger.
        Said { text: String } = "{text}", "{text}";
        /// What is wrong with an input that could become no job.
        Faulty { faults: Vec<Wrong> } = "{faults}", "{faults}";
        /// What the catalog calls the platform's code, where the platform says nothing.
        Meaning { meaning: Bilingual } = "{meaning}", "{meaning}";
        NoMessage = "the platform gave no message", "平台没有说明";
        NoPlatformCode { status: u16 } = "HTTP {status} without the platform's code", "HTTP {status}，没有平台的错误码";
        NoKey { path: String } = "the platform answered code 0 without the documented {path}", "平台返回错误码 0，却没有文档所说的 {path}";

        RequestNotBuilt = "the request could not be built; check base_url", "无法生成请求，请检查 base_url";
        UnknownHttpMethod = "the catalog names an unknown HTTP method", "接口目录里的 HTTP 方法无法识别";
        NoConnection { why: Connect } = "no connection: {why}", "无法连接：{why}";
        NoConnectionThroughProxy { proxy: String, variable: String, why: Connect } = "no connection through the proxy {proxy} ({variable}): {why}", "通过代理 {proxy}（{variable}）无法连接：{why}";
        TimedOut = "no answer before the time-out", "等待响应超时";
        ReplyCut { words: String } = "the connection broke before the answer was there: {words}", "收到响应之前连接中断：{words}";
        ReplyTooLong { bytes_max: usize } = "the reply is longer than {bytes_max} bytes", "响应超过 {bytes_max} 字节";
        LeadsElsewhere { name: String, value: String } = "path.{name} is {value:?}, which would lead the call to another address", "path.{name} 为 {value:?}，会使请求到达别的地址";

        RecordingTooLong { took_s: u64 } = "the ledger took {took_s} s to record the attempt", "账本用了 {took_s} 秒才记下这次调用";
        PausedBefore = "its quota was paused before the call could leave", "发出之前配额被暂停";
        SuspendedBefore = "its app was suspended before the call could leave", "发出之前应用被暂停";
        UnownedBefore = "another worker may have taken over before the call could leave", "发出之前可能已由另一个 worker 接手";
        WorkerStopped = "the worker stopped before the reply was there", "收到响应之前 worker 停止了";
        DeadlinePassed { not_after_at: String } = "its deadline {not_after_at} passed before it could be sent", "期限 {not_after_at} 之前未能发出";
        OwnedAlready { key: String, owner: String } = "the platform answered with {key}, which the job {owner:?} owns already", "平台返回了 {key}，而它已属于任务 {owner:?}";
        SentAgain { before: Box<Cause> } = "{before}; this call may have been applied, and the settings have it sent again", "{before}；这次调用可能已生效，按设置重新发送";

        NoToken { why: Box<Cause> } = "no access token: {why}", "无法获取 token：{why}";
        NoTokenInReply = "the platform's reply holds no access token", "平台的响应里没有 token";
        NoTokenMethod { method: String } = "the catalog has no method {method}", "接口目录里没有 {method}";
        AppGone = "the app has left the settings", "设置里已没有这个应用";
        NoPermit = "no permit", "没有可用的配额";

        LookUpStopped { method: String, why: Box<Cause> } = "uncertain jobs of {method} cannot be looked up: {why}", "{method} 结果不明的任务无法查证：{why}";
        NoLookUp { before: Box<Cause> } = "{before}; the method has no look-up that could tell", "{before}；该接口无法查证";
        NothingToTell = "sent, and no usable answer came; nothing in it would tell it from others in a listing", "已发送，没有可用的响应；其中没有任何内容能在列表里把它与别的区分开";
        Then { before: Box<Cause>, then: Box<Cause> } = "{before}; {then}", "{before}；{then}";
        Matches { count: usize, looked_at: String, names: Names } = "{count} objects that no job owns match what it would have created (looked up at {looked_at}): {names}", "有 {count} 个不属于任何任务的对象与它要创建的一致（查证于 {looked_at}）：{names}";
        MatchesForTwo { count: usize, looked_at: String, names: Names } = "{count} objects that no job owns match what it and an equal job would have created (looked up at {looked_at}): {names}", "有 {count} 个不属于任何任务的对象与它和另一个相同的任务要创建的一致（查证于 {looked_at}）：{names}";
        MatchesForMany { count: usize, others: usize, looked_at: String, names: Names } = "{count} objects that no job owns match what it and {others} equal jobs would have created (looked up at {looked_at}): {names}", "有 {count} 个不属于任何任务的对象与它和另外 {others} 个相同的任务要创建的一致（查证于 {looked_at}）：{names}";
        NotFoundButUnread { first_at: String, again_at: String, names: Names } = "it was not found, but some of what is listed cannot be read (looked up at {first_at} and {again_at}): {names}", "没有找到，但列表里有些对象无法读取（查证于 {first_at} 和 {again_at}）：{names}";
        NotFound { first_at: String, again_at: String } = "nothing of it was found created (looked up at {first_at} and {again_at})", "没有找到它创建的对象（查证于 {first_at} 和 {again_at}）";
        NotItsOwn { first_at: String, again_at: String } = "it is not this job's (looked up at {first_at} and {again_at}: nothing but what other jobs own)", "它不属于这个任务（查证于 {first_at} 和 {again_at}：只有属于别的任务的对象）";
        PartlyThere { count: usize, wanted: usize, looked_at: String } = "{count} of {wanted} are there (looked up at {looked_at})", "{wanted} 个中已有 {count} 个（查证于 {looked_at}）";
        StillDeciding { names: Names } = "the platform accepted it, and these have not decided yet: {names}", "平台已接受，以下尚未给出结果：{names}";
        Declined { names: Names } = "the platform accepted it, and these declined: {names}", "平台已接受，但以下拒绝了：{names}";
        CannotLookUp { why: Box<Cause> } = "it cannot be looked up: {why}", "无法查证：{why}";
        CannotLookUpCode { code: i64, why: Box<Cause> } = "it cannot be looked up ({code}): {why}", "无法查证（{code}）：{why}";
        ListingBroken { method: String, why: Box<Cause> } = "{method} cannot be relied on: {why}", "{method} 的结果不可靠：{why}";
        NoList = "a page holds no list", "有一页里没有列表";
        MoreNowhere = "it says that there is more, and not where", "它表示还有更多，却没有说明在哪里";
        LeadsBack { page: usize } = "page {page} leads back to an earlier one", "第 {page} 页又回到了前面的页";
        TooManyPages { pages_max: usize } = "it has more than {pages_max} pages", "超过 {pages_max} 页";

        SuspendedByPerson = "suspended by a person", "由人暂停";
        Cancelled = "a person cancelled it", "由人取消";
        CancelledAfter { before: Box<Cause> } = "a person cancelled it; what was known before: {before}", "由人取消；此前所知：{before}";
        Deleted { key: String, by: String } = "{key} was deleted by {by}", "{key} 已由 {by} 删除";
        PrerequisiteEnded { id: String, reason: String } = "the job {id:?} that it waits for ended without success ({reason})", "它等待的任务 {id:?} 没有成功（{reason}）";
        PrerequisiteAbsent { id: String, hours: u64 } = "the job {id:?} that it waits for did not come within {hours} h", "它等待的任务 {id:?} 在 {hours} 小时内没有出现";
        PrerequisiteDropped { id: String } = "the job {id:?} that it waits for was dropped", "它等待的任务 {id:?} 已被删除";
        WaitsForItself { way: String } = "it waits for itself: {way}", "它最终在等待自己：{way}";
        NoKeyToTake { id: String } = "the job {id:?} made no object whose key could be taken: name a field of its result, \"at\"", "任务 {id:?} 没有产生带 key 的对象：用 \"at\" 指定结果里的字段";
        NothingToTake { id: String, at: String } = "the result of the job {id:?} has no field {at}", "任务 {id:?} 的结果里没有字段 {at}";
        NotFilled { field: String, id: String } = "{field} has no value yet: the job {id:?} gives it", "{field} 还没有值：由任务 {id:?} 给出";
        NamesNotFound { why: String } = "names were looked up, and have no id: {why}", "名称已查找，但没有得到 ID：{why}";
        NotFoundName { name: String } = "nobody has looked up the name {name:?}: `paceline run` and `paceline submit` do for files; messages name the id", "名称 {name:?} 没有查找过：文件由 `paceline run` 和 `paceline submit` 查找；消息里请写 ID";
        FilledInvalid { why: String } = "with the values of the jobs that it waited for: {why}", "填入所等待任务的值之后：{why}";
        IdTaken { id: String } = "the id {id:?} belongs to another job: its method, app, tenant, identity or parameters differ; that job is untouched", "id {id:?} 属于另一个任务：接口、应用、租户、身份或参数不同；那个任务没有改动";
        IdTakenEdited { id: String } = "the id {id:?} belongs to another job: its method, app, tenant, identity or parameters differ from what came first and from what `paceline dead edit` made of it; that job is untouched", "id {id:?} 属于另一个任务：接口、应用、租户、身份或参数与最先收到的内容、与 `paceline dead edit` 改后的内容都不同；那个任务没有改动";
        AndMore { before: Box<Cause>, more: i64 } = "{before}; and {more} more such messages, counted and not kept", "{before}；另有 {more} 条这样的消息，只计数，未保存";
    }
}

impl Cause {
    /// Whether there is nothing to say.
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::Said { text } if text.is_empty())
    }

    /// What to do about a platform that gave no answer.
    pub fn cure_of_silence(&self) -> Cure {
        if let Self::NoConnection { why } = self {
            why.cure(false)
        } else if let Self::NoConnectionThroughProxy { why, .. } = self {
            why.cure(true)
        } else {
            Cure::CheckWay
        }
    }

    /// What was known before what was found out since: a chain of both never grows.
    #[must_use]
    pub fn then(self, then: Self) -> Self {
        if self.is_empty() {
            return then;
        }
        let before = if let Self::Then { before, .. } = self { before } else { Box::new(self) };
        Self::Then { before, then: Box::new(then) }
    }
}

/// Nothing.
impl Default for Cause {
    fn default() -> Self {
        Self::Said { text: String::new() }
    }
}

/// In somebody else's words.
impl From<String> for Cause {
    fn from(text: String) -> Self {
        Self::Said { text }
    }
}

/// In somebody else's words.
impl From<&str> for Cause {
    fn from(text: &str) -> Self {
        Self::Said { text: text.to_owned() }
    }
}
