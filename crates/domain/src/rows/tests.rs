use std::sync::LazyLock;

use serde_json::{Value, json};

use super::*;
use crate::catalog::{Catalog, built_in};
use crate::decode::Apps;

mod files;

static CATALOG: LazyLock<Arc<Catalog>> = LazyLock::new(|| Arc::new(built_in().unwrap()));

const ROOM: &str = "feishu.vc.room.create";
const MEETING: &str = "wecom.meeting.create";

/// What a ledger knows of batch `b`: numbered jobs, and ids with keys.
#[derive(Default)]
struct Ledger {
    numbered: Vec<Numbered>,
    jobs: Vec<(&'static str, &'static str)>,
}

impl Known for Ledger {
    fn numbered(&mut self, batch: &str) -> Result<Vec<Numbered>, String> {
        Ok(if batch == "b" { self.numbered.clone() } else { Vec::new() })
    }

    fn digest(&mut self, content: [u8; 32]) -> Vec<u8> {
        content.to_vec()
    }

    fn has(&mut self, id: &str) -> Result<bool, String> {
        Ok(self.jobs.iter().any(|(known, _)| *known == id))
    }

    fn of_key(&mut self, _: &str, key: &str) -> Result<Vec<String>, String> {
        Ok(self.jobs.iter().filter(|(_, known)| *known == key).map(|(id, _)| (*id).to_owned()).collect())
    }

    fn ids(&mut self, batch: &str) -> Result<Vec<String>, String> {
        Ok(self.jobs.iter().filter(|_| batch == "b").map(|(id, _)| (*id).to_owned()).collect())
    }
}

fn open<'a>(name: &str, method: Option<&str>, text: &'a [u8]) -> Result<Rows<&'a [u8]>, FileError> {
    let decoder = Arc::new(Decoder { catalog: Arc::clone(&CATALOG), apps: Apps::Any, rights: Arc::default() });
    let input = Input {
        name: name.to_owned(),
        batch: "b".to_owned(),
        method: method.map(str::to_owned),
        app: Some("acme".to_owned()),
        bytes_max: 1024 * 1024,
        layout: Layout::default(),
    };
    Rows::open(decoder, input, Format::of(name).unwrap(), text)
}

fn csv(method: &str, text: &str) -> Vec<Row> {
    open("f.csv", Some(method), text.as_bytes()).unwrap().map(Result::unwrap).collect()
}

fn jsonl(text: &str) -> Vec<Row> {
    open("f.jsonl", Some(ROOM), text.as_bytes()).unwrap().map(Result::unwrap).collect()
}

fn refused(text: &[u8]) -> String {
    match open("f.csv", Some(ROOM), text) {
        Err(error) => error.to_string(),
        Ok(mut rows) => rows.find_map(Result::err).unwrap().to_string(),
    }
}

fn faults(row: &Row) -> Vec<String> {
    row.input.as_ref().unwrap_err().faults.iter().map(ToString::to_string).collect()
}

fn body(row: &Row) -> Value {
    Value::Object(row.input.as_ref().unwrap().params.body.clone())
}

#[test]
fn cells_become_values_of_the_methods_types() {
    let rows = csv(
        ROOM,
        "name,capacity,room_level_id,room_status.status,room_status.disable_end_time,device.name,query.user_id_type\n\
         7F-701,10,omb_1,TRUE,2026-11-21T16:00:00+08:00,电话;投影,union_id\n\
         \"7F, \"\"702\"\"\", 12 ,omb_1,,,,\n",
    );
    assert_eq!(
        body(&rows[0]),
        json!({"name": "7F-701", "capacity": 10, "room_level_id": "omb_1",
               "room_status": {"status": true, "disable_end_time": "1795248000"},
               "device": [{"name": "电话"}, {"name": "投影"}]})
    );
    assert_eq!(rows[0].input.as_ref().unwrap().params.query["user_id_type"], "union_id");
    assert_eq!(body(&rows[1]), json!({"name": "7F, \"702\"", "capacity": 12, "room_level_id": "omb_1"}));
    assert_eq!(rows[1].place, "f.csv:3");
}

#[test]
fn a_meeting_row_reads_times_and_lists() {
    let rows = csv(
        MEETING,
        "id,not_before,priority,admin_userid,title,meeting_start,meeting_duration,invitees.userid,reminders.remind_before\n\
         m1,2026-11-21T00:00:00Z,9,zhang,例会,2026-11-21T16:00:00+08:00,3600, li ; wang;,0;900\n\
         m2,,,zhang,例会,1795248000,3600,,\n",
    );
    assert_eq!(
        body(&rows[0]),
        json!({"admin_userid": "zhang", "title": "例会", "meeting_start": 1_795_248_000, "meeting_duration": 3600,
               "invitees": {"userid": ["li", "wang"]}, "reminders": {"remind_before": [0, 900]}})
    );
    let job = rows[0].input.as_ref().unwrap();
    assert_eq!((job.id.as_str(), job.priority), ("m1", 9));
    assert_eq!(body(&rows[1])["meeting_start"], 1_795_248_000);
}

#[test]
fn a_rows_document_decodes_to_the_same_job() {
    let rows = csv(MEETING, "admin_userid,title,meeting_start,meeting_duration\nz,t,2026-11-21T16:00:00Z,300\n");
    let decoder = Decoder { catalog: Arc::clone(&CATALOG), apps: Apps::Any, rights: Arc::default() };
    let again = decoder.decode(&rows[0].raw, &decode::Defaults::default()).unwrap();
    assert_eq!(&again, rows[0].input.as_ref().unwrap());
    assert_eq!(again.batch.as_deref(), Some("b"));
}

fn ids(rows: &[Row]) -> Vec<String> {
    rows.iter().map(|row| row.input.as_ref().map_or_else(|no| no.id.clone().unwrap(), |job| job.id.clone())).collect()
}

#[test]
fn ids_are_made_of_the_content_where_the_row_brings_none() {
    let whole = ids(&csv(
        ROOM,
        "id,batch,name,capacity,room_level_id\n,,a,1,omb_o\nown,,b,1,omb_o\n,hq,c,1,omb_o\n,,,,\n\n,,d,1,omb_o\n",
    ));
    assert_eq!(whole[1], "own");
    assert!(
        whole[2].starts_with("hq:") && whole[0].starts_with("b:") && whole[0].len() == "b:".len() + 16,
        "{whole:?}"
    );
    let moved =
        ids(&csv(ROOM, "capacity,room_level_id,name,description\n1,omb_o,new,\n3,omb_o,d,changed\n1,omb_o,a,\n"));
    assert_eq!([&moved[1], &moved[2]], [&whole[3], &whole[0]], "inserted, moved and with other columns");
    let wrong = csv(ROOM, "name,capacity,room_level_id\na,ten,omb_o\n");
    assert_eq!(ids(&wrong), [whole[0].clone()], "also of a row with a fault");
}

#[test]
fn rows_that_want_the_same_without_ids_are_refused() {
    let text = "name,capacity,room_level_id\na,1,omb_o\nb,1,omb_o\na,2,omb_o\n";
    let rows = csv(ROOM, text);
    assert_eq!(
        faults(&rows[2]),
        [
            "wants the same as f.csv:2 (equal in body.name, body.room_level_id); take one row out, give both rows an id, or \
          number them with --allow-duplicates"
        ]
    );
    let numbered: Vec<Row> = open("f.csv", Some(ROOM), text.as_bytes())
        .unwrap()
        .with_ids(&RowIds::new(true, None))
        .map(Result::unwrap)
        .collect();
    let ids = ids(&numbered);
    assert_eq!(ids[2], format!("{}-2", ids[0]));
    let document: Value = serde_json::from_slice(&numbered[2].raw).unwrap();
    assert_eq!(document["id"], ids[2].as_str());
}

#[test]
fn rows_that_want_the_same_under_ids_of_their_own_are_noted() {
    let rows = csv(ROOM, "id,name,capacity,room_level_id\nx,a,1,omb_o\ny,a,1,omb_o\n,a,1,omb_o\nz,b,1,omb_o\n");
    let twins: Vec<Vec<String>> =
        rows.iter().map(|row| row.warnings.iter().map(|warning| warning.check.message()).collect()).collect();
    let same = vec!["looks the same as line 2".to_owned()];
    assert_eq!(twins, [vec![], same.clone(), same, vec![]]);
    assert!(rows.iter().all(|row| row.input.is_ok()));
}

#[test]
fn files_that_are_read_together_share_what_they_want() {
    let (ids, text) = (RowIds::default(), "name,capacity,room_level_id\na,1,omb_o\n");
    let of = |name| open(name, Some(ROOM), text.as_bytes()).unwrap().with_ids(&ids).map(Result::unwrap).next().unwrap();
    assert!(of("f.csv").input.is_ok());
    assert!(faults(&of("f (1).csv"))[0].starts_with("wants the same as f.csv:2 "));
}

#[test]
fn numbered_jobs_keep_their_ids_by_content_first() {
    let numbered = |id: &str, row: &Row| {
        let job = row.input.as_ref().unwrap();
        Numbered { id: id.to_owned(), object: job.object.unwrap(), contents: vec![job.content_hash().to_vec()] }
    };
    let before = csv(ROOM, "name,capacity,room_level_id\na,1,omb_o\nb,1,omb_o\n");
    let twice = csv(ROOM, "name,capacity,room_level_id\nb,7,omb_o\n");
    let jobs = vec![numbered("b:1", &before[0]), numbered("b:2", &before[1]), numbered("b:3", &twice[0])];
    let ids = RowIds::new(false, Some(Box::new(Ledger { numbered: jobs, jobs: Vec::new() })));
    let text = "name,capacity,room_level_id\nnew,1,omb_o\nb,7,omb_o\na,9,omb_o\nb,1,omb_o\n";
    let rows: Vec<Row> =
        open("f.csv", Some(ROOM), text.as_bytes()).unwrap().with_ids(&ids).map(Result::unwrap).collect();
    let found = self::ids(&rows);
    assert_eq!(&found[1..], ["b:3", "b:1", "b:2"], "the same content, a changed row, the same content");
    assert_eq!(found[0].len(), "b:".len() + 16);
    assert!(rows.iter().all(|row| row.input.is_ok()));
}

#[test]
fn lines_are_those_of_the_file() {
    let rows = csv(ROOM, "name,capacity,room_level_id\r\n\"a\r\nb\",1,omb_o\r\n\r\nc,x,omb_o\r\n");
    assert_eq!((rows[0].line, rows[1].line), (2, 5));
    assert_eq!(faults(&rows[1]), ["column 2 (capacity): expected an integer, got \"x\""]);
}

#[test]
fn faults_name_columns_and_items() {
    let rows = csv(
        MEETING,
        "admin_userid,title,meeting_start,meeting_duration,settings.remind_scope,invitees.userid,settings.enable_waiting_room\n\
         z,t,2026-11-21 16:00,5m,9,a;;b,maybe\n",
    );
    let found = faults(&rows[0]);
    for part in [
        "column 3 (meeting_start): expected a time with its zone, as ",
        "column 4 (meeting_duration): expected an integer, got \"5m\"",
        "column 5 (settings.remind_scope): expected one of 1, 2, 3, 4, got 9",
        "column 6 (invitees.userid), item 2: must not be empty",
        "column 7 (settings.enable_waiting_room): expected true or false (in a cell also yes, no, 是, 否), got \"maybe\"",
    ] {
        assert!(found.iter().any(|fault| fault.starts_with(part)), "{part} in {found:#?}");
    }
    assert_eq!(found.len(), 5, "{found:#?}");
}

#[test]
fn what_a_cell_may_hold_in_a_value_s_place_is_said() {
    let rows = csv(ROOM, "name,capacity,room_level_id,状态\na,1,omb_o,占用\nb,2,omb_o,启用\n");
    let [fault] = faults(&rows[0]).try_into().unwrap();
    assert!(fault.starts_with("column 4 (状态): expected true or false (in a cell also "), "{fault}");
    for word in ["启用", "停用", "disabled", "是", "否), got \"占用\""] {
        assert!(fault.contains(word), "{word} is not in: {fault}");
    }
    assert!(rows[1].input.is_ok());
    let rows = csv("wecom.oa.meetingroom.add", "name,capacity,设备\na,1,投影;黑板\n");
    let fault = faults(&rows[0]).concat();
    assert!(fault.starts_with("column 3 (设备), item 2: expected an integer (in a cell also "), "{fault}");
    assert!(fault.contains("白板"), "{fault}");
}

#[test]
fn several_methods_share_a_file() {
    let text = "method,app,name,capacity,room_level_id,summary,path.calendar_id,path.event_id\n\
                feishu.vc.room.create,acme,a,1,omb_o,,,\n\
                feishu.calendar.create,acme,,,,s,,\n\
                feishu.calendar.event.meeting_minute.create,acme,,,,,cal,ev\n\
                feishu.calendar.create,acme,a,,,s,,\n\
                feishu.nothing,acme,a,,,,,\n";
    let rows: Vec<Row> = open("f.csv", None, text.as_bytes()).unwrap().map(Result::unwrap).collect();
    assert!(rows[..3].iter().all(|row| row.input.is_ok()), "{rows:#?}");
    assert_eq!(rows[2].input.as_ref().unwrap().params.path["event_id"], "ev");
    let found = faults(&rows[3]);
    assert_eq!(found, ["column 3 (name): the row's method has no such parameter; leave the cell empty"]);
    assert_eq!(rows[4].input.as_ref().unwrap_err().reason(), Reason::UnknownMethod);
    assert!(faults(&rows[4])[0].starts_with("column 1 (method): "));
}

#[test]
fn a_header_is_judged_as_a_whole() {
    let found = refused("nmae,capacity,room_level_id,capacity,body.name,room_status\n".as_bytes());
    let lines: Vec<&str> = found.lines().collect();
    assert_eq!(lines.len(), 3, "{found}");
    assert_eq!(lines[0], "f.csv:1: column 1 (nmae): no method has such a parameter; did you mean \"name\"?");
    assert_eq!(lines[1], "f.csv:1: column 4 (capacity): the same as column 2 (capacity)");
    assert!(lines[2].starts_with("f.csv:1: column 6 (room_status): has parts"), "{found}");
    assert!(lines[2].contains("room_status.status, room_status.schedule_status"), "{found}");
    assert!(refused(b"name,body.name\n").contains("the same as column 1"), "a prefix changes nothing");
    assert!(
        refused("name，capacity\n".as_bytes()).contains("separated by '，'; expected a comma, a semicolon or a tab")
    );
    assert!(refused(b"").contains("f.csv:1: is empty"));
}

#[test]
fn a_title_above_the_headings_is_said_to_be_one() {
    let found = refused("Rooms of 2026,,\nname,capacity,room_level_id\n".as_bytes());
    assert_eq!(
        found.trim_end(),
        "f.csv:1: column 1 (Rooms of 2026): no method has such a parameter; if it is a title above the headings, give \
         --header-row with the number of their row, as in --header-row 2"
    );
    let found = refused("\n\nRooms of 2026\n".as_bytes());
    assert!(found.starts_with("f.csv:3: ") && found.contains("--header-row 4"), "{found}");
    let found = refused("colour,name,capacity,room_level_id\n".as_bytes());
    assert!(!found.contains("--header-row"), "a heading among others is none: {found}");
}

#[test]
fn method_and_app_come_from_somewhere() {
    let Err(error) = open("f.csv", None, b"name\na\n") else { panic!("no method") };
    assert_eq!(error.to_string(), "f.csv:1: names no method: add a column \"method\", or give --method");
}

#[test]
fn what_is_not_utf_8_is_named_by_its_line() {
    let bom = csv(ROOM, "\u{feff}name,capacity,room_level_id\n会,1,omb_o\n");
    assert_eq!(body(&bom[0])["name"], "会");
    let quoted = csv(ROOM, "\u{feff}\"name\",capacity,room_level_id\n会,1,omb_o\n");
    assert!(quoted[0].input.is_ok());
    let gbk = refused(b"name,capacity,room_level_id\na,1,omb_o\n\xbb\xe1,1,omb_o\n");
    assert!(gbk.starts_with("f.csv:3: is not UTF-8") && gbk.contains("CSV UTF-8"), "{gbk}");
}

#[test]
fn nothing_is_read_after_a_fault_of_the_file() {
    let mut rows = open("f.csv", Some(ROOM), b"name,capacity,room_level_id\n\xbb,1,omb_o\na,1,omb_o\n").unwrap();
    assert!(rows.next().unwrap().is_err());
    assert!(rows.next().is_none());
}

#[test]
fn columns_are_separated_as_the_header_is() {
    for (header, row) in [
        ("name;capacity;room_level_id", "\"7F;701, left\";10;omb_1"),
        ("name\tcapacity\troom_level_id", "7F;701, left\t10\tomb_1"),
    ] {
        let rows = csv(ROOM, &format!("{header}\n{row}\n"));
        assert_eq!(body(&rows[0]), json!({"name": "7F;701, left", "capacity": 10, "room_level_id": "omb_1"}));
    }
}

fn read_with(layout: Layout, name: &str, text: &str) -> Result<Vec<Row>, String> {
    let decoder = Arc::new(Decoder { catalog: Arc::clone(&CATALOG), apps: Apps::Any, rights: Arc::default() });
    let (method, app) = (Some(ROOM.to_owned()), Some("acme".to_owned()));
    let input = Input { name: name.to_owned(), batch: "b".to_owned(), method, app, bytes_max: 1_000, layout };
    let rows =
        Rows::open(decoder, input, Format::of(name).unwrap(), text.as_bytes()).map_err(|error| error.to_string())?;
    Ok(rows.map(Result::unwrap).collect())
}

#[test]
fn columns_and_rows_can_be_left_out() {
    let text =
        "name,备注,capacity,#row,room_level_id,building\na,x,1,1,omb_o,A\n,,,,,\nb,y,2,2,omb_o,B\nc,,3,3,omb_o,A\n";
    let ignored = vec!["备注".to_owned(), "building".to_owned()];
    let wanted = vec![("building".to_owned(), "A".to_owned())];
    let read =
        |rows, wanted| read_with(Layout { ignored: ignored.clone(), rows, wanted, ..Layout::default() }, "f.csv", text);
    let lines = |read: Result<Vec<Row>, String>| read.unwrap().iter().map(|row| row.line).collect::<Vec<_>>();
    assert!(read(None, Vec::new()).unwrap().iter().all(|row| row.input.is_ok()));
    assert_eq!(lines(read(None, Vec::new())), [2, 4, 5]);
    assert_eq!(lines(read(Some(2..=2), Vec::new())), [4], "a blank row does not count");
    assert_eq!(lines(read(Some(2..=u64::MAX), Vec::new())), [4, 5]);
    assert_eq!(lines(read(None, wanted.clone())), [2, 5]);
    assert_eq!(lines(read(Some(2..=9), wanted)), [5]);
    let refused = read(None, vec![("bulding".to_owned(), "A".to_owned())]).unwrap_err();
    assert_eq!(refused, "f.csv:1: has no column \"bulding\", which --where names; did you mean \"building\"?");
    let jobs = "{\"id\":\"a\"}\n\n{\"id\":\"b\"}\n{\"id\":\"c\"}\n";
    let slice = |rows| Layout { rows, ..Layout::default() };
    assert_eq!(lines(read_with(slice(Some(2..=2)), "f.jsonl", jobs)), [3]);
    let wanted = Layout { wanted: vec![("a".to_owned(), "b".to_owned())], ..Layout::default() };
    assert!(read_with(wanted, "f.jsonl", jobs).unwrap_err().contains("has no columns"));
}

fn table(rows: Vec<Result<TableRow, FileTrouble>>, layout: Layout) -> Result<Vec<Result<Row, FileError>>, FileError> {
    let decoder = Arc::new(Decoder { catalog: Arc::clone(&CATALOG), apps: Apps::Any, rights: Arc::default() });
    let (method, app) = (Some(ROOM.to_owned()), Some("acme".to_owned()));
    let input = Input { name: "f.xlsx".to_owned(), batch: "b".to_owned(), method, app, bytes_max: 1_000, layout };
    Rows::<&[u8]>::open_table(decoder, input, Box::new(rows.into_iter())).map(Iterator::collect)
}

fn table_row(number: u64, cells: &[&str]) -> TableRow {
    TableRow { number, cells: cells.iter().map(|cell| (*cell).to_owned()).collect(), faults: Vec::new() }
}

#[test]
fn rows_of_a_table_are_read_as_those_of_a_text() {
    let header = table_row(3, &["name", "capacity", "room_level_id", "device.name"]);
    let rounded =
        TableRow { faults: vec![(2, "was rounded".into())], ..table_row(7, &["b", "10", "6911234567890123000"]) };
    let rows = [table_row(1, &["Rooms"]), header, table_row(5, &["7F,701\" left", "10", "omb_1"]), rounded];
    let third = Layout { header_row: Some(3), ..Layout::default() };
    let rows = table(
        rows.into_iter().map(Ok).chain([Err(FileTrouble::FileUnreadable { error: "is cut".to_owned() })]).collect(),
        third.clone(),
    )
    .unwrap();
    let first = rows[0].as_ref().unwrap();
    assert_eq!((first.line, first.place.as_str()), (5, "f.xlsx:5"));
    assert_eq!(body(first), json!({"name": "7F,701\" left", "capacity": 10, "room_level_id": "omb_1"}));
    assert_eq!(first.cells.as_deref(), Some(r#"["7F,701\" left","10","omb_1",""]"#), "as wide as the header");
    let second = faults(rows[1].as_ref().unwrap());
    assert!(second.iter().any(|fault| fault.contains("column 3 (room_level_id): was rounded")), "{second:?}");
    assert_eq!(rows[2].as_ref().unwrap_err().to_string(), "f.xlsx:8: cannot be read: is cut");
    assert_eq!(table(Vec::new(), third).unwrap_err().to_string(), "f.xlsx:1: has no row 3, which --header-row names");
}

#[test]
fn rows_of_another_width_are_faults() {
    let rows = csv(ROOM, "name,capacity,room_level_id\na,1\na,1,omb_o,x\nb,1,omb_o,,\n");
    assert!(faults(&rows[0]).iter().any(|fault| fault.contains("the row has 2 cells and the header 3")));
    assert_eq!(faults(&rows[1]).len(), 1);
    assert!(rows[2].input.is_ok(), "empty cells too many do no harm");
    let rows = csv(ROOM, "name,capacity,room_level_id,\na,1,omb_o,x\nb,1,omb_o,\n");
    assert!(faults(&rows[0])[0].contains("column 4: the column has no name"));
    assert!(rows[1].input.is_ok());
}

#[test]
fn cells_are_kept_and_secrets_masked() {
    let header = "admin_userid,title,meeting_start,meeting_duration,settings.password\n";
    let rows = csv(MEETING, &format!("{header}z,\"a,b\",1795248000,300,9182\nz,t,1795248000,300,91827364\n"));
    assert_eq!(rows[0].cells.as_deref(), Some(r#"["z","a,b","1795248000","300","******"]"#));
    assert_eq!(body(&rows[0])["settings"]["password"], "9182", "the call itself has it");
    assert!(!format!("{:?}", faults(&rows[1])).contains("9182"));
    assert_eq!(open("f.csv", Some(MEETING), header.as_bytes()).unwrap().header().unwrap().len(), 5);
}

#[test]
fn an_id_stands_in_a_file_once() {
    let rows = csv(ROOM, "id,name,capacity,room_level_id\nx,a,1,omb_o\ny,b,1,omb_o\nx,a,1,omb_o\nx,c,1,omb_o\n");
    assert!(rows[0].input.is_ok() && rows[1].input.is_ok());
    for row in &rows[2..] {
        let rejection = row.input.as_ref().unwrap_err();
        assert_eq!(rejection.reason(), Reason::IdConflict);
        assert_eq!(rejection.id.as_deref(), Some("x"));
        assert!(rejection.detail().to_string().contains("duplicate id \"x\", already in f.csv:2"), "{rejection:?}");
    }
}

#[test]
fn json_lines_are_read_with_their_places() {
    let job = r#"{"app":"own","body":{"name":"a","capacity":1,"room_level_id":"omb_o"}}"#;
    let rows = jsonl(&format!("\u{feff}{job}\r\n\n  \n{job}\nnonsense\n{{\"id\":\"b:1\"}}"));
    assert_eq!(rows.len(), 4);
    let first = rows[0].input.as_ref().unwrap();
    assert_eq!((first.id.as_str(), first.lane.app.as_str(), first.lane.method.as_str()), ("b:1", "own", ROOM));
    assert_eq!(rows[0].raw, job.as_bytes(), "the line as it stands, without its ending");
    assert_eq!(rows[1].input.as_ref().unwrap().id, "b:4");
    assert_eq!((rows[2].place.as_str(), rows[2].cells.as_deref()), ("f.jsonl:5", None));
    assert_eq!(rows[2].input.as_ref().unwrap_err().reason(), Reason::Malformed);
    assert!(faults(&rows[3]).iter().any(|fault| fault.contains("duplicate id \"b:1\", already in f.jsonl:1")));
}

#[test]
fn formats_go_by_the_ending() {
    assert_eq!(Format::of("a.b/Rooms.CSV"), Ok(Format::Csv));
    assert_eq!(Format::of("x.ndjson"), Ok(Format::Jsonl));
    assert!(Format::of("rooms.xlsx").unwrap_err().contains("ends in .csv, .xlsx or .jsonl"));
}
