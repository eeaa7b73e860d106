//! The lanes that wait for a quota key: the highest class first; within a class, first come, first served.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::super::ticket::LaneId;
use paceline_domain::quota::Class;

/// A place in a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    class: Reverse<Class>,
    number: i64,
}

impl Place {
    /// The class of the line that it is in.
    pub(super) const fn class(self) -> Class {
        self.class.0
    }
}

/// The line of a key.
#[derive(Debug, Default)]
pub(super) struct Line {
    waiters: BTreeMap<Place, LaneId>,
    /// Numbers given out so far, at the end and at the head.
    end: i64,
    head: i64,
}

impl Line {
    /// Puts a lane at the end of a class, or at its head.
    pub(super) fn enter(&mut self, lane: LaneId, class: Class, first: bool) -> Place {
        let number = if first {
            self.head -= 1;
            self.head
        } else {
            self.end += 1;
            self.end
        };
        let place = Place { class: Reverse(class), number };
        self.waiters.insert(place, lane);
        place
    }

    pub(super) fn leave(&mut self, place: Place) {
        self.waiters.remove(&place);
    }

    pub(super) fn pop(&mut self) -> Option<LaneId> {
        self.waiters.pop_first().map(|(_, lane)| lane)
    }

    /// The class of the first lane.
    pub(super) fn class(&self) -> Option<Class> {
        self.waiters.first_key_value().map(|(place, _)| place.class())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use paceline_domain::quota::Reserve;

    #[test]
    fn the_highest_class_first_and_within_it_in_order() {
        let high = Reserve::default().keep(8, 0.2).class_of(9);
        let mut line = Line::default();
        for (who, class) in [(1, Class::LOWEST), (2, high), (3, Class::LOWEST), (4, high)] {
            line.enter(who, class, false);
        }
        line.enter(5, Class::LOWEST, true);
        let leaver = line.enter(6, high, true);
        line.leave(leaver);
        assert_eq!(line.class(), Some(high));
        let order: Vec<usize> = std::iter::from_fn(|| line.pop()).collect();
        assert_eq!((order, line.class()), (vec![2, 4, 5, 1, 3], None));
    }
}
