//! What one reading of a listing has gathered: of the objects that somebody looks for, and of nothing else.

use std::collections::{BTreeSet, HashMap, HashSet};

use paceline_messages::{Cause, Names};
use serde_json::Value;

use super::{Criteria, set};
use crate::catalog::{LookUp, NextPage};
use crate::job::Params;
use crate::outcome::{lookup, text_of};

/// Pages of a listing that are read at most.
const PAGES_MAX: usize = 10_000;
/// Objects kept beyond those that the jobs can own, to be named to a person.
const NAMED_MAX: usize = 10;

/// One reading of a listing.
#[derive(Debug, Default)]
pub struct Scan {
    wanted: HashMap<Criteria, Candidates>,
    /// Objects that are listed and could not be read.
    unread: BTreeSet<String>,
    pages: Pages,
}

/// The pages of a listing that were turned so far.
#[derive(Debug, Default)]
pub struct Pages {
    tokens: HashSet<String>,
    turned: usize,
    /// Items on all of them.
    listed: usize,
}

/// The objects that show certain criteria and that no job owns.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Candidates {
    /// Ids with what was listed or fetched of them, as many as are of use.
    pub items: Vec<(String, Value)>,
    /// How many more there are.
    pub more: usize,
    kept_max: usize,
}

/// What comes after a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Another one: its token stands in the parameters.
    Next,
    /// Nothing.
    Last,
    /// The listing does not come to an end, or says that there is more and not where: it proves nothing.
    Broken(Cause),
}

impl Candidates {
    /// How many there are.
    pub fn count(&self) -> usize {
        self.items.len() + self.more
    }

    /// Their ids, as many as are of use to a person.
    pub fn keys(&self) -> Vec<String> {
        self.items.iter().take(NAMED_MAX).map(|(key, _)| key.clone()).collect()
    }

    /// Their ids, as many as a person wants to read.
    pub fn names(&self) -> Names {
        Names::first(self.items.iter().map(|(key, _)| key.as_str()), self.count(), NAMED_MAX)
    }
}

impl Scan {
    /// A reading that looks for these, as often as they stand here.
    pub fn new(wanted: impl IntoIterator<Item = Criteria>) -> Self {
        let mut scan = Self::default();
        for criteria in wanted {
            scan.wanted
                .entry(criteria)
                .or_insert_with(|| Candidates { kept_max: NAMED_MAX, ..Candidates::default() })
                .kept_max += 1;
        }
        scan
    }

    /// Looks at an object that no job owns.
    pub fn see(&mut self, look_up: &LookUp, key: &str, item: &Value) {
        for shown in Criteria::of_item(look_up, item) {
            let Some(found) = self.wanted.get_mut(&shown) else { continue };
            // Pages shift while objects come and go, and then show one twice.
            if found.items.iter().any(|(known, _)| known == key) {
                continue;
            }
            if found.items.len() < found.kept_max {
                found.items.push((key.to_owned(), item.clone()));
            } else {
                found.more += 1;
            }
        }
    }

    /// Notes an object that is listed and could not be read: nobody knows whose it is.
    pub fn miss(&mut self, key: String) {
        self.unread.insert(key);
    }

    /// The ids of the objects that could not be read, as many as a person wants to read.
    pub fn unread(&self) -> Option<Names> {
        let count = self.unread.len();
        (count > 0).then(|| Names::first(self.unread.iter().map(String::as_str), count, NAMED_MAX))
    }

    /// What was found of these criteria.
    pub fn found(&self, criteria: &Criteria) -> Option<&Candidates> {
        self.wanted.get(criteria).filter(|found| found.count() > 0)
    }

    /// Whether anything was found.
    pub fn has_found(&self) -> bool {
        self.wanted.values().any(|found| found.count() > 0)
    }

    /// [`Pages::turn`].
    pub fn turn(&mut self, next: &NextPage, page: &Value, listed: usize, params: &mut Params) -> Turn {
        self.pages.turn(next, page, listed, params)
    }
}

impl Pages {
    /// Goes on behind so many items, where a listing is paged by their number.
    pub fn after(listed: usize) -> Self {
        Self { listed, ..Self::default() }
    }

    /// Puts the token of the next page into the listing's parameters, if there is one.
    /// `listed` is how many items the page has.
    pub fn turn(&mut self, next: &NextPage, page: &Value, listed: usize, params: &mut Params) -> Turn {
        self.turned += 1;
        if next.token.is_empty() {
            return self.turn_by_number(next, listed, params);
        }
        let has_flag = !next.more.is_empty();
        let is_more = lookup(page, &next.more).and_then(Value::as_bool).unwrap_or(false);
        if has_flag && !is_more {
            return Turn::Last;
        }
        // WeCom's last page may say nothing, "0", or its own cursor again: its document does not tell.
        let token = lookup(page, &next.token).and_then(text_of).filter(|token| !token.is_empty() && token != "0");
        let token =
            token.filter(|token| has_flag || Some(token.as_str()) != params.get(&next.param).and_then(Value::as_str));
        let Some(token) = token else {
            return if has_flag { Turn::Broken(Cause::MoreNowhere) } else { Turn::Last };
        };
        if !self.tokens.insert(token.clone()) {
            return Turn::Broken(Cause::LeadsBack { page: self.turned });
        }
        if self.turned >= PAGES_MAX {
            return Turn::Broken(Cause::TooManyPages { pages_max: PAGES_MAX });
        }
        set(params, &next.param, Value::String(token));
        Turn::Next
    }

    /// A listing that is asked for by the number of items before the page ends with an empty one.
    fn turn_by_number(&mut self, next: &NextPage, listed: usize, params: &mut Params) -> Turn {
        self.listed += listed;
        if listed == 0 {
            return Turn::Last;
        }
        if self.turned >= PAGES_MAX {
            return Turn::Broken(Cause::TooManyPages { pages_max: PAGES_MAX });
        }
        set(params, &next.param, Value::from(self.listed));
        Turn::Next
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::samples::{job, look_up, room};
    use super::*;

    #[expect(clippy::needless_pass_by_value, reason = "reads as a literal")]
    fn turn(scan: &mut Scan, next: &NextPage, params: &mut Params, page: Value) -> Turn {
        scan.turn(next, &page, 1, params)
    }

    #[test]
    fn pages_turn_while_there_is_more() {
        let next = look_up("feishu.vc.room.create").next.unwrap();
        let (mut scan, mut params) = (Scan::default(), Params::default());
        let mut page = |more: bool, token: &str| {
            let turned = scan.turn(&next, &json!({"has_more": more, "page_token": token}), 1, &mut params);
            (turned, params.query.get("page_token").cloned())
        };
        assert_eq!(page(true, "p2"), (Turn::Next, Some(json!("p2"))));
        assert_eq!(page(true, "p3"), (Turn::Next, Some(json!("p3"))));
        assert!(matches!(page(true, "p2").0, Turn::Broken(Cause::LeadsBack { .. })));
        assert!(matches!(page(true, "").0, Turn::Broken(_)), "more, and not where");
        assert_eq!(page(false, "p9").0, Turn::Last);
    }

    #[test]
    fn a_listing_without_a_flag_ends_with_its_tokens() {
        let next = look_up("wecom.meeting.create").next.unwrap();
        let (mut scan, mut params) = (Scan::default(), Params::default());
        for (token, expected) in
            [("c1", Turn::Next), ("c2", Turn::Next), ("c2", Turn::Last), ("", Turn::Last), ("0", Turn::Last)]
        {
            assert_eq!(turn(&mut scan, &next, &mut params, json!({"next_cursor": token})), expected, "{token}");
        }
        assert!(matches!(turn(&mut scan, &next, &mut params, json!({"next_cursor": "c1"})), Turn::Broken(_)));
        assert_eq!(turn(&mut scan, &next, &mut params, json!({})), Turn::Last);
    }

    #[test]
    fn a_listing_by_number_ends_with_an_empty_page() {
        let next = NextPage { token: String::new(), more: String::new(), param: "body.offset".to_owned() };
        let (mut scan, mut params) = (Scan::default(), Params::default());
        for (listed, turn, offset) in [(500, Turn::Next, 500), (20, Turn::Next, 520), (0, Turn::Last, 520)] {
            assert_eq!(scan.turn(&next, &json!({}), listed, &mut params), turn);
            assert_eq!(params.body["offset"], json!(offset));
        }
    }

    #[test]
    fn a_listing_has_an_end() {
        let next = look_up("wecom.meeting.create").next.unwrap();
        let (mut scan, mut params) = (Scan::default(), Params::default());
        for page in 1..PAGES_MAX {
            assert_eq!(turn(&mut scan, &next, &mut params, json!({"next_cursor": format!("c{page}")})), Turn::Next);
        }
        assert!(matches!(turn(&mut scan, &next, &mut params, json!({"next_cursor": "more"})), Turn::Broken(_)));
    }

    #[test]
    fn only_what_is_looked_for_is_kept_and_each_object_once() {
        let rooms = look_up("feishu.vc.room.create");
        let of = |id: &str| Criteria::of_job(&rooms, &room(id, json!({})), true).remove(0);
        let mut scan = Scan::new([of("a"), of("b")]);
        for (key, custom) in [("1", "x"), ("2", "a"), ("2", "a"), ("3", ""), ("4", "a")] {
            scan.see(&rooms, key, &json!({"room_id": key, "custom_room_id": custom}));
        }
        let found = scan.found(&of("a")).unwrap();
        assert_eq!((found.count(), found.names().to_string()), (2, "2, 4".to_owned()));
        assert_eq!((scan.found(&of("b")), scan.found(&of("x"))), (None, None));
    }

    #[test]
    fn a_thousand_equal_objects_are_counted_and_a_few_are_kept() {
        let calendars = look_up("feishu.calendar.create");
        let twin = |id: &str| Criteria::of_job(&calendars, &job(id, json!({"summary": "S"})), true).remove(0);
        let mut scan = Scan::new([twin("a"), twin("b"), twin("c")]);
        for n in 0..1_000 {
            let item = json!({"summary": "S", "role": "owner", "type": "shared"});
            scan.see(&calendars, &format!("k{n}"), &item);
        }
        let found = scan.found(&twin("a")).unwrap();
        assert_eq!((found.count(), found.items.len()), (1_000, NAMED_MAX + 3));
        assert!(found.names().to_string().ends_with("k9 and 990 more"), "{}", found.names());
    }
}
