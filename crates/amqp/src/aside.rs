//! Rows that a subscriber's queue refused: published again after pauses that grow, a single row first. Pure.
//!
//! RabbitMQ does not tell which of the queues behind an exchange refused a message, and the others have it already:
//! each further try costs them a repeat. So tries are rare, and no row is tried often: the ledger gives the one that was
//! refused least.

use std::time::Duration;

use paceline_domain::time::Mono;

/// The longest pause, in first ones.
const LONGEST: u32 = 30;

/// When rows that are set aside may be tried again, and how many at once.
#[derive(Debug)]
pub(super) struct Aside {
    /// The first pause.
    first: Duration,
    /// Whether the ledger may hold such rows.
    any: bool,
    /// Nothing is tried before.
    until: Option<Mono>,
    /// Pauses since something got through.
    pauses: u32,
    /// Rows at once.
    allowed: usize,
    in_flight: usize,
}

impl Aside {
    /// What an earlier process has set aside is tried at once, but only one row of it.
    pub(super) const fn new(first: Duration) -> Self {
        Self { first, any: true, until: None, pauses: 0, allowed: 1, in_flight: 0 }
    }

    /// A row was refused. The first refusal begins a pause; those of messages that were under way with it do not count.
    pub(super) fn refuse(&mut self, now: Mono) {
        self.any = true;
        if self.until.is_some_and(|until| now < until) {
            return;
        }
        let pause = self.first * 2_u32.pow(self.pauses.min(LONGEST.ilog2() + 1)).min(LONGEST);
        self.until = Some(now + pause);
        self.pauses += 1;
        self.allowed = 1;
    }

    /// A try is over, whatever came of it.
    pub(super) fn land(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    /// A try got through: twice as many rows may be tried at once.
    pub(super) fn succeed(&mut self, most: usize) {
        self.pauses = 0;
        self.allowed = self.allowed.saturating_mul(2).min(most);
    }

    /// How many rows may be tried now.
    pub(super) fn room(&self, now: Mono) -> usize {
        let waits = !self.any || self.until.is_some_and(|until| now < until);
        if waits { 0 } else { self.allowed.saturating_sub(self.in_flight) }
    }

    /// How many are tried at the moment: they are read again, and are to be passed over.
    pub(super) const fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// A row is tried.
    pub(super) const fn send(&mut self) {
        self.in_flight += 1;
    }

    /// The ledger holds no such row.
    pub(super) const fn found_none(&mut self) {
        self.any = false;
    }

    /// A connection has ended, and with it every try.
    pub(super) fn start_over(&mut self) {
        self.in_flight = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000_000;

    fn aside() -> Aside {
        Aside::new(Duration::from_secs(60))
    }

    #[test]
    fn pauses_grow_from_one_minute_to_thirty() {
        let (mut aside, mut now) = (aside(), 0);
        for minutes in [1, 2, 4, 8, 16, 30, 30, 30] {
            assert_eq!(aside.room(Mono(now)), 1, "a single row, after each pause");
            aside.send();
            aside.land();
            aside.refuse(Mono(now));
            assert_eq!(aside.room(Mono(now + minutes * MINUTE - 1)), 0);
            now += minutes * MINUTE;
        }
        aside.send();
        aside.land();
        aside.succeed(512);
        aside.refuse(Mono(now));
        assert_eq!(aside.room(Mono(now + MINUTE)), 1, "what got through makes the next pause a short one");
    }

    #[test]
    fn refusals_of_what_was_under_way_are_one() {
        let mut aside = aside();
        for at in 0..100 {
            aside.refuse(Mono(at));
        }
        assert_eq!((aside.room(Mono(MINUTE - 1)), aside.room(Mono(MINUTE))), (0, 1));
    }

    #[test]
    fn each_success_doubles_what_is_tried_at_once() {
        let mut aside = aside();
        for room in [1, 2, 4, 8, 8] {
            assert_eq!(aside.room(Mono(0)), room);
            aside.send();
            assert_eq!(aside.room(Mono(0)), room - 1);
            aside.land();
            aside.succeed(8);
        }
    }

    #[test]
    fn a_refusal_is_looked_for_although_there_was_none() {
        let mut aside = aside();
        aside.found_none();
        assert_eq!(aside.room(Mono(0)), 0);
        aside.refuse(Mono(0));
        assert_eq!((aside.room(Mono(0)), aside.room(Mono(MINUTE))), (0, 1));
    }

    #[test]
    fn a_lost_connection_forgets_what_was_under_way_and_no_pause() {
        let mut aside = aside();
        aside.send();
        aside.refuse(Mono(0));
        aside.start_over();
        assert_eq!((aside.room(Mono(1)), aside.room(Mono(MINUTE))), (0, 1));
    }
}
