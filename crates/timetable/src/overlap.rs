//! Meetings that share a room or a teacher at one time.

use std::collections::BTreeMap;

use paceline_domain::messages::LessonsShare;

use crate::expand::Plan;
use crate::field::Field;
use crate::lesson::Slot;
use crate::words::normal;

/// What stands between several teachers or rooms in one cell.
const AND: [char; 6] = [';', '；', '、', ',', '，', '\n'];

/// What two lessons share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Shared {
    /// A room.
    Room,
    /// A teacher.
    Teacher,
}

/// Two lessons that share something at one time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overlap {
    /// What they share.
    pub shared: Shared,
    /// Its name.
    pub name: String,
    /// The two, counted from 0.
    pub lessons: (usize, usize),
    /// How often.
    pub times: usize,
    /// When for the first time: the later of the two.
    pub first: Slot,
}

impl Shared {
    /// For messages.
    pub const fn message(self) -> LessonsShare {
        match self {
            Self::Room => LessonsShare::ARoom,
            Self::Teacher => LessonsShare::ATeacher,
        }
    }
}

/// Finds lessons that are in one room, or have one teacher, at the same time.
pub fn overlaps(plan: &Plan) -> Vec<Overlap> {
    let mut held: BTreeMap<(Shared, String), Vec<usize>> = BTreeMap::new();
    for (index, meeting) in plan.meetings.iter().enumerate() {
        let lesson = &plan.lessons[meeting.lesson];
        for (shared, field) in [(Shared::Room, Field::Room), (Shared::Teacher, Field::Teacher)] {
            let names = lesson.value(field).split(AND).map(normal).filter(|name| !name.is_empty());
            for name in names {
                held.entry((shared, name)).or_default().push(index);
            }
        }
    }
    let mut found = Vec::new();
    for ((shared, name), mut meetings) in held {
        meetings.sort_by_key(|index| plan.meetings[*index].start);
        let mut pairs: BTreeMap<(usize, usize), (usize, Slot)> = BTreeMap::new();
        let mut going_on: Vec<usize> = Vec::new();
        for index in meetings {
            let meeting = &plan.meetings[index];
            going_on.retain(|other| plan.meetings[*other].end > meeting.start);
            for other in &going_on {
                let other = plan.meetings[*other].lesson;
                let pair = (other.min(meeting.lesson), other.max(meeting.lesson));
                pairs.entry(pair).or_insert((0, meeting.slot)).0 += 1;
            }
            going_on.push(index);
        }
        found.extend(pairs.into_iter().map(|(lessons, (times, first))| Overlap {
            shared,
            name: name.clone(),
            lessons,
            times,
            first,
        }));
    }
    found
}
