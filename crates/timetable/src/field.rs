//! What the columns of a timetable hold, and how timetables head them.

use paceline_domain::messages::TimeForm;

use crate::words::{Unit, normal};

/// What a column of a timetable may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Field {
    Course,
    Code,
    Class,
    Teacher,
    Room,
    Weeks,
    LastWeek,
    Parity,
    Day,
    Sections,
    LastSection,
    From,
    To,
    When,
}

impl Field {
    pub(crate) const ALL: [Self; 14] = [
        Self::Course,
        Self::Code,
        Self::Class,
        Self::Teacher,
        Self::Room,
        Self::Weeks,
        Self::LastWeek,
        Self::Parity,
        Self::Day,
        Self::Sections,
        Self::LastSection,
        Self::From,
        Self::To,
        Self::When,
    ];

    /// How the rule file calls it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Course => "course",
            Self::Code => "code",
            Self::Class => "class",
            Self::Teacher => "teacher",
            Self::Room => "room",
            Self::Weeks => "weeks",
            Self::LastWeek => "last_week",
            Self::Parity => "parity",
            Self::Day => "day",
            Self::Sections => "sections",
            Self::LastSection => "last_section",
            Self::From => "from",
            Self::To => "to",
            Self::When => "when",
        }
    }

    /// How timetables head it, besides.
    pub(crate) const fn headings(self) -> &'static [&'static str] {
        match self {
            Self::Course => &["课程", "课程名称", "课程名", "科目", "课名", "course name", "title", "subject"],
            Self::Code => &["课程号", "课程代码", "课程编号", "课序号", "选课号", "course code", "course id"],
            Self::Class => &["班级", "教学班", "教学班名称", "上课班级", "行政班", "group"],
            Self::Teacher => {
                &["教师", "任课教师", "授课教师", "上课教师", "老师", "教师姓名", "lecturer", "instructor"]
            }
            Self::Room => {
                &["教室", "上课教室", "上课地点", "教学地点", "地点", "场地", "教室名称", "location", "place"]
            }
            Self::Weeks => &["周次", "上课周次", "起止周", "周数", "开始周", "起始周", "week", "first week"],
            Self::LastWeek => &["结束周", "last week", "end week"],
            Self::Parity => &["单双周", "单周/双周", "周次模式", "odd/even"],
            Self::Day => &["星期", "星期几", "周几", "上课星期", "weekday"],
            Self::Sections => {
                &["节次", "上课节次", "节数", "开始节数", "开始节次", "section", "period", "periods", "时间段", "time"]
            }
            Self::LastSection => &["结束节数", "结束节次", "last section", "end section"],
            Self::From => &["开始时间", "start time"],
            Self::To => &["结束时间", "end time"],
            Self::When => &["上课时间", "时间", "排课时间", "schedule"],
        }
    }

    /// What numbers without a unit are in its column; `None` if it says nothing of the time.
    pub(crate) const fn unit(self) -> Option<Unit> {
        match self {
            Self::Weeks => Some(Unit::Weeks),
            Self::Parity => Some(Unit::Parity),
            Self::Day => Some(Unit::Day),
            Self::Sections => Some(Unit::Sections),
            Self::From | Self::When => Some(Unit::None),
            Self::Course
            | Self::Code
            | Self::Class
            | Self::Teacher
            | Self::Room
            | Self::LastWeek
            | Self::LastSection
            | Self::To => None,
        }
    }

    /// Which column has the end, where a table has the first and the last in a column each.
    pub(crate) fn end(self) -> Option<Self> {
        let ends = [(Self::Weeks, Self::LastWeek), (Self::Sections, Self::LastSection), (Self::From, Self::To)];
        ends.into_iter().find(|(first, _)| *first == self).map(|(_, end)| end)
    }

    pub(crate) const fn example(self) -> TimeForm {
        match self {
            Self::Weeks | Self::LastWeek => TimeForm::WeeksForm,
            Self::Parity => TimeForm::ParityForm,
            Self::Day => TimeForm::DayForm,
            Self::Sections | Self::LastSection => TimeForm::SectionsForm,
            Self::From | Self::To => TimeForm::TimesForm,
            Self::When => TimeForm::WhenForm,
            Self::Course | Self::Code | Self::Class | Self::Teacher | Self::Room => TimeForm::TextForm,
        }
    }

    pub(crate) fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|field| field.name() == name)
    }

    pub(crate) fn is_headed(self, heading: &str) -> bool {
        let heading = normal(heading);
        self.name() == heading || self.headings().contains(&heading.as_str())
    }
}
