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
        "t.csv:2: column 4 (结束节数): cannot be read from \"1\" on",
        "t.csv:3: column 4 (结束节数): is empty",
        "t.csv:4: column 4",
    ] {
        assert!(told.contains(words), "{words} is not in: {told}");
    }
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
