//! What is expected of an input, what stands there instead, and where.

use crate::text::in_one_line;
use crate::{Bilingual, FileTrouble, HeaderTrouble, Language, Render, TimetableTrouble, messages};

messages! {
    /// What is expected of a field, or of an input as a whole: faults of one cause have it in common.
    pub enum Rule {
        /// A sentence that has no translation yet.
        Plain { text: String } = "{text}", "{text}";
        /// Why a file is not read.
        OfFile { trouble: FileTrouble } = "{trouble}", "{trouble}";
        /// What is wrong with how a table begins, or with a map.
        OfHeader { trouble: HeaderTrouble } = "{trouble}", "{trouble}";
        /// What is wrong with a timetable, or with its rule.
        OfTimetable { trouble: TimetableTrouble } = "{trouble}", "{trouble}";
        /// What a rule of the method's file says.
        OfMethod { message: Bilingual } = "{message}", "{message}";
        /// The value is sensitive.
        ValueHidden { rule: Box<Rule> } = "{rule} (the value is not shown)", "{rule}（不显示值）";

        Expected { wanted: Wanted } = "expected {wanted}", "应为{wanted}";
        MissingField = "missing required field", "必填，缺少";
        MissingFieldOf { wanted: Wanted } = "missing required field ({wanted})", "必填（{wanted}），缺少";
        MissingWhen { wanted: Wanted, other: String, value: String } = "missing field ({wanted}), required when {other} is {value}", "缺少（{wanted}）：{other} 为 {value} 时必填";
        AppearsTwice = "appears more than once", "出现了不止一次";
        ExpectedOneOf { values: String } = "expected one of {values}", "应为其中之一：{values}";
        /// A cell of a table takes words in a value's place, too.
        OrWords { rule: Box<Rule>, words: Vec<String> } = "{rule} (in a cell also {words})", "{rule}（单元格里也可以写 {words}）";
        ExactlyOneOf { names: Vec<String> } = "expected exactly one of {names}", "必须且只能有其中之一：{names}";
        NoSuchParameter { hint: Hint } = "no such parameter; {hint}", "没有这个参数；{hint}";
        NoSuchField { hint: Hint } = "no such field of a job; {hint}", "任务没有这个字段；{hint}";
        OnlyWhen { name: String, wanted: String, actual: String } = "is allowed only when {name} is {wanted}, and {name} is {actual}", "只有 {name} 为 {wanted} 时才能填，现在 {name} 为 {actual}";
        OnlyWhenAbsent { name: String, wanted: String } = "is allowed only when {name} is {wanted}, and {name} is absent", "只有 {name} 为 {wanted} 时才能填，现在没有 {name}";

        MustNotBeEmpty = "must not be empty", "不能为空";
        NoControlCharacters = "must not hold control characters", "不能含有控制字符";
        ItemsAtLeast { min: usize } = "expected at least {min} items", "至少 {min} 项";
        ItemsAtMost { max: usize } = "expected at most {max} items", "最多 {max} 项";
        ItemsAtMostBesides { max: usize, name: String } = "expected at most {max} items besides {name}", "除 {name} 外最多 {max} 项";
        CharactersAtLeast { min: usize } = "expected at least {min} characters", "至少 {min} 个字符";
        CharactersAtMost { max: usize } = "expected at most {max} characters", "最多 {max} 个字符";
        BytesAtMost { max: usize } = "expected at most {max} bytes", "最多 {max} 字节";
        Utf8BytesAtMost { max: usize } = "expected at most {max} bytes of UTF-8", "最多 {max} 个 UTF-8 字节";
        BytesOrCharactersAtMost { bytes_max: usize, chars_max: usize } = "expected at most {bytes_max} bytes or {chars_max} characters", "最多 {bytes_max} 字节或 {chars_max} 个字符";
        AtLeast { min: String } = "expected at least {min}", "最小 {min}";
        AtMost { max: String } = "expected at most {max}", "最大 {max}";
        AtMostAfter { max: i64, name: String, other: i64 } = "expected at most {max} after {name}, {other}", "最多比 {name}（{other}）大 {max}";
        JobBytesAtMost { max: usize, key: String } = "expected a job of at most {max} bytes ({key})", "一个任务最多 {max} 字节（{key}）";

        BodyBytesAtMost { max: usize, key: String } = "expected a body of at most {max} bytes ({key})", "消息体最多 {max} 字节（{key}）";
        NotUtf8 { error: String } = "not valid UTF-8: {error}", "不是 UTF-8 文本：{error}";
        Utf16 = "is UTF-16: expected JSON in UTF-8", "是 UTF-16：应为 UTF-8 的 JSON";
        NotJson { error: String } = "not valid JSON: {error}", "不是有效的 JSON：{error}";
        Time = "expected a time like 2026-11-21T16:00:00+08:00", "应为时间，例如 2026-11-21T16:00:00+08:00";
        TimeWithZone = "expected a time with its zone, as 2026-11-21T16:00:00+08:00; --time-zone, or files.time_zone in the settings, names that of all the others", "应为带时区的时间，例如 2026-11-21T16:00:00+08:00；不带时区的，用 --time-zone 或设置里的 files.time_zone 指明时区";
        ClocksChange = "the clocks are changed then, and the hour comes twice or not at all: write the offset, as +08:00", "那时正在调整夏令时，这一小时会出现两次或根本没有：请写明时差，例如 +08:00";
        TimeTooFar = "expected a time before the year 2200 (what is never to run is not published)", "应为 2200 年以前的时间（永远不做的任务不要发布）";
        NotBeforeEnd { start_at: String, what: String, end_at: String } = "{start_at} is not before {what}, {end_at}", "{start_at} 不早于 {what}（{end_at}）";

        NoSuchMethod { method: String, hint: Hint } = "the catalog has no method {method:?}; {hint}", "接口目录里没有 {method:?}；{hint}";
        WorkersMethod { method: String } = "{method} is called by the worker itself and is not for jobs; see `paceline methods list`", "{method} 由 worker 自己调用，不能用在任务里；见 `paceline methods list`";
        NoSuchApp { app: String, hint: Hint } = "the settings have no app {app:?}; {hint}", "设置里没有应用 {app:?}；{hint}";
        NameOfApp = "expected a name of letters, digits, \"-\", \"_\" and \".\"", "应为由字母、数字、“-”、“_”和“.”组成的名称";
        OtherPlatform { family: String, method: String, other: String } = "the app belongs to {family}, the method {method} to {other}", "应用属于 {family}，接口 {method} 属于 {other}";
        OtherEdition { app: String, chosen: String, setting: String, method: String, is: String, note: String } = "app {app} is set to {chosen} {setting}, and {method} is for {is} {setting}: set {setting} = {is:?} under [apps.{app}] ({note})", "应用 {app} 设为 {chosen} {setting}，而 {method} 用于 {is} {setting}：在 [apps.{app}] 里设 {setting} = {is:?}（{note}）";
        OtherEditionUse { app: String, chosen: String, setting: String, method: String, is: String, other: String, note: String } = "app {app} is set to {chosen} {setting}, and {method} is for {is} {setting}: use {other}, or set {setting} = {is:?} under [apps.{app}] ({note})", "应用 {app} 设为 {chosen} {setting}，而 {method} 用于 {is} {setting}：改用 {other}，或在 [apps.{app}] 里设 {setting} = {is:?}（{note}）";
        OneTenant = "the app is a custom app with one tenant; leave it out", "该应用是自建应用，只有一个租户；请去掉";
        RoutingKey { max: usize, bytes: usize } = "<app>.<method> must fit {max} bytes, and has {bytes}", "<app>.<method> 最多 {max} 字节，现有 {bytes} 字节";

        Identity = "expected \"tenant\" or \"user:<name>\"", "应为 \"tenant\" 或 \"user:<名字>\"";
        UserRequired { method: String } = "is required: {method} is called as a user, \"user:<name>\"", "必填：{method} 以用户身份调用，写作 \"user:<名字>\"";
        OnlyAsUser { method: String } = "{method} is only called as a user, \"user:<name>\"", "{method} 只能以用户身份调用，写作 \"user:<名字>\"";
        OnlyAsApp { method: String } = "{method} is only called as the app, \"tenant\"", "{method} 只能以应用身份调用，写作 \"tenant\"";
        NoSuchUser { user: String, hint: Hint } = "the app has no user {user:?}; {hint}", "该应用没有用户 {user:?}；{hint}";

        IdWithPublisher { max: usize, publisher: String } = "expected at most {max} bytes, because {publisher}/ is put before it", "最多 {max} 字节，因为前面要加 {publisher}/";
        IdOfPublisher { publisher: String } = "begins with {publisher}/, as the ids of that publisher do: use another beginning", "以 {publisher}/ 开头，与该发布方的 id 相同：换一个开头";
        WorkersQueue = "is one of the worker's own queues: name a queue of yours, or leave it out", "是 worker 自己的队列：写你自己的队列，或去掉";
        QueueLike { patterns: String } = "expected a queue like {patterns} (broker.reply_to)", "应为形如 {patterns} 的队列（broker.reply_to）";
        NoRight { publisher: String, key: String } = "the publisher {publisher} has no right to it: broker.publishers.{publisher}.{key} in the settings would have to name it", "发布方 {publisher} 无权使用：设置里的 broker.publishers.{publisher}.{key} 须写上它";
        PublisherKnown = "expected a user of one of [broker.publishers] in the settings: add a table with this user, or publish as one of them", "应为设置里某个 [broker.publishers] 的用户：加一张该用户的表，或以其中之一发布";
        PublisherGiven = "expected the publisher's RabbitMQ user: set the property user_id to it ([broker.publishers] in the settings tell who may publish what)", "应写明发布方的 RabbitMQ 用户：把它填进属性 user_id（设置里的 [broker.publishers] 规定谁可以发布什么）";

        LooksLike { unit: String } = "looks like {unit}: expected Unix seconds", "看起来是 {unit}：应为 Unix 秒";
        SpreadsheetError = "expected a value, not a spreadsheet's error", "应为值，不能是表格的错误值";
        SpreadsheetShortened = "a spreadsheet shortened the number: format the column as text and enter all digits", "表格软件把数字缩短了：把该列设为文本格式，再填入全部数字";
        SpreadsheetFormula = "expected a value, not a spreadsheet's formula: enter the value itself in a column formatted as text", "应为值，不能是表格公式：把该列设为文本格式，再填入值本身";
        ExpectedNoControl = "expected no control characters", "不应含有控制字符";
        ExpectedOneLine = "expected one line", "应只有一行";
        ExpectedNoInvisible = "expected no invisible characters", "不应含有看不见的字符";
        CharactersLost = "characters were lost in a conversion (U+FFFD)", "有字符在转换时丢失了（U+FFFD）";
        ExpectedNoSpaces = "expected no space at the beginning or end", "首尾不应有空格";
        CommaInItem = "a comma inside an item: `;`, `；` or `、` separate items", "一项里面有逗号：用 `;`、`；` 或 `、` 分隔各项";
        LaterThanNow = "expected a time later than now", "应为晚于现在的时间";
        SameAsAnother = "looks the same as another row", "看起来与另一行相同";
        SameAsLine { line: u64 } = "looks the same as line {line}", "看起来与第 {line} 行相同";

        ResultOfJob { form: String, long: String } = "expected {form} or {long}", "应为 {form} 或 {long}";
        NoSecretOfJob = "is sensitive: it cannot be taken from another job's result", "是敏感值：不能取自另一个任务的结果";
        KeyIsText { wanted: Wanted } = "expected {wanted}, and the key of a job's object is text: name a field of its result, \"at\"", "应为{wanted}，而任务对象的 key 是文本：用 \"at\" 指明结果里的字段";
        NameInPlace { form: String } = "expected an id, or a name as {form}", "应为 ID，或写成 {form} 的名称";
        NoNamesHere = "a name cannot be looked up for this parameter: expected an id", "这个参数不能按名称查找：应为 ID";
        NoNameOfSuch = "a name of this form is not looked up here: `paceline methods show` lists the look-ups of the parameter, and for each of those which names it takes", "这里不能按这种形式的名称查找：`paceline methods show` 列出该参数的查询方法，以及各查询方法接受的名称";
        NothingNamed { name: String } = "there is nothing named {name:?}: correct the name, or create it first", "没有名为 {name:?} 的对象：修改名称，或先创建它";
        NothingNamedSo { name: String, there: Vec<String> } = "there is nothing named {name:?}; there are {there}", "没有名为 {name:?} 的对象；现有 {there}";
        NothingNamedYet { name: String } = "there is nothing named {name:?}: correct the name, or let `paceline run --create-levels` create it", "没有名为 {name:?} 的对象：修改名称，或用 `paceline run --create-levels` 创建";
        NothingNamedYetBut { name: String, there: Vec<String> } = "there is nothing named {name:?}; there are {there}: correct the name, or let `paceline run --create-levels` create it", "没有名为 {name:?} 的对象；现有 {there}：修改名称，或用 `paceline run --create-levels` 创建";
        SeveralNamedSo { name: String, ids: Vec<String> } = "{name:?} is the name of several: put one of their ids in its place, {ids}", "名为 {name:?} 的不止一个：请填其中一个的 ID，{ids}";
        JobIds = "expected a list of job ids", "应为任务 id 的列表";
        KnownJob = "expected the id of a job of these files or of the ledger", "应为这些文件或账本里某个任务的 id";
        MakesNoKey { method: String, form: String } = "{method} makes no object with a key: name a field of its result, as in {form} or \"at\"", "{method} 不生成有 key 的对象：指明结果里的字段，写作 {form} 或 \"at\"";
        AnotherJob = "names the job itself: expected the id of another job", "写的是任务自己：应为另一个任务的 id";
        JobWaitsForItself = "the job waits for itself", "任务最终在等待自己";
        ColumnWithoutName { cell: String } = "the column has no name, and the cell holds {cell:?}", "该列没有名称，而单元格里有 {cell:?}";
        Masked = "is masked in an export: put the value in again, or take the row out", "导出时被遮住了：重新填入该值，或去掉这一行";
        NotOfThisMethod = "the row's method has no such parameter; leave the cell empty", "该行的接口没有这个参数；把单元格留空";
        ListInList = "is a list inside a list, which no cell can hold: use JSONL", "是列表中的列表，单元格装不下：请用 JSONL";
        HasParts { parts: String } = "has parts, each with a column of its own: {parts}", "由几部分组成，各占一列：{parts}";
        CellsOfRow { cells: usize, header: usize } = "the row has {cells} cells and the header {header}; is a comma or a line break not inside quotes?", "该行有 {cells} 个单元格，表头有 {header} 个；是不是有逗号或换行没放在引号里？";
        RowsInCell = "holds a line break, and behind it what looks like rows of the file: is a quote missing, or one too many? A text that is meant so takes a space behind its commas", "含有换行，后面看起来是文件的其他行：是不是少了或多了一个引号？确实如此的文本，请在逗号后加空格";
        SecondId { id: String, place: String } = "duplicate id {id:?}, already in {place}; give every row its own id", "id {id:?} 重复，{place} 已经用过；每行要有自己的 id";
        WantsTheSame { place: String, fields: Vec<String> } = "wants the same as {place} (equal in {fields}); take one row out, give both rows an id, or number them with --allow-duplicates", "与 {place} 要的相同（{fields} 都相等）；去掉其中一行，给两行都写上 id，或用 --allow-duplicates 编号";
        WantsAllTheSame { place: String } = "wants the same as {place} (equal in all parameters); take one row out, give both rows an id, or number them with --allow-duplicates", "与 {place} 要的相同（全部参数都相等）；去掉其中一行，给两行都写上 id，或用 --allow-duplicates 编号";
        IdsChanged = "the spreadsheet has changed the ids", "表格软件改动了 id";
        ResultsMoved = "the result columns belong to another row", "结果列属于另一行";
        NotInLedger = "the job should be in the ledger and is not; a spreadsheet may have changed its id, or the ledger is another one. Take the ids from a new export, or take the result columns out to create it anew", "该任务应在账本里，却不在：可能是表格软件改动了 id，或账本换了。从新的导出里取 id；要重新创建，就去掉结果列";
    }
}

messages! {
    /// What a value is to be.
    pub enum Wanted {
        AValue = "a value", "值";
        AnObject = "an object", "对象";
        AList = "a list", "列表";
        AString = "a string", "字符串";
        AnInteger = "an integer", "整数";
        AnIntegerTo { max: u32 } = "an integer from 0 to {max}", "0 到 {max} 的整数";
        ANumber = "a number", "数字";
        TrueOrFalse = "true or false", " true 或 false";
        Digits = "a string of digits", "数字组成的字符串";
        UnixSecondsText = "Unix seconds as a string of digits (in CSV also a time like 2026-11-21T16:00:00+08:00)", "Unix 秒，写成数字组成的字符串（CSV 里也可以写 2026-11-21T16:00:00+08:00 这样的时间）";
        UnixSeconds = "Unix seconds, an integer (in CSV also a time like 2026-11-21T16:00:00+08:00)", "Unix 秒，整数（CSV 里也可以写 2026-11-21T16:00:00+08:00 这样的时间）";
        AnId = "an id", " id";
        Called { called: String, example: String } = "{called} such as {example:?}", " {called}，例如 {example:?}";
        AJsonObject = "a JSON object", " JSON 对象";
    }
}

messages! {
    /// What was probably meant, or what there is.
    pub enum Hint {
        DidYouMean { near: String } = "did you mean {near:?}?", "是不是 {near:?}？";
        ThereAre { names: Vec<String> } = "there are {names}", "有 {names}";
        TakesNoneHere = "the method takes none here", "这里不接受任何参数";
        ParametersBelong = "a method's parameters belong into \"body\", \"query\" or \"path\"", "接口的参数要放在 \"body\"、\"query\" 或 \"path\" 里";
        SeeMethods = "see `paceline methods list`", "见 `paceline methods list`";
        NoApps { app: String } = "there are none; add [apps.{app:?}]", "一个也没有；请加上 [apps.{app:?}]";
        AddUser = "add the user's token to the app's settings", "把该用户的令牌加进应用的设置";
    }
}

messages! {
    /// What stands there instead, as people may see it.
    pub enum Got {
        /// A value, a number, a name.
        Shown { shown: String } = "{shown}", "{shown}";
        GotObject = "an object", "对象";
        GotList = "a list", "列表";
        GotNull = "null; leave it out instead", "null；请直接去掉";
        Sized { count: usize, shown: String } = "{count}: {shown}", "{count}：{shown}";
        BytesAndCharacters { bytes: usize, chars: usize, shown: String } = "{bytes} bytes and {chars} characters: {shown}", "{bytes} 字节、{chars} 个字符：{shown}";
        ChangedFrom { id: String, was: String } = "{id} was {was}; take the ids from a new export", "{id} 原为 {was}；从新的导出里取 id";
        KeyOfAnother { key: String, owner: String, id: String } = "{key} is the key of {owner}, not of {id}; sort all columns together", "{key} 是 {owner} 的 key，不是 {id} 的；排序时要所有列一起排";
        KeptTo { bytes: usize, kept: usize } = "{bytes}; only its first {kept} are kept", "{bytes}；只保留了前 {kept} 字节";
        InSeconds { value: i64, seconds: i64 } = "{value} (in seconds: {seconds})", "{value}（换算成秒：{seconds}）";
    }
}

messages! {
    /// Where in an input.
    pub enum Spot {
        Field { field: String } = "{field}", "{field}";
        Column { number: usize } = "column {number}", "第 {number} 列";
        NamedColumn { number: usize, header: String } = "column {number} ({header})", "第 {number} 列（{header}）";
        ItemOf { spot: Box<Spot>, item: usize } = "{spot}, item {item}", "{spot}第 {item} 项";
    }
}

messages! {
    /// What is wrong with an input, in one of its fields or as a whole.
    pub enum Wrong {
        Broken { rule: Rule } = "{rule}", "{rule}";
        BrokenBy { rule: Rule, got: Got } = "{rule}, got {got}", "{rule}，实际为 {got}";
        /// A rule that leads up to what there is.
        Explained { rule: Rule, got: Got } = "{rule}: {got}", "{rule}：{got}";
        InField { spot: Spot, wrong: Box<Wrong> } = "{spot}: {wrong}", "{spot}：{wrong}";
    }
}

impl Wrong {
    /// A rule, what stands there instead, and where; the input as a whole has no name.
    pub fn new(spot: Option<Spot>, rule: Rule, got: Option<Got>) -> Self {
        let wrong = match got {
            None => Self::Broken { rule },
            Some(got) if matches!(rule, Rule::IdsChanged | Rule::ResultsMoved | Rule::JobWaitsForItself) => {
                Self::Explained { rule, got }
            }
            Some(got) => Self::BrokenBy { rule, got },
        };
        match spot {
            None => wrong,
            Some(spot) => Self::InField { spot, wrong: Box::new(wrong) },
        }
    }
}

/// Several, one after the other.
impl Render for Vec<Wrong> {
    fn render(&self, language: Language) -> String {
        in_one_line(self, language)
    }
}

macro_rules! from_text {
    ($($Type:ident::$Variant:ident { $field:ident })*) => {
        $(
            impl From<String> for $Type {
                fn from($field: String) -> Self {
                    Self::$Variant { $field }
                }
            }

            impl From<&str> for $Type {
                fn from($field: &str) -> Self {
                    $field.to_owned().into()
                }
            }
        )*
    };
}

from_text! {
    Rule::Plain { text }
    Got::Shown { shown }
}

macro_rules! from_trouble {
    ($($Trouble:ident => $Variant:ident)*) => {
        $(
            impl From<$Trouble> for Rule {
                fn from(trouble: $Trouble) -> Self {
                    Self::$Variant { trouble }
                }
            }
        )*
    };
}

from_trouble! {
    FileTrouble => OfFile
    HeaderTrouble => OfHeader
    TimetableTrouble => OfTimetable
}

impl Rule {
    /// Of a key of a map or a rule.
    #[must_use]
    pub fn of_entry(entry: impl Into<String>, rule: impl Into<Self>) -> Self {
        HeaderTrouble::OfEntry { entry: entry.into(), rule: Box::new(rule.into()) }.into()
    }
}
