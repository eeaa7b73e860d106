//! A platform on which everything fails, jobs with passwords, and inputs with a password where nobody would look for one.

use serde_json::{Value, json};

use crate::books::{CALENDAR, MEETING, ROOM};
use crate::jobs::MINUTES;

pub(super) const USER_TOKEN: &str = "u-annas-own-token-48213";
pub(super) const SETTINGS: &str = "[apps.acme.users]\nanna = { env = \"ANNA_TOKEN\" }\n";

/// Whose token is known to the simulator.
fn users() -> String {
    format!("[users]\n\"{USER_TOKEN}\" = \"cli_rehearsal\"\n")
}

pub(super) fn scenario() -> String {
    let faults = [
        format!("kind = \"code\"\nmethod = \"{MEETING}\"\ncode = 400306\nchance = 0.2"),
        format!("kind = \"code\"\nmethod = \"{MEETING}\"\ncode = -1\nchance = 0.1"),
        "kind = \"status\"\nstatus = 502\nchance = 0.1".to_owned(),
        "kind = \"cut-after\"\nchance = 0.1".to_owned(),
        "kind = \"cut-before\"\nchance = 0.1".to_owned(),
        "kind = \"throttle\"\nmethod = \"feishu.*\"\nchance = 0.05".to_owned(),
    ];
    let faults = faults.map(|fault| format!("[[faults]]\n{fault}\n")).concat();
    format!("title = \"Everything fails\"\nseed = 5\n{}{faults}", users())
}

/// What comes after it, so that everything ends.
pub(super) fn better() -> String {
    format!(
        "title = \"Well again, but for titles that are refused\"\nseed = 6\n{}\
         [[faults]]\nkind = \"code\"\nmethod = \"{MEETING}\"\ncode = 400306\nfirst = 5\n",
        users()
    )
}

/// The platform takes four to six digits; what it would refuse is a password all the same.
pub(super) struct Passwords(Vec<String>);

impl Passwords {
    pub(super) fn new() -> Self {
        let refused = ["open-sesame-6620", "swordfish-7741", "hunter-9937"].map(str::to_owned);
        Self((0..40).map(|number| (731_904 + 1_009 * number).to_string()).chain(refused).collect())
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    pub(super) fn of(&self, number: usize) -> &str {
        &self.0[number]
    }

    /// The ones that the platform would refuse.
    fn refused(&self) -> [&str; 3] {
        [40, 41, 42].map(|number| self.of(number))
    }

    pub(super) fn meeting(&self, number: usize) -> Value {
        let body = json!({"admin_userid": "t2001", "title": format!("Lesson {number}"), "meeting_start": 1_930_000_000,
            "meeting_duration": 1_800, "settings": {"password": self.of(number)}});
        json!({"id": format!("lesson-{number}"), "method": MEETING, "app": "campus", "batch": "lessons", "body": body})
    }

    /// Inputs that are refused: a password that is too long, one that is no text, a job cut short, a known id.
    pub(super) fn bad(&self) -> Vec<Vec<u8>> {
        let [long, nested, cut] = self.refused();
        let with = |id: &str, password: Value| {
            let mut job = self.meeting(0);
            job["id"] = json!(id);
            job["body"]["settings"]["password"] = password;
            job
        };
        let mut short = with("cut", json!(cut)).to_string().into_bytes();
        short.truncate(short.len() - 3);
        let mut known = self.meeting(1);
        known["id"] = json!("lesson-0");
        let (long, nested) = (with("long", json!(long)), with("nested", json!({"is": nested})));
        vec![long.to_string().into_bytes(), nested.to_string().into_bytes(), short, known.to_string().into_bytes()]
    }

    /// Files with passwords: one that is refused, and one that can be run.
    pub(super) fn files(&self) -> [(&'static str, String); 2] {
        let row = |id: &str, duration: &str, password: &str| {
            format!("{id},t2001,Row {id},2031-05-01T08:00:00Z,{duration},{password}\n")
        };
        let head = "id,admin_userid,title,meeting_start,meeting_duration,settings.password\n";
        let rows = (0..4).map(|number| row(&format!("row-{number}"), "1800", self.of(30 + number)));
        let good = head.to_owned() + &rows.collect::<String>();
        let [long, ..] = self.refused();
        let faulty = good.clone() + &row("row-9", "1800", long) + &row("row-8", "long", self.of(29));
        [("inputs/faulty.csv", faulty), ("inputs/good.csv", good)]
    }
}

/// Jobs without a password: calendars of a user's own, minutes, rooms.
pub(super) fn others() -> Vec<Value> {
    let own = |number: u32| {
        json!({"id": format!("own-{number}"), "method": CALENDAR, "app": "acme", "identity": "user:anna",
            "body": {"summary": format!("Own {number}")}})
    };
    let minutes = |number: u32| {
        json!({"id": format!("min-{number}"), "method": MINUTES, "app": "acme",
            "path": {"calendar_id": "feishu.cn_x@group.calendar.feishu.cn", "event_id": format!("e{number}_0")}})
    };
    let room = |number: u32| {
        json!({"id": format!("room-{number}"), "method": ROOM, "app": "acme",
            "body": {"name": format!("R{number}"), "capacity": 4, "room_level_id": "omb_1"}})
    };
    (0..5).map(own).chain((0..5).map(minutes)).chain((0..10).map(room)).collect()
}
