//! Calls by lane and minute, of the recent past.

use super::batches::number;
use super::outlook::Names;
use crate::driver::{Conn, Result, values};
use crate::ledger::attempts::REFUSED;
use paceline_domain::job::LaneKey;
use paceline_domain::outcome::NOT_SENT;
use paceline_domain::time::Timestamp;
use paceline_ports::operator::Minute;

/// The minutes of a lane.
pub(super) const BY_MINUTE: &str = "SELECT minute, count(*), CAST(sum(refused) AS BIGINT) FROM (
         SELECT sent_at / 60000000 AS minute, CASE WHEN outcome = $5 THEN 1 ELSE 0 END AS refused
         FROM attempts
         WHERE lane = $1 AND sent_at >= $2 AND sent_at < $3 AND (outcome IS NULL OR outcome <> $4)
         ORDER BY sent_at DESC LIMIT $6) AS calls
     GROUP BY minute ORDER BY minute";

pub(super) fn by_minute(
    conn: &Conn,
    since: Timestamp,
    until: Timestamp,
    most: u32,
) -> Result<Vec<(LaneKey, Vec<Minute>)>> {
    let mut found = Vec::new();
    for (lane, key) in Names::read(conn)?.lanes() {
        let values = values![lane, since, until, NOT_SENT, REFUSED, most];
        let mut minutes: Vec<Minute> =
            conn.query(BY_MINUTE, values, |row| Ok((row.get(0)?, number(row, 1)?, number(row, 2)?)))?;
        if minutes.iter().map(|(_, calls, _)| calls).sum::<u64>() == u64::from(most) {
            minutes.remove(0);
        }
        if !minutes.is_empty() {
            found.push((key.clone(), minutes));
        }
    }
    Ok(found)
}
