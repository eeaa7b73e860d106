//! The two batches, and the soonest that any pacing could end them.

use std::time::Duration;

use serde_json::{Value, json};

/// Jobs of one method.
pub(crate) struct Batch {
    /// One word for it.
    pub name: &'static str,
    /// For the table.
    pub title: &'static str,
    pub method: &'static str,
    /// Where the method is called.
    pub path: &'static str,
    /// The documented quota: calls per window.
    pub windows: Vec<(u32, Duration)>,
    /// When the last call may leave at the earliest, the first leaving at 0.
    pub optimum_s: f64,
    /// Bodies of the calls.
    pub bodies: Vec<Value>,
}

/// 60 at 20/min: 20 at 0 s, 20 at 60 s, 20 at 120 s.
pub(crate) fn rooms() -> Batch {
    Batch {
        name: "rooms",
        title: "60 rooms, 20/min",
        method: "feishu.vc.room.create",
        path: "/open-apis/vc/v1/rooms",
        windows: vec![(20, Duration::from_secs(60))],
        optimum_s: 120.0,
        bodies: (0..60).map(|n| json!({"name": format!("R-{n}"), "capacity": 10, "room_level_id": "omb_1"})).collect(),
    }
}

/// 2,000 at 1000/min and 50/s: 50 a second until 19 s, and again from 60 s to 79 s.
pub(crate) fn calendars() -> Batch {
    Batch {
        name: "calendars",
        title: "2000 calendars, 1000/min and 50/s",
        method: "feishu.calendar.create",
        path: "/open-apis/calendar/v4/calendars",
        windows: vec![(1_000, Duration::from_secs(60)), (50, Duration::from_secs(1))],
        optimum_s: 79.0,
        bodies: (0..2_000).map(|n| json!({"summary": format!("Department {n}")})).collect(),
    }
}
