//! Columns under the headings that people and the platforms' own templates give them.

use rust_xlsxwriter::{ExcelDateTime, Format, Workbook};

use super::commands::{Outcome, Place};

const ROOM: [&str; 4] = ["--method", "feishu.vc.room.create", "--app", "acme"];

/// The bodies of a batch's jobs as the ledger has them, in the file's order.
pub(crate) fn jobs(place: &Place, batch: &str) -> Vec<serde_json::Value> {
    let ledger = rusqlite::Connection::open(place.path().join("paceline.db")).unwrap();
    let sql = "SELECT j.params FROM jobs j JOIN batches b ON b.batch = j.batch WHERE b.name = ?1 ORDER BY j.seq";
    let mut read = ledger.prepare(sql).unwrap();
    let texts = read.query_map([batch], |row| row.get::<_, String>(0)).unwrap();
    let body = |text: String| {
        // Path, query and body; a body alone is an object.
        let params: serde_json::Value = serde_json::from_str(&text).unwrap();
        params.get(2).cloned().unwrap_or(params)
    };
    texts.map(|text| body(text.unwrap())).collect()
}

fn submit(place: &Place, method: &str, app: &str, file: &str, more: &[&str]) -> Outcome {
    place.run(&[&["submit", "--method", method, "--app", app, file], more].concat())
}

#[test]
fn the_headings_of_the_official_templates_are_known() {
    let place = Place::with_apps(&[
        (
            "wecom.csv",
            "名称,容纳人数,城市,楼栋,楼层,设备\n18F-会议室,10人,深圳,腾讯大厦,18F,投影、白板\nB,６,深圳,腾讯大厦,18F,\n",
        ),
        (
            "feishu.csv",
            "*名称（必填）,容量（人）,层级ID,状态,设备\nA,\"1,000\",omb_1,启用,电话；投影仪\nB,8.0,omb_1,禁用,\n",
        ),
    ]);
    let wecom = submit(&place, "wecom.oa.meetingroom.add", "campus", "wecom.csv", &[]);
    assert_eq!(wecom.code, Some(0), "{}", wecom.transcript());
    let room = |name: &str, capacity: u32| serde_json::json!({"name": name, "capacity": capacity, "city": "深圳", "building": "腾讯大厦", "floor": "18F"});
    let mut first = room("18F-会议室", 10);
    first["equipment"] = serde_json::json!([3, 4]);
    assert_eq!(jobs(&place, "wecom"), [first, room("B", 6)]);

    let feishu = submit(&place, "feishu.vc.room.create", "acme", "feishu.csv", &[]);
    assert_eq!(feishu.code, Some(0), "{}", feishu.transcript());
    let found = jobs(&place, "feishu");
    assert_eq!(found[0]["capacity"], 1_000);
    assert_eq!(found[0]["device"], serde_json::json!([{"name": "电话"}, {"name": "投影仪"}]));
    assert_eq!(found[0]["room_status"]["status"], true);
    assert_eq!(found[1]["room_status"]["status"], false);

    // An export has the file's own headings, and is read again.
    let exported = place.run(&["export", "--batch", "feishu", "-o", "out.csv"]);
    assert_eq!(exported.code, Some(0), "{}", exported.transcript());
    let text = std::fs::read_to_string(place.path().join("out.csv")).unwrap();
    assert!(text.starts_with("*名称（必填）,容量（人）,层级ID,状态,设备,id,"), "{text}");
    let again = submit(&place, "feishu.vc.room.create", "acme", "out.csv", &["--json"]);
    assert_eq!(again.out, "{\"blocked\":0,\"known\":2,\"queued\":0,\"rejected\":0,\"succeeded\":0}\n", "{}", again.err);
}

/// Headings as other systems export them; the rooms are ours.
#[test]
fn lists_of_rooms_from_other_systems_are_read() {
    let place = Place::with_apps(&[
        (
            "facility.csv",
            "会议室名称,容纳人数,占地面积/㎡,管理员,管理员联系方式,\n报告厅,200,180.5,王,010-1,\n301,12,25,李,010-2,\n",
        ),
        (
            "campus.csv",
            "Room Name,Capacity,City,Building,Floor,Equipment,AC (Yes/No)\n\
             Room 101,60,Basel,Main Block,1,\"Projector;Whiteboard\",No\nLab A,30,Basel,Science Hall,2nd,,Yes\n",
        ),
    ]);
    let submit = |file, more: &[&str]| submit(&place, "wecom.oa.meetingroom.add", "campus", file, more);
    let refused = submit("facility.csv", &[]);
    assert_eq!(refused.code, Some(2), "{}", refused.transcript());
    for (number, heading) in [(3, "占地面积/㎡"), (4, "管理员"), (5, "管理员联系方式")] {
        assert!(refused.err.contains(&format!("column {number} ({heading}): no method has")), "{}", refused.err);
    }
    assert!(refused.err.contains("--ignore-columns leaves a column out"), "{}", refused.err);
    let read = submit("facility.csv", &["--ignore-columns", "占地面积/㎡,管理员,管理员联系方式"]);
    assert_eq!(read.code, Some(0), "{}", read.transcript());
    let plain = |name: &str, capacity: u32| serde_json::json!({"name": name, "capacity": capacity});
    assert_eq!(jobs(&place, "facility"), [plain("报告厅", 200), plain("301", 12)]);

    let read = submit("campus.csv", &["--ignore-columns", "AC (Yes/No)"]);
    assert_eq!(read.code, Some(0), "{}", read.transcript());
    let room = |name: &str, capacity: u32, building: &str, floor: &str| serde_json::json!({"name": name, "capacity": capacity, "city": "Basel", "building": building, "floor": floor});
    let mut first = room("Room 101", 60, "Main Block", "1");
    first["equipment"] = serde_json::json!([3, 4]);
    assert_eq!(jobs(&place, "campus"), [first, room("Lab A", 30, "Science Hall", "2nd")]);
}

/// A list of bookings, whose day and times have a column each, becomes events by a map.
#[test]
fn a_day_and_its_times_in_columns_of_their_own_make_instants() {
    let place = Place::with_apps(&[
        (
            "bookings.csv",
            "会议室名称,会议主题,使用科室,参会人数,日期,开始时间,结束时间,联系人,联系电话,备注\n\
             大会议室,季度会,综合办,30,2036-06-10,09:00,11:30,张,010-1,\n小会议室,例会,财务,5,2036/6/11,14:00,15:00,李,010-2,投影\n",
        ),
        (
            "bookings.map.toml",
            "ignored = [\"使用科室\", \"参会人数\", \"联系人\", \"联系电话\", \"备注\", \"日期\", \"开始时间\", \"结束时间\"]\n\
             [columns]\n\"会议主题\" = \"summary\"\n\"会议室名称\" = \"location.name\"\n\
             [constants]\n\"path.calendar_id\" = \"feishu.cn_a@group.calendar.feishu.cn\"\n\
             [templates]\n\"start_time.timestamp\" = \"{日期} {开始时间}\"\n\"end_time.timestamp\" = \"{日期} {结束时间}\"\n",
        ),
    ]);
    let more = ["--map", "bookings.map.toml", "--time-zone", "Asia/Shanghai"];
    let read = submit(&place, "feishu.calendar.event.create", "acme", "bookings.csv", &more);
    assert_eq!(read.code, Some(0), "{}", read.transcript());
    let found = jobs(&place, "bookings");
    assert_eq!((&found[0]["summary"], &found[0]["location"]["name"]), (&"季度会".into(), &"大会议室".into()));
    let times =
        |job: &serde_json::Value| (job["start_time"]["timestamp"].clone(), job["end_time"]["timestamp"].clone());
    // 2036-06-10T09:00:00+08:00 and 11:30, the next day's 14:00 and 15:00.
    assert_eq!(times(&found[0]), ("2096672400".into(), "2096681400".into()));
    assert_eq!(times(&found[1]), ("2096776800".into(), "2096780400".into()));
}

#[test]
fn headings_that_nobody_knows_are_named_with_what_was_probably_meant() {
    let place = Place::with_apps(&[
        ("near.csv", "会议室名,容量,层级ID,名称,会议室名称\nA,1,omb_1,B,C\n"),
        ("times.csv", "标题,开始时间\nA,2036-01-01\n"),
    ]);
    let near = place.run(&[&["validate", "near.csv"][..], &ROOM].concat());
    let lines: Vec<&str> = near.out.lines().collect();
    assert_eq!(
        lines[0],
        "near.csv:1: column 1 (会议室名): no method has such a parameter; did you mean \"会议室名称\"?"
    );
    assert_eq!(lines[1], "near.csv:1: column 5 (会议室名称): the same as column 4 (名称)");
    let times = place.run(&["validate", "times.csv"]);
    assert!(times.out.contains("column 2 (开始时间): may mean "), "{}", times.out);
    assert!(times.out.contains(": give --method, or name one of them"), "{}", times.out);
}

#[test]
fn dates_of_a_workbook_are_those_of_the_time_zone() {
    let place = Place::with_apps(&[]);
    let mut book = Workbook::new();
    let sheet = book.add_worksheet();
    for (column, name) in ["发起人", "会议主题", "开始时间", "会议时长（分钟）"].into_iter().enumerate()
    {
        sheet.write(0, column as u16, name).unwrap();
    }
    let format = Format::new().set_num_format("yyyy-mm-dd hh:mm");
    let start = ExcelDateTime::parse_from_str("2036-01-01T09:05:00").unwrap();
    for (row, title) in [(1, "A"), (2, "B")] {
        sheet.write(row, 0, "li").unwrap();
        sheet.write(row, 1, title).unwrap();
        sheet.write_datetime_with_format(row, 2, &start, &format).unwrap();
        sheet.write(row, 3, 90).unwrap();
    }
    sheet.set_row_hidden(2).unwrap();
    std::fs::write(place.path().join("talks.xlsx"), book.save_to_buffer().unwrap()).unwrap();
    let submit = |more: &[&str]| submit(&place, "wecom.meeting.create", "campus", "talks.xlsx", more);

    let without = submit(&[]);
    assert_eq!(without.code, Some(2), "{}", without.transcript());
    assert!(without.err.contains("column 3 (开始时间): ") && without.err.contains("--time-zone"), "{}", without.err);
    let with = submit(&["--time-zone", "Asia/Shanghai"]);
    assert_eq!(with.code, Some(0), "{}", with.transcript());
    assert!(with.err.contains("hidden rows are read, too: 3"), "{}", with.err);
    let start = 2_082_762_300; // 2036-01-01T09:05:00+08:00
    let found = jobs(&place, "talks");
    assert_eq!((&found[0]["meeting_start"], &found[0]["meeting_duration"]), (&start.into(), &5_400.into()));

    place.write("paceline.toml", &format!("[files]\ntime_zone = \"+08:00\"\n{}", super::commands::SETTINGS));
    let known = submit(&["--json"]);
    assert_eq!(known.out, "{\"blocked\":0,\"known\":2,\"queued\":0,\"rejected\":0,\"succeeded\":0}\n", "{}", known.err);
    place.write("paceline.toml", &format!("[files]\ntime_zone = \"Peking\"\n{}", super::commands::SETTINGS));
    let wrong = submit(&[]);
    assert!(wrong.err.contains("files.time_zone: expected a time zone like Asia/Shanghai"), "{}", wrong.err);
}

#[test]
fn what_is_asked_of_a_file_that_has_it_not_is_said() {
    let place = Place::with_apps(&[("rooms.csv", "name,capacity,room_level_id\nx,1,omb_1\n")]);
    let validate = |more: &[&str]| place.run(&[&["validate", "rooms.csv"], &ROOM[..], more].concat());
    let sheet = validate(&["--sheet", "会议室"]);
    assert_eq!((sheet.code, sheet.err.lines().next()), (Some(2), Some("error: --sheet: rooms.csv has no sheets")));
    let row = validate(&["--header-row", "9"]);
    assert_eq!(row.out, "rooms.csv:1: has no row 9, which --header-row names\n", "{}", row.err);
}

/// A workbook whose sheet is whatever is given.
fn archive(sheet: &[u8]) -> Vec<u8> {
    use std::io::{Cursor, Read as _, Write as _};
    let mut book = Workbook::new();
    book.add_worksheet().write(0, 0, "name").unwrap();
    let mut parts = zip::ZipArchive::new(Cursor::new(book.save_to_buffer().unwrap())).unwrap();
    let mut out = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for index in 0..parts.len() {
        let mut part = parts.by_index(index).unwrap();
        let name = part.name().unwrap().into_owned();
        let mut bytes = Vec::new();
        part.read_to_end(&mut bytes).unwrap();
        if name == "xl/worksheets/sheet1.xml" {
            bytes = sheet.to_vec();
        }
        out.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        out.write_all(&bytes).unwrap();
    }
    out.finish().unwrap().into_inner()
}

#[test]
fn hostile_workbooks_are_refused_in_words() {
    let place = Place::with_apps(&[]);
    let head = r#"<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>"#;
    let wide =
        format!(r#"{head}<row r="1"><c r="XFD1" t="inlineStr"><is><t>x</t></is></c></row></sheetData></worksheet>"#);
    let beyond =
        format!(r#"{head}<row r="1"><c r="BDWGN1" t="inlineStr"><is><t>x</t></is></c></row></sheetData></worksheet>"#);
    let broken = format!(r#"{head}<row r="1"><c r="A1" t="inlineStr"><is><t>name</t></is></c></row><row r="2"><c"#);
    let bomb = [head.as_bytes(), &vec![b' '; 80 << 20]].concat();
    for (name, sheet, words) in [
        ("wide.xlsx", wide.into_bytes(), "row 1 has a value in column 16384; at most 4096 columns are read"),
        ("beyond.xlsx", beyond.into_bytes(), "row 1 has a value in column 1000000; at most 4096 columns are read"),
        ("broken.xlsx", broken.into_bytes(), "the workbook is damaged"),
        ("bomb.xlsx", bomb, "xl/worksheets/sheet1.xml unpacks to "),
    ] {
        std::fs::write(place.path().join(name), archive(&sheet)).unwrap();
        let told = place.run(&[&["validate", name], &ROOM[..]].concat());
        assert_eq!(told.code, Some(1), "{name}: {}", told.transcript());
        assert!(told.out.contains(words), "{name}: {}", told.out);
        assert!(!told.err.contains("panicked"), "{name}: {}", told.err);
    }
    let columns = vec!["a"; 1 << 20].join(",");
    place.write("wide.csv", &format!("{columns}\n{columns}\n"));
    let told = place.run(&[&["validate", "wide.csv"], &ROOM[..]].concat());
    assert_eq!(told.code, Some(1), "{}", told.transcript().get(..2_000).unwrap_or_default());
    assert!(told.out.len() < 20_000, "{} bytes", told.out.len());
}
