//! What is wrong with a timetable, and with the rule that says what becomes of it.

use crate::messages;

messages! {
    /// What one cell, property or key of a timetable is to hold.
    pub enum TimeForm {
        DateForm = "a date such as 2026-09-01", "日期，例如 2026-09-01";
        WeeksForm = "weeks such as 1-16, 1-8,10-16周 or 1-16周(单)", "周次，例如 1-16、1-8,10-16周 或 1-16周(单)";
        ParityForm = "odd, even, 单周, 双周 or 全周", "单周、双周、全周、odd 或 even";
        DayForm = "a day such as Tuesday, 周二, 星期二 or 2", "星期，例如 周二、星期二、Tuesday 或 2";
        SectionsForm = "sections such as 3-4 or 第3-4节, or a time such as 10:00-11:40", "节次，例如 3-4 或 第3-4节，或时间，例如 10:00-11:40";
        WhenForm = "day, sections and weeks, such as 周二第3-4节(1-16周|单周) or Tue sections 3-4, weeks 1-16, odd", "星期、节次和周次，例如 周二第3-4节(1-16周|单周) 或 Tue sections 3-4, weeks 1-16, odd";
        TimesForm = "a time such as 10:00, and the end in its own column or behind it, as 10:00-11:40", "时间，例如 10:00，结束时间另占一列或写在后面，如 10:00-11:40";
        TextForm = "a text", "文本";
        InstantForm = "a time such as 20260901T100000, with TZID=Europe/Berlin before it or Z behind", "时间，例如 20260901T100000，前面有 TZID=Europe/Berlin 或后面有 Z";
    }
}

messages! {
    /// What two lessons share at one time.
    pub enum LessonsShare {
        ARoom = "room", "教室";
        ATeacher = "teacher", "教师";
    }
}

messages! {
    /// How often two lessons share it.
    pub enum HowOften {
        HeldOnce { time: String } = "once at {time}", "一次，{time}";
        HeldOften { times: usize, time: String } = "{times} times, first at {time}", "{times} 次，首次 {time}";
    }
}

messages! {
    /// What is wrong with a timetable or its rule, or what a person should know of it.
    pub enum TimetableTrouble {
        WeeksOutside { most: u16, got: u16 } = "expected 1 to {most}, got {got}", "应为 1 到 {most}，实际为 {got}";
        ZoneExpected { got: String } = "expected an IANA name such as Asia/Shanghai, got {got:?}", "应为 IANA 时区名，例如 Asia/Shanghai，实际为 {got:?}";
        FormExpected { form: TimeForm, got: String } = "expected {form}, got {got:?}", "应为{form}，实际为 {got:?}";
        HolidaysExpected { got: String } = "expected a date such as 2026-09-01, or two as 2026-10-01..2026-10-07, got {got:?}", "应为日期，例如 2026-09-01，或起止两个日期，例如 2026-10-01..2026-10-07，实际为 {got:?}";
        TakesExpected { got: String } = "expected a date such as 2026-09-01 or a weekday such as Thursday or 周四, got {got:?}", "应为日期，例如 2026-09-01，或星期，例如 周四 或 Thursday，实际为 {got:?}";
        SectionNumberExpected { got: String } = "expected a section's number, got {got:?}", "应为节次的编号，实际为 {got:?}";
        SectionTimesExpected { got: String } = "expected its times as 08:00-08:45, got {got:?}", "应为起止时间，例如 08:00-08:45，实际为 {got:?}";
        SectionsOverlap { from: String, other: u16, end: String } = "begins at {from}, before section {other} ends at {end}", "{from} 开始，而第 {other} 节 {end} 才结束";
        FieldExpected { known: Vec<String> } = "expected one of {known}", "应为其中之一：{known}";
        KeyExpected { form: String } = "expected the columns that a lesson is known by, such as {form}", "应为识别一门课的列，例如 {form}";
        ParametersExpected = "expected what the jobs' parameters are to hold", "应写明任务的各参数填什么";
        NameNotClosed { form: String } = "a brace is not closed: expected a name, as {form}", "花括号没有结束：应为名称，例如 {form}";
        NameExpected { form: String } = "expected a name in braces, as {form}", "花括号里应为名称，例如 {form}";
        DayIsHoliday { day: String } = "{day} is a holiday: take it out of term.holidays, or name another day", "{day} 是假日：请从 term.holidays 中去掉，或改写别的日期";
        TakesOutsideTerm { day: String, first: String, last: String } = "takes the lessons of {day}: expected a day of the term, {first} to {last}", "上 {day} 的课：应为学期内的日期，{first} 至 {last}";
        TakesItself { day: String } = "{day} takes its own lessons: name the day whose lessons it takes", "{day} 上的是自己的课：请写明上哪一天的课";
        TakesAlready { day: String } = "{day} takes another day's lessons already: remove one of the two", "{day} 已经上别的日子的课：请去掉其中一个";
        TakesNoHoliday { day: String } = "{day} is no holiday, so its lessons are held on both days: add it to term.holidays if it is free", "{day} 不是假日，因此两天都上它的课：如果放假，请加到 term.holidays";
        TakesNothing { takes: String, day: String } = "{takes} has no lessons, so {day} has none", "{takes} 没有课，因此 {day} 也没有课";
        OwnNotHeld { day: String, takes: String, count: usize } = "{day} has the lessons of {takes}, so {count} of its own are not held", "{day} 上 {takes} 的课，因此当天自己的 {count} 次课不上";

        NoSuchWord { field: String, value: String } = "the rule's words.{field} do not have {value:?}: add it there", "规则的 words.{field} 里没有 {value:?}：请加上";
        HeadedNowhere { heading: String, there: Vec<String> } = "no column is headed {heading:?}; there are {there}", "没有标题为 {heading:?} 的列；现有 {there}";
        SecondColumnFor { field: String } = "is a second column for {field}: say which one in the rule, as columns.{field}", "{field} 有两列：请在规则里用 columns.{field} 写明是哪一列";
        NoColumnFor { field: String, heading: String } = "no column has the {field} of the lessons: head it {heading} or {field}, or name it in the rule, as columns.{field}", "没有课程的 {field} 列：请把列名写作 {heading} 或 {field}，或在规则里用 columns.{field} 指定";
        NoColumnHas { name: String } = "no column has {name:?}", "没有 {name:?} 列";
        NoCourse = "no column has the course: head it 课程名称 or course, or say in the rule, as job.key, what a lesson is known by", "没有课程列：请把列名写作 课程名称 或 course，或在规则里用 job.key 写明靠什么识别一门课";
        NoLessons = "has no rows: expected a lesson a row below the header", "没有数据行：表头下面应每行一门课";
        KeyIsEmpty = "is empty: expected what the lesson is known by", "是空的：应填写识别这门课的内容";
        CellIsEmpty { form: TimeForm } = "is empty: expected {form}", "是空的：应为{form}";
        RoomsForTimes { rooms: usize, times: usize } = "has {rooms} rooms for {times} times: name one for each, in their order, or one for all", "有 {rooms} 个教室，而时间有 {times} 个：请按顺序每个时间写一个，或只写一个";
        CellBeyond = "has no heading: give the column one, or empty the cell", "该列没有标题：请加上标题，或清空单元格";
        UnreadFrom { rest: String, form: TimeForm } = "cannot be read from {rest:?} on: expected {form}", "从 {rest:?} 起无法识别：应为{form}";
        NoDay { form: TimeForm } = "has no day: expected {form}", "没有星期：应为{form}";
        NoSections { form: TimeForm } = "has no sections: expected {form}", "没有节次：应为{form}";
        SectionsUnknown { missing: Vec<String>, known: Vec<String> } = "the rule's sections do not have {missing}, but {known}: add their times there, or correct the number", "规则的 sections 里没有 {missing}，只有 {known}：请在那里加上时间，或改正编号";
        SectionsNone { missing: Vec<String> } = "the rule's sections do not have {missing}, but none: add their times there, or correct the number", "规则的 sections 里没有 {missing}，而且是空的：请在那里加上时间，或改正编号";
        OddAndEven = "is of odd and of even weeks at once: remove one of the two", "既是单周又是双周：请去掉其中一个";
        WeeksBeyond { first: u16, last: u16, all: u16 } = "names the weeks {first} to {last}, but the term has 1 to {all}: correct them, or term.weeks in the rule", "写的是第 {first} 到 {last} 周，而学期只有第 1 到 {all} 周：请改正，或修改规则里的 term.weeks";
        NoWeek = "names no week of that kind: correct the weeks, or odd and even", "没有这样的周：请改正周次，或单双周";
        ClocksSkip { time: String, zone: String } = "is at {time}, which the clocks of {zone} skip or repeat on that day: move the lesson by an hour", "时间是 {time}，而 {zone} 的时钟当天会跳过或重复这一小时：请把课移动一小时";
        SameLesson { line: u64, time: String } = "is known by the same as line {line} and also begins at {time}: remove one, or name in the rule, as job.key, the columns that tell them apart", "与第 {line} 行识别为同一门课，也在 {time} 开始：请去掉一个，或在规则里用 job.key 写明能区分它们的列";
        LessonsMeet { one: String, other: String, line: u64, what: LessonsShare, name: String, often: Box<HowOften> } = "{one} and {other} (line {line}) have the {what} {name:?} at the same time: {often}", "{one} 与 {other}（第 {line} 行）在同一时间用同一{what} {name:?}：{often}";

        NoName { name: String, near: String } = "neither a column nor a meeting has {name:?}; is {near:?} meant?", "列和会议都没有 {name:?}；是不是 {near:?}？";
        NoNameOf { name: String, there: Vec<String> } = "neither a column nor a meeting has {name:?}; a meeting has {there}", "列和会议都没有 {name:?}；会议有 {there}";
        NoMethodCalled { name: String } = "no method is called {name:?}", "没有名为 {name:?} 的接口";
        NoMethodCalledBut { name: String, near: String } = "no method is called {name:?}; is {near} meant?", "没有名为 {name:?} 的接口；是不是 {near}？";
        NoParameterBut { method: String, near: String } = "{method} has no such parameter; is {near:?} meant?", "{method} 没有这个参数；是不是 {near:?}？";
        NoParameter { method: String } = "{method} has no such parameter, or another one is it already", "{method} 没有这个参数，或已由另一个给出";
        AlsoRequires { method: String, names: Vec<String> } = "{method} also requires {names}", "{method} 还必须有 {names}";

        NoCalendar { form: String } = "is no iCalendar file from here on: expected {form} and properties as NAME:VALUE", "从此处起不是 iCalendar 文件：应为 {form} 和写作 NAME:VALUE 的属性";
        NoEventHas { name: String, there: Vec<String> } = "no event has {name:?}; it has {there}", "事件没有 {name:?}；它有 {there}";
        NoEvents = "has no events: expected BEGIN:VEVENT in a calendar", "没有事件：日历里应有 BEGIN:VEVENT";
        AllDayLeftOut { title: String } = "{title:?} is an all-day event: left out", "{title:?} 是全天事件：已略去";
        CancelledLeftOut { title: String } = "{title:?} is cancelled: left out", "{title:?} 已取消：已略去";
        UidMissing = "is missing: expected what the event is known by", "缺少：应为事件的标识";
        StartMissing { form: TimeForm } = "is missing: expected {form}", "缺少：应为{form}";
        EndMissing = "is missing: expected DTEND or DURATION", "缺少：应有 DTEND 或 DURATION";
        EndNotBehind = "is not behind DTSTART: correct one of the two", "不晚于 DTSTART：请改正其中一个";
        RangeUnread { range: String } = "RANGE={range} is not read: export the events of the changed series one by one", "不支持 RANGE={range}：请把改动过的系列逐个导出";
        DurationExpected { got: String } = "expected a duration such as PT1H30M, got {got:?}", "应为时长，例如 PT1H30M，实际为 {got:?}";
        ZoneUnknown { id: String } = "the time zone {id:?} has no IANA name: say in the rule which one is meant, as [time_zones] {id:?} = \"Asia/Shanghai\"", "时区 {id:?} 没有 IANA 名称：请在规则里写明是哪一个，例如 [time_zones] {id:?} = \"Asia/Shanghai\"";
        RepetitionUnread { error: String } = "cannot be read ({error}): expected a repetition such as FREQ=WEEKLY;UNTIL=20261218T090000Z", "无法读取（{error}）：应为重复规则，例如 FREQ=WEEKLY;UNTIL=20261218T090000Z";
        RepetitionLong { most: u16 } = "gives more than {most} meetings: end it with UNTIL or COUNT", "会产生超过 {most} 次会议：请用 UNTIL 或 COUNT 结束";
        RepetitionElsewhere { start: String } = "does not give {start} itself, when DTSTART begins: correct one of the two", "不包括 DTSTART 的时间 {start}：请改正其中一个";
    }
}
