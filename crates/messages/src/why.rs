//! Why a job has not run yet, or how it ended: a sentence for each fact.

use crate::{Bilingual, Cause, Names, messages};

messages! {
    /// One thing that keeps a job waiting, or that ended it. Values whose names end in `at` are instants, in RFC 3339.
    pub enum WhyFact {
        WaitsForJob { id: String, state: StateName } = "waits for the job {id:?}, which is {state}", "等待任务 {id:?}（{state}）";
        WaitsForUnpublished { id: String } = "waits for the job {id:?}, which nobody has published yet", "等待任务 {id:?}，它还没有发布";
        WaitsForMore { more: usize } = "and for {more} more", "另外还等待 {more} 个";
        WaitsForName = "waits for a name to be looked up: the worker asks the platform, and tries again where it cannot", "等待查找名称：worker 会向平台查询，查不了就稍后再试";
        DeadlineOver { deadline_at: String } = "its deadline {deadline_at} has passed: it ends as a dead letter `expired`", "期限 {deadline_at} 已过，将作为死信（expired）结束";
        NotYet { until_at: String, wait: Span } = "not before {until_at}, in {wait}", "{until_at} 之前不发出（还有 {wait}）";
        WaitsAfterFault { until_at: String, wait: Span } = "waits after a fault until {until_at}, for {wait} more", "出错后等到 {until_at}（还有 {wait}）再试";
        AboutToBeSent = "nothing holds it back: it is about to be sent", "没有阻碍，马上发出";
        CallInFlight = "a call of it is in flight", "正在调用";
        CallInFlightSince { sent_at: String, ago: Span } = "a call of it is in flight, sent at {sent_at}, {ago} ago", "正在调用，{sent_at} 发出（{ago}前）";
        NoWorker = "no worker runs", "没有 worker 在运行";
        NoWorkerForCall = "no worker runs: the next start closes that call and looks up what became of it", "没有 worker 在运行：下次启动会结束那次调用并查证结果";
        AppRemoved { app: String, method: String } = "the settings have no app {app:?} any more that can call {method}", "设置里已经没有可以调用 {method} 的应用 {app:?}";
        SuspendedByHand { what: String, since_at: String, end: SuspensionEnd, why: Met } = "{what} has been suspended by a person since {since_at}, {end}: {why}", "{what} 自 {since_at} 起由人暂停，{end}：{why}";
        SuspendedByAnswer { what: String, since_at: String, end: SuspensionEnd, why: Met } = "{what} has been suspended since {since_at} because of the platform's answer, {end}: {why}", "{what} 自 {since_at} 起因平台的返回而暂停，{end}：{why}";
        SuspendedForDead { what: String, since_at: String, end: SuspensionEnd, why: Met } = "{what} has been suspended since {since_at} because of too many dead letters in a row, {end}: {why}", "{what} 自 {since_at} 起因接连出现死信而暂停，{end}：{why}";
        Throttled { what: Throttled, how: Throttling, since_at: String, why: Met } = "{what}: {how} since {since_at}: {why}", "{what}：自 {since_at} 起{how}：{why}";
        ThrottledUntil { what: Throttled, how: Throttling, since_at: String, why: Met, next: ThrottlingNext } = "{what}: {how} since {since_at}: {why}; {next}", "{what}：自 {since_at} 起{how}：{why}；{next}";
        PermitsTaken { used: u64, window: String, method: String, scope: String, owner: String, free_at: String, wait: Span } = "{used} of {window} permits of {method} ({scope} {owner}) are taken: the next is free at {free_at}, in {wait}", "{method}（{scope} {owner}）的 {window} 许可已占用 {used} 个：{free_at} 起有空余（还有 {wait}）";
        BudgetUsedUp { used: u64, limit: u64, what: BudgetOf, period: PeriodName, owner: String, ends_at: String, wait: Span } = "{owner} has used up {used} of {limit} calls ({what}) of this {period} in UTC+8: it goes on at {ends_at}, in {wait}", "{owner} 本{period}（UTC+8）的 {limit} 次调用（{what}）已用完（{used} 次）：{ends_at} 起继续（还有 {wait}）";
        OneGoesFirst { which: GoesFirst } = "1 job goes first: {which}", "前面还有 1 个任务：{which}";
        GoFirst { count: u64, which: GoesFirst } = "{count} jobs go first: {which}", "前面还有 {count} 个任务：{which}";
        Retried { why: Met, attempts: AttemptCount } = "its last call met {why}; {attempts} charged, it is retried automatically", "上一次调用遇到：{why}；已计 {attempts}尝试，会自动再试";
        ExpectedDone { done_at: String, wait: Span } = "expected to be done at {done_at}, in {wait}", "预计 {done_at} 完成（还有 {wait}）";
        ExpectedIfStarted { done_at: String, wait: Span } = "expected to be done at {done_at}, in {wait} if a worker starts now", "如果现在启动 worker，预计 {done_at} 完成（还有 {wait}）";
        MayBeApplied { why: Met, next: NextLookUp } = "its last call may have been applied ({why}): {next}; nothing is sent again before", "上一次调用可能已经生效（{why}）：{next}，在此之前不会再发出";
        NotFinal { why: Met, next: NextLookUp } = "{why}: {next}, and then more rarely", "{why}：{next}，之后间隔会变长";
        Succeeded { when: EndedWhen, attempts: AttemptCount } = "succeeded{when} with {attempts}", "{when}成功，共 {attempts}尝试";
        SucceededWith { when: EndedWhen, attempts: AttemptCount, key: String } = "succeeded{when} with {attempts}: {key}", "{when}成功，共 {attempts}尝试：{key}";
        Found { when: EndedWhen, attempts: AttemptCount } = "succeeded{when} with {attempts}, found by a look-up after a call without a clear answer", "{when}成功，共 {attempts}尝试，在没有明确返回的调用之后经查证确认";
        FoundAs { when: EndedWhen, attempts: AttemptCount, key: String } = "succeeded{when} with {attempts}, found by a look-up after a call without a clear answer: {key}", "{when}成功，共 {attempts}尝试，在没有明确返回的调用之后经查证确认：{key}";
        Reported { field: String, message: Bilingual, values: Names } = "the platform reported {field}: {message}: {values}", "平台返回 {field}：{message}：{values}";
        DeadLetter { when: EndedWhen, attempts: AttemptCount, reason: String } = "dead{when} after {attempts}, {reason}", "{when}经 {attempts}尝试后成为死信（{reason}）";
        DeadLetterFor { when: EndedWhen, attempts: AttemptCount, reason: String, why: Met } = "dead{when} after {attempts}, {reason}: {why}", "{when}经 {attempts}尝试后成为死信（{reason}）：{why}";
        NeedsReview { why: Met } = "held for a person: nobody knows whether a call was applied: {why}", "待人工处理，无法确定调用是否已经生效：{why}";
        CancelledFor { when: EndedWhen, why: Met } = "cancelled{when}: {why}", "{when}已取消：{why}";
    }
}

messages! {
    /// What a call met, or what somebody gave as the reason.
    pub enum Met {
        NoReason = "without a reason", "没有说明原因";
        /// The code alone.
        MetCode { number: i64 } = "{number}", "{number}";
        MetCodeWith { number: i64, said: MetWords } = "{number} {said}", "{number} {said}";
        MetNoCode { said: MetWords } = "{said}", "{said}";
    }
}

messages! {
    /// What the documents call it, and what was said beside.
    pub enum MetWords {
        MetMeaning { meaning: Bilingual } = "{meaning}", "{meaning}";
        MetDetail { detail: Box<Cause> } = "{detail}", "{detail}";
        MetBoth { meaning: Bilingual, detail: Box<Cause> } = "{meaning}: {detail}", "{meaning}：{detail}";
    }
}

messages! {
    /// The state of a job.
    pub enum StateName {
        StateBlocked = "blocked", "被阻塞";
        StateQueued = "queued", "排队";
        StateRunning = "running", "进行中";
        StateUncertain = "uncertain", "结果不明";
        StateHeld = "held", "待人工处理";
        StateSucceeded = "succeeded", "成功";
        StateDead = "dead", "死信";
        StateCancelled = "cancelled", "已取消";
    }
}

messages! {
    /// How long, by its two largest units.
    pub enum Span {
        Seconds { s: u64 } = "{s} s", "{s} 秒";
        Minutes { min: u64, s: u64 } = "{min} min {s} s", "{min} 分 {s} 秒";
        Hours { h: u64, min: u64 } = "{h} h {min} min", "{h} 小时 {min} 分";
    }
}

impl Span {
    /// Rounded up, so that nothing is said to be over before it is.
    pub fn new(length: std::time::Duration) -> Self {
        let s = length.as_secs() + u64::from(length.subsec_nanos() > 0);
        match s {
            0..=59 => Self::Seconds { s },
            60..=3_599 => Self::Minutes { min: s / 60, s: s % 60 },
            _ => Self::Hours { h: s / 3_600, min: s % 3_600 / 60 },
        }
    }
}

messages! {
    /// When it ended, before or behind the word for it.
    pub enum EndedWhen {
        EndedAt { ended_at: String } = " at {ended_at}", "{ended_at} ";
        /// A job of an older ledger.
        EndedSometime = " (when is not known)", "（时间不详）";
    }
}

messages! {
    /// Attempts.
    pub enum AttemptCount {
        OneAttempt = "1 attempt", "1 次";
        Attempts { count: u32 } = "{count} attempts", "{count} 次";
    }
}

impl From<u32> for AttemptCount {
    fn from(count: u32) -> Self {
        if count == 1 { Self::OneAttempt } else { Self::Attempts { count } }
    }
}

messages! {
    /// How long a suspension lasts.
    pub enum SuspensionEnd {
        UntilResumed = "until `paceline resume`", "直到执行 `paceline resume`";
        UntilThen { until_at: String, wait: Span } = "until {until_at}, in {wait}", "到 {until_at} 为止（还有 {wait}）";
    }
}

messages! {
    /// Whose calls are fewer than the quotas allow.
    pub enum Throttled {
        AllCallsOf { app: String } = "all calls of {app}", "{app} 的所有调用";
        CallsOf { lane: String } = "calls of {lane}", "{lane} 的调用";
        CallsUnder { method: String, scope: String, owner: String } = "{method} of {scope} {owner}", "{method}（{scope} {owner}）";
    }
}

messages! {
    /// How far calls are held back.
    pub enum Throttling {
        PausedForFailing = "paused: they fail one after the other on the platform's side", "暂缓（在平台一侧接连失败）";
        PausedStillFailing { probes: u32 } = "paused: they fail one after the other on the platform's side, {probes} probes failed since", "暂缓（在平台一侧接连失败，之后又试探失败 {probes} 次）";
        PausedAfter { refusals: u32 } = "paused after {refusals} rate-limit rejections in a row", "暂缓（接连 {refusals} 次被限流）";
        Paused = "paused", "暂缓";
        AtMostASecond { calls: String } = "at most {calls} a second", "每秒最多 {calls} 次";
        AtMostAtOnce { calls: u32 } = "at most {calls} at once", "同时最多 {calls} 次";
        AtMostOf { calls: u32, window: String } = "at most {calls} of {window}: another program uses it", "{window} 中最多用 {calls} 次（别的程序也在用）";
    }
}

messages! {
    /// What comes next of it.
    pub enum ThrottlingNext {
        OneTriesAgain { again_at: String, wait: Span } = "one call tries again at {again_at}, in {wait}", "{again_at} 先试一次（还有 {wait}）";
        RaisedNext { raised_at: String } = "raised next at {raised_at}", "{raised_at} 再放宽";
    }
}

messages! {
    /// What a budget counts.
    pub enum BudgetOf {
        AllMethods = "all methods", "全部接口";
        OneMethod { method: String } = "{method}", "{method}";
    }
}

messages! {
    /// What a budget is of.
    pub enum PeriodName {
        CalendarDay = "calendar day", "日";
        CalendarMonth = "calendar month", "月";
    }
}

messages! {
    /// Which jobs go first.
    pub enum GoesFirst {
        OfHigherPriority { count: u64 } = "{count} of higher priority", "优先级更高的 {count} 个";
        OfOwnBatch { count: u64 } = "{count} of its batch that are older or have an earlier deadline", "同批次中更早或期限更近的 {count} 个";
        OfOtherBatches { count: u64 } = "{count} of other batches, which take turns with its own", "与本批次轮流的其他批次 {count} 个";
        AndAlso { one: Box<GoesFirst>, other: Box<GoesFirst> } = "{one}, {other}", "{one}，{other}";
    }
}

messages! {
    /// When an uncertain job is looked up.
    pub enum NextLookUp {
        LookedUpAt { method: String, look_up_at: String, wait: Span } = "looked up with {method} at {look_up_at}, in {wait}", "{look_up_at} 用 {method} 查证（还有 {wait}）";
        LookedUpSoon { method: String } = "looked up with {method} as soon as a permit for it is free", "一有许可就用 {method} 查证";
    }
}
