//! One statement for many lists of values: it costs the server little more than for one of them.
//!
//! Each parameter becomes an array, with as many values as there are lists. What is asked stays the statement itself,
//! run once for each list by the same plan; what is written becomes one statement that writes all of its rows.
//!
//! Decision: docs/decisions/0074-one-statement-for-many-rows.md

use std::fmt::Write as _;

use tokio_postgres::types::Type;

/// What becomes of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Many {
    /// It gives rows, and behind their columns which list each is of, from 1.
    Asks(String),
    /// It gives the rows that it inserts, in the order of their lists.
    Inserts(String),
    /// It changes rows, and gives none. Each list is of other rows.
    Changes(String),
    /// It can only be run once for each list.
    OneByOne,
}

/// The statement for many lists. `types`: those of its parameters.
pub(super) fn of(sql: &str, types: &[Type]) -> Many {
    if types.is_empty() {
        return Many::OneByOne;
    }
    let (arrays, body) = (arrays(types), with_columns(sql));
    let together = match sql.split_whitespace().next() {
        // The offset keeps the server from joining what should be looked up.
        Some("SELECT" | "WITH") => {
            Some(Many::Asks(format!("SELECT q.*, p.list FROM {arrays} CROSS JOIN LATERAL ({body} OFFSET 0) q")))
        }
        Some("INSERT") => inserting(&body, &arrays),
        Some("UPDATE") => changing(&body, &format!("FROM {arrays}")),
        Some("DELETE") => changing(&body, &format!("USING {arrays}")),
        Some(_) | None => None,
    };
    together.unwrap_or(Many::OneByOne)
}

fn arrays(types: &[Type]) -> String {
    let (mut arrays, mut names) = (String::new(), String::new());
    for (at, of) in types.iter().enumerate() {
        let n = at + 1;
        let comma = if at == 0 { "" } else { ", " };
        // Writing to a text cannot fail.
        let _ = write!(arrays, "{comma}${n}::{}[]", of.name());
        let _ = write!(names, "p{n}, ");
    }
    format!("unnest({arrays}) WITH ORDINALITY AS p({names}list)")
}

/// `$3` as the column of the arrays that it has become.
fn with_columns(sql: &str) -> String {
    sql.replace('$', "p.p")
}

fn inserting(body: &str, arrays: &str) -> Option<Many> {
    let (head, rest) = body.split_once("VALUES (")?;
    let (values, tail) = split_at_closing(rest)?;
    let insert = format!("{head}SELECT {values} FROM {arrays} ORDER BY p.list{tail}");
    Some(if tail.contains("RETURNING") { Many::Inserts(insert) } else { Many::Changes(insert) })
}

/// What stands before the bracket that closes the one before it, and what stands behind it.
fn split_at_closing(text: &str) -> Option<(&str, &str)> {
    let mut open = 1;
    for (at, letter) in text.char_indices() {
        match letter {
            '(' => open += 1,
            ')' => open -= 1,
            _ => {}
        }
        if open == 0 {
            return Some((&text[..at], &text[at + 1..]));
        }
    }
    None
}

/// Only one whose rows its one condition names: no question within it, and no rows that it gives back.
fn changing(body: &str, arrays: &str) -> Option<Many> {
    let is_simple = !body.contains("RETURNING") && !body.contains("SELECT");
    let (head, condition) = body.split_once("WHERE").filter(|_| is_simple)?;
    Some(Many::Changes(format!("{head}{arrays} WHERE{condition}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: [Type; 2] = [Type::INT8, Type::TEXT];
    const ARRAYS: &str = "unnest($1::int8[], $2::text[]) WITH ORDINALITY AS p(p1, p2, list)";

    #[test]
    fn a_question_is_asked_for_each_list_and_says_which() {
        let asked = of("SELECT id FROM jobs WHERE seq = $1 AND key = $2 LIMIT 1", &TWO);
        let within = "(SELECT id FROM jobs WHERE seq = p.p1 AND key = p.p2 LIMIT 1 OFFSET 0)";
        assert_eq!(asked, Many::Asks(format!("SELECT q.*, p.list FROM {ARRAYS} CROSS JOIN LATERAL {within} q")));
    }

    #[test]
    fn rows_are_inserted_in_the_order_of_the_lists() {
        let insert = |tail: &str| format!("INSERT INTO jobs (a, b, c) VALUES ($1, coalesce($2, ''), 0){tail}");
        let together = |tail: &str| {
            format!("INSERT INTO jobs (a, b, c) SELECT p.p1, coalesce(p.p2, ''), 0 FROM {ARRAYS} ORDER BY p.list{tail}")
        };
        let numbered = " ON CONFLICT (a) DO NOTHING RETURNING seq";
        assert_eq!(of(&insert(numbered), &TWO), Many::Inserts(together(numbered)));
        assert_eq!(of(&insert(""), &TWO), Many::Changes(together("")));
    }

    #[test]
    fn rows_are_changed_and_removed_where_a_list_names_them() {
        let changed = Many::Changes(format!("UPDATE jobs SET key = p.p2 FROM {ARRAYS} WHERE seq = p.p1"));
        assert_eq!(of("UPDATE jobs SET key = $2 WHERE seq = $1", &TWO), changed);
        let removed = Many::Changes(format!("DELETE FROM jobs USING {ARRAYS} WHERE seq = p.p1 AND key = p.p2"));
        assert_eq!(of("DELETE FROM jobs WHERE seq = $1 AND key = $2", &TWO), removed);
    }

    #[test]
    fn what_cannot_be_put_together_is_run_one_by_one() {
        for sql in [
            "UPDATE jobs SET key = (SELECT max(key) FROM jobs) WHERE seq = $1",
            "UPDATE jobs SET key = $2 WHERE seq = $1 RETURNING seq",
            "DELETE FROM jobs",
        ] {
            assert_eq!(of(sql, &TWO), Many::OneByOne, "{sql}");
        }
        assert_eq!(of("SELECT 1", &[]), Many::OneByOne);
    }
}
