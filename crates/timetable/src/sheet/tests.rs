use jiff::civil::date;

use super::*;
use crate::fixture::{RULE, lessons, rule, said, sheet};

fn faults(text: &str) -> String {
    said(&sheet(text).lessons(&rule(RULE)).unwrap_err())
}

#[test]
fn a_row_is_a_lesson_of_its_weeks() {
    let rule = rule(RULE);
    let found =
        lessons(&rule, "课程名称,任课教师,教室,周次,单双周,星期,节次\n高等数学,王,A101,1-16周,单,星期二,第3-4节");
    let [lesson] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!((lesson.line, lesson.title(), lesson.value(Field::Room)), (2, "高等数学", "A101"));
    assert_eq!(lesson.slots.len(), 8);
    assert_eq!(lesson.slots[0].start, date(2026, 9, 1).at(10, 0, 0, 0));
    assert_eq!(lesson.slots[0].end, date(2026, 9, 1).at(11, 40, 0, 0));
    assert_eq!(lesson.slots[1].start, date(2026, 9, 15).at(10, 0, 0, 0));
    let english = lessons(&rule, "Course,Teacher,Room,Weeks,Day,Sections\n高等数学,王,A101,1-16 odd,Tue,3-4");
    assert_eq!(english[0].slots, lesson.slots);
    let one_cell = lessons(&rule, "课程,上课时间\n高等数学,周二第3-4节{1-16周|单周}");
    assert_eq!(one_cell[0].slots, lesson.slots);
}

/// The form in which timetables are passed on between the programs that students use.
#[test]
fn a_first_and_a_last_section_may_have_a_column_each() {
    const HEADER: &str = "课程名称,星期,开始节数,结束节数,老师,地点,周数";
    let rule = rule(RULE);
    let found =
        lessons(&rule, &format!("{HEADER}\n甲,1,1,2,王,东楼201,1-5、7-11单、12-16双\n乙,日,3,4,李,南110,2周5周8周"));
    let days: Vec<usize> = found.iter().map(|lesson| lesson.slots.len()).collect();
    assert_eq!(days, [11, 3]);
    assert_eq!((found[0].value(Field::Room), found[0].value(Field::Teacher)), ("东楼201", "王"));
    assert_eq!(found[0].slots[0].start, date(2026, 8, 31).at(8, 0, 0, 0));
    assert_eq!(found[0].slots[0].end, date(2026, 8, 31).at(9, 40, 0, 0));
    let told = faults(&format!("{HEADER}\n甲,1,2,1,王,A,1\n乙,1,1,,王,A,1\n丙,1,1,x,王,A,1"));
    for words in [
        "t.csv:2: column 3 (开始节数): cannot be read from \"2-1\" on",
        "t.csv:3: column 4 (结束节数): is empty",
        "t.csv:4: column 3 (开始节数): cannot be read from \"-x\" on",
    ] {
        assert!(told.contains(words), "{words} is not in: {told}");
    }
}

/// The template of a planner for students, with other lessons.
#[test]
fn weeks_are_lists_between_slashes_too() {
    let found = lessons(
        &rule(RULE),
        "课程名称,教师,地点,星期,开始节次,结束节次,周次,日期\n\
         甲,王,东楼 201,1,1,2,1-8/10-16,\n乙,李,南楼 110,2,3,4,1/3/5/7-11,\n丙,赵,机房 3,4,3,4,2-16单,",
    );
    assert_eq!(found.iter().map(|lesson| lesson.slots.len()).collect::<Vec<_>>(), [15, 8, 7]);
    assert_eq!(
        found[2].slots[0].start,
        date(2026, 9, 17).at(10, 0, 0, 0),
        "of 2 to 16 the third week is the first odd one"
    );
}

/// The template of another planner, which knows no sections.
#[test]
fn beginning_and_end_of_times_and_weeks_may_have_a_column_each() {
    const HEADER: &str = "课程名称,教师,地点,星期,开始时间,结束时间,开始周,结束周,周次模式";
    let rule = rule(RULE);
    let found = lessons(
        &rule,
        &format!("{HEADER}\n甲,王,东楼201,周一,18:30,20:05,1,16,每周\n乙,李,南110,周五,8:00,9:40,2,9,双周"),
    );
    assert_eq!(found.iter().map(|lesson| lesson.slots.len()).collect::<Vec<_>>(), [16, 4]);
    assert_eq!(found[0].slots[0].start, date(2026, 8, 31).at(18, 30, 0, 0));
    assert_eq!(found[0].slots[0].end, date(2026, 8, 31).at(20, 5, 0, 0));
    let told = faults(&format!("{HEADER}\n甲,王,A,周一,18:30,,1,16,每周\n乙,李,A,周五,9:40,8:00,9,2,每周"));
    for words in [
        "t.csv:2: column 6 (结束时间): is empty: expected a time such as 10:00",
        "t.csv:3: column 5 (开始时间): cannot be read from \"9:40-8:00\" on",
        "t.csv:3: column 7 (开始周): cannot be read from \"9-2\" on",
    ] {
        assert!(told.contains(words), "{words} is not in: {told}");
    }
    let both = "课程名称,星期,节次,周次,开始时间,结束时间\n甲,周一,1-2,1,,\n乙,周二,1-2,1,8:05,9:35";
    let starts: Vec<_> = lessons(&rule, both).iter().map(|lesson| lesson.slots[0].start).collect();
    assert_eq!(starts, [date(2026, 8, 31).at(8, 0, 0, 0), date(2026, 9, 1).at(8, 0, 0, 0)], "sections are the rule's");
    let all_in_one = lessons(&rule, "课程名称,上课时间,开始时间,结束时间\n甲,周一1-2节{1周},,");
    assert_eq!(all_in_one[0].slots, lessons(&rule, "课程名称,上课时间\n甲,周一1-2节{1周}")[0].slots);
}

/// How systems of universities list what is taught: all times of a course in one cell, their rooms in another.
#[test]
fn each_time_of_a_cell_has_its_own_room() {
    const HEADER: &str = "教学班名称,课程名称,上课时间,教学地点";
    const TIMES: &str = "星期一第1-2节{1-16周};星期三第3-4节{2-16周(双)}";
    let rule = rule(&format!("{RULE}\n[words.room]\n\"A101\" = \"omm_1\"\n\"B202\" = \"omm_2\"\n"));
    let found = lessons(&rule, &format!("{HEADER}\n1班,甲,{TIMES},A101;B202\n2班,乙,{TIMES},B202\n3班,丙,{TIMES},"));
    let rooms: Vec<_> = found.iter().map(|lesson| (lesson.slots.len(), lesson.value(Field::Room))).collect();
    assert_eq!(rooms, [(16, "omm_1"), (8, "omm_2"), (16, "omm_2"), (8, "omm_2"), (16, ""), (8, "")]);
    let told = said(&sheet(&format!("{HEADER}\n1班,甲,{TIMES},A101;B202;A101")).lessons(&rule).unwrap_err());
    assert_eq!(
        told,
        "t.csv:2: column 4 (教学地点): has 3 rooms for 2 times: name one for each, in their order, or one for all"
    );
}

#[test]
fn sections_with_a_gap_are_two_lessons_and_so_are_two_parts_of_a_cell() {
    let rule = rule(RULE);
    let gap = lessons(&rule, "course,weeks,day,sections\nX,1,Mon,1-2、4");
    let starts: Vec<_> = gap[0].slots.iter().map(|slot| slot.start).collect();
    assert_eq!(starts, [date(2026, 8, 31).at(8, 0, 0, 0), date(2026, 8, 31).at(10, 55, 0, 0)]);
    let parts = lessons(&rule, "course,when\nX,周一1-2节{1周};周三3-4节{2周}");
    assert_eq!(parts.iter().map(|lesson| lesson.slots.len()).collect::<Vec<_>>(), [1, 1]);
    assert_eq!(parts[1].slots[0].start, date(2026, 9, 9).at(10, 0, 0, 0));
}

#[test]
fn all_faults_are_named_at_once_with_line_and_column() {
    let said = faults(
        "course,weeks,parity,day,sections\n\
         ,1-16,,Mon,1\n\
         A,1-17,,Mon,1\n\
         B,1-16,,someday,1\n\
         C,1-16,,Mon,9\n\
         D,,,Mon,1\n\
         E,1,双,Mon,1\n\
         F,1-16单,双,Mon,1\n\
         G,1-16,,,下午",
    );
    for expected in [
        "t.csv:2: column 1 (course): is empty: expected what the lesson is known by",
        "t.csv:3: column 2 (weeks): names the weeks 1 to 17, but the term has 1 to 16",
        "t.csv:4: column 4 (day): cannot be read from \"someday\" on: expected a day such as Tuesday",
        "t.csv:5: column 5 (sections): the rule's sections do not have 9, but 1, 2, 3, 4",
        "t.csv:6: column 2 (weeks): is empty: expected weeks such as 1-16",
        "t.csv:7: column 2 (weeks): names no week of that kind",
        "t.csv:8: column 2 (weeks): is of odd and of even weeks at once",
        "t.csv:9: column 4 (day): is empty",
        "t.csv:9: column 5 (sections): cannot be read from \"下午\" on",
    ] {
        assert!(said.contains(expected), "{expected}\n---\n{said}");
    }
}

#[test]
fn what_the_header_lacks_is_said_with_what_to_do() {
    let said_now = faults("name,weeks\nX,1");
    assert!(
        said_now.contains("t.csv:1: no column has the day of the lessons: head it 星期 or day, or name it in the rule")
    );
    assert!(
        said_now.contains("no column has the sections") && said_now.contains("no column has the course"),
        "{said_now}"
    );
    assert!(faults("course,课程,day,sections\nX,Y,1,1").contains("column 2 (课程): is a second column for course"));
    assert!(faults("course,day,sections").contains("has no rows"));
    let chosen = rule(&format!("{RULE}\n[columns]\ncourse = \"课程\"\nroom = \"Hall\"\n"));
    let said_now = said(&sheet("course,课程,day,sections\nX,Y,1,1").lessons(&chosen).unwrap_err());
    assert_eq!(
        said_now,
        "rule.toml:26: columns.room: no column is headed \"Hall\"; there are course, 课程, day, sections"
    );
}

#[test]
fn words_stand_in_for_values_and_none_is_guessed() {
    let rule = rule(&format!("{RULE}\n[words.room]\nA101 = \"omm_1\"\n"));
    let found = lessons(&rule, "course,教室,day,sections\nX,a101,1,1\nY,,1,2");
    assert_eq!((found[0].value(Field::Room), found[1].value(Field::Room)), ("omm_1", ""));
    let said_now = said(&sheet("course,教室,day,sections\nX,A102,1,1").lessons(&rule).unwrap_err());
    assert_eq!(said_now, "t.csv:2: column 2 (教室): the rule's words.room do not have \"A102\": add it there");
}
