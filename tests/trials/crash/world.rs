//! The settings, and a platform on which everything goes wrong.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, ensure};

use crate::books::{CALENDAR, MEETING, ROOM};
use crate::jobs::{BOOKING, EVENT, LEVEL, MINUTES, PEOPLE, RULES, SEMINAR_ROOM};
use crate::scenario::{Fault, faults, quotas, quotas_of_apps};

/// Windows of seconds instead of minutes: every one of them reaches over several lives of the worker.
const QUOTAS: [(&str, &str); 22] = [
    (ROOM, "6/4s"),
    (CALENDAR, "16/4s, 8/s"),
    (MINUTES, "10/4s"),
    (MEETING, "12/4s"),
    (EVENT, "16/4s, 8/s"),
    (PEOPLE, "16/4s, 8/s"),
    (LEVEL, "6/4s"),
    (RULES, "12/4s"),
    (SEMINAR_ROOM, "12/4s"),
    (BOOKING, "12/4s"),
    ("feishu.vc.room.list", "1000/5s"),
    ("feishu.calendar.list", "1000/5s"),
    ("feishu.calendar.event.list", "1000/5s"),
    ("feishu.calendar.event.attendee.list", "1000/5s"),
    ("feishu.vc.room_level.search", "1000/5s"),
    ("feishu.vc.room_level.get", "1000/5s"),
    ("wecom.oa.meetingroom.list", "1000/5s"),
    ("wecom.oa.meetingroom.get_booking_info", "1000/5s"),
    ("wecom.meeting.get_user_meetingid", "1000/5s"),
    ("wecom.meeting.get_info", "2000/5s"),
    ("feishu.auth.tenant_access_token.internal", "100/5s"),
    ("wecom.gettoken", "100/5s"),
];

/// Read-after-write delay of the look-ups, shortened like the windows; the simulator lists within a quarter of it.
const LOOK_UP_DELAY_S: u64 = 2;
/// Methods that are looked up.
const LOOKED_UP: [&str; 8] = [ROOM, CALENDAR, MEETING, EVENT, PEOPLE, LEVEL, SEMINAR_ROOM, BOOKING];

/// An internal error may have been applied or not, minutes included: they have no look-up, so each is held.
const FAULTS: [Fault; 26] = [
    ("*.create", "late", 0.015, "late_ms = 3000"),
    ("*.create", "cut-before", 0.015, ""),
    ("*", "cut-after", 0.015, ""),
    ("*.create", "partial", 0.01, ""),
    ("*.create", "huge", 0.003, "body_bytes = 5000000"),
    ("*", "status", 0.01, "status = 500"),
    ("*.create", "status", 0.01, "status = 504\napplied = true"),
    ("*", "refuse", 0.01, ""),
    ("*.create", "html", 0.003, ""),
    ("*.create", "html", 0.003, "applied = true"),
    ("feishu.calendar.*", "throttle", 0.01, ""),
    ("feishu.vc.*", "throttle", 0.01, "header = false"),
    ("feishu.calendar.*", "code", 0.02, "code = 190010"),
    ("wecom.meeting.*", "code", 0.02, "code = 45033"),
    (CALENDAR, "code", 0.01, "code = 190003\napplied = true"),
    (MINUTES, "code", 0.01, "code = 190003\napplied = true"),
    ("feishu.calendar.*", "code", 0.02, "code = 190003"),
    ("feishu.vc.*.create", "code", 0.02, "code = 121001\napplied = true"),
    ("feishu.vc.*", "code", 0.02, "code = 121001"),
    ("wecom.oa.*", "cut-before", 0.015, ""),
    ("wecom.oa.*", "late", 0.015, "late_ms = 3000"),
    ("wecom.oa.*", "status", 0.01, "status = 504\napplied = true"),
    ("wecom.oa.*", "code", 0.02, "code = -1\napplied = true"),
    ("feishu.*.create", "code", 0.01, "code = 2200"),
    (MEETING, "code", 0.02, "code = -1\napplied = true"),
    (MEETING, "code", 0.02, "code = -1"),
];

pub(crate) fn settings() -> String {
    let quotas = quotas_of_apps(&QUOTAS);
    format!(
        "{quotas}[engine]\ngrace_ms = 1000\nattempts_max = 1000\nbackoff_initial_ms = 100\nbackoff_max_ms = 1000\n\
         [catalog]\ndir = \"catalog\"\n"
    )
}

pub(crate) fn scenario(seed: u64) -> String {
    let (listing_ms, quotas, faults) = (LOOK_UP_DELAY_S * 250, quotas(&QUOTAS, ""), faults(&FAULTS));
    let revoked = |at_s: u32| format!("[[events]]\nat_s = {at_s}\nrevoke_tokens = true\n");
    let events = (7..600).step_by(13).map(revoked).collect::<Vec<_>>().concat();
    format!(
        "title = \"Everything goes wrong, and what goes wrong is counted\"\nseed = {seed}\n\
         [latency]\nbefore = {{ kind = \"uniform\", from_ms = 5, to_ms = 40 }}\n\
         after = {{ kind = \"uniform\", from_ms = 5, to_ms = 40 }}\n\
         [listing]\ndelay_ms = {listing_ms}\npage_max = 50\n\
         [decisions]\nafter_s = 1\n[quotas]\n{quotas}{events}{faults}"
    )
}

/// The catalog's files with shorter delays, as files of the site.
pub(crate) fn catalog() -> anyhow::Result<Vec<(String, String)>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/methods");
    let shorter = |method: &str| {
        let name = format!("{method}.toml");
        let text = fs::read_to_string(folder.join(&name)).with_context(|| name.clone())?;
        let shorter = text.replace("delay_s = 10\n", &format!("delay_s = {LOOK_UP_DELAY_S}\n"));
        ensure!(shorter != text, "{name} has no delay_s = 10");
        anyhow::Ok((format!("catalog/methods/{name}"), shorter))
    };
    LOOKED_UP.into_iter().map(shorter).collect()
}
