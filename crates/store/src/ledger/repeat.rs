//! A known id that comes again: who may be answered, and conflicts beyond the first few.
//!
//! Whoever may publish can use any id, and guess at the content of a job that is not theirs. So a job is answered only
//! where its first message asked for it, and nowhere does it show whether the content was the same.
//!
//! Decision: docs/decisions/0041-who-asks-is-compared-with-who-asked-first.md

use super::books::{Books, Trouble};
use crate::driver::values;
use paceline_domain::time::Timestamp;
use paceline_ports::AmqpOrigin;

/// Conflicts of one id that are dead letters of their own, while they are remembered.
const CONFLICTS_KEPT: i64 = 3;

/// Who is to be answered about a job, or asks to be: a queue, and the user that RabbitMQ has validated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Asker<'a> {
    pub(super) reply_to: Option<&'a str>,
    pub(super) user_id: Option<&'a str>,
}

impl Asker<'_> {
    /// Whether a later message is somebody else's, or nobody can tell that it is not: it names another queue than the
    /// first one, which the same validated user alone may do, or is another validated user's.
    pub(super) fn is_stranger_to(&self, first: &Asker<'_>) -> bool {
        let named = |queue: Option<&str>| queue.is_some_and(|queue| !queue.is_empty());
        match (self.user_id, first.user_id) {
            (Some(user), Some(first)) => user != first,
            _ => named(self.reply_to) && self.reply_to != first.reply_to,
        }
    }
}

/// A message's properties without the queue that it asks to be answered at.
pub(super) fn unanswered(amqp: Option<&str>) -> Option<String> {
    let amqp: AmqpOrigin = serde_json::from_str(amqp?).ok()?;
    serde_json::to_string(&AmqpOrigin { reply_to: None, ..amqp }).ok()
}

/// Counts a conflict with those of its id that are kept, if they are enough; `false` if it is to be kept itself.
pub(super) fn count_conflict(books: &mut Books, id: &str, now: Timestamp) -> Result<bool, Trouble> {
    let kept = "SELECT count(*), max(seq) FROM rejected WHERE id = $1 AND reason = 'id-conflict' AND amqp IS NOT NULL";
    let conflicts: (i64, Option<i64>) =
        books.conn().query_one(kept, values![id], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let (CONFLICTS_KEPT.., Some(last)) = conflicts else { return Ok(false) };
    let count = "UPDATE rejected SET more = more + 1, more_at = $2 WHERE seq = $1 RETURNING more";
    let more: Option<i64> = books.conn().query_opt(count, values![last, now], |row| row.get(0))?;
    books.counted.conflict(id, more == Some(1));
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asker<'a>(reply_to: impl Into<Option<&'a str>>, user_id: impl Into<Option<&'a str>>) -> Asker<'a> {
        Asker { reply_to: reply_to.into(), user_id: user_id.into() }
    }

    #[test]
    fn another_queue_is_a_strangers_unless_the_broker_vouches_for_the_user() {
        for (first, again, is_stranger) in [
            (asker(None, None), asker(None, None), false),
            (asker("a", None), asker("a", None), false),
            (asker("a", None), asker(None, None), false),
            (asker("a", None), asker("", None), false),
            (asker("a", None), asker("b", None), true),
            (asker(None, None), asker("b", None), true),
            (asker("", None), asker("b", None), true),
            (asker("a", "anna"), asker("b", "anna"), false),
            (asker("a", "anna"), asker("b", None), true),
            (asker("a", None), asker("b", "anna"), true),
            (asker("a", "anna"), asker("a", "bert"), true),
            (asker("a", "anna"), asker(None, "bert"), true),
            (asker("a", "anna"), asker("a", None), false),
        ] {
            assert_eq!(again.is_stranger_to(&first), is_stranger, "{first:?}, then {again:?}");
        }
    }

    #[test]
    fn what_is_not_answered_keeps_the_rest() {
        let amqp = r#"{"correlation_id":"c","reply_to":"q","priority":3}"#;
        assert_eq!(unanswered(Some(amqp)).unwrap(), r#"{"correlation_id":"c","priority":3}"#);
        assert_eq!(unanswered(None), None);
    }
}
