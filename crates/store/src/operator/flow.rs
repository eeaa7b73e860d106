//! Calls by lane and minute, of the recent past.

use rusqlite::{Row, params};

use super::Operator;
use super::batches::number;
use super::outlook::Names;
use crate::sqlite::attempts::REFUSED;
use paceline_domain::job::LaneKey;
use paceline_domain::outcome::NOT_SENT;
use paceline_domain::time::Timestamp;
use paceline_ports::LedgerError;

/// A minute (counted from 1970), its calls, and those of them that were refused for pace.
pub type Minute = (i64, u64, u64);

impl Operator {
    /// The calls that left from `since` on and before `until`, by lane and minute, the oldest first. Of each lane `most`
    /// are read, the latest; a minute that is not whole then is left out.
    pub fn calls_by_minute(
        &self,
        since: Timestamp,
        until: Timestamp,
        most: u32,
    ) -> Result<Vec<(LaneKey, Vec<Minute>)>, LedgerError> {
        self.read_at_once(|conn| {
            let mut counted = conn.prepare_cached(
                "SELECT minute, count(*), sum(refused) FROM (
                     SELECT sent_at / 60000000 AS minute, outcome IS ?5 AS refused
                     FROM attempts INDEXED BY attempts_of_lane
                     WHERE lane = ?1 AND sent_at >= ?2 AND sent_at < ?3 AND outcome IS NOT ?4
                     ORDER BY sent_at DESC LIMIT ?6)
                 GROUP BY minute ORDER BY minute",
            )?;
            let mut found = Vec::new();
            for (lane, key) in Names::read(conn)?.lanes() {
                let values = params![lane, since.0, until.0, NOT_SENT, REFUSED, most];
                let read = |row: &Row<'_>| Ok((row.get(0)?, number(row, 1)?, number(row, 2)?));
                let minutes = counted.query_map(values, read)?;
                let mut minutes: Vec<Minute> = minutes.collect::<rusqlite::Result<_>>()?;
                if minutes.iter().map(|(_, calls, _)| calls).sum::<u64>() == u64::from(most) {
                    minutes.remove(0);
                }
                if !minutes.is_empty() {
                    found.push((key.clone(), minutes));
                }
            }
            Ok(found)
        })
    }
}
